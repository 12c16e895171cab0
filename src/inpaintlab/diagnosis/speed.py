"""How fast a run will be, and how far it comes."""

import statistics
import time

from inpaintlab.diagnosis.result import Verdict
from inpaintlab.progress import bar
from inpaintlab.settings import TrainSettings
from inpaintlab.training.schedule import DEFAULT_MINUTES
from inpaintlab.training.trainer import Trainer

#: Steps that are timed, and seconds after which no further one is begun.
_STEPS, _SECONDS = 8, 8.0
#: A run that sees each image less often than this has hardly begun.
_FEW_EPOCHS = 1.0


def speed(trainer: Trainer, settings: TrainSettings, images: int) -> Verdict:
    """Time some steps of a trainer, which they change; `images` are those to train on in all."""
    pace = _pace(trainer)
    batch = settings.batch_size // settings.devices
    per_second = settings.batch_size / pace
    epoch = images / per_second
    minutes = settings.minutes or (None if settings.steps else DEFAULT_MINUTES)
    epochs = minutes * 60 / epoch if minutes else (settings.steps or 0) * settings.batch_size / images
    figures = {
        "seconds_per_step": pace, "images_per_second": per_second, "seconds_per_epoch": epoch,
        "epochs": epochs, "images": images,
    }  # fmt: skip
    how_far = (
        f"{minutes:g} minutes make {minutes * 60 / pace:,.0f} steps, {epochs:.1f} epochs"
        if minutes
        else f"{settings.steps:,} steps take {duration((settings.steps or 0) * pace)}, "
        f"{epochs:.1f} epochs"
    )
    text = (
        f"{per_second:.0f} images/s, {pace:.3g} s a step of {batch}; an epoch of {images:,} images "
        f"takes {duration(epoch)}; {how_far} (validation apart)"
    )
    if epochs < _FEW_EPOCHS:
        longer = f"--minutes {max(1, round(3 * epoch / 60))} shows every image three times"
        return Verdict("speed", "note", text, longer, figures)
    return Verdict("speed", "ok", text, "", figures)


def duration(seconds: float) -> str:
    """Write a time as people say it.

    >>> duration(42), duration(754), duration(9000)
    ('42 s', '12.6 min', '2.5 h')
    """
    if seconds < 100:
        return f"{seconds:.2g} s"
    return f"{seconds / 60:.1f} min" if seconds < 6000 else f"{seconds / 3600:.1f} h"


def _pace(trainer: Trainer) -> float:
    """Return the seconds that a step takes with its batch; the first, which is slow, does not count."""
    batches, start = trainer.batches_from(trainer.step), time.monotonic()
    # At a rate of nothing: what is timed need not change what comes after.
    trainer.rate_factor = 0.0
    taken: list[float] = []
    with bar("timing steps", _STEPS + 1) as advance:
        while len(taken) < 4 or (len(taken) <= _STEPS and time.monotonic() - start < _SECONDS):
            began = time.monotonic()
            float(trainer.take_step(next(batches)).scalars["loss"])
            trainer.step += 1
            taken.append(time.monotonic() - began)
            advance()
    return statistics.median(taken[1:])

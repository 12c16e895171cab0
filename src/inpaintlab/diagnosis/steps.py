"""What a few steps tell of a run: whether its learning rate suits its network, and how fast it is."""

import statistics
import time
from dataclasses import asdict

from inpaintlab.diagnosis import drawings
from inpaintlab.diagnosis.result import Verdict, Word
from inpaintlab.networks import learning_rate_of
from inpaintlab.progress import bar
from inpaintlab.settings import ResolvedTrainSettings
from inpaintlab.training.rate import HIGHEST, RateTest, reason
from inpaintlab.training.schedule import DEFAULT_MINUTES
from inpaintlab.training.trainer import Trainer

#: A run's rate more than so many times the suggestion, or so many times below it, is a note.
_FAR = 5.0
#: Steps that are timed, and seconds after which no further one is begun.
_STEPS, _SECONDS = 8, 8.0
#: A run that sees each image less often than this has hardly begun.
_FEW_EPOCHS = 1.0


def judge_rate(test: RateTest, trainer: Trainer, seconds: float) -> Verdict:
    """Compare a run's rate with a range test that had so many seconds."""
    settings, own = trainer.settings, learning_rate_of(trainer.network)
    auto = settings.learning_rate == "auto"
    used = (test.suggestion or own) if auto else float(settings.learning_rate)
    limit = test.divergence or HIGHEST
    diverges = f"diverges at {limit:.2g}" if test.divergence else "does not diverge up to 1"
    tried = f"{len(test.rates)} steps of {test.images} images"
    rough = test.images < settings.batch_size // settings.devices
    if rough:
        tried += f", as steps are slow: rough, -s seconds={4 * seconds:g} is better"
    advice = f"--lr {test.suggestion:g}" if test.suggestion else ""
    text = (
        f"suggested {test.suggestion:g} ({reason(test)}), training {diverges} ({tried}); "
        f"the run takes {used:g}"
        if test.suggestion
        else f"the loss falls at no rate from {test.rates[0]:.0e} to {test.rates[-1]:.0e} ({tried})"
    )
    word, how = _compare(used, test.suggestion, limit, rough)
    if test.suggestion is None:
        advice = "look at the parts activations and capacity first"
    return Verdict(
        "learning rate",
        word,
        f"{how}{text}",
        advice if word != "ok" else "",
        asdict(test) | {"used": used, "auto": auto},
        blocks=drawings.rate_curve(test, used),
    )


def _compare(used: float, suggestion: float | None, limit: float, rough: bool) -> tuple[Word, str]:
    """Return a word for a rate beside the one suggested, and the beginning of a sentence."""
    if suggestion is None:
        return "finding", ""
    if used >= limit:
        return "finding", "far too high: "
    if rough:  # smaller batches bear smaller rates: no ground to call the run's unfit
        return "ok", ""
    if used > _FAR * suggestion:
        return "note", "rather high: "
    if used < suggestion / _FAR**2:
        return "finding", "far too low: "
    return ("note", "rather low: ") if used < suggestion / _FAR else ("ok", "")


def speed(trial: Trainer, settings: ResolvedTrainSettings, images: int) -> Verdict:
    """Time some steps of a trainer, which they change; `images` are those to train on in all."""
    pace = _pace(trial)
    batch = settings.batch_size // settings.devices
    per_second = settings.batch_size / pace
    epoch = images / per_second
    steps = settings.steps or 0
    minutes = settings.minutes or (None if steps else DEFAULT_MINUTES)
    epochs = minutes * 60 / epoch if minutes else steps * settings.batch_size / images
    figures = {
        "seconds_per_step": pace, "images_per_second": per_second, "seconds_per_epoch": epoch,
        "epochs": epochs, "images": images,
    }  # fmt: skip
    how_far = (
        f"{minutes:g} minutes make {minutes * 60 / pace:,.0f} steps"
        if minutes
        else f"{steps:,} steps take {duration(steps * pace)}"
    )
    text = (
        f"{per_second:.0f} images/s, {pace:.3g} s a step of {batch}; an epoch of {images:,} images "
        f"takes {duration(epoch)}; {how_far}, {epochs:.1f} epochs (validation apart)"
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


def _pace(trial: Trainer) -> float:
    """Return the seconds that a step takes with its batch; the first, which is slow, does not count."""
    batches, start = trial.batches_from(trial.step), time.monotonic()
    # At a rate of nothing: what is timed need not change what comes after.
    trial.rate_factor = 0.0
    taken: list[float] = []
    with bar("timing steps", _STEPS + 1) as advance:
        while len(taken) < 4 or (len(taken) <= _STEPS and time.monotonic() - start < _SECONDS):
            began = time.monotonic()
            float(trial.take_step(next(batches)).scalars["loss"])
            trial.step += 1
            taken.append(time.monotonic() - began)
            advance()
    return statistics.median(taken[1:])

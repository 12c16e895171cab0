"""What can be told of a network before its run: memory, signals, learning rate, and how fast it is."""

import statistics
import time
from copy import deepcopy
from dataclasses import asdict

import torch
from torch import Tensor, nn

from inpaintlab.data.loading import kept_bytes
from inpaintlab.data.storage import Cache
from inpaintlab.diagnosis import drawings
from inpaintlab.diagnosis.result import Verdict
from inpaintlab.errors import MemoryLimitError
from inpaintlab.layers.batch_norm import LEAST_BATCH, small_batch_warning
from inpaintlab.layers.initialise import variances
from inpaintlab.networks import learning_rate_of
from inpaintlab.progress import bar
from inpaintlab.settings import ResolvedTrainSettings
from inpaintlab.training.memory import check_memory, predict
from inpaintlab.training.rate import HIGHEST, RateTest, reason
from inpaintlab.training.schedule import DEFAULT_MINUTES
from inpaintlab.training.trainer import Trainer

#: Variance of a layer's output, in training mode, outside of which signals have vanished or exploded.
#: All our networks lie far within (tests/diagnosis/test_network.py).
VANISHED, EXPLODED = 1e-7, 1e4
#: More than this share of the free memory is a note.
_TIGHT = 0.8
#: A run's rate more than so many times the suggestion, or so many times below it, is a note.
_FAR = 5.0
#: Steps that are timed, and seconds after which no further one is begun.
_STEPS, _SECONDS = 8, 8.0
#: A run that sees each image less often than this has hardly begun.
_FEW_EPOCHS = 1.0


def memory(trainer: Trainer, free: int) -> Verdict:
    """Compare what a run will take with the bytes that are free, and say what fits."""
    settings, network = trainer.settings, trainer.network
    stored = trainer.augmentation.stored_size(settings.size)
    cache = Cache(settings.cache, settings.cache_dir)
    kept = kept_bytes(trainer.source, settings.size, stored, cache)
    batch = settings.batch_size // settings.devices
    needed = predict(network, settings.size, batch, images=kept, workers=settings.workers or 0)
    share, more = free // settings.devices, needed.more
    fits = max(0, int((share - more + needed.activations) * batch / max(1, needed.activations)))
    figures = {"needed": more, "free": share, "largest_batch": fits, "activations": needed.activations}
    try:
        check_memory(needed, network, settings.size, batch, share)
    except MemoryLimitError as error:
        text, _, cure = str(error).rpartition(": ")
        return Verdict("memory", "finding", text, cure, figures)
    text = (
        f"a run needs {more / 1e9:.2f} GB with --batch-size {batch} at {settings.size} px, "
        f"{share / 1e9:.1f} GB are free; up to --batch-size {fits:,} fits"
    )
    ok = Verdict("memory", "ok", text, figures=figures)
    tight = more > _TIGHT * share
    return ok.worse("note", f"--batch-size {max(1, fits // 2)} leaves some room") if tight else ok


def batch_norm(network: nn.Module, batch_size: int) -> Verdict:
    """Judge whether batches, of one device, are large enough for the network's batch norm."""
    figures = {"batch_size": batch_size, "least": LEAST_BATCH}
    text, _, cure = small_batch_warning(network, batch_size).partition(": ")
    sound = f"none, or batches of at least {LEAST_BATCH}"
    return Verdict("batch norm", "note" if text else "ok", text or sound, cure, figures)


def activations(
    fresh: nn.Module, used: nn.Module, image: Tensor, mask: Tensor, changed: bool
) -> Verdict:
    """Judge the variance of every layer's output for a batch, with the initial weights.

    `fresh` has the network's own initial weights, `used` those that the run begins with, which are
    others where they are `changed`.
    """
    own, now = (_variances(network, image, mask) for network in (fresh, used))
    low, high = min(now, key=now.__getitem__), max(now, key=now.__getitem__)
    text = (
        f"variance of the {len(now)} layers' outputs {now[low]:.1e} ({low}) to {now[high]:.1e} ({high})"
    )
    drawn = {"the run's initial weights": [*now.values()]}
    if changed:
        text += f"; with the network's own weights {min(own.values()):.1e} to {max(own.values()):.1e}"
        drawn["the network's own"] = [own[name] for name in now]
    figures = {
        "layers": [{"name": name, "before": own[name], "after": now[name]} for name in now],
        "initialised": changed,
    }
    blocks = drawings.variances(drawn, (VANISHED, EXPLODED))
    broken = [name for name, variance in now.items() if not VANISHED <= variance <= EXPLODED]
    if not broken:
        return Verdict("activations", "ok", text, figures=figures, blocks=blocks)
    first = now[broken[0]]
    how = "vanish" if first < VANISHED else "explode"
    text = f"signals {how} at the start: {text}; first at {broken[0]} with {first:.1e}"
    advice = "leave initialise out" if changed else "-s initialise=lsuv brings every layer to variance 1"
    return Verdict("activations", "finding", text, advice, figures, blocks=blocks)


def _variances(network: nn.Module, image: Tensor, mask: Tensor) -> dict[str, float]:
    device = next(network.parameters()).device
    torch.manual_seed(0)
    return variances(deepcopy(network), [image.to(device), mask.to(device)], training=True)


def judge_rate(test: RateTest, trainer: Trainer, seconds: float) -> Verdict:
    """Compare a run's rate with a range test that had so many seconds."""
    settings, own = trainer.settings, learning_rate_of(trainer.network)
    suggestion, auto = test.suggestion, settings.learning_rate == "auto"
    used = (suggestion or own) if auto else float(settings.learning_rate)
    limit = test.divergence or HIGHEST
    tried = f"{len(test.rates)} steps of {test.images} images"
    # Smaller batches bear smaller rates: no ground to call the run's unfit.
    rough = test.images < settings.batch_size // settings.devices
    if rough:
        tried += f", as steps are slow: rough, -s seconds={4 * seconds:g} is better"
    figures, drawn = asdict(test) | {"used": used, "auto": auto}, drawings.rate_curve(test, used)
    if suggestion is None:
        low, high = test.rates[0], test.rates[-1]
        text = f"the loss falls at no rate from {low:.0e} to {high:.0e} ({tried})"
        advice = "look at the parts activations and capacity first"
        return Verdict("learning rate", "finding", text, advice, figures, blocks=drawn)
    diverges = f"diverges at {limit:.2g}" if test.divergence else "does not diverge up to 1"
    text = (
        f"suggested {suggestion:g} ({reason(test)}), training {diverges} ({tried}); "
        f"the run takes {used:g}"
    )
    ok = Verdict("learning rate", "ok", text, figures=figures, blocks=drawn)
    advice = f"--lr {suggestion:g}"
    if used >= limit:
        return ok.worse("finding", advice, "far too high: ")
    if rough or suggestion / _FAR <= used <= suggestion * _FAR:
        return ok
    if used < suggestion / _FAR**2:
        return ok.worse("finding", advice, "far too low: ")
    return ok.worse("note", advice, "rather high: " if used > suggestion else "rather low: ")


def speed(trial: Trainer, settings: ResolvedTrainSettings, images: int) -> Verdict:
    """Time some steps of a trainer, which they change; `images` are those to train on in all."""
    pace = _pace(trial)
    per_second = settings.batch_size / pace
    epoch = images / per_second
    minutes = settings.minutes or (None if settings.steps else DEFAULT_MINUTES)
    steps = minutes * 60 / pace if minutes else float(settings.steps or 0)
    epochs = steps * settings.batch_size / images
    figures = {
        "seconds_per_step": pace, "images_per_second": per_second, "seconds_per_epoch": epoch,
        "epochs": epochs, "images": images,
    }  # fmt: skip
    how_far = (
        f"{minutes:g} minutes make {steps:,.0f} steps"
        if minutes
        else f"{steps:,.0f} steps take {duration(steps * pace)}"
    )
    text = (
        f"{per_second:.0f} images/s, {pace:.3g} s a step of {settings.batch_size // settings.devices}; "
        f"an epoch of {images:,} images takes {duration(epoch)}; {how_far}, {epochs:.1f} epochs "
        "(validation apart)"
    )
    ok = Verdict("speed", "ok", text, figures=figures)
    longer = f"--minutes {max(1, round(3 * epoch / 60))} shows every image three times"
    return ok.worse("note", longer) if epochs < _FEW_EPOCHS else ok


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

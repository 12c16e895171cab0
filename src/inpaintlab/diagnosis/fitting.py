"""Verdicts on how well a run has learnt: too little, and why; or its training images alone."""

from collections.abc import Callable
from dataclasses import asdict

import numpy as np

from inpaintlab.arrays import Float64
from inpaintlab.diagnosis.evidence import FAR_BELOW, FEW_STEPS, LEAST_AHEAD, Evidence
from inpaintlab.diagnosis.result import Verdict, count
from inpaintlab.evaluation.statistics import Interval, bootstrap_interval
from inpaintlab.masks import ratio_bin

#: A gap of training over validation is over-fitting from so many dB on, and if it is surely above the
#: second. Sound runs of three epochs have up to 0.3, one of 60 images and 130 epochs 3.4.
_GAP, _SURELY = 1.0, 0.5
#: Error on known pixels over that of one colour, above which a network cannot pass on what it sees;
#: sound ones have 0.4 to 0.5 after 300 steps.
_BLIND = 0.65
#: Weights shrink by exp(-Σ rate × decay) where no gradient holds them: from 1 on it is most of them.
_SHRINKS = 1.0
#: Training's own error over that on images as they are, from which augmentation makes it too hard.
_HARDER = 1.3
#: Numbers of a bottleneck over those of a hole, as `inpaint summary` has it.
_NARROW = 0.1
#: Epochs, and dB gained in the second half, that tell a run which is not over.
_FEW_EPOCHS, _STILL_GAINS = 10.0, 0.3


def under_fitting(evidence: Evidence) -> Verdict:
    """The run has not even learnt its training images; `blame` says why."""
    best, last = evidence.best_and_last
    found = best.train
    ahead = bootstrap_interval(found.hole_psnr - evidence.telea_train, evidence.repeats)
    text = (
        f"{found.hole_psnr.mean():.2f} dB in holes of training images, {ahead.mean:+.2f} dB"
        f"{_interval(ahead, '+')} beside Telea's method, which learns nothing; known pixels with "
        f"{found.known_missed:.0%} of the error of one colour"
    )
    figures = {
        "train_psnr": float(found.hole_psnr.mean()), "ahead": asdict(ahead),
        "known_missed": found.known_missed,
    }  # fmt: skip
    ok = Verdict("under-fitting", "ok", text, figures=figures)
    known_weight = float(evidence.settings.objective.arguments.get("known_weight", 1.0))
    blind = found.known_missed > _BLIND and known_weight > 0
    if ahead.mean > LEAST_AHEAD and not blind:
        return ok
    if evidence.worse_in_use:
        errors = f"{evidence.own_error:.3f} in training, {last.train.hole_l1:.3f} now"
        words = f"learnt, but fills otherwise: error in the hole {errors}: "
        return ok.worse("note", "look at colour shift and seam", words)
    for reason, look in BLAMES.items():
        if blamed := look(evidence):
            words, advice = blamed
            return ok.worse("finding", advice, f"{words}: ", reason)
    words = "neither rate, decay, bottleneck nor time is to blame, so the network is: "
    advice = "-s network.width=48 makes it wider; inpaint check tries whether it can overfit one batch"
    return ok.worse("finding", advice, words, "capacity")


def _blame_rate(evidence: Evidence) -> tuple[str, str] | None:
    """The learning rate is far below the network's own, or was brought there by the guards."""
    rate = evidence.rate * evidence.rate_factor
    if rate * FAR_BELOW >= evidence.own_rate:
        return None
    words = f"the learning rate of {rate:.2g} is far below the network's own, {evidence.own_rate:g}"
    return words, "--lr auto, or leave the rate out"


def _blame_regularisation(evidence: Evidence) -> tuple[str, str] | None:
    """Weight decay holds the weights down, or augmented images are much harder than real ones."""
    decay, rates = evidence.settings.weight_decay, evidence.column("learning_rate")
    shrinks = decay * float(rates.mean()) * evidence.steps if len(rates) else 0.0
    if shrinks > _SHRINKS:
        fold = f"{np.exp(min(shrinks, 99)):.3g}-fold"
        return f"weight decay of {decay:g} alone would shrink weights {fold}", "-s weight_decay=0.01"
    harder = evidence.own_error / max(1e-9, evidence.best_and_last[1].train.hole_l1)
    name = evidence.settings.augment.name
    if harder <= _HARDER or name in ("none", "flip"):
        return None
    return f"augmented images ({name}) have {harder:.1f} times the error of real ones", "--augment light"


def _blame_bottleneck(evidence: Evidence) -> tuple[str, str] | None:
    """Fewer numbers pass the bottleneck than a hole needs."""
    numbers = evidence.bottleneck
    assert evidence.settings.size is not None  # resolved
    hole = 3 * evidence.settings.size**2 * float(np.mean(evidence.ratios))
    if numbers is None or numbers >= _NARROW * hole:
        return None
    has_size = "bottleneck_size" in evidence.settings.network.arguments
    wide = max(2 * numbers, round(hole / 4))
    wider = f"-s network.bottleneck_size={wide}" if has_size else "a wider network"
    words = f"{numbers:,} numbers pass the bottleneck, a hole has {hole:,.0f}"
    return words, f"{wider}, or one with skips (--network swift)"


def _blame_time(evidence: Evidence) -> tuple[str, str] | None:
    """Images were seen a few times only, or validation still rose from the middle of the run on."""
    values = evidence.column("hole_psnr", validation=True)
    before = [line for line in evidence.validations if line.step <= evidence.steps / 2]
    gained = float(values[-1] - values[len(before) - 1]) if before else 0.0
    enough = evidence.epochs >= _FEW_EPOCHS and evidence.steps >= FEW_STEPS
    if enough and gained < _STILL_GAINS:
        return None
    words = f"too short, {evidence.steps:,} steps are {evidence.epochs:.1f} epochs"
    words += f", and the second half gained {gained:.2f} dB" if gained else ""
    three_epochs = round(3 * evidence.train_count / evidence.settings.batch_size)
    return words, f"{_longer(evidence, three_epochs)} gives it the time"


def _longer(evidence: Evidence, least: int = 0) -> str:
    """Return the flag of a run four times as long, at least so many steps, in what the run was given."""
    times = max(4.0, least / max(1, evidence.steps))
    minutes = evidence.settings.minutes
    return f"--minutes {minutes * times:.3g}" if minutes else f"--steps {round(evidence.steps * times)}"


def _blame_data(evidence: Evidence) -> tuple[str, str] | None:
    """Many images are none, which no network learns to fill."""
    if evidence.images.word != "finding":
        return None
    return f"images to learn from: {evidence.images.text}", "inpaint prepare leaves out what is none"


#: What may be to blame -> what shows it, the first that does. A rate or a decay that is far off spoils a
#: run whatever else it has; a bottleneck leaves its mark however long one trains. Odd images come last:
#: a few of them spoil no run.
BLAMES: dict[str, Callable[[Evidence], tuple[str, str] | None]] = {
    "learning rate": _blame_rate,
    "regularisation": _blame_regularisation,
    "bottleneck": _blame_bottleneck,
    "time": _blame_time,
    "data": _blame_data,
}


def gain(evidence: Evidence) -> Verdict:
    """Whether validation images are filled better than by what learns nothing."""
    found = evidence.best_and_last[0].val
    ahead = bootstrap_interval(found.hole_psnr - evidence.telea_val, np.arange(len(found.hole_psnr)))
    of_images = count(len(found.hole_psnr), "validation image")
    text = (
        f"{found.hole_psnr.mean():.2f} dB in holes of {of_images}, "
        f"{ahead.mean:+.2f} dB{_interval(ahead, '+')} beside Telea's method; the error is "
        f"{found.hole_missed:.0%} of that of one colour"
    )
    ok = Verdict("gain", "ok", text, figures={"ahead": asdict(ahead), "missed": found.hole_missed})
    longer = f"{_longer(evidence)} gives it more time; more images give it more to learn"
    if found.hole_missed >= 1 or ahead.mean <= 0:
        return ok.worse("finding", longer, "a method that learns nothing fills as well: ")
    if ahead.low is not None and ahead.low <= 0:
        return ok.worse("finding", longer, "the interval is wider than the gain, so there may be none: ")
    return ok


def over_fitting(evidence: Evidence) -> Verdict:
    """Training images are filled better than others."""
    last = evidence.best_and_last[1]
    train, val = last.train.hole_psnr, last.val.hole_psnr
    # Less what a method that learns nothing has on the same images: some are easier than others, and
    # the interval is a good deal narrower without that.
    gaps = (train - evidence.telea_train) - (val - evidence.telea_val)
    # Values of the same training image say less than as many different ones.
    gap = bootstrap_interval(gaps, evidence.repeats)
    bins = _gaps_by_ratio(gaps, evidence.ratios)
    validated = evidence.column("hole_psnr", validation=True)
    fell = float(validated.max() - validated[-1]) if len(validated) else 0.0
    figures = {
        "train_psnr": float(train.mean()), "val_psnr": float(val.mean()), "gap": asdict(gap),
        "bins": [{"holes": holes, "n": n, "gap": mean} for holes, n, mean in bins], "fell": fell,
    }  # fmt: skip
    text = (
        f"training images {train.mean():.2f} dB in the hole, validation {val.mean():.2f}: a gap of "
        f"{gap.mean:.2f} dB{_interval(gap)}, {len(gaps)} images of each part, less that of Telea's "
        "method on the same"
    )
    # A gap without an interval, of a handful of images, is no ground for a verdict.
    if gap.mean < _GAP or gap.low is None or gap.low < _SURELY:
        return Verdict("over-fitting", "ok", text, figures=figures)
    sizes = ", ".join(f"{holes} {mean:+.1f} dB ({n})" for holes, n, mean in bins)
    text += f"; by hole {sizes}; each image was seen {evidence.epochs:.0f} times"
    text += f"; validation ended {fell:.2f} dB below its best" if fell > 0 else ""
    stronger = {"none": "light", "flip": "medium", "light": "medium"}
    how = stronger.get(evidence.settings.augment.name, "strong")
    advice = (
        f"--augment {how}, more images, or fewer steps (model.safetensors is of the best validation)"
    )
    return Verdict("over-fitting", "finding", text, advice, figures)


def _gaps_by_ratio(gaps: Float64, ratios: list[float]) -> list[tuple[str, int, float]]:
    """Return bin, number and mean gap of every bin of hole ratios that has images, smallest first."""
    names = np.array([ratio_bin(ratio) for ratio in ratios])
    order = dict.fromkeys(ratio_bin(tenth / 10) for tenth in range(1, 11))
    parts = ((name, gaps[names == name]) for name in order)
    return [(name, len(part), float(part.mean())) for name, part in parts if len(part)]


def _interval(found: Interval, sign: str = "") -> str:
    """Return a space and an interval in brackets, empty where there is none."""
    return "" if found.low is None else f" ({found.low:{sign}.2f} to {found.high:{sign}.2f})"

"""Verdicts on how well a run has learnt: too little, and why; or its training images alone."""

from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from inpaintlab.arrays import Float64
from inpaintlab.diagnosis.evidence import Evidence
from inpaintlab.diagnosis.result import Verdict
from inpaintlab.evaluation.statistics import Interval, bootstrap_interval
from inpaintlab.masks import ratio_bin

#: A gap of training over validation is over-fitting from so many dB on, and if it is surely above the
#: second. Sound runs of three epochs have up to 0.3, one of 60 images and 130 epochs 3.4.
_GAP, _SURELY = 1.0, 0.5
#: Training images should be filled better than by a method that learns nothing, by so many dB. The
#: weakest sound runs have 0.5 to 0.8 after 300 steps, one with a bottleneck of two numbers -0.4 to -0.1.
LEAST_AHEAD = 0.3
#: Error on known pixels over that of one colour, above which a network cannot pass on what it sees;
#: sound ones have 0.4 to 0.5 after 300 steps.
_BLIND = 0.65
#: A peak rate so many times below the network's own is to blame.
FAR_BELOW = 5.0
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
    found, part = best.train, "under-fitting"
    ahead = bootstrap_interval(found.hole_psnr - evidence.telea_train, evidence.repeats)
    blind = found.known_missed > _BLIND and _known_weight(evidence) > 0
    text = (
        f"{found.hole_psnr.mean():.2f} dB in holes of training images, {ahead.mean:+.2f} dB "
        f"{_interval(ahead, '+')} beside Telea's method, which learns nothing; known pixels with "
        f"{found.known_missed:.0%} of the error of one colour"
    )
    figures = {
        "train_psnr": float(found.hole_psnr.mean()), "ahead": asdict(ahead),
        "known_missed": found.known_missed,
    }  # fmt: skip
    if ahead.mean > LEAST_AHEAD and not blind:
        return Verdict(part, "ok", text, "", figures)
    if evidence.worse_in_use:
        own, used = evidence.own_error, last.train.hole_l1.mean()
        words = f"learnt, but fills otherwise: error in the hole {own:.3f} in training, {used:.3f} now"
        return Verdict(part, "note", f"{words}: {text}", "look at colour shift and seam", figures)
    for reason, look in BLAMES.items():
        if blamed := look(evidence):
            words, advice = blamed
            return Verdict(part, "finding", f"{words}: {text}", advice, figures, reason)
    words = "neither rate, decay, bottleneck nor time is to blame, so the network is"
    advice = "-s network.width=48 makes it wider; inpaint check tries whether it can overfit one batch"
    return Verdict(part, "finding", f"{words}: {text}", advice, figures, "capacity")


def blame_rate(evidence: Evidence) -> tuple[str, str] | None:
    """The learning rate is far below the network's own, or was brought there by the guards."""
    rate = evidence.rate * evidence.rate_factor
    if rate * FAR_BELOW >= evidence.own_rate:
        return None
    words = f"the learning rate of {rate:.2g} is far below the network's own, {evidence.own_rate:g}"
    return words, "--lr auto, or leave the rate out"


def blame_regularisation(evidence: Evidence) -> tuple[str, str] | None:
    """Weight decay holds the weights down, or augmented images are much harder than real ones."""
    decay = evidence.settings.weight_decay
    rates = evidence.column("learning_rate")
    shrinks = decay * float(rates.mean()) * evidence.steps if len(rates) else 0.0
    if shrinks > _SHRINKS:
        words = (
            f"weight decay of {decay:g} alone would shrink weights {np.exp(min(shrinks, 99)):.3g}-fold"
        )
        return words, "-s weight_decay=0.01"
    own = evidence.own_error
    plain = float(evidence.best_and_last[1].train.hole_l1.mean())
    name = evidence.settings.augment.name
    if own > _HARDER * plain and name not in ("none", "flip"):
        words = f"augmented images ({name}) have {own / plain:.1f} times the error of real ones"
        return words, "--augment light"
    return None


def blame_bottleneck(evidence: Evidence) -> tuple[str, str] | None:
    """Fewer numbers pass the bottleneck than a hole needs."""
    if evidence.bottleneck is None:
        return None
    assert evidence.settings.size is not None  # resolved
    hole = 3 * evidence.settings.size**2 * float(np.mean(evidence.ratios))
    if evidence.bottleneck >= _NARROW * hole:
        return None
    words = f"{evidence.bottleneck:,} numbers pass the bottleneck, a hole has {hole:,.0f}"
    wide = max(2 * evidence.bottleneck, round(hole / 4))
    has_size = "bottleneck_size" in evidence.settings.network.arguments
    wider = f"-s network.bottleneck_size={wide}" if has_size else "a wider network"
    return words, f"{wider}, or one with skips (--network swift)"


def blame_time(evidence: Evidence) -> tuple[str, str] | None:
    """Images were seen a few times only, or validation still rose."""
    steps = f"{evidence.steps:,} steps are {evidence.epochs:.1f} epochs"
    gained = _gained(evidence)
    if evidence.epochs >= _FEW_EPOCHS and gained < _STILL_GAINS:
        return None
    longer = max(4 * evidence.steps, round(3 * evidence.train_count / evidence.settings.batch_size))
    words = f"too short, {steps}" + (f", and the second half gained {gained:.2f} dB" if gained else "")
    return words, f"--steps {longer} gives it the time"


#: What may be to blame -> what shows it, the first that does. A rate or a decay that is far off spoils a
#: run whatever else it has; a bottleneck leaves its mark however long one trains; time comes last.
BLAMES: dict[str, Callable[[Evidence], tuple[str, str] | None]] = {
    "learning rate": blame_rate,
    "regularisation": blame_regularisation,
    "bottleneck": blame_bottleneck,
    "time": blame_time,
}


def over_fitting(evidence: Evidence) -> Verdict:
    """Training images are filled better than others."""
    last, part = evidence.best_and_last[1], "over-fitting"
    train, val = last.train.hole_psnr, last.val.hole_psnr
    # Less what a method that learns nothing has on the same images: some are easier than others, and
    # the interval is a good deal narrower without that.
    gaps = (train - evidence.telea_train) - (val - evidence.telea_val)
    # Values of the same training image say less than as many different ones.
    gap = bootstrap_interval(gaps, evidence.repeats)
    bins = gaps_by_ratio(gaps, evidence.ratios)
    fell = _fell(evidence)
    figures: dict[str, Any] = {
        "train_psnr": float(train.mean()), "val_psnr": float(val.mean()), "gap": asdict(gap),
        "bins": [asdict(one) for one in bins], "fell": fell,
    }  # fmt: skip
    text = (
        f"training images {train.mean():.2f} dB in the hole, validation {val.mean():.2f}: a gap of "
        f"{gap.mean:.2f} dB {_interval(gap)}, {len(gaps)} images of each part, less that of Telea's "
        "method on the same"
    )
    # A gap without an interval, of a handful of images, is no ground for a verdict.
    if gap.mean < _GAP or gap.low is None or gap.low < _SURELY:
        return Verdict(part, "ok", text, "", figures)
    sizes = ", ".join(f"{one.holes} {one.gap:+.1f} dB ({one.n})" for one in bins)
    text += f"; by hole {sizes}; each image was seen {evidence.epochs:.0f} times"
    if fell > 0:
        text += f"; validation ended {fell:.2f} dB below its best"
    stronger = {"none": "light", "flip": "medium", "light": "medium"}
    how = stronger.get(evidence.settings.augment.name, "strong")
    advice = (
        f"--augment {how}, more images, or fewer steps (model.safetensors is of the best validation)"
    )
    return Verdict(part, "finding", text, advice, figures)


@dataclass(frozen=True)
class Gap:
    """The mean gap in dB of images whose holes are in one bin of ratios."""

    holes: str
    n: int
    gap: float


def gaps_by_ratio(gaps: Float64, ratios: list[float]) -> list[Gap]:
    """Return the mean gap of every bin of hole ratios that has images, smallest holes first."""
    names = np.array([ratio_bin(ratio) for ratio in ratios])
    order = dict.fromkeys(ratio_bin(tenth / 10) for tenth in range(1, 11))
    return [
        Gap(name, int((names == name).sum()), float(gaps[names == name].mean()))
        for name in order
        if name in names
    ]


def _interval(found: Interval, sign: str = "") -> str:
    """Return an interval in brackets, empty where there is none."""
    return "" if found.low is None else f"({found.low:{sign}.2f} to {found.high:{sign}.2f})"


def _known_weight(evidence: Evidence) -> float:
    return float(evidence.settings.objective.arguments.get("known_weight", 1.0))


def _gained(evidence: Evidence) -> float:
    """Return the dB that validation rose from the middle of the run to its end."""
    values = evidence.column("hole_psnr", validation=True)
    before = [line for line in evidence.validations if line.step <= evidence.steps / 2]
    return float(values[-1] - values[len(before) - 1]) if before else 0.0


def _fell(evidence: Evidence) -> float:
    """Return the dB that the last validation lies below the best one."""
    values = evidence.column("hole_psnr", validation=True)
    return float(values.max() - values[-1]) if len(values) else 0.0

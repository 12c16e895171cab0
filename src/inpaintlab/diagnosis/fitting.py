"""Verdicts on how well a run has learnt: too little, and why; or its training images by heart."""

from collections.abc import Callable
from typing import Any

import numpy as np

from inpaintlab.arrays import Float64
from inpaintlab.diagnosis.evidence import Evidence
from inpaintlab.diagnosis.verdict import Verdict
from inpaintlab.masks import ratio_bin

#: Resamples of a bootstrap interval of 95 %, and their seed.
RESAMPLES, SEED = 2000, 7
#: A gap of training over validation is over-fitting from so many dB on, and if it is surely above the
#: second. Sound runs of three epochs have up to 0.3, one of 60 images and 130 epochs 3.4.
_GAP, _SURELY = 1.0, 0.5
#: Training images should be filled better than by a method that learns nothing, by so many dB. The
#: weakest sound runs have 0.5 to 0.8 after 300 steps, one with a bottleneck of two numbers -0.4 to -0.1.
LEAST_AHEAD = 0.3
#: Error on known pixels over that of one colour, above which a network cannot paint what it sees; sound
#: ones have 0.4 to 0.5 after 300 steps.
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
    """The run has not even learnt its training images; `figures["blame"]` says why."""
    found = evidence.best["train"]
    ahead = found.hole_psnr - evidence.classical["train"]
    low, high = interval(ahead, evidence.repeats)
    blind = found.known_missed > _BLIND and _known_weight(evidence) > 0
    text = (
        f"{found.hole_psnr.mean():.2f} dB in holes of training images, {ahead.mean():+.2f} dB "
        f"({low:+.2f} to {high:+.2f}) beside Telea's method, which learns nothing; known pixels with "
        f"{found.known_missed:.0%} of the error of one colour"
    )
    figures = {
        "train_psnr": float(found.hole_psnr.mean()), "ahead": float(ahead.mean()),
        "interval": [low, high], "known_missed": found.known_missed,
    }  # fmt: skip
    if ahead.mean() > LEAST_AHEAD and not blind:
        return Verdict("under-fitting", "ok", text, "", figures)
    if evidence.worse_in_use:
        own, used = evidence.own_error, evidence.last["train"].hole_l1.mean()
        words = f"learnt, but fills otherwise: error in the hole {own:.3f} in training, {used:.3f} now"
        advice = "look at colour shift and seam"
        return Verdict("under-fitting", "note", f"{words}: {text}", advice, figures)
    for reason, look in BLAMES.items():
        if blamed := look(evidence):
            words, advice = blamed
            figures["blame"] = reason
            return Verdict("under-fitting", "finding", f"{words}: {text}", advice, figures)
    figures["blame"] = "capacity"
    words = "neither rate, decay, bottleneck nor time is to blame, so the network is"
    advice = "a wider one, as -s network.width=48; inpaint check tries to let it learn by heart"
    return Verdict("under-fitting", "finding", f"{words}: {text}", advice, figures)


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
    plain = float(evidence.last["train"].hole_l1.mean())
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
    return words, f"a run of --steps {longer}"


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
    train, val = (evidence.last[side].hole_psnr for side in ("train", "val"))
    # Less what a method that learns nothing has on the same images: some are easier than others, and
    # the interval is a good deal narrower without that.
    gaps = (train - evidence.classical["train"]) - (val - evidence.classical["val"])
    low, high = interval(gaps, evidence.repeats)
    bins = gaps_by_ratio(gaps, evidence.ratios)
    fell = _fell(evidence)
    figures: dict[str, Any] = {
        "train_psnr": float(train.mean()), "val_psnr": float(val.mean()), "gap": float(gaps.mean()),
        "interval": [low, high], "bins": bins, "fell": fell,
    }  # fmt: skip
    text = (
        f"training images {train.mean():.2f} dB in the hole, validation {val.mean():.2f}: a gap of "
        f"{gaps.mean():.2f} dB ({low:.2f} to {high:.2f}, {len(gaps)} images a side), less that of "
        "Telea's method on the same"
    )
    if gaps.mean() < _GAP or low < _SURELY:
        return Verdict("over-fitting", "ok", text, "", figures)
    sizes = ", ".join(f"{one['holes']} {one['gap']:+.1f} dB ({one['n']})" for one in bins)
    text += f"; by hole {sizes}; each image was seen {evidence.epochs:.0f} times"
    if fell > 0:
        text += f"; validation ended {fell:.2f} dB below its best"
    stronger = {"none": "light", "flip": "medium", "light": "medium"}
    how = stronger.get(evidence.settings.augment.name, "strong")
    advice = (
        f"--augment {how}, more images, or fewer steps (model.safetensors is of the best validation)"
    )
    return Verdict("over-fitting", "finding", text, advice, figures)


def gaps_by_ratio(gaps: Float64, ratios: list[float]) -> list[dict[str, Any]]:
    """Return the mean gap of every bin of hole ratios that has images, smallest holes first."""
    names = np.array([ratio_bin(ratio) for ratio in ratios])
    order = dict.fromkeys(ratio_bin(tenth / 10) for tenth in range(1, 11))
    return [
        {"holes": name, "n": int((names == name).sum()), "gap": float(gaps[names == name].mean())}
        for name in order
        if name in names
    ]


def interval(values: Float64, clusters: list[int]) -> tuple[float, float]:
    """Return the 95 % bootstrap interval of a mean.

    Values of the same training image, which `clusters` number, are drawn together: they say less than
    as many different ones.
    """
    numbers = np.unique(clusters, return_inverse=True)[1]
    sums, counts = np.bincount(numbers, values), np.bincount(numbers)
    random = np.random.default_rng(SEED)
    drawn = random.integers(0, len(sums), (RESAMPLES, len(sums)))
    means = sums[drawn].sum(1) / counts[drawn].sum(1)
    low, high = np.quantile(means, (0.025, 0.975))
    return float(low), float(high)


def _known_weight(evidence: Evidence) -> float:
    return float(evidence.settings.objective.arguments.get("known_weight", 1.0))


def _gained(evidence: Evidence) -> float:
    """Return the dB that validation rose from the middle of the run to its end."""
    lines = evidence.validations
    before = [line for line in lines if line["step"] <= evidence.steps / 2]
    return float(lines[-1]["hole_psnr"] - before[-1]["hole_psnr"]) if before else 0.0


def _fell(evidence: Evidence) -> float:
    """Return the dB that the last validation lies below the best one."""
    values = [float(line["hole_psnr"]) for line in evidence.validations]
    return max(values) - values[-1] if values else 0.0

"""Verdicts on the course of a run, by its log and its guards: learning rate, spikes, data."""

import math
from collections import Counter
from typing import Any

import numpy as np

from inpaintlab.arrays import Float64
from inpaintlab.diagnosis.evidence import Evidence
from inpaintlab.diagnosis.fitting import FAR_BELOW, LEAST_AHEAD
from inpaintlab.diagnosis.images import LEAK_SHARE, ODD_SHARE
from inpaintlab.diagnosis.verdict import Verdict, Word, count

#: Mean absolute error of painting a hole in one colour, as measured on real faces (0.15) and photographs
#: (0.2); more than one and a half times this is no error of a network that is learning.
_ONE_COLOUR, _WORSE = 0.2, 1.5
#: Lines of the log (every tenth step) that must be so.
_LINES = 3
#: A rate so many times the network's own is high, whatever it did.
_FAR_ABOVE = 5.0
#: An error so many times that of the lines around it is a spike, as for the guards; of so many each way.
_SPIKE, _AROUND = 2.0, 5
#: Kinds of incident that are spikes.
_SPIKES = ("spike", "jump", "not-finite")
#: Spikes that the guards have mended are worth knowing; more than this are a finding all the same.
_MENDED = 2


def learning_rate(evidence: Evidence) -> Verdict:
    """The learning rate was too high, or too low; `figures["blame"]` says which."""
    errors, rates = evidence.column("hole_l1"), evidence.column("learning_rate")
    blamed = [one for one in evidence.incidents if one["verdict"]["cause"] == "learning-rate"]
    wild = _wild(errors, rates, evidence)
    norms = evidence.column("gradient_norm")
    norm = float(np.median(norms)) if len(norms) else None
    figures: dict[str, Any] = {
        "peak": evidence.rate, "own": evidence.own_rate, "factor": evidence.rate_factor,
        "incidents": len(blamed), "wild_lines": wild, "gradient_norm": norm,
    }  # fmt: skip
    text = f"peak {evidence.rate:.2g}, the network's own is {evidence.own_rate:g}"
    if norm is not None:
        text += f"; gradient norm {norm:.2g} in the median, clipped at {evidence.settings.grad_clip:g}"
    lower = f"--lr {_rounded(min(evidence.rate / 5, evidence.own_rate))}, or --lr auto"
    if blamed:
        figures["blame"] = "too high"
        words = f"the guards found it too high at step {blamed[0]['alarm']['step']}"
        if evidence.rate_factor < 1:
            words += f" and ended at {evidence.rate_factor:.2g} of it"
        return Verdict("learning rate", "finding", f"{words}; {text}", lower, figures)
    if wild:
        figures["blame"] = "too high"
        words = (
            f"too high: in {wild} of {len(errors)} lines of the log, the worst with {errors.max():.2f}, "
            f"the error in the hole is more than {_WORSE:g} times that of one colour"
        )
        return Verdict("learning rate", "finding", f"{words}; {text}", lower, figures)
    if evidence.rate * FAR_BELOW < evidence.own_rate and _short_of_telea(evidence):
        figures["blame"] = "too low"
        words = f"too low: {_fallen(errors)}, and Telea's method fills training images as well"
        advice = "--lr auto, or leave the rate out"
        return Verdict("learning rate", "finding", f"{words}; {text}", advice, figures)
    far = evidence.rate > _FAR_ABOVE * evidence.own_rate
    return Verdict("learning rate", "note" if far else "ok", text, "--lr auto" if far else "", figures)


def spikes(evidence: Evidence) -> Verdict:
    """Errors that stand far out of those around them, and why."""
    found = [one for one in evidence.incidents if one["alarm"]["kind"] in _SPIKES]
    steps = [evidence.train_lines[place]["step"] for place in spikes_of(evidence.column("hole_l1"))]
    causes = Counter(str(one["verdict"]["cause"]) for one in found)
    figures: dict[str, Any] = {"incidents": len(found), "causes": dict(causes), "lines": steps}
    if not found and not steps:
        seen = f"none in {count(len(evidence.train_lines), 'line')} of the log"
        return Verdict("spikes", "ok", f"{seen}, none seen by the guards", "", figures)
    text = f"the guards ({evidence.settings.guards.name}) saw {len(found)}"
    text += f", causes: {', '.join(f'{cause} {n}×' for cause, n in causes.items())}" if causes else ""
    if found:
        first = found[0]
        text += f"; first: {first['alarm']['sentence']} (step {first['alarm']['step']}), "
        text += f"{first['verdict']['sentence']}: {first['verdict']['experiment']}"
    if steps:
        named = ", ".join(str(step) for step in steps[:5])
        text += f"; lines of the log that stand out: step {named}"
    mended = (
        bool(found) and evidence.settings.guards.name == "act" and len(found) <= _MENDED and not steps
    )
    word: Word = "note" if mended else "finding"
    return Verdict("spikes", word, text, _cure(evidence, causes), figures)


def _cure(evidence: Evidence, causes: Counter[str]) -> str:
    cures = {
        "data": "look at the images of incidents/, and let inpaint prepare leave out what is none",
        "numerics": "-s precision=32-true, or a smaller -s clip",
        "learning-rate": "a smaller --lr",
        "dead-unit": "a smaller --lr, or another activation",
    }
    if causes and (cure := cures.get(causes.most_common(1)[0][0])):
        return cure
    if evidence.settings.guards.name != "act":
        return "train with --guards act: it finds the cause and goes back to before"
    return "incidents/ holds the batches"


def data(evidence: Evidence) -> Verdict:
    """Images that should not be there: broken, noise, left out by the guards, on both sides."""
    values, leaks = evidence.looks
    total = max(1, evidence.train_count)
    left, bad = len(evidence.left_out), len(evidence.bad)
    alike = _surely_alike(leaks)
    figures: dict[str, Any] = {
        "left_out": left, "bad": bad, "left_out_steps": len(evidence.left_out_steps),
        "images": values.figures, "alike": leaks.figures,
    }  # fmt: skip
    seen = []
    if left:
        seen.append(f"the guards left out {count(left, 'image')} (as {evidence.left_out[0]})")
    if passed := len(evidence.left_out_steps):
        seen.append(f"the guards passed over the batches of {count(passed, 'step')}")
    if bad:
        seen.append(f"{count(bad, 'image')} could not be used, first {evidence.bad[0]['reason']}")
    text = "; ".join([*seen, values.text, leaks.text])
    grave = values.word == "finding" or left + bad >= ODD_SHARE * total or alike
    if grave:
        advice = "inpaint prepare leaves out what is no image, and keeps look-alikes in one part"
        return Verdict("data", "finding", text, advice, figures)
    noted = bool(seen) or "note" in (values.word, leaks.word) or leaks.word == "finding"
    return Verdict("data", "note" if noted else "ok", text, leaks.advice if noted else "", figures)


def spikes_of(errors: Float64) -> list[int]:
    """Return the places of errors that stand far out of those around them.

    >>> spikes_of(np.array([3.0, 1, 1, 1, 1, 1, 9, 1, 1, 1, 1]))
    [6]
    """
    found = []
    for place in range(_AROUND, len(errors)):
        around = np.r_[errors[place - _AROUND : place], errors[place + 1 : place + 1 + _AROUND]]
        if errors[place] > _SPIKE * np.median(around):
            found.append(place)
    return found


def _wild(errors: Float64, rates: Float64, evidence: Evidence) -> int:
    """Return in how many lines a network that learns too fast is worse than one colour.

    The error must have come down with the rate, or the rate be far above the network's own: otherwise
    something else has gone wrong.
    """
    if not len(errors):
        return 0
    wild = ~(errors < _WORSE * _ONE_COLOUR)  # no number counts as well
    recovered = errors[-1] < 0.5 * np.median(errors[wild]) if wild.any() else False
    high = evidence.rate > _FAR_ABOVE * evidence.own_rate
    several = wild.sum() >= min(_LINES, len(errors)) and rates[wild].max() > rates.max() / 2
    return int(wild.sum()) if several and (recovered or high) else 0


def _short_of_telea(evidence: Evidence) -> bool:
    """Tell whether training images are filled no better than by Telea's method."""
    if not evidence.best:
        return False
    ahead = evidence.best["train"].hole_psnr - evidence.classical["train"]
    return bool(ahead.mean() <= LEAST_AHEAD)


def _fallen(errors: Float64) -> str:
    if len(errors) < 2:
        return "there is hardly a log"
    tenth = max(1, len(errors) // 10)
    first, last = float(np.median(errors[:tenth])), float(np.median(errors[-tenth:]))
    return f"the error in the hole went from {first:.3f} to {last:.3f}"


def _rounded(rate: float) -> str:
    return f"{rate:.1g}"


def _surely_alike(leaks: Verdict) -> bool:
    """Tell whether more validation images have a look-alike than is borne, chance apart.

    By the lower end of Wilson's interval: three of 300 may be one of a thousand.
    """
    total, alike = leaks.figures["validation"], leaks.figures["alike"]
    if not alike:
        return False
    share, z = alike / total, 1.96
    middle = share + z**2 / (2 * total)
    spread = z * math.sqrt(share * (1 - share) / total + z**2 / (4 * total**2))
    lowest = (middle - spread) / (1 + z**2 / total)
    # A look-alike is in a sample only by chance: as `check` says, there are more in all.
    return bool(lowest * leaks.figures["share_in_all"] / share >= LEAK_SHARE)

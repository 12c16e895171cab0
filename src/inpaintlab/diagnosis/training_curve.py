"""Verdicts on the training curve, by the detectors of the guards: learning rate, spikes, data."""

from collections import Counter
from dataclasses import replace
from typing import Any

import numpy as np

from inpaintlab.arrays import Float64
from inpaintlab.diagnosis.evidence import FAR_BELOW, LEAST_AHEAD, Evidence
from inpaintlab.diagnosis.images import LEAK_SHARE, ODD_SHARE, Leaks, judge_number
from inpaintlab.diagnosis.result import Verdict, count
from inpaintlab.evaluation.statistics import share_interval
from inpaintlab.training.guards.detectors import ONE_COLOUR, Alarm

#: A rate so many times the network's own is high, whatever it did.
_FAR_ABOVE = 5.0
#: Kinds of alarm that are spikes.
_SPIKES = ("spike", "jump", "not-finite")
#: Spikes that the guards have mended are worth knowing; more than this are a finding all the same.
_MENDED = 2
#: Error of a log, over that of one colour, that no image in [0, 1] has: weights have run away.
_BEYOND = 5.0
#: Cause of spikes -> what helps.
_CURES = {
    "data": "look at the images of incidents/, and let inpaint prepare leave out what is none",
    "numerics": "-s precision=32-true, or a smaller -s grad_clip",
    "learning-rate": "a smaller --lr",
    "dead-unit": "a smaller --lr, or another activation",
}


def number(evidence: Evidence) -> Verdict:
    """Too few images to learn from, or to validate with."""
    return judge_number(evidence.train_count, evidence.val_count, evidence.epochs)


def learning_rate(evidence: Evidence) -> Verdict:
    """The learning rate was too high, or too low; `blame` says which."""
    norms = evidence.column("gradient_norm")
    blamed = [one for one in evidence.incidents if one.verdict.cause == "learning-rate"]
    diverged = _diverged(evidence)
    norm = float(np.median(norms)) if len(norms) else None
    figures: dict[str, Any] = {
        "peak": evidence.rate, "own": evidence.own_rate, "factor": evidence.rate_factor,
        "incidents": len(blamed), "diverged": [alarm.step for alarm in diverged], "gradient_norm": norm,
    }  # fmt: skip
    text = f"peak {evidence.rate:.2g}, the network's own is {evidence.own_rate:g}"
    if norm is not None:
        clip = evidence.settings.grad_clip
        text += f"; gradient norm {norm:.2g} in the median, clipped at {clip:g}"
    ok = Verdict("learning rate", "ok", text, figures=figures)
    lower = f"--lr {min(evidence.rate / 5, evidence.own_rate):.1g}, or --lr auto"
    if blamed:
        words = f"the guards found it too high at step {blamed[0].alarm.step}"
        if evidence.rate_factor < 1:
            words += f" and ended at {evidence.rate_factor:.2g} of it"
        return ok.worse("finding", lower, f"{words}; ", "too high")
    if diverged:
        words = f"too high: by the log, {diverged[0].sentence} (step {diverged[0].step}); "
        return ok.worse("finding", lower, words, "too high")
    if evidence.rate * FAR_BELOW < evidence.own_rate and _short_of_telea(evidence):
        fallen = _fallen(evidence.column("hole_l1"))
        words = f"too low: {fallen}, and Telea's method fills training images as well; "
        return ok.worse("finding", "--lr auto, or leave the rate out", words, "too low")
    return ok.worse("note", "--lr auto") if evidence.rate > _FAR_ABOVE * evidence.own_rate else ok


def spikes(evidence: Evidence) -> Verdict:
    """Errors that stand far out of those before, and why."""
    found = [one for one in evidence.incidents if one.alarm.kind in _SPIKES]
    logged = [alarm for alarm in evidence.alarms if alarm.kind in _SPIKES]
    causes = Counter(one.verdict.cause for one in found)
    figures = {
        "incidents": len(found), "causes": dict(causes), "steps": [alarm.step for alarm in logged],
    }  # fmt: skip
    mode = evidence.settings.guards.name
    guards = (
        "the guards were off" if mode == "off" else f"the guards ({mode}) saw {len(found) or 'none'}"
    )
    errors = evidence.column("hole_l1")
    worst = float(errors.max() / ONE_COLOUR) if len(errors) else 0.0
    figures["worst"] = worst
    if not found and not logged:
        text = f"none in {count(len(evidence.train_lines), 'line')} of the log; {guards}"
        ok = Verdict("spikes", "ok", text, figures=figures)
        if worst <= _BEYOND:
            return ok
        words = f"the error in the hole was {worst:,.0f} times that of one colour: "
        return ok.worse("finding", "a smaller --lr, and --guards act", words)
    text = guards
    if found:
        alarm, verdict = found[0].alarm, found[0].verdict
        text += (
            f", causes: {', '.join(f'{cause} {n}×' for cause, n in causes.items())}; first: "
            f"{alarm.sentence} (step {alarm.step}), {verdict.sentence}: {verdict.experiment}"
        )
    if logged:
        named = ", ".join(str(alarm.step) for alarm in logged[:5])
        text += f"; in the log {logged[0].sentence} (step {named})"
    common = causes.most_common(1)[0][0] if causes else ""
    act = "--guards act finds the cause and rolls back to before"
    cure = _CURES.get(common, "incidents/ holds the batches" if mode == "act" else act)
    mended = bool(found) and mode == "act" and len(found) <= _MENDED and not logged
    return Verdict("spikes", "note" if mended else "finding", text, cure, figures)


def data(evidence: Evidence) -> Verdict:
    """Images that should not be there: broken, noise, or found by the guards."""
    images = evidence.images
    excluded, bad, passed = evidence.excluded, evidence.bad, len(evidence.excluded_steps)
    odd = sorted({name for one in evidence.incidents for name in one.images} - set(excluded))
    figures = {
        "excluded": len(excluded), "bad": len(bad), "reported": len(odd), "excluded_steps": passed,
        "images": images.figures,
    }  # fmt: skip
    seen = []
    if excluded:
        seen.append(f"the guards left out {count(len(excluded), 'image')} (as {excluded[0]})")
    if odd:
        seen.append(f"the guards found {count(len(odd), 'image')} unlike all others (as {odd[0]})")
    if passed:
        seen.append(f"the guards passed over the batches of {count(passed, 'step')}")
    if bad:
        seen.append(f"{count(len(bad), 'image')} could not be used, first {bad[0]}")
    ok = Verdict("data", "ok", "; ".join([*seen, images.text]), figures=figures)
    many = len(excluded) + len(bad) >= ODD_SHARE * max(1, evidence.train_count)
    if images.word == "finding" or many:
        return ok.worse("finding", "inpaint prepare leaves out what is no image")
    return ok.worse("note", images.advice) if seen or images.word != "ok" else ok


def split(evidence: Evidence) -> Verdict:
    """Look-alikes in both parts: figures of validation are too good, whatever has been learnt."""
    found = replace(evidence.split, word="ok", advice="")
    if _surely_alike(evidence.leaks):
        return found.worse("finding", evidence.split.advice, "figures of validation are too good: ")
    return found.worse("note", evidence.split.advice) if evidence.split.word != "ok" else found


def discriminator(evidence: Evidence) -> Verdict | None:
    """The discriminator has won, or says nothing; none where the run has no discriminator."""
    accuracy = evidence.column("discriminator_accuracy")
    if not len(accuracy):
        return None
    alarms = [*(one.alarm for one in evidence.incidents), *evidence.alarms]
    alarms = [alarm for alarm in alarms if alarm.kind == "discriminator"]
    median = float(np.median(accuracy))
    figures = {"accuracy": median, "steps": [alarm.step for alarm in alarms]}
    text = f"right of {median:.0%} of what it was shown, in the median"
    ok = Verdict("discriminator", "ok", text, figures=figures)
    if not alarms:
        return ok
    advice = (
        "a smaller rate of the discriminator (-s objective.ratio=0.5), or a longer warm-up without it"
    )
    return ok.worse("finding", advice, f"{alarms[0].sentence} (step {alarms[0].step}); ")


def _diverged(evidence: Evidence) -> list[Alarm]:
    """Return the alarms of the log for which a rate that is too high is to blame.

    The error must have come down with the rate, or the rate be far above the network's own: otherwise
    something else has gone wrong.
    """
    found = [alarm for alarm in evidence.alarms if alarm.kind == "divergence"]
    if evidence.rate > _FAR_ABOVE * evidence.own_rate:
        return found
    lines = [line for line in evidence.train_lines if "hole_l1" in line.values]
    top = max((line.values["learning_rate"] for line in lines), default=0.0)

    def recovered(alarm: Alarm) -> bool:
        at = [line.values for line in lines if alarm.since <= line.step <= alarm.step]
        high = any(values["learning_rate"] > top / 2 for values in at)
        errors = [values["hole_l1"] for values in at]
        return high and bool(lines[-1].values["hole_l1"] < 0.5 * np.median(errors))

    return [alarm for alarm in found if recovered(alarm)]


def _short_of_telea(evidence: Evidence) -> bool:
    """Tell whether training images are filled no better than by Telea's method."""
    if evidence.best is None:
        return False
    ahead = evidence.best.train.hole_psnr - evidence.telea_train
    return bool(ahead.mean() <= LEAST_AHEAD)


def _fallen(errors: Float64) -> str:
    if len(errors) < 2:
        return "there is hardly a log"
    tenth = max(1, len(errors) // 10)
    first, last = np.median(errors[:tenth]), np.median(errors[-tenth:])
    return f"the error in the hole went from {first:.3f} to {last:.3f}"


def _surely_alike(leaks: Leaks) -> bool:
    """Tell whether more validation images have a look-alike than is borne, chance apart.

    By the lower end of an interval: three of 300 may be one of a thousand.
    """
    if not leaks.alike:
        return False
    found = share_interval(np.arange(leaks.validation) < leaks.alike, np.arange(leaks.validation))
    # A look-alike is in a sample only by chance: as `check` says, there are more in all.
    return (found.low or 0.0) * leaks.share_in_all / found.mean >= LEAK_SHARE

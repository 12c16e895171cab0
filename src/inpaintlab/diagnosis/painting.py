"""Verdicts on what a network paints into holes: nothing, one colour, one face, other colours, a seam."""

import numpy as np
import numpy.typing as npt

from inpaintlab.arrays import Float64
from inpaintlab.diagnosis.evidence import Evidence
from inpaintlab.diagnosis.measures import Measured
from inpaintlab.diagnosis.verdict import Verdict

#: A fill that lies nearer to a mask's colour than this share of the truth's distance is left as it was;
#: sound networks have 0.7 and more, one after 30 steps 0.47.
_UNMOVED = 0.3
#: What is known is passed on, its error less than the first share of that of one colour, and nothing is
#: made of holes, theirs more than the second; sound ones have 0.4 and 0.5.
_PASSED_ON, _NOT_FILLED = 0.35, 0.9
#: Fills may not change by more than this for a change of 1 under the hole; sound ones do not at all.
_PEEKS = 0.01
#: Fills that vary less than this share of the truth are of one colour, or of one face. The guards take
#: 0.05 in a step; a network with far too much weight decay, which still looks at its image, has 0.14.
_FLAT = 0.1
#: Share of the hole that is black or full colour, more than in the truth.
_SATURATED = 0.5
#: A shift of a channel's mean that is seen at a glance, 13 of 255, and that is most of the error in the
#: hole. Sound runs have 0.02 and a fifth of it, one after 30 steps 0.04 and a third.
_SHIFT, _OF_ERROR = 0.05, 0.6
#: The step across the hole's edge, over the truth's. Sound networks have 1.3 to 1.6 in filled images,
#: as they miss detail, but 0.7 in what they paint inside and outside; a seam is as large in both.
_SEAM = 1.5


def copy_through(evidence: Evidence) -> Verdict:
    """Holes keep the colour of the mask, or what was put under it."""
    found, part = evidence.best["val"], "copy-through"
    peeks = float(found.peeks.mean())
    figures = {
        "peeks": peeks, "unmoved": found.unmoved, "left_in": found.left_in,
        "hole_missed": found.hole_missed, "known_missed": found.known_missed,
    }  # fmt: skip
    if peeks > _PEEKS:
        text = f"fills change by {peeks:.2f} for a change of 1 of what lies under the hole"
        advice = (
            "the network must not see it: blank the hole in forward (layers.hide); its figures on "
            "validation are worth nothing, as the truth lay there"
        )
        return Verdict(part, "finding", text, advice, figures)
    text = (
        f"fills lie {found.unmoved:.0%} as far from {found.left_in} as the truth does; beside painting "
        f"one colour, the error is {found.hole_missed:.0%} in holes and {found.known_missed:.0%} outside"
    )
    kept = found.unmoved < _UNMOVED
    # What training fills well and use does not is another illness.
    not_filled = found.hole_missed > _NOT_FILLED and not evidence.worse_in_use
    if not (kept or not_filled) or found.known_missed > _PASSED_ON:
        return Verdict(part, "ok", text, "", figures)
    how = "holes stay as they were" if kept else "holes are not learnt"
    advice = (
        "the damaged image goes past the hole: leave out the finest skip (as swift and unet do), and "
        "let the loss weigh the hole (-s objective.hole_weight=6)"
    )
    return Verdict(part, "finding", f"what is known is passed on, {how}: {text}", advice, figures)


def one_colour(evidence: Evidence) -> Verdict:
    """The newest weights paint nothing but one colour: training has collapsed."""
    found, best = evidence.last["val"], evidence.best["val"]
    text = (
        f"fills vary {found.contrast:.2f} times as much as the truth within a hole; "
        f"{max(0.0, found.saturated):.0%} of it is black or full colour that should not be"
    )
    figures = {"contrast": found.contrast, "saturated": found.saturated, "best": best.contrast}
    if found.contrast >= _FLAT and found.saturated < _SATURATED:
        return Verdict("one colour", "ok", text, "", figures)
    advice = "train again with --guards act, which goes back to where it was alive, and a smaller --lr"
    if best.contrast >= _FLAT and best.saturated < _SATURATED:
        sound = max(evidence.validations, key=lambda line: float(line["hole_psnr"]), default={})
        text += f"; the best weights, of step {sound.get('step', '?')}, do not"
        advice += "; model.safetensors is from before the collapse and can be used"
    return Verdict("one colour", "finding", f"training has collapsed: {text}", advice, figures)


def mean_face(evidence: Evidence) -> Verdict:
    """Every hole gets the same, whatever is around it."""
    found = evidence.best["val"]
    text = f"fills vary {found.spread:.2f} times as much as the truth from image to image"
    figures = {"spread": found.spread, "contrast": found.contrast}
    if found.spread >= _FLAT:
        return Verdict("mean face", "ok", text, "", figures)
    advice = (
        "the network does not use its image: inpaint summary shows whether the hole's middle sees "
        "what is known; inpaint check whether it can learn eight images by heart"
    )
    return Verdict("mean face", "finding", f"the same for every image: {text}", advice, figures)


def colour_shift(evidence: Evidence) -> Verdict:
    """Fills are, over many images, of another colour than the truth."""
    found = evidence.best["val"]
    mean, error = _mean_colour(found)
    figures = {
        "shift": mean.tolist(), "interval": error.tolist(),
        "offset": float(np.abs(found.colour).mean()), "images": len(found.colour),
    }  # fmt: skip
    words = ", ".join(
        f"{name} {m:+.3f} ± {e:.3f}"
        for name, m, e in zip(("red", "green", "blue"), mean, error, strict=True)
    )
    text = f"mean colour of fills less that of the truth, of 0 to 1: {words}"
    # Images learnt by heart may be of another colour than others: a shift is on both sides.
    shifted = [_shifted(evidence.best[side]) for side in ("train", "val")]
    if not bool((shifted[0] & shifted[1]).any()):
        return Verdict("colour shift", "ok", text, "", figures)
    advice = (
        "look where colours are changed on one side alone: normalisation, order of channels, or an "
        "augmentation of colours (-s augment.hue=0 -s augment.saturation=0)"
    )
    return Verdict("colour shift", "finding", text, advice, figures)


def seam(evidence: Evidence) -> Verdict:
    """The hole's edge can be seen."""
    found = evidence.best["val"]
    truth = max(1e-6, float(found.true_edge.mean()))
    filled, painted = (float(edge.mean()) / truth for edge in (found.edge, found.painted_edge))
    figures = {"filled": filled, "painted": painted, "truth": truth}
    text = (
        f"the step across the hole's edge is {filled:.1f} times the truth's in filled images, and "
        f"{painted:.1f} times in what the network paints inside and outside"
    )
    if filled <= _SEAM or painted <= _SEAM:
        return Verdict("seam", "ok", text, "", figures)
    advice = (
        "the hole is painted unlike what is around it: see that filling does the same as training "
        "(normalisation, scale of colours), and that the loss weighs both sides of the edge "
        "(-s objective.known_weight=1)"
    )
    return Verdict("seam", "finding", text, advice, figures)


def _mean_colour(found: Measured) -> tuple[Float64, Float64]:
    """Return the mean difference of colour, `[3]`, and half its interval of 95 %."""
    colours = found.colour
    return colours.mean(0), 1.96 * colours.std(0) / np.sqrt(len(colours))


def _shifted(found: Measured) -> npt.NDArray[np.bool_]:
    """Tell, channel by channel, whether a side is filled in other colours."""
    mean, error = _mean_colour(found)
    least = max(_SHIFT, _OF_ERROR * float(found.hole_l1.mean()))
    return np.asarray((np.abs(mean) > least) & (np.abs(mean) > error))

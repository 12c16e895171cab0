"""Verdicts on what a network puts into holes: nothing, one colour, one image, other colours, a seam."""

import numpy as np

from inpaintlab.arrays import Bool, Float64
from inpaintlab.diagnosis.evidence import FEW_STEPS, Evidence
from inpaintlab.diagnosis.measures import Measured
from inpaintlab.diagnosis.result import Verdict
from inpaintlab.training.guards.detectors import is_flat, is_saturated

#: A fill that lies nearer to a mask's colour than this share of the truth's distance is left as it was;
#: sound networks have 0.7 and more, one after 30 steps 0.47.
_UNMOVED = 0.3
#: What is known is passed on, its error less than the first share of that of one colour, and nothing is
#: made of holes, theirs more than the second; sound ones have 0.4 and 0.5.
_PASSED_ON, _NOT_FILLED = 0.35, 0.9
#: A shift of a channel's mean that is seen at a glance, 13 of 255, and that is most of the error in the
#: hole. Sound runs have 0.02 and a fifth of it, one after 30 steps 0.04 and a third.
_SHIFT, _OF_ERROR = 0.05, 0.6
#: The step across the hole's edge, over the truth's. Sound networks have 1.3 to 1.6 in filled images,
#: as they miss detail, but 0.7 in what they put out inside and outside; a seam is as large in both.
_SEAM = 1.5


def copy_through(evidence: Evidence) -> Verdict:
    """Holes keep the colour of the mask."""
    found = evidence.best_and_last[0].val
    figures = {
        "unmoved": found.unmoved, "left_in": found.left_in,
        "hole_missed": found.hole_missed, "known_missed": found.known_missed,
    }  # fmt: skip
    text = (
        f"fills lie {found.unmoved:.0%} as far from {found.left_in} as the truth does; beside filling "
        f"with one colour, the error is {found.hole_missed:.0%} in holes and {found.known_missed:.0%} "
        "outside"
    )
    ok = Verdict("copy-through", "ok", text, figures=figures)
    kept = found.unmoved < _UNMOVED
    # What training fills well and use does not has another cause.
    not_filled = found.hole_missed > _NOT_FILLED and not evidence.worse_in_use
    if not (kept or not_filled) or found.known_missed > _PASSED_ON:
        return ok
    how = "holes stay as they were" if kept else "holes are not learnt"
    advice = (
        "the damaged image goes past the hole: leave out the finest skip (as swift and unet do), and "
        "let the loss weigh the hole (-s objective.hole_weight=6)"
    )
    return ok.worse("finding", advice, f"what is known is passed on, {how}: ")


def constant_output(evidence: Evidence) -> Verdict:
    """The newest weights fill with nothing but one colour: training has collapsed."""
    best, found = (parts.val for parts in evidence.best_and_last)
    text = (
        f"fills vary {found.contrast:.2f} times as much as the truth within a hole; "
        f"{max(0.0, found.saturated):.0%} of it is black or full colour that should not be"
    )
    figures = {"contrast": found.contrast, "saturated": found.saturated, "best": best.contrast}
    if not _is_constant(found):
        return Verdict("constant output", "ok", text, figures=figures)
    seen = [alarm for alarm in evidence.alarms if alarm.kind == "collapse"]
    text += f"; by the log since step {seen[0].since}" if seen else ""
    advice = "--guards act rolls back to where it was alive; take a smaller --lr as well"
    if not _is_constant(best):
        line = max(evidence.validations, key=lambda line: line.values["hole_psnr"], default=None)
        text += f"; the best weights{f', of step {line.step},' if line else ''} do not"
        advice += "; model.safetensors is from before the collapse and can be used"
    return Verdict("constant output", "finding", f"training has collapsed: {text}", advice, figures)


def mode_collapse(evidence: Evidence) -> Verdict:
    """Every hole gets the same, whatever is around it."""
    found = evidence.best_and_last[0].val
    text = f"fills vary {found.spread:.2f} times as much as the truth from image to image"
    figures = {"spread": found.spread, "contrast": found.contrast}
    ok = Verdict("mode collapse", "ok", text, figures=figures)
    advice = (
        "the network does not use its image: inpaint summary shows whether the hole's middle sees "
        "what is known; inpaint check whether it can overfit eight images"
    )
    # A single image does not vary, and after a few steps all are the same.
    told = len(found.hole_psnr) > 1 and evidence.steps >= FEW_STEPS
    same = told and is_flat(found.spread)
    return ok.worse("finding", advice, "the same for every image: ") if same else ok


def colour_shift(evidence: Evidence) -> Verdict:
    """Fills are, over many images, of another colour than the truth."""
    best = evidence.best_and_last[0]
    mean, error = _mean_colour(best.val)
    figures = {
        "shift": mean.tolist(), "interval": error.tolist(),
        "offset": float(np.abs(best.val.colour).mean()), "images": len(best.val.colour),
    }  # fmt: skip
    named = zip(("red", "green", "blue"), mean, error, strict=True)
    words = ", ".join(f"{name} {m:+.3f} ± {e:.3f}" for name, m, e in named)
    text = f"mean colour of fills less that of the truth, of 0 to 1: {words}"
    ok = Verdict("colour shift", "ok", text, figures=figures)
    advice = (
        "look where colours are changed in training or in use alone: normalisation, order of channels, "
        "or an augmentation of colours (-s augment.hue=0 -s augment.saturation=0)"
    )
    # Images that were overfitted may be of another colour than others: a shift is in both parts.
    in_both = bool((_shifted(best.train) & _shifted(best.val)).any())
    return ok.worse("finding", advice) if in_both else ok


def seam(evidence: Evidence) -> Verdict:
    """The hole's edge can be seen."""
    found = evidence.best_and_last[0].val
    truth = max(1e-6, found.true_edge)
    filled, output = found.edge / truth, found.output_edge / truth
    text = (
        f"the step across the hole's edge is {filled:.1f} times the truth's in filled images, and "
        f"{output:.1f} times in the network's output inside and outside"
    )
    figures = {"filled": filled, "output": output, "truth": truth}
    ok = Verdict("seam", "ok", text, figures=figures)
    advice = (
        "holes are filled unlike what is around them: see that filling does the same as training "
        "(normalisation, scale of colours), and that the loss weighs both sides of the edge "
        "(-s objective.known_weight=1)"
    )
    return ok.worse("finding", advice) if min(filled, output) > _SEAM else ok


def _is_constant(found: Measured) -> bool:
    return is_flat(found.contrast) or is_saturated(found.saturated)


def _mean_colour(found: Measured) -> tuple[Float64, Float64]:
    """Return the mean difference of colour, `[3]`, and half its interval of 95 %."""
    colours = found.colour
    return colours.mean(0), 1.96 * colours.std(0) / np.sqrt(len(colours))


def _shifted(found: Measured) -> Bool:
    """Tell, channel by channel, whether images of a part are filled in other colours."""
    mean, error = _mean_colour(found)
    least = max(_SHIFT, _OF_ERROR * found.hole_l1)
    return np.asarray((np.abs(mean) > least) & (np.abs(mean) > error))

"""Whether the samples of a batch differ as they should."""

from collections.abc import Sequence

import torch
from torch import Tensor

from inpaintlab.data.sampling import TrainingSamples, check_variants
from inpaintlab.diagnosis.result import Verdict
from inpaintlab.errors import DataError

#: Samples drawn; as many as a batch or two.
SAMPLES = 64
#: Share of masks that occur more than once, above which it is a note.
_REPEATED = 0.5


def variety(samples: TrainingSamples) -> Verdict:
    """Judge whether every sample has an augmentation and a mask of its own.

    One augmentation, or one mask, for a whole batch is a common mistake that no loss curve shows.
    """
    batch = samples.collate([samples[number] for number in range(SAMPLES)])
    figures: dict[str, float] = {
        "samples": SAMPLES,
        "repeated_images": _repeated(batch.images),
        "repeated_masks": _repeated(batch.masks),
        "mean_hole": float(batch.masks.mean()),
    }
    try:
        check_variants(samples)
    except DataError as error:
        advice = "a source of masks or images that draws anew for every sample"
        return Verdict("variety", "finding", str(error), f"use {advice}", figures)
    text = (
        f"of {SAMPLES} samples {figures['repeated_images']:.0%} of the images and "
        f"{figures['repeated_masks']:.0%} of the masks come more than once; "
        f"{figures['mean_hole']:.0%} of an image is hole"
    )
    if figures["repeated_masks"] > _REPEATED or figures["repeated_images"] > _REPEATED:
        advice = "few images or masks: --augment light varies both"
        return Verdict("variety", "note", text, advice, figures)
    return Verdict("variety", "ok", text, "", figures)


def _repeated(tensors: Tensor) -> float:
    """Return the share of tensors that are not the only one of their kind."""
    kinds: Sequence[bytes] = [one.contiguous().numpy().tobytes() for one in tensors.to(torch.float32)]
    return sum(kinds.count(kind) > 1 for kind in kinds) / len(kinds)

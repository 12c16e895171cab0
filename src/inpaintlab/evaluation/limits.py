"""What a model says of its own fills, of squares and of images as they are filled in use."""

from collections.abc import Callable
from functools import partial

import numpy as np
import torch
from torch import Tensor

from inpaintlab.evaluation.result import Through
from inpaintlab.images import DecodedImage
from inpaintlab.inpainter import Inpainter
from inpaintlab.tensors import to_arrays
from inpaintlab.trust import Stated

#: Says of a batch of images and masks what is known of their fills.
States = Callable[[Tensor, Tensor], Stated]


def states_of(inpainter: Inpainter, through: Through) -> States | None:
    """Return what says how far an inpainter is to be trusted; None where it does not know its limits."""
    if inpainter.trust is None:
        return None
    if through == "fill":
        return partial(_as_used, inpainter)
    return partial(Stated.of, inpainter.trust, inpainter.network)


def _as_used(inpainter: Inpainter, image: Tensor, mask: Tensor) -> Stated:
    """Judge images of any size one by one, as a user has them judged."""
    holes = mask[:, 0].numpy().astype(np.uint8)
    pairs = zip(to_arrays(image), holes, strict=True)
    found = [inpainter.judge_image(DecodedImage(one, "RGB"), hole) for one, hole in pairs]
    widths = [torch.from_numpy(of.uncertainty) for of in found if of.uncertainty is not None]
    return Stated(
        torch.tensor([torch.nan if of.novelty is None else of.novelty for of in found]),
        torch.tensor([of.expected_error.psnr for of in found if of.expected_error]),
        torch.stack(widths)[:, None],
    )

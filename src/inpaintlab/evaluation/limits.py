"""What a model says of its own fills before the truth is known, and how far that holds."""

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import numpy as np
import torch
from torch import Tensor

from inpaintlab.evaluation.result import Through
from inpaintlab.images import DecodedImage
from inpaintlab.inpainter import Inpainter
from inpaintlab.metrics.per_image import hole_mean
from inpaintlab.networks import needs
from inpaintlab.tensors import pad_to_multiple, to_arrays
from inpaintlab.trust import Seen


@dataclass(frozen=True)
class Stated:
    """What is said of a batch of fills, as `inpainter.Judgement` says it of one.

    `novelty` and `expected_psnr` are `[B]`, `half_width` is `[B, 1, H, W]`. Where nothing is known of
    the images of training, `novelty` is NaN.
    """

    novelty: Tensor
    expected_psnr: Tensor
    half_width: Tensor

    def figures(self, filled: Tensor, truth: Tensor, mask: Tensor) -> dict[str, Tensor]:
        """Return the figures of `metrics.table.OF_LIMITS`: name -> `[B]`."""
        inside = ((filled - truth).abs() <= self.half_width).float().mean(1, keepdim=True)
        found = {"inside_percent": 100 * hole_mean(inside, mask), "expected_psnr": self.expected_psnr}
        if bool(self.novelty.isfinite().all()):
            found |= {"novelty": self.novelty, "refused_percent": 100 * (self.novelty > 1).double()}
        return found

    def sentence(self, place: int) -> str:
        """Return in words what is said of one fill."""
        novelty = float(self.novelty[place])
        said = f"expected {float(self.expected_psnr[place]):.2f} dB"
        if math.isnan(novelty):
            return said
        return f"{said}, novelty {novelty:.2f}" + (": refused" if novelty > 1 else "")


#: Says of a batch of images and masks what is known of their fills.
States = Callable[[Tensor, Tensor], Stated]


def states_of(inpainter: Inpainter, through: Through) -> States | None:
    """Return what says how far an inpainter is to be trusted; None where it does not know its limits."""
    if inpainter.trust is None:
        return None
    return partial(_as_used if through == "fill" else _of_squares, inpainter)


@torch.inference_mode()
def _of_squares(inpainter: Inpainter, image: Tensor, mask: Tensor) -> Stated:
    """Judge what the network itself predicts."""
    network, trust, (height, width) = inpainter.network, inpainter.trust, mask.shape[-2:]
    assert trust is not None
    padded = [pad_to_multiple(one, *needs(network)) for one in (image, mask)]
    seen = Seen.of(network, *padded)
    return Stated(
        trust.novelty_of(network, *padded),
        torch.tensor([of.psnr for of in trust.uncertainty.expected(seen)]),
        trust.uncertainty.half_width(seen)[..., :height, :width],
    )


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

"""What is said of fills before the truth is known, and how far that holds."""

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

from inpaintlab.metrics.per_image import hole_mean
from inpaintlab.networks import needs
from inpaintlab.tensors import pad_to_multiple
from inpaintlab.trust.seen import Method, Seen

if TYPE_CHECKING:
    from inpaintlab.trust.trust import Trust


@dataclass(frozen=True)
class Stated:
    """What is said of a batch of fills.

    `novelty` says how unlike the images of training each image is, `[B]`, above 1 for a foreign one,
    and NaN where nothing is known of those; `expected_psnr` is the hole PSNR that is expected, in dB,
    `[B]`; `half_width` by how much a value may be off, `[B, 1, H, W]` in [0, 1], 0 outside holes.
    """

    novelty: Tensor
    expected_psnr: Tensor
    half_width: Tensor

    @classmethod
    @torch.no_grad()
    def of(cls, trust: "Trust", method: Method, image: Tensor, mask: Tensor) -> "Stated":
        """Have a method, whose limits are known, fill holes, and say what is to be expected.

        Images are `[B, 3, H, W]` in [0, 1], of any size: they are padded as a network asks.
        """
        height, width = mask.shape[-2:]
        if isinstance(method, nn.Module):
            image, mask = (pad_to_multiple(one, *needs(method)) for one in (image, mask))
        seen = Seen.of(method, image, mask)
        return cls(
            trust.novelty_of(method, image, mask),
            torch.tensor([of.psnr for of in trust.uncertainty.expected(seen)]),
            trust.uncertainty.half_width(seen)[..., :height, :width],
        )

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

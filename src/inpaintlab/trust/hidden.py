"""The self-test: known squares of an image are hidden and filled, and compared with what is there.

It needs nothing but the image, so that it works for any method and any image.
"""

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from inpaintlab.metrics.per_image import hole_psnr
from inpaintlab.trust.seen import Method, Seen

#: Squares have this share of the shorter side. Of four neighbours one is hidden at a time.
_SIDE = 5
#: Pixels between a square and the hole, over the shorter side.
_GAP = 1 / 32


@dataclass(frozen=True)
class SelfTest:
    """The PSNR that a method and a baseline reach in squares of known pixels, in dB, `[B]`.

    `tested` is the share of the image that was tested, `[B]`; where it is 0 there was no room, and
    both figures are 0.
    """

    own: Tensor
    baseline: Tensor
    tested: Tensor

    @property
    def gain(self) -> Tensor:
        """By how much the method is better than the baseline, in dB."""
        return self.own - self.baseline


def self_test(method: Method, baseline: Method, image: Tensor, mask: Tensor) -> SelfTest:
    """Hide known squares beside the hole, fill them both ways, and measure.

    Squares lie in a grid, and are hidden in four turns, together with the hole. What is under the hole
    is not looked at.
    """
    known = torch.where(mask > 0, 0, image)
    turns = list(_squares(mask))
    hidden = torch.cat(turns)
    images, masks = known.repeat(len(turns), 1, 1, 1), mask.repeat(len(turns), 1, 1, 1)
    both = torch.maximum(masks, hidden)
    tested = torch.stack(turns).amax(0)

    def reached(by: Method) -> Tensor:
        filled = Seen.of(by, images, both).filled
        # Every square once: their fills side by side in one image.
        together = (filled * hidden).view(len(turns), *image.shape).sum(0)
        return hole_psnr(together, known, tested) * (tested.amax((1, 2, 3)) > 0)

    return SelfTest(reached(method), reached(baseline), tested.mean((1, 2, 3)))


def _squares(mask: Tensor) -> list[Tensor]:
    """Return four masks of squares that lie in known pixels; together they hold all that have room."""
    height, width = mask.shape[-2:]
    side = max(2, min(height, width) // _SIDE)
    gap = max(1, round(min(height, width) * _GAP))
    near = F.max_pool2d(mask, 2 * gap + 1, 1, gap)
    # What is left over at the right and lower border belongs to no square.
    cells = 1 - F.max_pool2d(near, side)
    found = []
    for top in (0, 1):
        for left in (0, 1):
            chosen = torch.zeros_like(cells)
            chosen[..., top::2, left::2] = cells[..., top::2, left::2]
            squares = F.interpolate(chosen, scale_factor=side, mode="nearest")
            found.append(F.pad(squares, (0, width - squares.shape[-1], 0, height - squares.shape[-2])))
    return found

"""The U-Net of partial convolutions (Liu et al. 2018, ECCV), as its paper's appendix lists it."""

from collections.abc import Sequence
from itertools import pairwise

import torch
from torch import Tensor, nn

from inpaintlab.layers import PartialConv2d
from inpaintlab.networks.base import Network, check_arguments

#: Kernels of the first levels; all others are 3.
_KERNELS = (7, 5, 5)


class PartialUNet(Network):
    """Encoder and decoder of partial convolutions; the hole closes from level to level.

    `depth` levels, each at half the side, with `width` channels in the first, twice as many in each
    further one and never more than `max_width`. The paper has eight for 512 px and seven for 256 px:
    the coarsest is then 2×2. Smaller images need fewer, as sides are multiples of 2^depth: where none is
    said, as many as images of `side` pixels take.
    """

    encoder = ("down",)

    def __init__(
        self, width: int = 64, depth: int | None = None, max_width: int = 512, side: int = 256
    ) -> None:
        super().__init__()
        check_arguments("partial-unet", side=(side, 8))
        depth = _depth_for(side) if depth is None else depth
        check_arguments("partial-unet", width=(width, 1), depth=(depth, 1), max_width=(max_width, 1))
        self.multiple_of = 2**depth
        # One pixel at the coarsest level would leave batch normalisation nothing to average over.
        self.min_size = 2 * self.multiple_of
        widths = [3, *(min(width * 2**level, max_width) for level in range(depth))]
        kernels = [*_KERNELS, *(3 for _ in range(depth))]
        self.down = nn.ModuleList(
            _Stage(above, below, kernels[level], stride=2, norm=level > 0, activation=nn.ReLU(True))
            for level, (above, below) in enumerate(pairwise(widths))
        )
        self.up = nn.ModuleList(
            _Stage(below + above, above, 3, norm=True, activation=nn.LeakyReLU(0.2, True))
            for above, below in pairwise(widths[1:])
        )
        # Neither normalisation nor activation: this one predicts, beside the image itself.
        self.leave = PartialConv2d(widths[1] + 3, 3, 3, padding=1)

    def forward(self, image: Tensor, mask: Tensor) -> Tensor:
        """Predict the whole image: `[B, 3, H, W]` and `[B, 1, H, W]` to `[B, 3, H, W]`.

        The result is bound to [0, 1] only outside training. With nothing known it is mid-grey.
        """
        valid = 1 - mask
        features = torch.where(mask > 0, 0, 2 * image - 1)
        kept = []
        for down in self.down:
            kept.append((features, valid))
            features, valid = down(features, valid)
        for up, (skip, skip_valid) in zip(self._upwards(), reversed(kept), strict=True):
            features, valid = up((features, skip), (valid, skip_valid), enlarge=True)
        output = (features + 1) / 2
        return output if self.training else output.clamp(0, 1)

    def _upwards(self) -> list[nn.Module]:
        return [*reversed(self.up), self.leave]

    def size_hint(self, side: int) -> str:
        """Name the depth that would take this side."""
        depth = max((d for d in range(1, 9) if side % 2**d == 0 and side >= 2 * 2**d), default=0)
        return f"; -s network.depth={depth} takes {side}" if depth else ""


def _depth_for(side: int) -> int:
    """Return the levels down to the coarsest that has 2 to 3 pixels a side, at most the paper's seven.

    Up to two fewer, where the side is no multiple of so many halves.

    >>> [_depth_for(side) for side in (32, 48, 64, 80, 256, 512)]
    [4, 4, 5, 4, 7, 7]
    """
    most = min(side.bit_length() - 2, 7)
    return next((depth for depth in range(most, max(most - 3, 0), -1) if side % 2**depth == 0), most)


class _Stage(nn.Module):
    """Partial convolution, batch normalisation, activation: features and valid mask to the same."""

    def __init__(
        self,
        inputs: int,
        outputs: int,
        kernel: int,
        *,
        stride: int = 1,
        norm: bool,
        activation: nn.Module,
    ) -> None:
        super().__init__()
        # With normalisation behind it a bias has no effect.
        self.convolution = PartialConv2d(inputs, outputs, kernel, stride, kernel // 2, bias=not norm)
        self.norm = nn.BatchNorm2d(outputs) if norm else nn.Identity()
        self.activation = activation

    def forward(
        self, x: Tensor | Sequence[Tensor], valid: Tensor | Sequence[Tensor], *, enlarge: bool = False
    ) -> tuple[Tensor, Tensor]:
        """Return features and what of them is valid."""
        y, new = self.convolution(x, valid, enlarge=enlarge)
        return self.activation(self.norm(y)), new

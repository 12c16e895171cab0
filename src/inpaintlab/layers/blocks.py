"""What networks see of a picture, and their plain building blocks."""

from math import gcd

import torch
from torch import Tensor, nn


def known_mean(image: Tensor, mask: Tensor) -> Tensor:
    """Return the mean colour of the known pixels of each picture, `[B, 3, 1, 1]`.

    Where nothing is known it is mid-grey. What lies under the hole, a NaN as well, has no part in it.
    """
    known = 1 - mask
    total = torch.where(mask > 0, 0, image).sum((2, 3), keepdim=True)
    area = known.sum((2, 3), keepdim=True)
    return torch.where(area > 0, total / area.clamp(min=1), 0.5)


def hide(image: Tensor, mask: Tensor, middle: Tensor) -> Tensor:
    """Return what a network may see: `[B, 4, H, W]`, the image without its hole, and the mask.

    Colours are twice the difference from `middle`, `[B, 3, 1, 1]`; the hole is 0 whatever lies under it.
    """
    known = torch.where(mask > 0, 0, (image - middle) * 2)
    return torch.cat([known, mask], dim=1)


class Residual(nn.Module):
    """Adds what a module makes of its input to the input (He et al. 2016)."""

    def __init__(self, inner: nn.Module) -> None:
        super().__init__()
        self.inner = inner

    def forward(self, features: Tensor) -> Tensor:
        """Return `features + inner(features)`."""
        changed: Tensor = self.inner(features)
        return features + changed


class ConvBlock(nn.Sequential):
    """3×3 convolution, group normalisation, SiLU: `[B, inputs, H, W]` to `[B, outputs, H/s, W/s]`.

    Group normalisation (Wu & He 2018) does not look at the rest of the batch, so that a picture is
    filled the same way alone and among others. A dilation keeps the size.
    """

    def __init__(self, inputs: int, outputs: int, stride: int = 1, dilation: int = 1) -> None:
        super().__init__(
            nn.Conv2d(inputs, outputs, 3, stride, dilation, dilation, bias=False),
            nn.GroupNorm(gcd(outputs, 8), outputs),
            nn.SiLU(),
        )

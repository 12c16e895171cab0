"""What networks see of an image, and their plain building blocks."""

from collections.abc import Callable
from math import gcd

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from inpaintlab.errors import SettingError, near_miss


def known_mean(image: Tensor, mask: Tensor) -> Tensor:
    """Return the mean colour of the known pixels of each image, `[B, 3, 1, 1]`.

    Where nothing is known it is mid-grey. What lies under the hole, a NaN as well, has no part in it.
    """
    known = 1 - mask
    total = torch.where(mask > 0, 0, image).sum((2, 3), keepdim=True)
    area = known.sum((2, 3), keepdim=True)
    return torch.where(area > 0, total / area.clamp(min=1), 0.5)


def smooth_fill(image: Tensor, mask: Tensor, levels: int, sweeps: int = 8) -> Tensor:
    """Return images with their holes filled smoothly from around them, `[B, 3, H, W]` in [0, 1].

    Known colours are averaged down a pyramid of so many levels, and unknown ones taken from the next
    coarser one (pull and push of Gortler et al., The Lumigraph, 1996), smoothed, and bent in some sweeps
    until they continue what is around them without a crease: what solves the biharmonic equation, nearly
    in narrow holes, and roughly in wide ones, where the solution overshoots. Sides are divisible by
    `2 ** levels`; where even the coarsest level knows nothing it is the mean colour.
    """
    pyramid = [(torch.where(mask > 0, 0, image), 1 - mask)]
    for _ in range(levels):
        total, share = (F.avg_pool2d(part, 2) for part in pyramid[-1])
        pyramid.append((total, share))
    filled = known_mean(image, mask)
    for total, share in reversed(pyramid):
        hole = (share == 0).to(image.dtype)
        if filled.shape[-1] > 1:
            filled = F.interpolate(filled, scale_factor=2, mode="bilinear")
        colours = total / torch.where(share > 0, share, 1)
        filled = colours + hole * filled
        for _ in range(2):
            filled = colours + hole * F.avg_pool2d(F.pad(filled, (1, 1, 1, 1), mode="replicate"), 3, 1)
        filled = _without_creases(filled, hole, sweeps)
    return torch.where(mask > 0, filled.clamp(0, 1), image)


#: Eigenvalues of the squared Laplacian that sweeps reduce: the largest there is, and those below the
#: smallest are left to coarser levels.
_SMALLEST_VALUE, _LARGEST_VALUE = 1.5, 64.0


def _without_creases(image: Tensor, hole: Tensor, sweeps: int) -> Tensor:
    """Return images whose squared Laplacian is nearer to 0 in the hole, by Chebyshev's iteration.

    (Saad, Iterative Methods for Sparse Linear Systems, 2003, algorithm 12.1.)
    """
    middle = (_LARGEST_VALUE + _SMALLEST_VALUE) / 2
    half = (_LARGEST_VALUE - _SMALLEST_VALUE) / 2
    ratio = half / middle
    step = -hole * _laplacian(_laplacian(image)) / middle
    for _ in range(sweeps):
        image = image + step
        left = -hole * _laplacian(_laplacian(image))
        following = 1 / (2 * middle / half - ratio)
        step = following * ratio * step + 2 * following / half * left
        ratio = following
    return image


def _laplacian(image: Tensor) -> Tensor:
    padded = F.pad(image, (1, 1, 1, 1), mode="replicate")
    across = padded[..., 1:-1, :-2] + padded[..., 1:-1, 2:]
    return across + padded[..., :-2, 1:-1] + padded[..., 2:, 1:-1] - 4 * image


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
    """3×3 convolution, normalisation, SiLU: `[B, inputs, H, W]` to `[B, outputs, H/s, W/s]`.

    A dilation keeps the size. With `gate` the convolution makes a gate for every feature as well,
    which weighs it at the end (Yu et al. 2019, Eq. 4).
    """

    def __init__(
        self,
        inputs: int,
        outputs: int,
        stride: int = 1,
        dilation: int = 1,
        norm: str = "group",
        *,
        gate: bool = False,
    ) -> None:
        padding = same_padding(3, dilation)
        made = 2 * outputs if gate else outputs
        convolution = nn.Conv2d(inputs, made, 3, stride, padding, dilation, bias=norm == "none")
        finish = [normalisation(norm, outputs), nn.SiLU()]
        super().__init__(convolution, *([_Gate(*finish)] if gate else finish))


class _Gate(nn.Module):
    """Normalises and activates the first half of the channels and weighs it by the second."""

    def __init__(self, norm: nn.Module, activation: nn.Module) -> None:
        super().__init__()
        self.norm, self.activation = norm, activation

    def forward(self, made: Tensor) -> Tensor:
        features, gates = made.chunk(2, 1)
        gated: Tensor = self.activation(self.norm(features)) * gates.sigmoid()
        return gated


def same_padding(kernel: int, dilation: int = 1) -> int:
    """Return the padding with which a convolution of stride 1 keeps the size of its input.

    Raises `SettingError` for an even kernel, which no symmetric padding can serve.

    >>> same_padding(3), same_padding(3, dilation=4), same_padding(7)
    (1, 4, 3)
    >>> same_padding(4)
    Traceback (most recent call last):
    inpaintlab.errors.SettingError: a kernel is odd and at least 1, got 4: take 3 or 5
    """
    if kernel < 1 or kernel % 2 == 0:
        near = f"{kernel - 1} or {kernel + 1}" if kernel > 0 else "1"
        raise SettingError(f"a kernel is odd and at least 1, got {kernel}: take {near}")
    return dilation * (kernel - 1) // 2


NORMALISATIONS: dict[str, Callable[[int], nn.Module]] = {
    # Does not look at the rest of the batch: an image is filled the same way alone and among others.
    "group": lambda channels: nn.GroupNorm(gcd(channels, 8), channels),
    # One mean and variance for each channel over the batch, running averages in use.
    "batch": nn.BatchNorm2d,
    # For each image and channel. Its statistics take in the hole: a trap where a hole is large.
    "instance": lambda channels: nn.InstanceNorm2d(channels, affine=True),
    # For each image over all channels and places.
    "layer": lambda channels: nn.GroupNorm(1, channels),
    "none": nn.Identity,  # takes any arguments
}


def normalisation(name: str, channels: int) -> nn.Module:
    """Return a normalisation of feature maps `[B, channels, H, W]` by name.

    `group` is Wu & He 2018, `batch` Ioffe & Szegedy 2015, `instance` Ulyanov et al. 2016, `layer`
    Ba et al. 2016. Raises `SettingError` for another name.
    """
    if name not in NORMALISATIONS:
        raise SettingError(f"unknown normalisation {name!r}{near_miss(name, NORMALISATIONS)}")
    return NORMALISATIONS[name](channels)

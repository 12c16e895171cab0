"""Figures of a filled image that are counted from its pixels: one value for each image of a batch.

All take the filled image and the truth, `[B, 3, H, W]` in [0, 1], and the mask, `[B, 1, H, W]`.
The filled image is the composite: equal to the truth outside the hole. We report means of
per-image values; the PSNR of a pooled error is another figure, several dB away.
"""

import torch
from torch import Tensor
from torch.nn import functional as F

#: PSNR of identical images would be infinite.
MAX_PSNR = 100.0
#: Sizes of structure that `sharpness` tells apart: octave -> from and to, in pixels.
OCTAVES = ((1, 2), (2, 4), (4, 8))
#: Squared Laplacian of each octave that rounding to 8 bits alone gives: the sum of squares of the
#: filter's weights times a variance of 1/12.
_ROUNDING = tuple(gain / 12 / 255**2 for gain in (20, 2.09375, 0.38818359375))
#: Sharpness of noise on a sky has no bound, and would be all that a mean shows.
MAX_SHARPNESS = 2.0


def hole_psnr(filled: Tensor, truth: Tensor, mask: Tensor) -> Tensor:
    """Peak signal-to-noise ratio over the pixels of the hole, in dB, at most 100.

    It does not depend on how much of the image is hole, as PSNR over the composite does:
    PSNR = hole PSNR - 10·log10(hole ratio).
    """
    return _decibel(hole_mean((filled - truth) ** 2, mask))


def psnr(filled: Tensor, truth: Tensor, mask: Tensor) -> Tensor:
    """Peak signal-to-noise ratio over the whole composite, in dB, at most 100."""
    del mask  # all metrics are called alike
    return _decibel(((filled - truth) ** 2).mean((1, 2, 3)))


def hole_l1_percent(filled: Tensor, truth: Tensor, mask: Tensor) -> Tensor:
    """Mean absolute error over the pixels of the hole, in per cent of the value range."""
    return hole_mean((filled - truth).abs(), mask) * 100


def l1_percent(filled: Tensor, truth: Tensor, mask: Tensor) -> Tensor:
    """Mean absolute error over the whole composite, in per cent of the value range."""
    del mask
    return (filled - truth).abs().mean((1, 2, 3)) * 100


def colour_difference(filled: Tensor, truth: Tensor, mask: Tensor) -> Tensor:
    """Mean colour of the filled hole less that of the truth in it, `[B, 3]`, -1 to 1.

    With its sign: over many images the mean tells a shift of colour from mere error. An image without
    a hole gives 0.
    """
    return ((filled - truth) * mask).sum((2, 3)) / mask.sum((2, 3)).clamp(min=1)


def colour_offset(filled: Tensor, truth: Tensor, mask: Tensor) -> Tensor:
    """How far the mean colour of the filled hole is from the truth's, 0 to 1, the mean of the channels.

    It says nothing of what is filled in but its colour: 0 for any fill of the right mean.

    >>> truth, mask = torch.full((1, 3, 4, 4), 0.5), torch.ones(1, 1, 4, 4)
    >>> round(float(colour_offset(truth + 0.25, truth, mask)), 2)
    0.25
    """
    return colour_difference(filled, truth, mask).abs().mean(1)


def seam(filled: Tensor, truth: Tensor, mask: Tensor) -> Tensor:
    """How much larger the step across the hole's edge is than in the truth, -1 to 1; 0 is without seam.

    A step is the absolute difference of two neighbouring pixels, of which one is hole and one is not,
    the mean over all of them and over channels. The value is the filled image's less the truth's, so
    that an edge that is in the image is no seam. An image without such neighbours gives 0.

    >>> truth, mask = torch.full((1, 3, 4, 4), 0.5), torch.zeros(1, 1, 4, 4)
    >>> mask[..., 1:3, 1:3] = 1
    >>> round(float(seam(truth + 0.1 * mask, truth, mask)), 2)
    0.1
    """
    return edge_step(filled, mask) - edge_step(truth, mask)


def seam_offset(filled: Tensor, truth: Tensor, mask: Tensor) -> Tensor:
    """How far the step across the hole's edge is from the truth's, either way, 0 to 1.

    A fill that is smoother at its edge than the truth is wrong as well: `seam` is then below 0.
    """
    return seam(filled, truth, mask).abs()


def edge_step(image: Tensor, mask: Tensor) -> Tensor:
    """Mean absolute difference of neighbours across the hole's edge, one value an image, 0 to 1."""
    total, count = image.new_zeros(len(image)), image.new_zeros(len(image))
    for axis in (2, 3):
        across = mask.diff(dim=axis).abs()
        total += (image.diff(dim=axis).abs() * across).sum((1, 2, 3)) / image.shape[1]
        count += across.sum((1, 2, 3))
    return total / count.clamp(min=1)


def sharpness(filled: Tensor, truth: Tensor, mask: Tensor, octave: int = 0) -> Tensor:
    """Contrast of structure of one size in the hole over the truth's own there: 1 is right, 0 to 2.

    Below 1 is blur, above it noise or invented detail; 2 is twice as much and more. It does not say
    whether the detail is right: random texture can have 1. The contrast is the root mean square of an
    octave of a Laplacian pyramid (`OCTAVES`, by default the finest) over the pixels of which all that
    the filter reaches is hole as well, so that a seam does not count; of a hole too thin for that, over
    all its pixels.

    >>> truth, mask = torch.rand(1, 3, 16, 16), torch.ones(1, 1, 16, 16)
    >>> float(sharpness(truth, truth, mask)), float(sharpness(truth * 0 + 0.5, truth, mask)) < 0.1
    (1.0, True)
    """
    reach = 2 ** (octave + 1) - 1
    inside = -F.max_pool2d(-mask, 2 * reach + 1, 1, padding=reach)
    where = torch.where(inside.amax((2, 3), keepdim=True) > 0, inside, mask)
    bands = (hole_mean(_band(image, octave) ** 2, where) for image in (filled, truth))
    own, wanted = (energy + _ROUNDING[octave] for energy in bands)
    return (own / wanted).sqrt().clamp(max=MAX_SHARPNESS)


def _band(image: Tensor, octave: int) -> Tensor:
    """Return an octave of a Laplacian pyramid at the image's own size, the border repeated outside.

    It is the Laplacian over steps of 2^octave pixels of the image without finer octaves, which
    binomials (1, 2, 1)/4 over smaller steps have taken out.
    """
    for finer in range(octave):
        for axis in (2, 3):
            image = image / 2 + _beside(image, 2**finer, axis) / 4
    step = 2**octave
    return 4 * image - _beside(image, step, 2) - _beside(image, step, 3)


def _beside(image: Tensor, step: int, axis: int) -> Tensor:
    """Return the sum of the two pixels that are `step` before and after each along an axis."""
    length = image.shape[axis]
    places = torch.arange(length, device=image.device)
    before, after = (places - step).clamp(min=0), (places + step).clamp(max=length - 1)
    return image.index_select(axis, before) + image.index_select(axis, after)


def hole_mean(values: Tensor, mask: Tensor) -> Tensor:
    """Return the mean of `[B, C, H, W]` over the hole; 0 for an image without one."""
    return (values * mask).sum((1, 2, 3)) / (mask.sum((1, 2, 3)) * values.shape[1]).clamp(min=1)


def _decibel(mean_squared_error: Tensor) -> Tensor:
    return (-10 * torch.log10(mean_squared_error.clamp(min=1e-30))).clamp(max=MAX_PSNR)

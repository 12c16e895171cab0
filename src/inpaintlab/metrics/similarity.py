"""Structural similarity, at one scale and at several, of the whole composite and of the hole alone.

Signatures and shapes are those of `images`. Values are at most 1, that of identical images.
"""

import torch
import torch.nn.functional as F
from torch import Tensor

#: Weights of the scales, finest first (Wang, Simoncelli and Bovik 2003, section 3.2).
WEIGHTS = (0.0448, 0.2856, 0.3001, 0.2363, 0.1333)
#: Width of the window in pixels, and its standard deviation (Wang et al. 2004, section 3.B).
WINDOW, DEVIATION = 11, 1.5
# Stabilising constants (K·L)² of the same paper for values from 0 to 1.
_LUMINANCE, _CONTRAST = 0.01**2, 0.03**2
# Pixels that are worked on at a time: the memory does not grow with the batch, and stays in the cache.
_PIXELS = 1 << 17


def ssim(filled: Tensor, truth: Tensor, mask: Tensor) -> Tensor:
    """Structural similarity of the whole composite (Wang et al. 2004), Gaussian window, at most 1.

    For images under 11 pixels, the size of the window, the window is flat and smaller.
    """
    return similarities(filled, truth, mask)["ssim"]


def hole_ssim(filled: Tensor, truth: Tensor, mask: Tensor) -> Tensor:
    """Structural similarity over the windows whose centre is in the hole; 1 where there is no hole."""
    return similarities(filled, truth, mask)["hole_ssim"]


def ms_ssim(filled: Tensor, truth: Tensor, mask: Tensor) -> Tensor:
    """Structural similarity at several scales (Wang, Simoncelli and Bovik 2003), 0 to 1.

    The product over the scales, each half as wide as the one before, of the mean of contrast and
    structure, at the coarsest of the whole similarity, with the scale's weight as the exponent; a mean
    below 0 counts as 0. Five scales need 176 pixels a side. For smaller images there are as many as
    `scales` says, and their weights are divided by their sum: compare figures of one size alone.
    """
    return similarities(filled, truth, mask)["ms_ssim"]


def hole_ms_ssim(filled: Tensor, truth: Tensor, mask: Tensor) -> Tensor:
    """Structural similarity of the hole at several scales, 0 to 1; 1 where there is no hole.

    As `ms_ssim`, with the means at each scale over the hole at that scale: a pixel there has as its
    weight how much of it is hole.
    """
    return similarities(filled, truth, mask)["hole_ms_ssim"]


def scales(height: int, width: int) -> int:
    """Return how many of the five scales an image has: each must hold one window.

    >>> [scales(side, side) for side in (16, 64, 128, 256)]
    [1, 3, 4, 5]
    """
    count = 1
    while count < len(WEIGHTS) and min(height, width) >> count >= WINDOW:
        count += 1
    return count


def similarities(filled: Tensor, truth: Tensor, mask: Tensor) -> dict[str, Tensor]:
    """Return all four figures, `ssim`, `hole_ssim`, `ms_ssim`, `hole_ms_ssim`, from the same maps."""
    count = max(1, _PIXELS // (truth.shape[-2] * truth.shape[-1]))
    parts = zip(*(torch.split(x.float(), count) for x in (filled, truth, mask)), strict=True)
    # Differences of nearly equal squares: not in half precision.
    with torch.autocast(truth.device.type, enabled=False):
        found = [_some(*part) for part in parts]
    return {name: torch.cat([of[name] for of in found]) for name in found[0]}


def similarity_maps(filled: Tensor, truth: Tensor) -> tuple[Tensor, Tensor]:
    """Return similarity, and its part of contrast and structure, of each window: `[B, 3, H, W]` both.

    Equations 13 and 9 with 10 of Wang et al. 2004. Images are mirrored at their border, so that there
    is a window around each pixel.
    """
    stacked = torch.stack([filled, truth, filled * filled, truth * truth, filled * truth])
    x, y, xx, yy, xy = blur(stacked)
    luminance = (2 * x * y + _LUMINANCE) / (x * x + y * y + _LUMINANCE)
    variances = (xx - x * x).clamp(min=0) + (yy - y * y).clamp(min=0)
    contrast = (2 * (xy - x * y) + _CONTRAST) / (variances + _CONTRAST)
    return luminance * contrast, contrast


def blur(images: Tensor) -> Tensor:
    """Average `[..., H, W]` over the window around each pixel.

    Two products with matrices: several times as fast on a CPU as a convolution of each channel by
    itself, the more the smaller the image.
    """
    height, width = images.shape[-2:]
    window = _window(min(height, width)).to(images)
    down, across = _averaging(height, window), _averaging(width, window)
    return down @ (images.reshape(-1, width) @ across.T).view(images.shape)


def _window(side: int) -> Tensor:
    """Return the window's weights: Gaussian; flat, and as wide as the image, where that is smaller."""
    if side < WINDOW:
        width = side if side % 2 else side - 1
        return torch.full((width,), 1 / width)
    steps = torch.arange(WINDOW) - WINDOW // 2
    weights = torch.exp(-(steps**2) / (2 * DEVIATION**2))
    return weights / weights.sum()


def _averaging(side: int, window: Tensor) -> Tensor:
    """Return the matrix `[side, side]` that averages a column of pixels, mirrored at its ends."""
    half = len(window) // 2
    pixels = F.pad(torch.eye(side).to(window)[:, None], (half, half), mode="reflect")
    return F.conv1d(pixels, window.view(1, 1, -1))[:, 0].T


def _some(filled: Tensor, truth: Tensor, mask: Tensor) -> dict[str, Tensor]:
    count = scales(*truth.shape[-2:])
    weights = [weight / sum(WEIGHTS[:count]) for weight in WEIGHTS[:count]]
    found: dict[str, Tensor] = {}
    whole, hole = torch.ones(len(truth)).to(truth), torch.ones(len(truth)).to(truth)
    for scale, weight in enumerate(weights):
        similarity, contrast = similarity_maps(filled, truth)
        if scale == 0:
            found = {"ssim": similarity.mean((1, 2, 3)), "hole_ssim": _where(similarity, mask)}
        if scale < count - 1:
            # As in the reference code, windows that reach over the border do not count here.
            inner = contrast[..., WINDOW // 2 : -(WINDOW // 2), WINDOW // 2 : -(WINDOW // 2)]
            means = inner.mean((1, 2, 3)), _where(contrast, mask)
            filled, truth, mask = (F.avg_pool2d(x, 2) for x in (filled, truth, mask))
        else:
            means = similarity.mean((1, 2, 3)), _where(similarity, mask)
        whole, hole = (x * y.clamp(min=0) ** weight for x, y in zip((whole, hole), means, strict=True))
    return found | {"ms_ssim": whole, "hole_ms_ssim": hole}


def _where(similarity: Tensor, mask: Tensor) -> Tensor:
    """Return the mean over the hole, weighted by how much of a pixel is hole; 1 where nothing is."""
    area = mask.sum((1, 2, 3)) * similarity.shape[1]
    lost = ((1 - similarity) * mask).sum((1, 2, 3))
    return 1 - lost / torch.where(area > 0, area, 1)

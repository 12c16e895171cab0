"""Metrics of a filled picture: one value for each picture of a batch.

All take the filled picture and the truth, `[B, 3, H, W]` in [0, 1], and the mask, `[B, 1, H, W]`.
The filled picture is the composite: equal to the truth outside the hole. We report means of
per-picture values; the PSNR of a pooled error is another figure, several dB away.
"""

from collections.abc import Callable

import torch
from torch import Tensor

from inpaintlab.losses import similarity_map

#: PSNR of identical pictures would be infinite.
MAX_PSNR = 100.0


def hole_psnr(filled: Tensor, truth: Tensor, mask: Tensor) -> Tensor:
    """Peak signal-to-noise ratio over the pixels of the hole, in dB, at most 100.

    It does not depend on how much of the picture is hole, as PSNR over the composite does:
    PSNR = hole PSNR - 10·log10(hole ratio).
    """
    error = ((filled - truth) ** 2 * mask).sum((1, 2, 3))
    return _decibel(error / (mask.sum((1, 2, 3)) * truth.shape[1]).clamp(min=1))


def psnr(filled: Tensor, truth: Tensor, mask: Tensor) -> Tensor:
    """Peak signal-to-noise ratio over the whole composite, in dB, at most 100."""
    del mask  # all metrics are called alike
    return _decibel(((filled - truth) ** 2).mean((1, 2, 3)))


def ssim(filled: Tensor, truth: Tensor, mask: Tensor) -> Tensor:
    """Structural similarity of the whole composite (Wang et al. 2004), Gaussian window, at most 1.

    For pictures under 11 pixels, the size of the window, the window is made smaller.
    """
    del mask
    return similarity_map(filled, truth).flatten(1).mean(1)


def l1_percent(filled: Tensor, truth: Tensor, mask: Tensor) -> Tensor:
    """Mean absolute error over the whole composite, in per cent of the value range."""
    del mask
    return (filled - truth).abs().mean((1, 2, 3)) * 100


#: Name in tables and JSON -> function.
METRICS: dict[str, Callable[[Tensor, Tensor, Tensor], Tensor]] = {
    "hole_psnr": hole_psnr,
    "psnr": psnr,
    "ssim": ssim,
    "l1_percent": l1_percent,
}


def _decibel(mean_squared_error: Tensor) -> Tensor:
    return (-10 * torch.log10(mean_squared_error.clamp(min=1e-30))).clamp(max=MAX_PSNR)

"""Uncertainty as an image."""

import cv2
import numpy as np

from inpaintlab.arrays import Float32, UInt8

#: Half the range of colours: values that may be off by so much, or more, have the brightest colour.
MOST = 0.5


def heat_map(uncertainty: Float32, pixels: UInt8, most: float = MOST) -> UInt8:
    """Return the uncertainty of a hole as colours, dark to bright, in an image that is grey around it.

    `uncertainty` is `[H, W]` in [0, 1], 0 outside holes; `pixels` is `[H, W, 3]`. The scale is the same
    for every image: black for 0, and the brightest yellow from `most` on.

    >>> image = np.full((1, 3, 3), 200, np.uint8)
    >>> heat_map(np.array([[0.0, 0.01, 0.5]], np.float32), image)[0].tolist()
    [[100, 100, 100], [2, 2, 12], [252, 255, 164]]
    """
    levels = np.clip(255 * uncertainty / most, 0, 255).round().astype(np.uint8)
    colours = cv2.cvtColor(cv2.applyColorMap(levels, cv2.COLORMAP_INFERNO), cv2.COLOR_BGR2RGB)
    grey = cv2.cvtColor(pixels, cv2.COLOR_RGB2GRAY)[..., None] // 2
    return np.where(uncertainty[..., None] > 0, colours, grey).astype(np.uint8)

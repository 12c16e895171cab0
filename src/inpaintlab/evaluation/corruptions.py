"""Changes of an image, each in five severities: what a network meets in the world and not in training.

A corruption is a function of an image, uint8 `[H, W, 3]`, and a strength, in `CORRUPTIONS` with the
strengths of its severities. The size stays; what comes in from outside is mirrored.
"""

from collections.abc import Callable
from zlib import crc32

import cv2
import numpy as np

from inpaintlab.arrays import UInt8
from inpaintlab.images import through_jpeg

SEVERITIES = (1, 2, 3, 4, 5)


def corrupt(name: str, severity: int, image: UInt8) -> UInt8:
    """Return the image changed by a corruption of `CORRUPTIONS` in one of the `SEVERITIES`."""
    change, strengths = CORRUPTIONS[name]
    return change(image, strengths[severity - 1])


def _moved(image: UInt8, degrees: float = 0, scale: float = 1, aside: float = 0) -> UInt8:
    """Turn and enlarge about the middle, and move aside and down by a share of the shorter side."""
    height, width = image.shape[:2]
    matrix = cv2.getRotationMatrix2D(((width - 1) / 2, (height - 1) / 2), degrees, scale)
    matrix[:, 2] += aside * min(height, width)
    moved = cv2.warpAffine(
        image, matrix, (width, height), flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REFLECT_101
    )
    return np.asarray(moved, np.uint8)


def _recoloured(image: UInt8, change: tuple[float, float]) -> UInt8:
    """Turn the hue by degrees, and multiply the saturation."""
    degrees, factor = change
    hsv = cv2.cvtColor(image, cv2.COLOR_RGB2HSV).astype(np.float32)
    hsv[..., 0] = (hsv[..., 0] + degrees / 2) % 180  # OpenCV's hue is in steps of 2 degrees
    hsv[..., 1] = (hsv[..., 1] * factor).clip(0, 255)
    return np.asarray(cv2.cvtColor(hsv.astype(np.uint8), cv2.COLOR_HSV2RGB), np.uint8)


def _blurred(image: UInt8, share: float) -> UInt8:
    """Blur by a Gaussian whose standard deviation is a share of the shorter side."""
    sigma = max(share * min(image.shape[:2]), 0.2)
    return np.asarray(cv2.GaussianBlur(image, (0, 0), sigma), np.uint8)


def _noisy(image: UInt8, deviation: float) -> UInt8:
    """Add normal noise of a standard deviation of 255; the same image always gets the same."""
    # Seeded by the image, so that noise differs from image to image, but not from run to run.
    random = np.random.default_rng(crc32(image.tobytes()))
    return np.rint(image + random.normal(0, deviation, image.shape)).clip(0, 255).astype(np.uint8)


CORRUPTIONS: dict[str, tuple[Callable[..., UInt8], tuple[object, ...]]] = {
    "rotated": (_moved, (5, 10, 20, 35, 60)),
    "rescaled": (lambda image, scale: _moved(image, scale=scale), (1.1, 1.25, 1.5, 1.8, 2.2)),
    "off-centre": (lambda image, aside: _moved(image, aside=aside), (0.05, 0.1, 0.15, 0.2, 0.3)),
    "recoloured": (_recoloured, ((10, 1.1), (25, 0.8), (50, 1.3), (90, 0.5), (180, 1.6))),
    "blurred": (_blurred, (0.006, 0.012, 0.02, 0.03, 0.05)),
    "noisy": (_noisy, (4, 8, 16, 28, 45)),
    "JPEG": (through_jpeg, (70, 45, 25, 12, 5)),
}

"""Changes of an image, each in five severities: what a network meets in the world and not in training.

A corruption is a function of an image, uint8 `[H, W, 3]`, and a severity, 1 to 5, and one line in
`CORRUPTIONS`. The size stays; what comes in from outside is mirrored.
"""

from collections.abc import Callable
from zlib import crc32

import cv2
import numpy as np

from inpaintlab.arrays import UInt8

SEVERITIES = (1, 2, 3, 4, 5)
_DEGREES = (5, 10, 20, 35, 60)
_ZOOM = (1.1, 1.25, 1.5, 1.8, 2.2)
#: Hue in degrees, and what saturation is multiplied by.
_HUE, _SATURATION = (10, 25, 50, 90, 180), (1.1, 0.8, 1.3, 0.5, 1.6)
#: Share of the shorter side.
_BLUR, _OFF = (0.006, 0.012, 0.02, 0.03, 0.05), (0.05, 0.1, 0.15, 0.2, 0.3)
#: Standard deviation, of 255.
_NOISE = (4, 8, 16, 28, 45)
_QUALITY = (70, 45, 25, 12, 5)


def rotated(image: UInt8, severity: int) -> UInt8:
    """Turn about the middle, by 5 to 60 degrees."""
    return _moved(image, _DEGREES[severity - 1], 1.0, 0.0)


def rescaled(image: UInt8, severity: int) -> UInt8:
    """Enlarge about the middle, 1.1 to 2.2 times."""
    return _moved(image, 0, _ZOOM[severity - 1], 0.0)


def off_centre(image: UInt8, severity: int) -> UInt8:
    """Move aside and down, by 5 to 30 % of the shorter side."""
    return _moved(image, 0, 1.0, _OFF[severity - 1])


def recoloured(image: UInt8, severity: int) -> UInt8:
    """Turn the hue by 10 to 180 degrees and change the saturation."""
    hsv = cv2.cvtColor(image, cv2.COLOR_RGB2HSV).astype(np.float32)
    hsv[..., 0] = (hsv[..., 0] + _HUE[severity - 1] / 2) % 180  # OpenCV's hue is in steps of 2 degrees
    hsv[..., 1] = (hsv[..., 1] * _SATURATION[severity - 1]).clip(0, 255)
    return np.asarray(cv2.cvtColor(hsv.astype(np.uint8), cv2.COLOR_HSV2RGB), np.uint8)


def blurred(image: UInt8, severity: int) -> UInt8:
    """Blur by a Gaussian of 0.6 to 5 % of the shorter side."""
    sigma = _BLUR[severity - 1] * min(image.shape[:2])
    return np.asarray(cv2.GaussianBlur(image, (0, 0), max(sigma, 0.2)), np.uint8)


def noisy(image: UInt8, severity: int) -> UInt8:
    """Add normal noise of 4 to 45 of 255; the same image always gets the same."""
    # Seeded by the image, so that noise differs from image to image, but not from run to run.
    random = np.random.default_rng(crc32(image.tobytes()))
    noise = random.normal(0, _NOISE[severity - 1], image.shape)
    return np.rint(image + noise).clip(0, 255).astype(np.uint8)


def compressed(image: UInt8, severity: int) -> UInt8:
    """Save as JPEG of quality 70 to 5, and read again."""
    bgr = cv2.cvtColor(image, cv2.COLOR_RGB2BGR)
    _, data = cv2.imencode(".jpg", bgr, [cv2.IMWRITE_JPEG_QUALITY, _QUALITY[severity - 1]])
    read = np.asarray(cv2.imdecode(data, cv2.IMREAD_COLOR), np.uint8)
    return np.asarray(cv2.cvtColor(read, cv2.COLOR_BGR2RGB), np.uint8)


CORRUPTIONS: dict[str, Callable[[UInt8, int], UInt8]] = {
    "rotated": rotated,
    "rescaled": rescaled,
    "off-centre": off_centre,
    "recoloured": recoloured,
    "blurred": blurred,
    "noisy": noisy,
    "JPEG": compressed,
}


def _moved(image: UInt8, degrees: float, scale: float, aside: float) -> UInt8:
    height, width = image.shape[:2]
    matrix = cv2.getRotationMatrix2D(((width - 1) / 2, (height - 1) / 2), degrees, scale)
    matrix[:, 2] += aside * min(height, width)
    moved = cv2.warpAffine(
        image, matrix, (width, height), flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REFLECT_101
    )
    return np.asarray(moved, np.uint8)

"""Similarity transforms between two pairs of points, and images warped by them.

Points are `[N, 2]`, x before y, in pixels: (0, 0) is the middle of the first pixel. A transform is
`[2, 3]`, as OpenCV has it: a linear part and, in the last column, a shift.
"""

import cv2
import numpy as np

from inpaintlab.arrays import Float64, UInt8


def similarity(points: Float64, targets: Float64) -> Float64:
    """Return the one transform of turning, scaling and shifting that takes two points to two others.

    In complex numbers it is z → a·z + b, so two pairs of points settle it. Raises
    `ZeroDivisionError` where the two points are one.
    """
    (first, second), (goal, other_goal) = (
        [complex(x, y) for x, y in pair] for pair in (points.tolist(), targets.tolist())
    )
    a = (other_goal - goal) / (second - first)
    b = goal - a * first
    return np.array([[a.real, -a.imag, b.real], [a.imag, a.real, b.imag]])


def apply(transform: Float64, points: Float64) -> Float64:
    """Take points `[N, 2]` through a transform."""
    return points @ transform[:, :2].T + transform[:, 2]


def invert(transform: Float64) -> Float64:
    """Return the transform that leads back."""
    return np.asarray(cv2.invertAffineTransform(transform), np.float64)


def warp(pixels: UInt8, transform: Float64, width: int, height: int) -> UInt8:
    """Draw an image `[H, W]` or `[H, W, 3]` through a similarity transform onto width × height pixels.

    What lies beyond its border is mirrored. Where the transform shrinks, the image is first brought
    to the goal's scale by area averages, so that fine patterns do not alias.
    """
    whole = np.array(pixels.shape[1::-1])
    scale = np.hypot(transform[0, 0], transform[1, 0])
    if scale < 1:
        small = np.maximum(1, np.rint(whole * scale)).astype(int)
        pixels = np.asarray(cv2.resize(pixels, small.tolist(), interpolation=cv2.INTER_AREA), np.uint8)
        # Sides were rounded, so each has a scale of its own. A resize keeps the edges in place, so
        # positions scale from there and not from the middle of the first pixel.
        scales = small / whole
        shift = transform[:, 2] + transform[:, :2] @ (0.5 / scales - 0.5)
        transform = np.column_stack([transform[:, :2] / scales, shift])
    warped = cv2.warpAffine(
        pixels, transform, (width, height), flags=cv2.INTER_CUBIC, borderMode=cv2.BORDER_REFLECT_101
    )
    return np.asarray(warped, np.uint8)

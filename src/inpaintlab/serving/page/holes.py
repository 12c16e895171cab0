"""Holes of the page: read from what was painted, drawn by code, and painted back into the editor."""

import math
from collections.abc import Sequence

import cv2
import numpy as np
import numpy.typing as npt
from PIL import Image

from inpaintlab.arrays import Bool
from inpaintlab.errors import MaskError

#: Colour of what is painted, and how much of it is seen: the image shows through.
PAINT, OPACITY = (255, 59, 92), 0.7
#: A larger share of the image leaves too little to fill from.
MAX_SHARE = 0.9
# A stroke ends in a soft edge: this alpha is about half of a stroke's.
_PAINTED = 96


def read_layers(layers: Sequence[Image.Image], size: tuple[int, int]) -> Bool:
    """Return what is painted on any of the layers as `[H, W]` of the image's `size`, height first.

    Layers may be of any size: the canvas of the editor is a smaller or a larger copy of the image.

    >>> layer = Image.new("RGBA", (4, 2))
    >>> layer.putpixel((1, 0), (255, 0, 0, 255))
    >>> read_layers([layer], (2, 4)).astype(int).tolist()
    [[0, 1, 0, 0], [0, 0, 0, 0]]
    """
    hole = np.zeros(size, bool)
    for layer in layers:
        alpha = np.asarray(layer.convert("RGBA"))[..., 3]
        hole |= _resized((alpha >= _PAINTED).astype(np.uint8), size)
    return hole


def _resized(painted: npt.NDArray[np.uint8], size: tuple[int, int]) -> Bool:
    """Bring a mask of 0 and 1 to another size with smooth outlines; nothing that is painted is lost."""
    if painted.shape == size:
        return painted.astype(bool)
    scaled = cv2.resize(painted * 255, size[::-1], interpolation=cv2.INTER_LINEAR)
    if painted.any() and scaled.max() <= 127:  # thinner than half a pixel
        scaled = cv2.resize(painted * 255, size[::-1], interpolation=cv2.INTER_AREA)
        return np.asarray(scaled > 0)
    return np.asarray(scaled > 127)


def check_hole(hole: Bool) -> None:
    """Raise `MaskError`, in the words of somebody who paints, for a hole that cannot be filled."""
    if not hole.any():
        raise MaskError("Nothing is painted yet. Paint over what should go, then press Fill.")
    if hole.mean() > MAX_SHARE:
        raise MaskError(
            f"{hole.mean():.0%} of the image is painted over: too little is left to fill from. "
            f"Erase some of it, down to {MAX_SHARE:.0%}."
        )


def paint(hole: Bool) -> Image.Image:
    """Return a layer for the editor that shows a hole as if it had been painted with the brush."""
    layer = np.zeros((*hole.shape, 4), np.uint8)
    layer[hole] = (*PAINT, round(255 * OPACITY))
    return Image.fromarray(layer)


def rectangle(size: tuple[int, int], share: float, across: float, down: float) -> Bool:
    """Return a hole with sides of a `share` of the image's; `across` and `down` say where, in [0, 1].

    0 is at the left or upper border, 1 at the other one. Always at least a pixel.

    >>> rectangle((2, 4), 0.5, 1, 0).astype(int).tolist()
    [[0, 0, 1, 1], [0, 0, 0, 0]]
    """
    hole = np.zeros(size, bool)
    sides = [max(1, round(share * length)) for length in size]
    top, left = (
        round(place * (length - side))
        for place, length, side in zip((down, across), size, sides, strict=True)
    )
    hole[top : top + sides[0], left : left + sides[1]] = True
    return hole


def strokes(size: tuple[int, int], share: float, random: np.random.Generator) -> Bool:
    """Return a few wandering strokes; `share` of the sides is about how far each one reaches."""
    canvas = np.zeros(size, np.uint8)
    height, width = size
    unit = share * min(size)
    for _ in range(random.integers(2, 5)):
        x, y = random.uniform(0.2, 0.8) * width, random.uniform(0.2, 0.8) * height
        points, direction = [(int(x), int(y))], random.uniform(0, 2 * math.pi)
        for _ in range(random.integers(4, 9)):
            direction += random.normal(0, 0.7)
            step = random.uniform(0.1, 0.3) * unit
            x, y = x + step * math.cos(direction), y + step * math.sin(direction)
            points.append((int(x), int(y)))
        thickness = max(1, round(random.uniform(0.12, 0.25) * unit))
        cv2.polylines(canvas, [np.array(points, np.int32)], False, 1, thickness)
    return canvas.astype(bool)

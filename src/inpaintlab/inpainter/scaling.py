"""Parts of images made smaller for a network, and its output made larger again."""

from dataclasses import replace

import cv2
import numpy as np

from inpaintlab.arrays import Bool, Float32, Pixels, UInt8
from inpaintlab.images import DecodedImage, to_rgb
from inpaintlab.inpainter.crops import Box

#: Up to so many pixels it is quicker to enlarge all and cut out than to enlarge a part.
_QUICK = 1_000_000


def known_colours(image: DecodedImage, hole: UInt8, box: Box) -> Float32:
    """Return a box of an image as RGB in [0, 1], `[h, w, 3]`, and 0 in its hole."""
    rgb = to_rgb(replace(image, pixels=image.pixels[box.slices]))
    return np.asarray(cv2.copyTo(rgb, 1 - hole[box.slices]), np.float32)


def shrink(image: DecodedImage, hole: UInt8, box: Box, size: tuple[int, int]) -> tuple[Float32, Bool]:
    """Cut out a box and bring it to a height and width; return RGB `[h, w, 3]` in [0, 1] and its hole.

    Averages run over known pixels only, and a pixel with any hole in it is hole: nothing from under the
    hole gets in.
    """
    if size == box.size:
        return known_colours(image, hole, box), hole[box.slices] > 0
    pixels, unknown = image.pixels[box.slices], hole[box.slices]
    if pixels.dtype == np.float16:  # which OpenCV does not resize
        pixels = pixels.astype(np.float32)
    # Made smaller as stored: a tenth of the memory of floating point at full size.
    while _may_be_halved(unknown.shape, size):
        pixels, unknown = _halved(pixels), _any_of_four(unknown)
    smaller = cv2.resize(pixels, size[::-1], interpolation=cv2.INTER_AREA)
    share = cv2.resize(unknown.astype(np.float32), size[::-1], interpolation=cv2.INTER_AREA)
    mask = share > 0
    rgb = to_rgb(replace(image, pixels=smaller)).clip(0, 1)
    return np.where(mask[..., None], np.float32(0), rgb), mask


def _may_be_halved(shape: tuple[int, ...], size: tuple[int, int]) -> bool:
    """Tell whether sides are even, and still twice as long as wanted when they are half as long.

    Averages of four take an eighth of the time that others take.
    """
    return all(side % 2 == 0 and side >= 4 * goal for side, goal in zip(shape, size, strict=True))


def _halved(pixels: Pixels) -> Pixels:
    half = (pixels.shape[1] // 2, pixels.shape[0] // 2)
    return np.asarray(cv2.resize(pixels, half, interpolation=cv2.INTER_AREA))


def _any_of_four(unknown: UInt8) -> UInt8:
    """Return 1 where any of four pixels is."""
    rows = unknown[::2] | unknown[1::2]
    return np.asarray(rows[:, ::2] | rows[:, 1::2], np.uint8)


def enlarge(colours: Float32, place: Box, wanted: Box, size: tuple[int, int] | None = None) -> Float32:
    """Return what `colours`, the output for `place`, show of another box, at its own or a given size.

    Cubic interpolation; beyond `place` its border is repeated.
    """
    size = size or wanted.size
    if colours.shape[:2] == place.size and size == wanted.size and wanted == wanted.grown(0, place):
        return colours[wanted.inside(place)]
    whole = wanted == wanted.grown(0, place) and place.size[0] * place.size[1] <= _QUICK
    if whole and size == wanted.size:
        larger = cv2.resize(colours, place.size[::-1], interpolation=cv2.INTER_CUBIC)
        return np.asarray(larger[wanted.inside(place)].clip(0, 1), np.float32)
    start = (wanted.top - place.top, wanted.left - place.left)
    down, above = _steps(colours.shape[0], place.size[0], start[0], wanted.size[0], size[0])
    right, before = _steps(colours.shape[1], place.size[1], start[1], wanted.size[1], size[1])
    enlarged = cv2.warpAffine(
        colours,
        np.array([[right, 0, before], [0, down, above]]),
        size[::-1],
        flags=cv2.INTER_CUBIC | cv2.WARP_INVERSE_MAP,
        borderMode=cv2.BORDER_REPLICATE,
    )
    return np.asarray(enlarged.clip(0, 1), np.float32)


def _steps(samples: int, length: int, start: int, wanted: int, pixels: int) -> tuple[float, float]:
    """Return, along one axis, how many samples lie between two pixels, and at which one the first lies.

    `samples` stand for `length` pixels of the image; `pixels` are to stand for `wanted` of them, which
    begin `start` further on. Samples and pixels are areas, so their middles are half a step in.
    """
    step, density = wanted / pixels, samples / length
    return step * density, (start + step / 2) * density - 0.5

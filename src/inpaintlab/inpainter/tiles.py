"""Detail at full size for a hole that was painted small: coarse to fine, tile by tile.

From one scale to the next, twice as fine, a band along the hole's edge is painted again. A tile is as
large as the images that the network was trained on; the band in its middle is its hole, and what it
sees around that are known pixels outside and what was painted coarser inside. Farther in, nothing but
that would be to go on with, so there the coarser one stays: painted again it would only lose.
"""

import math
from collections.abc import Callable, Iterator

import cv2
import numpy as np

from inpaintlab.arrays import Bool, Float32, UInt8
from inpaintlab.images import DecodedImage
from inpaintlab.inpainter.blending import edge_difference
from inpaintlab.inpainter.crops import Box, Crop
from inpaintlab.inpainter.scaling import enlarge, shrink

#: The middle of a tile that is painted, as a share of its side: as large as holes in training.
CORE = 0.4
#: How far the band reaches in, as a share of the core, fading out. Wider, faces lose; narrower, scenes.
BAND = 0.25
#: Cores overlap by a quarter, and fade into each other there.
STEP = 0.75

Paint = Callable[[list[Float32], list[Bool]], Iterator[Float32]]


def add_detail(
    paint: Paint, blend: str, image: DecodedImage, hole: UInt8, crop: Crop, colours: Float32, size: int
) -> tuple[Float32, Box]:
    """Paint a crop's hole again, finer and finer; return the colours and the box that they show.

    `colours` is what was painted of the whole crop, made smaller; `paint` fills images of `size`
    pixels a side, and smaller ones at the image's border; `blend` is one of `BLENDS`.
    """
    place = crop.box
    before = min(place.size) / min(colours.shape[:2])
    for scale in _scales(before):
        region = crop.bounds.grown(math.ceil(size * scale), Box(0, 0, *image.size))
        shape = _shape(region, scale)
        known, mask = shrink(image, hole, region, shape)
        coarser = enlarge(colours, place, region, shape)
        coarser = (coarser + edge_difference(blend, known, mask, coarser, before / scale)).clip(0, 1)
        canvas = np.where(mask[..., None], coarser, known)
        before = scale
        colours, place = _paint_band(paint, canvas, mask, _core_area(crop, region, shape), size), region
    return colours, place


def _scales(first: float) -> list[float]:
    """Return how many pixels a painted one covers, step by step down to one.

    >>> [round(scale, 9) for scale in _scales(8.0)], _scales(1.2)
    ([4.0, 2.0, 1.0], [1.0])
    """
    count = max(1, math.ceil(math.log2(first) - 0.5))
    return [first ** (1 - step / count) for step in range(1, count + 1)]


def _shape(region: Box, scale: float) -> tuple[int, int]:
    height, width = region.size
    return max(1, round(height / scale)), max(1, round(width / scale))


def _core_area(crop: Crop, region: Box, shape: tuple[int, int]) -> Box:
    """Return where the crop's holes lie in the smaller image of a region."""
    rows, columns = crop.bounds.inside(region)
    down, right = shape[0] / region.size[0], shape[1] / region.size[1]
    return Box(
        math.floor(rows.start * down),
        math.floor(columns.start * right),
        min(math.ceil(rows.stop * down), shape[0]),
        min(math.ceil(columns.stop * right), shape[1]),
    )


def _paint_band(paint: Paint, canvas: Float32, mask: Bool, area: Box, size: int) -> Float32:
    """Paint a band along the edge of the hole again, in tiles that lie over an area."""
    core = max(1, round(size * CORE))
    distance = cv2.distanceTransform(mask.astype(np.uint8), cv2.DIST_L2, cv2.DIST_MASK_5)
    weight = np.where(mask, (1 - distance / np.float32(BAND * core)).clip(0, 1), np.float32(0))
    cores = [box for box in _cores(area, core) if weight[box.slices].any()]
    tiles = [_tile(box, size, mask.shape) for box in cores]
    total, count = np.zeros_like(canvas), np.zeros(mask.shape, np.float32)
    inputs = [_input(canvas, weight, box, tile) for box, tile in zip(cores, tiles, strict=True)]
    painted = paint([image for image, _ in inputs], [band for _, band in inputs])
    for box, tile, colours in zip(cores, tiles, painted, strict=True):
        fade = _fade(core)[: box.size[0], : box.size[1]]
        total[box.slices] += colours[box.inside(tile)] * fade[..., None]
        count[box.slices] += fade
    finer = total / np.maximum(count, np.float32(1e-6))[..., None]
    return np.where(count[..., None] > 0, canvas + (finer - canvas) * weight[..., None], canvas)


def _input(canvas: Float32, weight: Float32, core: Box, tile: Box) -> tuple[Float32, Bool]:
    """Cut out a tile, with the band in its core as its hole."""
    band = np.zeros(tile.size, bool)
    band[core.inside(tile)] = weight[core.slices] > 0
    return np.where(band[..., None], np.float32(0), canvas[tile.slices]), band


def _cores(area: Box, core: int) -> Iterator[Box]:
    """Yield squares that cover an area; those at its end are cut off there."""
    step = max(1, round(core * STEP))
    for top in range(area.top, area.bottom, step):
        for left in range(area.left, area.right, step):
            yield Box(top, left, top + core, left + core).grown(0, area)


def _tile(core: Box, size: int, shape: tuple[int, ...]) -> Box:
    """Return the square around a core, moved into the image where it would stick out."""
    top = min(max(0, (core.top + core.bottom - size) // 2), max(0, shape[0] - size))
    left = min(max(0, (core.left + core.right - size) // 2), max(0, shape[1] - size))
    return Box(top, left, min(top + size, shape[0]), min(left + size, shape[1]))


def _fade(core: int) -> Float32:
    """Return the weight of a core's pixels, `[core, core]`: least, but above 0, at its border."""
    ramp = np.sin(np.pi * (np.arange(core) + 0.5) / core) ** 2 + 1e-3
    return np.outer(ramp, ramp).astype(np.float32)

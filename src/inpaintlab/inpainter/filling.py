"""From an image and its hole to colours: a crop is brought to the network's size, back, and blended.

A network predicts the whole crop, known pixels too. How far it is from them at the hole's edge tells how
far it is just inside: that difference is continued smoothly into the hole, and added.
"""

import math
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from itertools import groupby
from typing import Any

import cv2
import numpy as np
import torch
from torch import Tensor, nn

from inpaintlab.arrays import Bool, Float32, Pixels, UInt8
from inpaintlab.errors import NetworkError
from inpaintlab.images import DecodedImage, to_rgb
from inpaintlab.inpainter.crops import Box, Crop, working_size
from inpaintlab.machine import processors
from inpaintlab.masks import check_mask
from inpaintlab.networks import check_output, needs
from inpaintlab.tensors import check_image, pad_to_multiple

#: So many crops go through a network at a time.
AT_ONCE = 8
#: Up to so many pixels it is quicker to enlarge all and cut out than to enlarge a part.
_QUICK = 1_000_000
#: `gradient` is the blending below, `none` leaves a fill as it was predicted.
BLENDS = ("gradient", "none")
#: Known pixels within this distance of the hole, in output pixels, have a say.
REACH = 4.0
#: Sweeps over each level of the pyramid, and how much is lost in each. With less loss, faces gain and
#: scenes lose: the middle of a large hole takes the colour of its edge.
SWEEPS, LOSS = 12, 0.02
_NEIGHBOURS = np.array([[0, 1, 0], [1, 0, 1], [0, 1, 0]], np.float32) / 4
#: A level of the pyramid this small is not halved again.
_SMALLEST = 8
#: Less of a known pixel than this is none: its share of an average would be noise.
_TRACE = np.float32(1e-4)


def fill_crops(
    network: nn.Module, image: DecodedImage, hole: UInt8, crops: Sequence[Crop], size: int, blend: str
) -> Iterator[tuple[Crop, Float32]]:
    """Yield each crop with colours for all of its bounds, `[h, w, 3]` in [0, 1]."""

    def cut(crop: Crop) -> tuple[Float32, Bool]:
        return shrink(image, hole, crop.box, working_size(crop.box, size))

    def finish(crop: Crop, output: Float32) -> Float32:
        return _blended(image, hole, crop, output, blend)

    # What is done for several crops beside the network runs on several processors; more than four
    # threads would wait for memory.
    with ThreadPoolExecutor(min(len(crops), processors(), 4)) as threads:
        for start in range(0, len(crops), AT_ONCE):
            chunk = crops[start : start + AT_ONCE]
            inputs = list(threads.map(cut, chunk))
            outputs = list(_predicted(network, inputs))
            yield from zip(chunk, threads.map(finish, chunk, outputs), strict=True)


def _blended(image: DecodedImage, hole: UInt8, crop: Crop, output: Float32, blend: str) -> Float32:
    """Bring the output for a crop to the size of the image, and its edge to the known pixels."""
    scale = min(crop.box.size) / min(output.shape[:2])
    if scale == 1 or blend == "none":
        # An output at full size is as sharp as what is around it: there is nothing to blend.
        return enlarge(output, crop.box, crop.bounds)
    region = crop.bounds.grown(math.ceil(REACH * scale), crop.box)
    inside = hole[region.slices] > 0
    coarse = enlarge(output, crop.box, region, cells(inside.shape, scale))
    difference = edge_difference(known_colours(image, hole, region), inside, coarse, scale)
    larger = enlarge(output, crop.box, crop.bounds)
    return (larger + difference[crop.bounds.inside(region)]).clip(0, 1)


def _predicted(network: nn.Module, inputs: Sequence[tuple[Float32, Bool]]) -> Iterator[Float32]:
    """Run the network on images `[h, w, 3]` with their holes, at once those in a row of one size."""
    for _, group in groupby(inputs, key=lambda pair: pair[1].shape):
        images, masks = (torch.from_numpy(np.stack(part)) for part in zip(*group, strict=True))
        yield from predict(network, images.permute(0, 3, 1, 2), masks[:, None].float())


@torch.inference_mode()
def predict(network: nn.Module, image: Tensor, mask: Tensor) -> list[Float32]:
    """Run a network on `[B, 3, H, W]` of any size; arrays `[H, W, 3]` come back.

    Raises `NetworkError` for an output that is no image, or not finite.
    """
    check_image(image)
    check_mask(mask, image)
    height, width = image.shape[-2:]
    # The order of memory that the network is in, in which convolutions are quickest.
    padded = pad_to_multiple(image, *needs(network)).contiguous(memory_format=torch.channels_last)
    device = next((weight.device for weight in network.parameters()), image.device)
    output = network(padded.to(device), pad_to_multiple(mask, *needs(network)).to(device))
    check_output(network, output, padded)
    painted = output[..., :height, :width].float().cpu()
    if not painted.isfinite().all():
        raise NetworkError(
            f"{type(network).__name__} paints values that are no finite numbers: nothing is filled; "
            "its weights are spoilt, so take earlier ones, or train again"
        )
    return list(painted.permute(0, 2, 3, 1).numpy())


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


def edge_difference(known: Float32, hole: Bool, output: Float32, scale: float) -> Float32:
    """Return what to add to an enlarged output, `[h, w, 3]`, so that it meets the known colours.

    `known` is 0 in the hole. One pixel of the network's output covers `scale` pixels of these; all is
    done on cells of half of it, as the output has nothing finer. `output` may be given for pixels or
    for `cells`. It keeps its own gradients and takes the known colours at the edge: Poisson blending
    (Pérez et al., Poisson Image Editing, 2003, equation 7), screened, solved from coarse to fine.
    """
    size = cells(hole.shape, scale)
    share = _averaged((~hole).astype(np.float32), size)
    mean = _mean(_averaged(known, size) - _averaged(output, size) * share[..., None], share)
    difference = _continued(mean, share == 0)
    return np.asarray(
        cv2.resize(difference, hole.shape[::-1], interpolation=cv2.INTER_LINEAR), np.float32
    )


def cells(shape: tuple[int, ...], scale: float) -> tuple[int, int]:
    """Return how many cells, down and across, stand for so many pixels."""
    cell = max(1, round(scale / 2))
    return -(-shape[0] // cell), -(-shape[1] // cell)


def _averaged(values: Float32, size: tuple[int, int]) -> Float32:
    if values.shape[:2] == size:
        return values
    return np.asarray(cv2.resize(values, size[::-1], interpolation=cv2.INTER_AREA), np.float32)


def _mean(total: Float32, share: Float32) -> Float32:
    """Divide by the known share; where nothing is known, it stays 0."""
    return np.asarray(total / np.maximum(share, _TRACE)[..., None], np.float32)


def _continued(mean: Float32, hole: Bool) -> Float32:
    """Return an image with the smooth continuation of what is known of it into its hole."""
    height, width = hole.shape
    found: Any = mean
    if min(height, width) > _SMALLEST and hole.any():
        known, half = (~hole).astype(np.float32), cells(hole.shape, 4)
        share = _averaged(known, half)
        coarser = _mean(_averaged(mean * known[..., None], half), share)
        smaller = _continued(coarser, share == 0)
        start = cv2.resize(smaller, (width, height), interpolation=cv2.INTER_LINEAR)
        found = np.where(hole[..., None], start, mean)
    # Multiplied and added in place: choosing by a mask takes three times as long.
    inside = np.repeat(hole[..., None], 3, axis=2).astype(np.float32)
    outside = mean * (1 - inside)
    for _ in range(SWEEPS):
        found = cv2.filter2D(found, -1, _NEIGHBOURS * (1 - LOSS), borderType=cv2.BORDER_REPLICATE)
        found *= inside
        found += outside
    return np.asarray(found, np.float32)

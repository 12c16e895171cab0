"""From an image and its hole to colours: what is cut out is brought to the network's size and back."""

import math
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial

import numpy as np
import torch
from torch import Tensor, nn

from inpaintlab.arrays import Bool, Float32, UInt8
from inpaintlab.images import DecodedImage
from inpaintlab.inpainter.blending import REACH, cells, edge_difference
from inpaintlab.inpainter.crops import Crop, painted_size
from inpaintlab.inpainter.scaling import enlarge, known_colours, shrink
from inpaintlab.inpainter.tiles import add_detail
from inpaintlab.machine import processors
from inpaintlab.masks import check_mask
from inpaintlab.networks import needs
from inpaintlab.tensors import check_image, pad_to_multiple

#: So many images go through a network at a time.
AT_ONCE = 8
#: More threads than this would wait for memory.
_THREADS = min(4, processors())


def paint_crops(
    network: nn.Module, image: DecodedImage, hole: UInt8, crops: Sequence[Crop], size: int, blend: str
) -> Iterator[tuple[Crop, Float32]]:
    """Yield each crop with colours for all of its bounds, `[h, w, 3]` in [0, 1]."""

    def cut(crop: Crop) -> tuple[Float32, Bool]:
        return shrink(image, hole, crop.box, painted_size(crop.box, size))

    def finish(crop: Crop, colours: Float32) -> Float32:
        if not crop.detail:
            return _blended(image, hole, crop, colours, blend)
        again = partial(paint, network)
        return enlarge(*add_detail(again, blend, image, hole, crop, colours, size), crop.bounds)

    # What is done for several crops beside the network runs on several processors.
    with ThreadPoolExecutor(min(len(crops), _THREADS)) as threads:
        for start in range(0, len(crops), AT_ONCE):
            chunk = crops[start : start + AT_ONCE]
            images, masks = zip(*threads.map(cut, chunk), strict=True)
            painted = list(paint(network, images, masks))
            yield from zip(chunk, threads.map(finish, chunk, painted), strict=True)


def _blended(image: DecodedImage, hole: UInt8, crop: Crop, colours: Float32, blend: str) -> Float32:
    """Bring the colours of a crop to the size of the image, and its edge to the known pixels."""
    scale = min(crop.box.size) / min(colours.shape[:2])
    if scale == 1 or blend == "none":
        # What was painted at full size is as sharp as what is around it: nothing to blend.
        return enlarge(colours, crop.box, crop.bounds)
    region = crop.bounds.grown(math.ceil(REACH * scale), crop.box)
    inside = hole[region.slices] > 0
    painted = enlarge(colours, crop.box, region, cells(inside.shape, scale))
    difference = edge_difference(blend, known_colours(image, hole, region), inside, painted, scale)
    larger = enlarge(colours, crop.box, crop.bounds)
    return (larger + difference[crop.bounds.inside(region)]).clip(0, 1)


def paint(network: nn.Module, images: Sequence[Float32], masks: Sequence[Bool]) -> Iterator[Float32]:
    """Run the network on images `[h, w, 3]` with their holes, some at a time where sizes agree."""
    start = 0
    while start < len(images):
        shape, end = masks[start].shape, start + 1
        while end < min(len(images), start + AT_ONCE) and masks[end].shape == shape:
            end += 1
        image = torch.from_numpy(np.stack(images[start:end])).permute(0, 3, 1, 2)
        mask = torch.from_numpy(np.stack(masks[start:end]))[:, None].float()
        yield from run(network, image, mask)
        start = end


@torch.inference_mode()
def run(network: nn.Module, image: Tensor, mask: Tensor) -> list[Float32]:
    """Run a network on `[B, 3, H, W]` of any size; arrays `[H, W, 3]` come back."""
    check_image(image)
    check_mask(mask, image)
    height, width = image.shape[-2:]
    # The order of memory that the network is in, in which convolutions are quickest.
    padded = pad_to_multiple(image, *needs(network)).contiguous(memory_format=torch.channels_last)
    painted = network(padded, pad_to_multiple(mask, *needs(network)))
    return list(painted[..., :height, :width].float().permute(0, 2, 3, 1).numpy())

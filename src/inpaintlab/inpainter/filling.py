"""From an image and its hole to colours: a crop is brought to the network's size and back."""

import math
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from itertools import groupby

import numpy as np
import torch
from torch import Tensor, nn

from inpaintlab.arrays import Bool, Float32, UInt8
from inpaintlab.errors import NetworkError
from inpaintlab.images import DecodedImage
from inpaintlab.inpainter.blending import REACH, cells, edge_difference
from inpaintlab.inpainter.crops import Crop, working_size
from inpaintlab.inpainter.scaling import enlarge, known_colours, shrink
from inpaintlab.machine import processors
from inpaintlab.masks import check_mask
from inpaintlab.networks import check_output, needs
from inpaintlab.tensors import check_image, pad_to_multiple

#: So many crops go through a network at a time.
AT_ONCE = 8


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

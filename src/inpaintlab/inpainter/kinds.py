"""Images of the kinds that Python has: PIL, numpy and torch, decoded, and given back as they came."""

from collections.abc import Callable, Mapping
from typing import Any, TypeVar

import numpy as np
import numpy.typing as npt
import torch
from PIL import Image
from torch import Tensor

from inpaintlab.arrays import UInt8
from inpaintlab.errors import ImageError, MaskError
from inpaintlab.images import DecodedImage, from_array, from_pillow, to_pillow
from inpaintlab.masks import AnyMask, read_mask
from inpaintlab.tensors import check_image, composite

AnyImage = TypeVar("AnyImage", Image.Image, npt.NDArray[Any], Tensor)


def through(
    fill: Callable[[DecodedImage, UInt8], list[DecodedImage]],
    image: AnyImage,
    mask: AnyMask,
    reading: Mapping[str, Any],
) -> list[AnyImage]:
    """Decode an image and its mask, fill it, and return what comes back as the kind that it was."""
    if isinstance(image, Tensor) and image.ndim == 4:
        if not isinstance(mask, np.ndarray | Tensor) or len(mask) != len(image):
            raise MaskError(f"{len(image)} images need as many masks, [B, 1, H, W]")
        each = [through(fill, one, hole, reading) for one, hole in zip(image, mask, strict=True)]
        return [torch.stack(same) for same in zip(*each, strict=True)]
    hole = read_mask(mask, **reading)[0]
    if isinstance(image, Image.Image):
        return [to_pillow(filled) for filled in fill(from_pillow(image), hole)]
    if isinstance(image, np.ndarray):
        return [filled.pixels for filled in fill(from_array(image), hole)]
    if not isinstance(image, Tensor):
        raise ImageError(f"an image is PIL, numpy or torch, got {type(image).__name__}")
    check_image(image[None])
    pixels = image.detach().cpu().float().permute(1, 2, 0).numpy()
    where = torch.from_numpy(hole).to(image.device)
    colours = [
        torch.from_numpy(filled.pixels).permute(2, 0, 1)
        for filled in fill(DecodedImage(pixels, "RGB"), hole)
    ]
    # Put together once more in the image's own type, which may be finer than float32.
    return [composite(image, one.to(image), where) for one in colours]

"""Images as tensors: RGB float32 `[B, 3, H, W]` in [0, 1]."""

from typing import TypeVar

import numpy as np
import numpy.typing as npt
import torch
import torch.nn.functional as F
from torch import Tensor

from inpaintlab.arrays import Pixels
from inpaintlab.errors import ImageError
from inpaintlab.images import check_range, to_uint8

ArrayOrTensor = TypeVar("ArrayOrTensor", Pixels, Tensor)


def to_tensor(pixels: Pixels) -> Tensor:
    """Turn uint8 `[H, W, 3]` or `[B, H, W, 3]` into a float32 tensor `[B, 3, H, W]` in [0, 1]."""
    batch = torch.from_numpy(pixels if pixels.ndim == 4 else pixels[None])
    return batch.permute(0, 3, 1, 2).float().div_(255)


def to_arrays(images: Tensor) -> npt.NDArray[np.uint8]:
    """Turn a tensor `[B, 3, H, W]` in [0, 1] into uint8 `[B, H, W, 3]`."""
    return to_uint8(images.detach().float().cpu().permute(0, 2, 3, 1).numpy())


def check_image(image: Tensor) -> None:
    """Refuse what is not an image of our convention: float `[B, 3, H, W]`, finite, in [0, 1].

    Raises `ImageError` naming the shape or the range that was seen.

    >>> check_image(torch.full((1, 3, 8, 8), 255.0))
    Traceback (most recent call last):
    inpaintlab.errors.ImageError: image values run from 255 to 255, expected 0 to 1: \
divide by 255 if they have 8 bits, else by the largest value there can be
    """
    check_image_shape(image)
    if image.numel() == 0:
        raise ImageError(f"an image has at least one pixel, got {list(image.shape)}")
    check_range(*(float(value) for value in torch.aminmax(image)))


def check_image_shape(image: Tensor) -> None:
    """Raise `ImageError` for what is not floating point `[B, 3, H, W]`; the values are not looked at."""
    if image.ndim != 4 or image.shape[1] != 3:
        raise ImageError(f"an image is [batch, 3, height, width], got {list(image.shape)}")
    if not image.is_floating_point():
        raise ImageError(f"an image is floating point in [0, 1], got {image.dtype}: divide by 255")


def composite(known: ArrayOrTensor, filled: ArrayOrTensor, hole: ArrayOrTensor) -> ArrayOrTensor:
    """Return `filled` in the hole and `known` outside it, bit by bit.

    Works on tensors and on arrays of any type; `hole` is 1 or True in the hole and broadcasts.
    """
    if isinstance(known, Tensor):
        return torch.where(hole > 0, filled, known)
    together = known.copy()
    np.copyto(
        together, filled, where=hole > 0
    )  # a tenth of the time of `where`, which broadcasts slowly
    return together


def hole_spans(mask: Tensor) -> list[tuple[tuple[int, int], tuple[int, int]]]:
    """Return first and last row, and first and last column, of the hole of each of `[B, 1, H, W]`.

    Of an image without a hole it is the first pixel.

    >>> mask = torch.zeros(1, 1, 4, 8)
    >>> mask[..., 1:3, 5] = 1
    >>> hole_spans(mask)
    [((1, 2), (5, 5))]
    """
    spans = []
    for axis in (2, 1):
        lines = (mask[:, 0] > 0).any(axis).float()
        first, behind = lines.argmax(1), lines.flip(1).argmax(1)
        last = torch.where(lines.amax(1) > 0, lines.shape[1] - 1 - behind, 0)
        spans.append(torch.stack([first, last], 1).tolist())
    return [(tuple(rows), tuple(columns)) for rows, columns in zip(*spans, strict=True)]


def window(span: tuple[int, int], side: int, length: int) -> slice:
    """Return where a window of `side` pixels lies around a span of the hole, within `length` pixels.

    >>> window((5, 5), 4, 8), window((4, 5), 2, 8)
    (slice(3, 7, None), slice(4, 6, None))
    """
    start = min(max((span[0] + span[1] + 1 - side) // 2, 0), length - side)
    return slice(start, start + side)


def pad_to_multiple(image: Tensor, multiple: int, minimum: int = 1) -> Tensor:
    """Extend the right and lower border until both sides are multiples, and at least `minimum`.

    The border is mirrored where the image is large enough for it, otherwise repeated. Undone by
    `image[..., :height, :width]`.
    """
    height, width = image.shape[-2:]
    goal = [max(-(-side // multiple), -(-minimum // multiple)) * multiple for side in (height, width)]
    right, below = goal[1] - width, goal[0] - height
    if not right and not below:
        return image
    mirrored = right < width and below < height
    return F.pad(image, (0, right, 0, below), mode="reflect" if mirrored else "replicate")

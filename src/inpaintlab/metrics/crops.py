"""Holes with what is around them, cut out of images: what the hole's figures by a network look at."""

import torch
from torch import Tensor
from torch.nn import functional as F

from inpaintlab.tensors import hole_spans, window

#: Least side of a crop around a hole, and the largest that it is brought to, as networks were trained.
_LEAST_CROP, _MOST_CROP = 32, 224


def hole_crops(image: Tensor, mask: Tensor, side: int | None = None) -> Tensor:
    """Cut out the hole of each image, a square half as wide again as the hole, and not beyond the image.

    All are brought to the same side, by default the shorter of the images' or 224 pixels. Returns
    `[B, C, side, side]`.
    """
    height, width = image.shape[-2:]
    crops = []
    for one, (rows, columns) in zip(image, hole_spans(mask), strict=True):
        wide = max(last + 1 - first for first, last in (rows, columns)) * 3 // 2
        cut = min(max(wide, _LEAST_CROP), height, width)
        crops.append(one[None, :, window(rows, cut, height), window(columns, cut, width)])
    side = side or min(height, width, _MOST_CROP)
    even = [F.interpolate(crop, (side, side), mode="bilinear", antialias=True) for crop in crops]
    return torch.cat(even)

"""Holes with what is around them, cut out of images: what the hole's figures by a network look at."""

import torch
from torch import Tensor
from torch.nn import functional as F

#: Least side of a crop around a hole, and the largest that it is brought to, as networks were trained.
_LEAST_CROP, _MOST_CROP = 32, 224


def hole_crops(image: Tensor, mask: Tensor, side: int | None = None) -> Tensor:
    """Cut out the hole of each image, a square half as wide again as the hole, and not beyond the image.

    All are brought to the same side, by default the shorter of the images' or 224 pixels. Returns
    `[B, C, side, side]`.
    """
    height, width = image.shape[-2:]
    crops = []
    for one, hole in zip(image, mask[:, 0] > 0, strict=True):
        spans = [torch.nonzero(hole.any(axis)).flatten().tolist() or [0] for axis in (1, 0)]
        wide = max(of[-1] + 1 - of[0] for of in spans) * 3 // 2
        cut = min(max(wide, _LEAST_CROP), height, width)
        top, left = (
            min(max((of[0] + of[-1] + 1 - cut) // 2, 0), length - cut)
            for of, length in zip(spans, (height, width), strict=True)
        )
        crops.append(one[None, :, top : top + cut, left : left + cut])
    side = side or min(height, width, _MOST_CROP)
    even = [F.interpolate(crop, (side, side), mode="bilinear", antialias=True) for crop in crops]
    return torch.cat(even)

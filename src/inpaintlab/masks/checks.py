"""What a mask may be, and how its hole ratio is spoken of."""

from dataclasses import dataclass
from itertools import pairwise

import cv2
import numpy as np
import torch
from torch import Tensor

from inpaintlab.arrays import UInt8
from inpaintlab.errors import MaskError

#: A mask over this share of the image leaves too little to fill from.
MAX_RATIO = 0.9
#: Upper edges of the hole-ratio bins; a bin is (lower, upper].
BIN_EDGES = tuple(edge / 10 for edge in range(1, 11))


@dataclass(frozen=True)
class Door:
    """What turns a mask round, and what takes a grey one, where masks come in: for errors to name.

    `right` says that a mask which looks inverted is right. None: there is no such word at this door.
    """

    invert: str | None = None
    grey: str | None = None
    right: str | None = None


#: `Inpainter.fill`; and where files are filled, from the command line mostly.
PYTHON = Door("invert_mask=True", "grey_mask=True")
COMMAND = Door("--invert-mask", "--grey-mask", "--no-invert-mask")


def ratio_bin(ratio: float) -> str:
    """Return the name of the hole-ratio bin (lower, upper].

    >>> ratio_bin(0.1), ratio_bin(0.1001), ratio_bin(1)
    ('0–10 %', '10–20 %', '90–100 %')
    """
    for lower, upper in pairwise((0.0, *BIN_EDGES)):
        if ratio <= upper:
            return f"{lower * 100:.0f}–{upper * 100:.0f} %"
    raise MaskError(f"a hole ratio lies in 0 to 1, got {ratio:g}")


def check_ratio(mask: UInt8, name: str, door: Door = PYTHON) -> None:
    """Refuse a mask without a hole, and one over 90 % of the image.

    Raises `MaskError` with the mask's name, and what turns its polarity round where that would help.
    """
    ratio = cv2.countNonZero(mask) / mask.size
    if ratio == 0:
        raise MaskError(
            f"{name} marks no hole, so there is nothing to fill: white marks it, or black in an "
            f"inverted mask"
        )
    if ratio > MAX_RATIO:
        cure = "nothing would be left to fill from"
        if ratio < 1 and door.invert:
            cure = f"if it is the wrong way round, add or leave out {door.invert}"
        raise MaskError(
            f"{name} marks {ratio:.0%} of the image as hole, the limit is {MAX_RATIO:.0%}; {cure}"
        )


def looks_inverted(mask: UInt8) -> bool:
    """Tell whether a mask seems to have its polarity wrong: hole nearly all round the border."""
    border = np.concatenate([mask[0], mask[-1], mask[:, 0], mask[:, -1]])
    return bool(border.mean() > 0.9 and mask.mean() > 0.5)


def check_mask(mask: Tensor, image: Tensor) -> None:
    """Refuse what is not a mask of our convention: `[B, 1, H, W]`, exactly 0 or 1, the image's size.

    Raises `MaskError` naming what was seen. An empty or a full mask is allowed here. A mask without
    values (on the meta device, or while a network is exported) is judged by its shape.
    """
    expected = (image.shape[0], 1, *image.shape[-2:])
    if tuple(mask.shape) != expected:
        raise MaskError(f"the mask must be {list(expected)} like the image, got {list(mask.shape)}")
    if mask.is_meta or torch.compiler.is_compiling():
        return
    if not bool(((mask == 0) | (mask == 1)).all()):
        low, high = (float(value) for value in torch.aminmax(mask))
        raise MaskError(f"a mask is exactly 0 or 1, got values from {low:g} to {high:g}: use mask > 0.5")

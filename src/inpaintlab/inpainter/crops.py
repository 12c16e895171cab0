"""What is cut out of a picture to fill its holes.

A network has learnt from pictures of one size, with holes that take a certain share of them. So each
hole is cut out with enough around it.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt

Array = npt.NDArray[np.uint8]
Bools = npt.NDArray[np.bool_]

#: A crop is this many times as wide as its hole: in training a hole takes a third of the side or so.
CONTEXT = 2.5
#: A crop that would take more than this share of the picture's shorter side is the whole picture.
WHOLE = 0.5


@dataclass(frozen=True)
class Box:
    """A part of a picture: rows `top` to `bottom` and columns `left` to `right`, ends excluded."""

    top: int
    left: int
    bottom: int
    right: int

    @property
    def slices(self) -> tuple[slice, slice]:
        """The box as an index into `[H, W, …]`."""
        return slice(self.top, self.bottom), slice(self.left, self.right)


def crop_holes(hole: Array, size: int) -> Iterator[tuple[Box, Bools]]:
    """Yield the boxes to fill in turn, each with its share of the hole, `[h, w]` of bool.

    Connected holes are taken from the largest down; those that lie whole in the crop of another are
    filled along with it. Every pixel of the hole is in exactly one share.
    """
    height, width = hole.shape
    # Components are looked for in the bounding box alone: a photo is large, its hole mostly is not.
    x, y, columns, rows = cv2.boundingRect(hole)
    found = cv2.connectedComponentsWithStats(hole[y : y + rows, x : x + columns], connectivity=8)
    count, labels, stats, _ = found
    left, top, wide, high, _ = stats.T
    left, top = left + x, top + y
    largest_first = np.argsort(-np.maximum(wide, high)[1:], kind="stable") + 1
    pending = np.ones(count, bool)
    pending[0] = False  # label 0 is what is known
    for label in largest_first:
        if not pending[label]:
            continue
        bounds = Box(top[label], left[label], top[label] + high[label], left[label] + wide[label])
        box = _with_context(bounds, height, width, size)
        within = (top >= box.top) & (left >= box.left)
        within &= (top + high <= box.bottom) & (left + wide <= box.right)
        members = within & pending
        pending &= ~members
        yield box, _share(members[labels], (y, x), box)


def _share(inside: Bools, corner: tuple[int, int], box: Box) -> Bools:
    """Return what of `inside`, which begins at `corner` of the picture, lies in a box, `[h, w]`."""
    top, left = box.top - corner[0], box.left - corner[1]
    share = np.zeros((box.bottom - box.top, box.right - box.left), bool)
    rows = slice(max(top, 0), top + share.shape[0])
    columns = slice(max(left, 0), left + share.shape[1])
    part = inside[rows, columns]
    below, right = max(-top, 0), max(-left, 0)
    share[below : below + part.shape[0], right : right + part.shape[1]] = part
    return share


def _with_context(bounds: Box, height: int, width: int, size: int) -> Box:
    """Return the square to cut out around a hole, or the whole picture if it would be half of it."""
    extent = max(bounds.bottom - bounds.top, bounds.right - bounds.left)
    side = max(size, round(extent * CONTEXT))
    if side > WHOLE * min(height, width):
        return Box(0, 0, height, width)
    top = _around((bounds.top + bounds.bottom) // 2, side, height)
    left = _around((bounds.left + bounds.right) // 2, side, width)
    return Box(top, left, top + side, left + side)


def _around(middle: int, side: int, limit: int) -> int:
    return int(min(max(0, middle - side // 2), limit - side))

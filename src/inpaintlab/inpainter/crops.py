"""What is cut out of an image to fill its holes, and how the strategies choose.

A network has learnt from images of one size, with holes that take a certain share of them. So each
hole is cut out with enough around it; the cost follows the hole, not the image.
"""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt

from inpaintlab.arrays import Bool, UInt8
from inpaintlab.errors import SettingError, near_miss

#: A crop is this many times as wide as its hole: in training a hole takes a third of the side or so.
CONTEXT = 2.5
#: A crop that would take more than this share of the image's shorter side is the whole image.
WHOLE = 0.5


@dataclass(frozen=True)
class Box:
    """A part of an image: rows `top` to `bottom` and columns `left` to `right`, ends excluded."""

    top: int
    left: int
    bottom: int
    right: int

    @property
    def slices(self) -> tuple[slice, slice]:
        """The box as an index into `[H, W, …]`."""
        return slice(self.top, self.bottom), slice(self.left, self.right)

    @property
    def size(self) -> tuple[int, int]:
        """Height and width."""
        return self.bottom - self.top, self.right - self.left

    def grown(self, by: int, within: "Box") -> "Box":
        """Return the box with `by` pixels more on every side, as far as they lie within another."""
        return Box(
            max(self.top - by, within.top),
            max(self.left - by, within.left),
            min(self.bottom + by, within.bottom),
            min(self.right + by, within.right),
        )

    def inside(self, other: "Box") -> tuple[slice, slice]:
        """Return the box as an index into what another box, that contains it, has cut out."""
        return (
            slice(self.top - other.top, self.bottom - other.top),
            slice(self.left - other.left, self.right - other.left),
        )


@dataclass(frozen=True)
class Crop:
    """What is cut out for a hole, and for those that lie in the same crop.

    `box` is cut out; `bounds`, a part of it, contains the holes, and `hole` says which of its pixels are
    to be filled, `[h, w]`.
    """

    box: Box
    bounds: Box
    hole: Bool


def crop_holes(hole: UInt8, size: int) -> Iterator[Crop]:
    """Yield what to cut out of an image with this hole, `[H, W]` of 0 and 1, for a network of a size.

    Connected holes are taken from the largest down; those that lie whole in the crop of another are
    filled along with it. Every pixel of the hole is in exactly one crop's share.
    """
    # Outlines take a twentieth of the time that labels of all pixels take. What lies inside an outline
    # lies in the same crop, so an island in a ring need not be known by itself.
    found, _ = cv2.findContours(hole, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_SIMPLE)
    outlines = [np.asarray(outline) for outline in found]
    left, top, wide, high = np.array([cv2.boundingRect(outline) for outline in outlines]).T
    edges = np.stack([top, left, top + high, left + wide])
    pending = np.ones(len(outlines), bool)
    for index in np.argsort(-np.maximum(wide, high), kind="stable"):
        if not pending[index]:
            continue
        box = _with_context(Box(*map(int, edges[:, index])), hole.shape, size)
        members = pending & _lie_in(box, edges)
        pending &= ~members
        first, last = edges[:2, members].min(1), edges[2:, members].max(1)
        bounds = Box(*map(int, (*first, *last)))
        inside = np.zeros(bounds.size, np.uint8)
        mine = [outlines[member] for member in np.flatnonzero(members)]
        cv2.drawContours(inside, mine, -1, 1, cv2.FILLED, offset=(-bounds.left, -bounds.top))
        yield Crop(box, bounds, (inside & hole[bounds.slices]) > 0)


def _lie_in(box: Box, edges: npt.NDArray[np.int32]) -> Bool:
    """Tell of each hole, a column of tops, lefts, bottoms and rights, whether a box contains it."""
    top, left, bottom, right = edges
    within = (top >= box.top) & (left >= box.left) & (bottom <= box.bottom) & (right <= box.right)
    return np.asarray(within, bool)


def _with_context(bounds: Box, shape: tuple[int, ...], size: int) -> Box:
    """Return the square to cut out around a hole, or the whole image if it would be half of it."""
    height, width = shape
    side = max(size, round(max(bounds.size) * CONTEXT))
    side += -side % 4 if side > size else 0  # so that it can be halved twice, which is quick
    if side > WHOLE * min(height, width):
        return Box(0, 0, height, width)
    top = _around((bounds.top + bounds.bottom) // 2, side, height)
    left = _around((bounds.left + bounds.right) // 2, side, width)
    return Box(top, left, top + side, left + side)


def _around(middle: int, side: int, limit: int) -> int:
    return int(min(max(0, middle - side // 2), limit - side))


def _whole(hole: UInt8, _: int) -> list[Crop]:
    """Take the image as a whole: far surroundings are seen, small holes lose their detail."""
    x, y, columns, rows = cv2.boundingRect(hole)
    bounds = Box(y, x, y + rows, x + columns)
    return [Crop(Box(0, 0, *hole.shape), bounds, hole[bounds.slices] > 0)]


#: Name -> what it cuts out. `auto` is crop, which is better at every size of hole.
STRATEGIES: dict[str, Callable[[UInt8, int], Iterable[Crop]]] = {
    "auto": crop_holes,
    "crop": crop_holes,
    "whole": _whole,
}


def plan(hole: UInt8, size: int, strategy: str) -> list[Crop]:
    """Return what a strategy cuts out; raises `SettingError` for one that is not known."""
    if strategy not in STRATEGIES:
        raise SettingError(f"unknown strategy {strategy!r}{near_miss(strategy, STRATEGIES)}")
    return list(STRATEGIES[strategy](hole, size))


def explain(crops: list[Crop], size: int, strategy: str) -> str:
    """Say in one line what a strategy does with an image.

    >>> box = Box(0, 0, 300, 400)
    >>> explain([Crop(box, Box(10, 10, 90, 60), np.ones((80, 50), bool))], 64, "auto")
    'strategy auto: one crop of 400×300 px for a hole of 50×80 px, filled at 85×64 px'
    """
    largest = max(crops, key=lambda crop: crop.box.size)
    count = "one crop" if len(crops) == 1 else f"{len(crops)} crops, the largest"
    return (
        f"strategy {strategy}: {count} of {_by(largest.box.size)} px for a hole of "
        f"{_by(largest.bounds.size)} px, filled at {_by(working_size(largest.box, size))} px"
    )


def working_size(box: Box, size: int) -> tuple[int, int]:
    """Return height and width at which a network of a size fills a box: never more than it has.

    >>> working_size(Box(0, 0, 300, 400), 64), working_size(Box(0, 0, 30, 40), 64)
    ((64, 85), (30, 40))
    """
    height, width = box.size
    scale = min(1.0, size / min(height, width))
    return max(1, round(height * scale)), max(1, round(width * scale))


def _by(size: tuple[int, int]) -> str:
    return f"{size[1]}×{size[0]}"

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
#: A hole this many times as long as it is thick is cut into pieces.
LONG = 3
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


def crop_pieces(hole: UInt8, size: int) -> Iterator[Crop]:
    """Yield crops along a hole, `[H, W]` of 0 and 1: they are as large as the hole is thick there.

    What is thin enough for a network of a size is seen at the image's own resolution, window by window
    however long it is. A thick hole is cut out as `crop_holes` does, and the thin parts that leave it
    are seen finer. Every pixel of the hole is in exactly one crop's share.
    """
    left, top, wide, high = cv2.boundingRect(hole)
    # With what is known beside it, from which distances are counted.
    place = Box(top, left, top + high, left + wide).grown(1, Box(0, 0, *hole.shape))
    yield from _pieces(np.ascontiguousarray(hole[place.slices]), place, hole.shape, size)


def _pieces(part: UInt8, place: Box, shape: tuple[int, ...], size: int) -> Iterator[Crop]:
    """Yield crops for a part of the hole of an image of a shape, at its place there."""
    cell = max(1, round(size / CONTEXT))
    distance = cv2.distanceTransform(part, cv2.DIST_L2, 5)
    thick: list[int] = []
    if (deep := distance > cell / 2).any():
        _, labels, boxes, _ = cv2.connectedComponentsWithStats(part)
        thick = np.unique(labels[deep]).tolist()
    thin = part.copy()
    for label in thick:
        left, top, wide, high, _ = map(int, boxes[label])
        at = Box(top, left, top + high, left + wide)
        body = np.asarray(labels[at.slices] == label, np.uint8)
        thin[at.slices] -= body
        depth = distance[at.slices] * body
        core = _core(body, depth)
        whole = Box(place.top + top, place.left + left, place.top + at.bottom, place.left + at.right)
        yield from _along(core, whole, shape, round(2 * float(depth.max())), size)
        if (body > core).any():
            yield from _pieces(body - core, whole, shape, size)
    yield from windows(thin, place, shape, (cell, cell), size)


def _core(body: UInt8, distance: npt.NDArray[np.float32]) -> UInt8:
    """Return a hole without the parts that leave it which are thinner than half of it, and long.

    `distance` is that to the nearest known pixel. Opened by a disc of half the hole's reach: what lies
    within that of a pixel that lies so deep.
    """
    reach = float(distance.max())
    shallow = np.asarray(distance <= reach / 2, np.uint8)
    core = (cv2.distanceTransform(shallow, cv2.DIST_L2, 5) <= reach / 2) & (body > 0)
    _, labels, boxes, _ = cv2.connectedComponentsWithStats(((body > 0) & ~core).astype(np.uint8))
    short = np.max(boxes[:, 2:4], axis=1) < 2 * reach
    short[0] = False
    return np.asarray(core | short[labels], np.uint8)


def _along(part: UInt8, place: Box, shape: tuple[int, ...], thickness: int, size: int) -> Iterator[Crop]:
    """Yield one crop for a compact part of a hole, and windows along one that is longer than thick."""
    x, y, wide, high = cv2.boundingRect(part)
    if max(wide, high) < LONG * thickness:
        bounds = Box(place.top + y, place.left + x, place.top + y + high, place.left + x + wide)
        yield Crop(_with_context(bounds, shape, size), bounds, part[y : y + high, x : x + wide] > 0)
    else:
        cell = (thickness, thickness)
        yield from windows(part, place, shape, cell, max(size, round(CONTEXT * thickness)))


def windows(
    part: UInt8, place: Box, shape: tuple[int, ...], cell: tuple[int, int], side: int
) -> Iterator[Crop]:
    """Yield square windows with a side around a part of the hole of an image of a shape.

    Band after band of rows, each window begins where the one before it ends, and fills at most a cell
    `(rows, columns)`. Every pixel of the part is in exactly one window's share.
    """
    down, across = cell
    filled = np.flatnonzero(cv2.reduce(part, 1, cv2.REDUCE_MAX))
    while len(filled):
        top, rows = int(filled[0]), part[filled[0] : filled[0] + down]
        filled = filled[filled >= top + down]
        columns = np.flatnonzero(cv2.reduce(rows, 0, cv2.REDUCE_MAX))
        while len(columns):
            left = int(columns[0])
            inside = np.ascontiguousarray(rows[:, left : left + across])
            columns = columns[columns >= left + across]
            x, y, wide, high = cv2.boundingRect(inside)
            first, start = place.top + top + y, place.left + left + x
            bounds = Box(first, start, first + high, start + wide)
            yield Crop(square(bounds, shape, side), bounds, inside[y : y + high, x : x + wide] > 0)


def square(bounds: Box, shape: tuple[int, ...], side: int) -> Box:
    """Return a square around a part, within the image; it is narrower where the image is."""
    height, width = (min(side, length) for length in shape)
    top = _around((bounds.top + bounds.bottom) // 2, height, shape[0])
    left = _around((bounds.left + bounds.right) // 2, width, shape[1])
    return Box(top, left, top + height, left + width)


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
    return square(bounds, shape, side)


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
    "pieces": crop_pieces,
    "whole": _whole,
}


def plan(hole: UInt8, size: int, strategy: str) -> list[Crop]:
    """Return what a strategy cuts out; raises `SettingError` for one that is not known."""
    if strategy not in STRATEGIES:
        raise SettingError(f"unknown strategy {strategy!r}{near_miss(strategy, STRATEGIES)}")
    return list(STRATEGIES[strategy](hole, size))


def explain(crops: list[Crop], how: str, size: int | None) -> str:
    """Say in one line what is cut out of an image; without a size it is filled at its own resolution.

    >>> box = Box(0, 0, 300, 400)
    >>> explain([Crop(box, Box(10, 10, 90, 60), np.ones((80, 50), bool))], "strategy auto", 64)
    'strategy auto: one crop of 400×300 px for a hole of 50×80 px, filled at 85×64 px'
    """
    largest = max(crops, key=lambda crop: crop.box.size)
    count = "one crop" if len(crops) == 1 else f"{len(crops)} crops, the largest"
    at = working_size(largest.box, size) if size else largest.box.size
    return (
        f"{how}: {count} of {_by(largest.box.size)} px for a hole of {_by(largest.bounds.size)} px, "
        f"filled at {_by(at)} px"
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

"""Irregular masks in the style of NVIDIA's test set (Liu et al. 2018, section 4.1).

Theirs come from what moving things cover and uncover in video: outlines, specks, streaks and patches
with blunt, square edges, in heaps. Ours are drawn, by integers alone, so that they are the same on every
machine.
"""

import math

import cv2
import numpy as np
import numpy.typing as npt
import torch

from inpaintlab.errors import MaskError
from inpaintlab.masks.randomness import integer

Array = npt.NDArray[np.uint8]
Points = npt.NDArray[np.int32]

#: Share of each side that masks without contact keep free of holes: 50 of 512 pixels there.
MARGIN = 50 / 512
#: Directions that paths take, in 1024ths: rounded once, so that nothing depends on a machine's cosine.
_DIRECTIONS = [
    (round(1024 * math.cos(math.pi * k / 16)), round(1024 * math.sin(math.pi * k / 16)))
    for k in range(32)
]
_SHAPES = ("outline", "specks", "streak", "line", "patch")
#: Shapes added to a mask until it has enough hole, and masks begun until one fits.
_ADDED, _TRIES = 200, 50


class Irregular:
    """Masks whose hole ratio lies in (`low`, `high`], with contact to the picture's border or without.

    Those without keep a tenth of each side free.
    """

    def __init__(self, low: float, high: float, border: bool) -> None:
        self.low, self.high, self.border = low, high, border

    def draw(self, height: int, width: int, generator: torch.Generator) -> Array:
        """Return a mask `[height, width]` of 0 and 1; raises `MaskError` where it cannot be had."""
        for _ in range(_TRIES):
            mask = self._grow(height, width, generator)
            if mask is not None:
                return mask
        raise MaskError(
            f"no mask of {height}×{width} with {self.low:.0%} to {self.high:.0%} hole could be drawn: "
            "use a larger --size"
        )

    def _grow(self, height: int, width: int, generator: torch.Generator) -> Array | None:
        """Add shapes while they fit; None where the mask is not what it should be."""
        area = height * width
        low, high = math.floor(self.low * area), math.floor(self.high * area)
        if low == high:  # no number of pixels lies between
            return None
        wanted = integer((low + 1, high), generator)
        hand = _Hand(height, width, generator, round(100 * self.low))
        mask = np.zeros((height, width), np.uint8)
        for _ in range(_ADDED):
            further = mask | (hand.draw() if self.border else self._inside(hand.draw()))
            if cv2.countNonZero(further) <= high:
                mask = further
            else:
                hand.finer()
            if cv2.countNonZero(mask) >= wanted:
                break
        fits = low < cv2.countNonZero(mask) <= high
        return mask if fits and touches_border(mask) == self.border else None

    def _inside(self, mask: Array) -> Array:
        rows, columns = (max(1, round(MARGIN * length)) for length in mask.shape)
        inner = np.zeros_like(mask)
        inner[rows:-rows, columns:-columns] = mask[rows:-rows, columns:-columns]
        return inner


def touches_border(mask: Array) -> bool:
    """Tell whether a hole reaches the picture's border.

    >>> touches_border(np.eye(3, dtype=np.uint8)), touches_border(np.zeros((3, 3), np.uint8))
    (True, False)
    """
    return bool(mask[0].any() or mask[-1].any() or mask[:, 0].any() or mask[:, -1].any())


class _Hand:
    """Draws the shapes of one mask, all in its manner: a brush, some shapes more than others, heaps.

    The more hole there is to be, in per cent, the broader is the brush.
    """

    def __init__(self, height: int, width: int, generator: torch.Generator, percent: int) -> None:
        self.height, self.width, self.generator = height, width, generator
        self.side = min(height, width)
        self.coarse = 100 + 2 * percent
        self.brush = max(1, self._share(10, 50) * self.coarse // 100)
        self.heaps = [self._anywhere() for _ in range(self._number(1, 3))]
        first, second = (integer((0, len(_SHAPES) - 1), generator) for _ in range(2))
        # Two shapes are drawn more often than the others.
        self.shapes = [*_SHAPES, *[_SHAPES[first]] * 4, *[_SHAPES[second]] * 4]

    def finer(self) -> None:
        """Take a thinner brush, for what is too much otherwise."""
        self.brush = max(1, self.brush * 3 // 4)

    def draw(self) -> Array:
        """Return a mask with one shape, its edges blunted by a square brush."""
        mask = np.zeros((self.height, self.width), np.uint8)
        shape = self.shapes[self._number(0, len(self.shapes) - 1)]
        getattr(self, f"_{shape}")(mask)
        kernel = np.ones((self.brush, self.brush), np.uint8)
        return np.asarray(cv2.dilate(mask, kernel), np.uint8)

    def _outline(self, mask: Array) -> None:
        """The outline of something round: what a thing uncovers that moves."""
        cv2.polylines(mask, [self._round(self._share(60, 300))], True, 1, 1)

    def _patch(self, mask: Array) -> None:
        """Something round, filled."""
        cv2.fillPoly(mask, [self._round(self._share(15, 100) * self.coarse // 100)], 1)

    def _specks(self, mask: Array) -> None:
        """Specks along a path, as where edges flicker."""
        for x, y in self._path(self._number(3, 12), self._share(30, 90)).tolist():
            long, high = (max(1, self._share(4, 30)) for _ in range(2))
            cv2.rectangle(mask, (x, y), (x + long - 1, y + high - 1), 1, -1)

    def _streak(self, mask: Array) -> None:
        """A wandering line."""
        cv2.polylines(mask, [self._path(self._number(2, 7), self._share(60, 200))], False, 1, 1)

    def _line(self, mask: Array) -> None:
        """A straight line."""
        ends = self._path(1, self._share(200, 1000))
        cv2.polylines(mask, [ends], False, 1, 1)

    def _round(self, radius: int) -> Points:
        """Return a closed path around a point, of sixteen unequal radii."""
        x, y = self._place()
        wide, high = self._number(40, 100), self._number(40, 100)
        points = []
        for dx, dy in _DIRECTIONS[::2]:
            r = radius * self._number(70, 130)
            points.append((x + r * dx * wide // 10_240_000, y + r * dy * high // 10_240_000))
        return np.array(points, np.int32)

    def _path(self, pieces: int, length: int) -> Points:
        """Return a path of pieces of about a length, each turning a little."""
        x, y = self._place()
        direction = self._number(0, len(_DIRECTIONS) - 1)
        points = [(x, y)]
        for _ in range(pieces):
            direction = (direction + self._number(-4, 4)) % len(_DIRECTIONS)
            dx, dy = _DIRECTIONS[direction]
            piece = max(1, length * self._number(50, 150) // 100)
            x, y = x + piece * dx // 1024, y + piece * dy // 1024
            points.append((x, y))
        return np.array(points, np.int32)

    def _place(self) -> tuple[int, int]:
        """Return a place in a heap, or one time in three anywhere."""
        if self._number(0, 2) == 0:
            return self._anywhere()
        x, y = self.heaps[self._number(0, len(self.heaps) - 1)]
        reach = 220 * self.side // 1000
        return x + self._number(-reach, reach), y + self._number(-reach, reach)

    def _anywhere(self) -> tuple[int, int]:
        return self._number(0, self.width - 1), self._number(0, self.height - 1)

    def _share(self, low: int, high: int) -> int:
        """Return a length between two thousandths of the picture's shorter side."""
        return self._number(low, high) * self.side // 1000

    def _number(self, low: int, high: int) -> int:
        return integer((low, high), self.generator)

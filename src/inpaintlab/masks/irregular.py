"""Irregular masks in the style of NVIDIA's test set (Liu et al. 2018, section 4.1).

Theirs come from what moving things cover and uncover in video: outlines, specks and streaks, grown to
bands with blunt, square edges, in heaps. Ours are drawn by whole numbers alone, so that they are the
same on every machine: lines one pixel wide, grown by a square.
"""

import math

import cv2
import numpy as np
import torch

from inpaintlab.arrays import UInt8
from inpaintlab.errors import MaskError
from inpaintlab.randomness import integers

Point = tuple[int, int]
Piece = tuple[Point, Point]

#: Share of each side that masks without contact keep free of holes: 50 of 512 pixels there.
MARGIN = 50 / 512
#: Side of the square that all masks are drawn on; those of another size pick pixels from it.
CANVAS = 256
#: Pieces of a sketch: one for each value of a byte, without 0 for none. Masks begun until one fits.
_PIECES, _TRIES = 255, 50
#: Smallest and largest width of thin bands on the canvas, by tenths of hole: as the real ones grow.
_WIDTHS = ((2, 9), (2, 11), (3, 12), (3, 15), (4, 15), (7, 27))
#: Directions that paths take, in 1024ths: all lie far from ties, so that no cosine's last bit counts.
_DIRECTIONS = [
    (round(1024 * math.cos(math.pi * k / 16)), round(1024 * math.sin(math.pi * k / 16)))
    for k in range(32)
]


class Irregular:
    """Masks whose hole ratio lies in (`low`, `high`], with contact to the image's border or without.

    Those without keep a tenth of each side free.
    """

    def __init__(self, low: float, high: float, border: bool) -> None:
        self.low, self.high, self.border = low, high, border

    def draw(self, height: int, width: int, generator: torch.Generator) -> UInt8:
        """Return a mask `[height, width]` of 0 and 1; raises `MaskError` where it cannot be had."""
        widths = _WIDTHS[min(round(10 * self.low), len(_WIDTHS) - 1)]
        for _ in range(_TRIES):
            sketch = _Sketch(generator, self.border, widths)
            ranks = _pick(sketch.draw(), height, width)
            mask = self._cut(ranks if self.border else _inside(ranks), sketch)
            if mask is not None and touches_border(mask) == self.border:
                return mask
        raise MaskError(
            f"no mask of {height}×{width} with {self.low:.0%} to {self.high:.0%} hole could be drawn: "
            "use a larger --size"
        )

    def _cut(self, ranks: UInt8, sketch: "_Sketch") -> UInt8 | None:
        """Take so many of the first pieces that the ratio fits; None where no number of them does."""
        # The millionth: 0.01 × 168,100 is a little less than 1,681 in a computer.
        low, high = (math.floor(ratio * ranks.size + 1e-6) for ratio in (self.low, self.high))
        if low == high:  # no number of pixels lies between
            return None
        covered = np.bincount(ranks.ravel(), minlength=256)[:0:-1].cumsum()  # by 1, 2, … pieces
        number = int(np.searchsorted(covered, sketch.number(low + 1, high)))
        for last in (number, number - 1):
            if 0 <= last < len(covered) and low < covered[last] <= high:
                return (ranks >= 255 - last).astype(np.uint8)
        return None


def touches_border(mask: UInt8) -> bool:
    """Tell whether a hole reaches the image's border.

    >>> touches_border(np.eye(3, dtype=np.uint8)), touches_border(np.zeros((3, 3), np.uint8))
    (True, False)
    """
    return bool(mask[0].any() or mask[-1].any() or mask[:, 0].any() or mask[:, -1].any())


def _pick(canvas: UInt8, height: int, width: int) -> UInt8:
    """Return the canvas at another size, without smoothing, by whole numbers."""
    rows, columns = ((2 * np.arange(side) + 1) * CANVAS // (2 * side) for side in (height, width))
    return canvas[rows][:, columns]


def _inside(ranks: UInt8) -> UInt8:
    rows, columns = (max(1, round(MARGIN * length)) for length in ranks.shape)
    inner = np.zeros_like(ranks)
    inner[rows:-rows, columns:-columns] = ranks[rows:-rows, columns:-columns]
    return inner


class _Sketch:
    """Lines of one mask, in the order in which they become holes.

    They gather in one to four heaps, which spread as they grow. One shape in five is grown to more than
    twice the width of the others.
    """

    def __init__(self, generator: torch.Generator, border: bool, widths: tuple[int, int]) -> None:
        self.generator = generator
        self._numbers: list[int] = []
        self.border = border
        thin = self.number(*widths)
        self.thin = (thin + self.number(0, 2), thin + self.number(0, 2))
        self.broad = (2 * thin + self.number(0, thin), 2 * thin + self.number(0, thin))
        self.heaps = [self._anywhere() for _ in range(self.number(1, 4))]
        if border:
            self.heaps[0] = self._on_border()

    def number(self, low: int, high: int) -> int:
        """Draw an integer, both bounds included."""
        if not self._numbers:  # one call for many numbers, as calls are slow
            self._numbers = integers((0, 2**30 - 1), 512, self.generator)
        return low + self._numbers.pop() % (high - low + 1)

    def draw(self) -> UInt8:
        """Return the canvas: 255 where the first piece makes a hole, less for later ones, 0 for none."""
        canvas = {self.thin: np.zeros((CANVAS, CANVAS), np.uint8)}
        canvas[self.broad] = np.zeros((CANVAS, CANVAS), np.uint8)
        for rank, (brush, (start, end)) in enumerate(reversed(self._pieces()), 1):
            cv2.line(canvas[brush], start, end, rank, 1, cv2.LINE_8)
        # The largest value under the square is that of the first piece to reach a pixel.
        grown = [cv2.dilate(lines, np.ones(brush, np.uint8)) for brush, lines in canvas.items()]
        return np.asarray(np.max(grown, axis=0), np.uint8)

    def _pieces(self) -> list[tuple[Point, Piece]]:
        """Return pieces with their brushes; each shape lacks up to three of eight."""
        shapes = (self._outline, self._outline, self._streak, self._path, self._path, self._specks)
        pieces: list[tuple[Point, Piece]] = []
        if self.border:
            pieces = [(self.thin, piece) for piece in self._path(self.heaps[0])]
        while len(pieces) < _PIECES:
            brush = self.broad if self.number(0, 4) == 0 else self.thin
            shape = shapes[self.number(0, len(shapes) - 1)]
            present = self.number(5, 8)
            for piece in shape(self._place(min(160, 20 + len(pieces)))):
                if self.number(1, 8) <= present:
                    pieces.append((brush, piece))
        return pieces[:_PIECES]

    def _outline(self, place: Point) -> list[Piece]:
        """The outline of something longish and turned: what a thing uncovers that moves."""
        wide, high, corners = self.number(10, 60), self.number(10, 60), self.number(6, 14)
        cosine, sine = _DIRECTIONS[self.number(0, 31)]
        points = []
        for corner in range(corners):
            dx, dy = _DIRECTIONS[corner * 32 // corners]
            reach = self.number(700, 1150)
            x, y = wide * dx * reach // 2**20, high * dy * reach // 2**20
            turned = (x * cosine - y * sine) // 1024, (x * sine + y * cosine) // 1024
            points.append((place[0] + turned[0], place[1] + turned[1]))
        return list(zip(points, [*points[1:], points[0]], strict=True))

    def _streak(self, place: Point) -> list[Piece]:
        """A straight line, one time in three dashed."""
        direction, dashed = self.number(0, 31), self.number(0, 2) == 0
        pieces = []
        for _ in range(self.number(2, 7)):
            end = _step(place, direction, self.number(12, 36))
            pieces.append((place, end))
            place = _step(end, direction, self.number(6, 24)) if dashed else end
        return pieces

    def _path(self, place: Point) -> list[Piece]:
        """A wandering line."""
        direction = self.number(0, 31)
        pieces = []
        for _ in range(self.number(4, 14)):
            direction += self.number(-7, 7)
            end = _step(place, direction, self.number(4, 22))
            pieces.append((place, end))
            place = end
        return pieces

    def _specks(self, place: Point) -> list[Piece]:
        """Specks near each other, as where edges flicker."""
        reach = self.number(15, 70)
        pieces = []
        for _ in range(self.number(3, 12)):
            x, y = place[0] + self.number(-reach, reach), place[1] + self.number(-reach, reach)
            pieces.append(((x, y), (x + self.number(-3, 3), y + self.number(-6, 6))))
        return pieces

    def _place(self, spread: int) -> Point:
        """Return a place near a heap; one off the canvas comes in again at the other side."""
        x, y = self.heaps[self.number(0, len(self.heaps) - 1)]
        return (
            (x + self.number(-spread, spread)) % CANVAS,
            (y + self.number(-spread, spread)) % CANVAS,
        )

    def _anywhere(self) -> Point:
        edge = 0 if self.border else round(MARGIN * CANVAS)
        return self.number(edge, CANVAS - 1 - edge), self.number(edge, CANVAS - 1 - edge)

    def _on_border(self) -> Point:
        along, far = self.number(0, CANVAS - 1), self.number(0, 1) * (CANVAS - 1)
        return (along, far) if self.number(0, 1) else (far, along)


def _step(place: Point, direction: int, length: int) -> Point:
    dx, dy = _DIRECTIONS[direction % 32]
    return place[0] + length * dx // 1024, place[1] + length * dy // 1024

"""Which of several ways fills a hole best, found out on known pixels of the same image.

Pieces of the hole's own shape are hidden near it, every way fills them, and what comes out is compared
with what is there.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import cv2
import numpy as np

from inpaintlab.arrays import Bool, Float32

#: Takes an image `[H, W, 3]` in [0, 1], 0 in its hole, and the hole `[H, W]`; gives `[H, W, 3]`.
Filler = Callable[[Float32, Bool], Float32]
#: Known pixels that are left between a piece and the hole.
GAP = 3
#: Standard deviation, in pixels, of the blur after which colours are compared. Of 0, 1, 2 and 4 pixels,
#: and of seven values of `CONTRAST`, these order fills most like `hole-distance-efficientnet`.
BLUR = 1.0
#: What a contrast e times too large or too small counts beside an error e times as large.
CONTRAST = 0.1
#: Of all places that a piece may have, such a share is near.
_NEAR = 0.1
#: Least error and contrast that are told from none, squared: about what rounding to 8 bits gives.
_TRACE = 1e-5


@dataclass(frozen=True)
class Choice:
    """The best way by name, and the score of each, the lower the better; none if there was no test."""

    best: str
    scores: dict[str, float]


def choose(
    candidates: Mapping[str, Filler], image: Float32, hole: Bool, *, count: int = 2, seed: int = 0
) -> Choice:
    """Hide pieces like the hole beside it, fill them in every way, and return the best.

    `image` is `[H, W, 3]` in [0, 1], `hole` `[H, W]`. Each of `candidates` is called once for each of at
    most `count` pieces, with piece and hole as one hole. Where no piece has room, or there is but one
    candidate, the first is best. Raises `ValueError` without candidates.
    """
    if not candidates:
        raise ValueError("there is nothing to choose from: give at least one way to fill")
    pieces = hidden_pieces(hole, count, seed) if len(candidates) > 1 else []
    if not pieces:
        return Choice(next(iter(candidates)), {})
    scores = {
        name: float(np.mean([_tried(fill, image, hole, piece) for piece in pieces]))
        for name, fill in candidates.items()
    }
    return Choice(min(scores, key=scores.__getitem__), scores)


def hidden_pieces(hole: Bool, count: int = 2, seed: int = 0) -> list[Bool]:
    """Return masks `[H, W]` of the hole's shape at other places near it, at most `count`.

    They lie in known pixels, more than `GAP` pixels away from the hole and from each other. A hole that
    has no room as a whole gives the shape of its largest part; without room for that there are none.
    """
    random = np.random.default_rng(seed)
    for shape in (hole, _largest(hole)):
        taken, found = hole, list[Bool]()
        while len(found) < count and (piece := _shifted(shape, taken, random)) is not None:
            found.append(piece)
            taken = taken | piece
        if found:
            return found
    return []


def _largest(hole: Bool) -> Bool:
    """Return the largest connected part of a hole."""
    _, labels, facts, _ = cv2.connectedComponentsWithStats(hole.astype(np.uint8))
    areas = facts[1:, cv2.CC_STAT_AREA]
    return np.asarray(labels == 1 + areas.argmax()) if len(areas) else hole


def _shifted(shape: Bool, taken: Bool, random: np.random.Generator) -> Bool | None:
    """Return the shape at one of the places near its own where nothing is taken, or None."""
    left, top, wide, high = cv2.boundingRect(shape.astype(np.uint8))
    if not wide:
        return None
    piece = shape[top : top + high, left : left + wide]
    side = 2 * GAP + 1
    grown = cv2.dilate(taken.astype(np.uint8), np.ones((side, side), np.uint8))
    # For every place, how many of its pixels are taken.
    overlap = cv2.matchTemplate(grown.astype(np.float32), piece.astype(np.float32), cv2.TM_CCORR)
    free = np.argwhere(overlap < 0.5)
    if not len(free):
        return None
    order = np.argsort(((free - [top, left]) ** 2).sum(1), kind="stable")
    y, x = free[order[random.integers(max(1, int(len(free) * _NEAR)))]]
    moved = np.zeros_like(shape)
    moved[y : y + high, x : x + wide] = piece
    return moved


def _tried(fill: Filler, image: Float32, hole: Bool, piece: Bool) -> float:
    both = (hole | piece)[..., None]
    colours = fill(np.where(both, np.float32(0), image), both[..., 0])
    return score(np.where(piece[..., None], colours, image), image, piece)


def score(filled: Float32, truth: Float32, piece: Bool) -> float:
    """Return how far a filled piece is from the truth, the lower the better.

    It is the logarithm of the error in colours after a blur, for which it does not matter where exactly
    each blade of grass is, and how far the contrast of fine structure is from the truth's.
    """
    difference = cv2.GaussianBlur((filled - truth) * piece[..., None], (0, 0), BLUR)
    error = np.log((difference[piece] ** 2).mean() + _TRACE) / 2
    own, wanted = (_fine(of, piece) for of in (filled, truth))
    return float(error + CONTRAST * abs(np.log(own / wanted)))


def _fine(image: Float32, piece: Bool) -> float:
    """Return the root mean square of the Laplacian inside a piece."""
    inside = cv2.erode(piece.astype(np.uint8), np.ones((3, 3), np.uint8)) > 0
    where = inside if inside.any() else piece
    return float(np.sqrt((cv2.Laplacian(image, cv2.CV_32F)[where] ** 2).mean() + _TRACE))

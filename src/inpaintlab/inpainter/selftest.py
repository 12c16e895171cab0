"""Which of several ways fills a hole best, found out on known pixels of the same image.

Pieces of the hole's own shape are hidden near it, every way fills them, and what comes out is compared
with what is there.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import cv2
import numpy as np

from inpaintlab.arrays import Bool, Float32

#: Takes an image `[H, W, 3]` in [0, 1], 0 in its hole, the hole `[H, W]`, and the piece of it that is
#: asked for; gives `[H, W, 3]`.
Filler = Callable[[Float32, Bool, Bool], Float32]
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
    candidates: Mapping[str, Filler],
    image: Float32,
    hole: Bool,
    *,
    like: Bool | None = None,
    count: int = 2,
    seed: int = 0,
) -> Choice:
    """Hide pieces like the hole beside it, fill them in every way, and return the best.

    `image` is `[H, W, 3]` in [0, 1], `hole` `[H, W]`, and `like` the part of it that is meant. Each of
    `candidates` is called once for each of at most `count` pieces, with piece and hole as one hole.
    Where no piece has room, or there is but one candidate, the first is best. Raises `ValueError`
    without candidates.
    """
    if not candidates:
        raise ValueError("there is nothing to choose from: give at least one way to fill")
    pieces = hidden_pieces(hole, count, seed, like) if len(candidates) > 1 else []
    if not pieces:
        return Choice(next(iter(candidates)), {})
    scores = {
        name: float(np.mean([_tried(fill, image, hole, piece) for piece in pieces]))
        for name, fill in candidates.items()
    }
    return Choice(min(scores, key=scores.__getitem__), scores)


def hidden_pieces(hole: Bool, count: int = 2, seed: int = 0, like: Bool | None = None) -> list[Bool]:
    """Return masks `[H, W]` of the hole's shape, or `like` a part of it, near it, at most `count`.

    They lie in known pixels, more than `GAP` pixels away from the hole and from each other. A hole that
    has no room as a whole, as a scratch across the image, gives what has room of it a little further on,
    or the shape of its largest part; without room for that there are none.
    """
    random = np.random.default_rng(seed)
    part = hole if like is None else like
    for shape in (part, _largest(part)):
        taken, found = hole, list[Bool]()
        while len(found) < count and (piece := _shifted(shape, taken, random)) is not None:
            found.append(piece)
            taken = taken | piece
        if not found and (piece := _beside(shape, hole)) is not None:
            found.append(piece)
        if found:
            return found
    return []


def _beside(shape: Bool, taken: Bool) -> Bool | None:
    """Return what is free of a shape that is moved by a little more than its thickness, if most is."""
    depth = float(cv2.distanceTransform(shape.astype(np.uint8), cv2.DIST_L2, 5).max())
    step = GAP + 1 + round(min(2 * depth, *shape.shape))  # without a known pixel it has no end
    free = ~_grown(taken)
    moves = [(down, right) for down in (-step, 0, step) for right in (-step, 0, step)]
    pieces = [_moved(shape, *move) & free for move in moves]
    best = max(pieces, key=np.count_nonzero)
    return best if 2 * best.sum() > shape.sum() else None


def _moved(shape: Bool, down: int, right: int) -> Bool:
    by = np.array([[1, 0, right], [0, 1, down]], np.float32)
    moved = cv2.warpAffine(shape.astype(np.uint8), by, shape.shape[::-1], flags=cv2.INTER_NEAREST)
    return np.asarray(moved > 0)


def _grown(taken: Bool) -> Bool:
    side = 2 * GAP + 1
    return np.asarray(cv2.dilate(taken.astype(np.uint8), np.ones((side, side), np.uint8)) > 0)


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
    # For every place, how many of its pixels are taken.
    overlap = cv2.matchTemplate(_grown(taken).astype(np.float32), piece.astype(np.float32), cv2.TM_CCORR)
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
    colours = fill(np.where(both, np.float32(0), image), both[..., 0], piece)
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

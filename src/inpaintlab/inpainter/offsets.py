"""Repeating structure, as windows and railings, continued into a hole: a montage of shifted images.

Where an image repeats, most patches look like those at a few offsets. The hole is filled by shifting the
whole image by each of these, and choosing for every pixel which shift it is copied from, so that seams
are least seen (He and Sun, Statistics of Patch Offsets for Image Completion, 2012).
"""

from collections.abc import Callable

import cv2
import numpy as np
from scipy.signal import fftconvolve

from inpaintlab.arrays import Bool, Float32, Int64
from inpaintlab.inpainter.seams import copied, joined, least_seams

#: Least correlation with which structure repeats, and the largest hole in pixels that is continued.
REPEATS, MOST = 0.25, 200_000
#: So many pixels around the hole are hidden for a test, in which structure may be so much worse than
#: the guide, which is smooth and so has less of an error.
STRIP, WORSE = 6, 1.2
#: About what rounding to 8 bits gives, squared.
_TRACE = 1e-5
#: A guide that differs less than this, after a blur, is as good and has no seams.
AGREE = (4.0, 0.1)
#: Offsets are found where the longer side of the image is no more than so many pixels, or twice as many
#: where it was halved, and so on: windows are to be seen. They are chosen on half of that.
LARGEST = 320
#: Shorter offsets are none: neighbours are alike everywhere. So many of either kind are tried.
SHORTEST, TRIED = 8, 25
#: Patches have so many pixels a side; so many are compared with so many, by so many components.
SIDE, QUERIES, SOURCES, COMPONENTS = 8, 2000, 15_000, 20
#: What lies further than so many pixels around the hole, the least and the most, is not asked for.
RING = (6, 24)
#: Standard deviation of the Gaussian that parts structure from shading.
FINE = 3.0
#: A pixel costs so many times what is known in a window around it differs from where it comes from.
EDGE, WINDOW = 4.0, 7
#: It costs so many times what its shade differs from the guide's, after a blur on the grid of choosing.
SHADE, BLUR = 0.1, 2.0
#: What an offset costs that leads into the hole, or out of the image.
NEVER = 30.0


def repeated(
    known: Float32,
    hole: Bool,
    guide: Float32,
    fill: Callable[[Float32, Bool], Float32],
    *,
    seed: int = 0,
) -> Float32 | None:
    """Return what `continue_structure` does, or None where a hole is better filled by the guide.

    A strip of known pixels around the hole is hidden as well, and filled in both ways: `fill` gives the
    guide for an image and a larger hole. None is also where what is around the hole does not repeat, and
    where the guide has much the same colours.
    """
    if hole.sum() > MOST or repetition(known, hole) < REPEATS:
        return None
    side = 2 * STRIP + 1
    wider = cv2.dilate(hole.astype(np.uint8), np.ones((side, side), np.uint8)) > 0
    hidden = np.where(wider[..., None], np.float32(0), known)
    smooth = fill(hidden, wider)
    structure = continue_structure(hidden, wider, smooth, seed=seed)
    errors = [((of - known)[wider & ~hole] ** 2).mean() + _TRACE for of in (structure, smooth)]
    if errors[0] > WORSE**2 * errors[1]:
        return None
    filled = continue_structure(known, hole, guide, seed=seed)
    other = cv2.GaussianBlur((filled - guide) * hole[..., None], (0, 0), AGREE[0])[hole]
    return filled if np.sqrt((other**2).sum(1).mean()) > AGREE[1] else None


def repetition(known: Float32, hole: Bool) -> float:
    """Return how well what is around a hole is told by the same image, shifted by the best offset.

    `known` is `[H, W, 3]` in [0, 1], `hole` `[H, W]`. The result is the correlation of fine structure, 1
    where it repeats exactly, less where it is as high four pixels away, and -1 without an offset.
    """
    image, inside, _ = _reduced(known, hole)
    return max((score for _, score in _repeating(image, inside)), default=-1.0)


def continue_structure(known: Float32, hole: Bool, guide: Float32, *, seed: int = 0) -> Float32:
    """Return the image with the structure around its hole continued into it, `[H, W, 3]` in [0, 1].

    Known pixels are those of `known` `[H, W, 3]` in [0, 1]; `guide` `[H, W, 3]` says roughly which
    colours belong in the hole `[H, W]`. What the two say elsewhere is not looked at. Where there is
    nothing to copy the hole becomes a smooth surface. The same seed gives the same fill.
    """
    start = np.where(hole[..., None], guide, known).astype(np.float32)
    image, inside, times = _reduced(start, hole)
    near = {tuple(offset) for offset, _ in _repeating(image, inside)}
    frequent = {tuple(offset) for offset in _frequent(image, inside, np.random.default_rng(seed))}
    # The last is for where none can be had.
    offsets = np.array([*sorted(near | frequent), (0, 0)], np.int64)
    chosen = _montage(*_halved(image, inside), np.rint(offsets[:-1] / 2).astype(np.int64))
    at = np.minimum(np.argwhere(hole) // (2 * times), np.array(chosen.shape) - 1)
    exact = _refined(start, hole, offsets * times, times)
    return joined(start, hole, exact[chosen[tuple(at.T)]])


def _reduced(image: Float32, hole: Bool) -> tuple[Float32, Bool, int]:
    """Return both smaller, by a power of two, and by which: `LARGEST` says by how much."""
    times = 1
    while max(hole.shape) > LARGEST * times:
        image, hole = _halved(image, hole)
        times *= 2
    return image, hole, times


def _halved(image: Float32, hole: Bool) -> tuple[Float32, Bool]:
    """Make both half as large; a pixel with any hole in it is hole. An odd row or column is left out."""
    height, width = (max(2, side // 2 * 2) for side in hole.shape)
    size = (width // 2, height // 2)
    part = np.ascontiguousarray(hole[:height, :width], np.float32)
    share = cv2.resize(part, size, interpolation=cv2.INTER_AREA)
    smaller = cv2.resize(image[:height, :width], size, interpolation=cv2.INTER_AREA)
    return np.asarray(smaller, np.float32), np.asarray(share > 0)


def _ring(hole: Bool, reach: int) -> Bool:
    shape = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * reach + 1, 2 * reach + 1))
    return np.asarray((cv2.dilate(hole.astype(np.uint8), shape) > 0) & ~hole)


def _repeating(image: Float32, hole: Bool) -> list[tuple[Int64, float]]:
    """Return offsets at which what is around the hole is seen again, the best first, and how well.

    Correlations of the fine structure of known pixels alone, for all offsets at once (Padfield, Masked
    Object Registration in the Fourier Domain, 2012).
    """
    known = (~hole).astype(np.float32)
    depth = cv2.distanceTransform(hole.astype(np.uint8), cv2.DIST_L2, 3).max()
    ring = _ring(hole, int(np.clip(depth, *RING))).astype(np.float32)
    grey = image.mean(2) * known
    blurred, share = (cv2.GaussianBlur(of, (0, 0), FINE) for of in (grey, known))
    fine = cv2.GaussianBlur((grey - blurred / np.maximum(share, 1e-3)) * known, (0, 0), 0.7) * known

    def summed(here: Float32, there: Float32) -> Float32:
        return np.asarray(fftconvolve(there, here[::-1, ::-1]), np.float32)

    common, covered = summed(ring, known), summed(hole.astype(np.float32), known)
    energy = np.maximum(summed(ring * fine**2, known), 1e-6) * np.maximum(summed(ring, fine**2), 1e-6)
    score = summed(ring * fine, fine) / np.sqrt(energy)
    down, right = (np.arange(1 - side, side) for side in hole.shape)
    near = np.hypot(down[:, None], right) < SHORTEST
    score[near | (common < ring.sum() / 2) | (covered < hole.sum() / 10)] = -1
    best = (score == cv2.dilate(score, np.ones((3, 3)))) & (score > 0)
    places = np.argwhere(best)
    places = places[np.argsort(-score[best], kind="stable")[:TRIED]]
    middle = np.array(hole.shape) - 1
    return [(place - middle, _distinct(score, place)) for place in places]


def _distinct(score: Float32, place: Int64) -> float:
    """Return the score of a peak, or less where it is a ridge, as along a straight edge."""
    angle = np.arange(16) * (np.pi / 8)
    around = place + np.rint(4 * np.stack([np.sin(angle), np.cos(angle)], axis=1)).astype(np.int64)
    near = score[tuple(around.clip(0, np.array(score.shape) - 1).T)].max()
    return float(min(score[tuple(place)], 2 * (score[tuple(place)] - max(near, 0))))


def _frequent(image: Float32, hole: Bool, random: np.random.Generator) -> list[Int64]:
    """Return the offsets by which most patches lie from those that are most like them."""
    free = 1 - cv2.dilate(hole.astype(np.uint8), np.ones((SIDE, SIDE)), anchor=(0, 0))
    corners = np.argwhere(free[: 1 - SIDE, : 1 - SIDE])
    if len(corners) < COMPONENTS:
        return []
    patches = np.lib.stride_tricks.sliding_window_view(image, (SIDE, SIDE), (0, 1))
    chosen = [corners[random.permutation(len(corners))[:count]] for count in (QUERIES, SOURCES)]
    here, there = (patches[tuple(of.T)].reshape(len(of), -1) for of in chosen)
    axes = np.linalg.eigh(np.cov(there.T))[1][:, -COMPONENTS:].astype(np.float32)
    moves = _moves(chosen[0], here @ axes, chosen[1], there @ axes)
    size = np.array(hole.shape)
    votes = np.zeros(2 * size + 1, np.float32)
    for move in (moves, -moves):
        np.add.at(votes, tuple((move + size).T), 1)
    votes = cv2.GaussianBlur(votes, (0, 0), np.sqrt(2))
    peaks = np.argwhere((votes == cv2.dilate(votes, np.ones((5, 5)))) & (votes > 0))
    return list(peaks[np.argsort(-votes[tuple(peaks.T)], kind="stable")[:TRIED]] - size)


def _moves(query: Int64, here: Float32, source: Int64, there: Float32) -> Int64:
    """Return how far from each patch the most similar one lies that is not near it, `[n, 2]`."""
    squares, found = (there**2).sum(1), [np.empty((0, 2), np.int64)]
    for start in range(0, len(query), 256):
        part = query[start : start + 256].astype(np.int32)
        distance = squares - 2 * here[start : start + 256] @ there.T
        down, right = (source[:, axis].astype(np.int32) - part[:, axis, None] for axis in (0, 1))
        distance[down**2 + right**2 < SHORTEST**2] = np.inf
        best = distance.argmin(1)
        far = np.isfinite(distance[np.arange(len(best)), best])
        found.append((source[best] - part)[far])
    return np.concatenate(found)


def _montage(image: Float32, hole: Bool, offsets: Int64) -> Int64:
    """Return which offset each pixel of the hole is copied from, `[H, W]`; -1 where there is none."""
    chosen, pixels = np.full(hole.shape, -1), np.argwhere(hole)
    everywhere, known = np.argwhere(np.ones_like(hole)), ~hole
    share = np.maximum(_blurred(known.astype(np.float32)), 1e-3)
    shade = np.asarray(_blurred(image * known[..., None]) / share[..., None], np.float32)
    wanted = _blurred(image)[hole]
    colours, costs = [], []
    for offset in offsets:
        other, usable = copied(image, known, everywhere + offset)
        other, both = other.reshape(image.shape), usable.reshape(hole.shape) & known
        differs = _summed(np.abs(image - other).sum(2) * both) / np.maximum(_summed(both), 1)
        sure = np.where(_summed(both) > 0, differs, 1) * _summed(known) / WINDOW**2
        colour, there = copied(image, known, pixels + offset)
        off = np.abs(copied(shade, known, pixels + offset)[0] - wanted).sum(1)
        colours.append(colour)
        costs.append(np.where(there, EDGE * sure[hole] + SHADE * off, NEVER))
    possible = np.flatnonzero([cost.min(initial=NEVER) < NEVER for cost in costs])
    if len(possible):
        cost = np.array(costs, np.float32)[possible]
        labels = least_seams(cost, np.array(colours)[possible], hole)
        chosen[hole] = np.where(cost.min(0) < NEVER, possible[labels], -1)
    return chosen


def _blurred(values: Float32) -> Float32:
    return np.asarray(cv2.GaussianBlur(values, (0, 0), BLUR), np.float32)


def _summed(values: Float32 | Bool) -> Float32:
    """Return sums over a window around each pixel."""
    window, border = (WINDOW, WINDOW), cv2.BORDER_CONSTANT
    sums = cv2.boxFilter(values.astype(np.float32), -1, window, normalize=False, borderType=border)
    return np.asarray(sums, np.float32)


def _refined(image: Float32, hole: Bool, offsets: Int64, times: int) -> Int64:
    """Return offsets that were found `times` smaller, to the pixel, by what lies around the hole."""
    around = np.argwhere(_ring(hole, RING[1] * times))
    around = around[:: 1 + len(around) // 3000]

    def differs(offset: Int64) -> float:
        colours, usable = copied(image, ~hole, around + offset)
        return float(np.abs(colours - image[tuple(around.T)])[usable].mean()) if usable.any() else np.inf

    for step in (2**power for power in reversed(range(times.bit_length() - 1))):
        moves = step * (np.argwhere(np.ones((3, 3))) - 1)
        offsets = np.array([min(offset + moves, key=differs) for offset in offsets])
    return offsets

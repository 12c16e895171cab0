"""What is put together from copies: which copy each pixel takes, and what becomes of the seams."""

import numpy as np
from scipy.sparse import coo_array
from scipy.sparse.csgraph import breadth_first_order, maximum_flow
from scipy.sparse.linalg import splu

from inpaintlab.arrays import Bool, Float32, Float64, Int64

#: Times that all labels are tried at every pixel.
SWEEPS = 2
#: Flows are whole numbers: so many are 1.
_STEPS = 1000


def least_seams(cost: Float32, colours: Float32, hole: Bool) -> Int64:
    """Return a label for each pixel of a hole `[H, W]`, so that costs `[L, n]` and seams are small.

    A seam costs what the colours `[L, n, 3]` of the two labels differ at both of its pixels. Alpha
    expansion: Boykov, Veksler and Zabih, Fast Approximate Energy Minimization via Graph Cuts, 2001.
    """
    pairs = _pairs(hole)
    labels, pixels = cost.argmin(0), np.arange(cost.shape[1])

    def seam(one: Int64, other: Int64) -> Float32:
        parts = (np.linalg.norm(colours[one, of] - colours[other, of], axis=1) for of in pairs)
        return np.asarray(sum(parts), np.float32)

    def energy(labels: Int64) -> float:
        return float(cost[labels, pixels].sum() + seam(labels[pairs[0]], labels[pairs[1]]).sum())

    least = energy(labels)
    for _ in range(SWEEPS):
        before = least
        for label in range(len(cost)):
            one, other = (labels[of] for of in pairs)
            new = np.full(len(one), label)
            keep, first, second = seam(one, other), seam(new, other), seam(one, new)
            gain: Float64 = np.bincount(pairs[0], first - keep, len(pixels)).astype(np.float64)
            gain += cost[label] - cost[labels, pixels] - np.bincount(pairs[1], first, len(pixels))
            taken = _least_cut(gain, pairs, np.maximum(first + second - keep, 0))
            changed = np.where(taken, label, labels)
            if (now := energy(changed)) < least:
                labels, least = changed, now
        if least >= before:
            break
    return np.asarray(labels, np.int64)


def _pairs(hole: Bool) -> list[Int64]:
    """Return neighbours in the hole, by number: those to the left or above, and the others."""
    number = np.full(hole.shape, -1)
    number[hole] = np.arange(hole.sum())
    sides = ((number[:, :-1], number[:, 1:]), (number[:-1], number[1:]))
    both = np.concatenate([np.stack([one.ravel(), other.ravel()], 1) for one, other in sides])
    return list(both[(both >= 0).all(1)].T)


def _least_cut(gain: Float64, pairs: list[Int64], between: Float32) -> Bool:
    """Return which pixels take a label: it costs them `gain`, and `between` if only the second does."""
    count = len(gain)
    dear, cheap = np.flatnonzero(gain > 0), np.flatnonzero(gain < 0)
    start = np.concatenate([pairs[0], np.full(len(dear), count), cheap])
    end = np.concatenate([pairs[1], dear, np.full(len(cheap), count + 1)])
    capacity = np.rint(_STEPS * np.concatenate([between, gain[dear], -gain[cheap]])).astype(np.int32)
    graph = coo_array((capacity, (start, end)), shape=(count + 2, count + 2)).tocsr()
    left = graph - maximum_flow(graph, count, count + 1).flow
    left.data = np.maximum(left.data, 0)
    left.eliminate_zeros()
    taken = np.ones(count + 2, bool)
    taken[breadth_first_order(left, count, return_predecessors=False)] = False
    return taken[:count]


def joined(image: Float32, hole: Bool, offsets: Int64) -> Float32:
    """Fill the hole with what has the gradients of the copies, an offset each, and meets what is known.

    Pérez et al., Poisson Image Editing, 2003. Between two offsets it is the mean of their gradients, and
    none where there is nothing to copy.
    """
    pixels, number = np.argwhere(hole), np.full(hole.shape, -1)
    number[hole] = np.arange(len(pixels))
    limit, known = np.array(hole.shape) - 1, ~hole
    # A trace keeps an image solvable in which nothing is known.
    degree, right = np.full(len(pixels), 1e-9), np.zeros((len(pixels), 3))
    parts = []
    for step in ((0, 1), (0, -1), (1, 0), (-1, 0)):
        inside = np.flatnonzero(((pixels + step >= 0) & (pixels + step <= limit)).all(1))
        here = pixels[inside]
        other = number[tuple((here + step).T)]
        gradient, sure = np.zeros((len(here), 3)), np.zeros(len(here))
        for move in (offsets[inside], offsets[np.where(other < 0, inside, other)]):
            (one, first), (two, second) = (copied(image, known, at + move) for at in (here, here + step))
            both = first & second
            gradient[both] += (one - two)[both]
            sure += both
        degree[inside] += 1
        right[inside] += gradient / np.maximum(sure, 1)[:, None]
        edge = other < 0
        right[inside[edge]] += image[tuple((here + step)[edge].T)]
        parts.append((inside[~edge], other[~edge], np.full((~edge).sum(), -1.0)))
    every = np.arange(len(pixels))
    row, column, value = (
        np.concatenate(part) for part in zip((every, every, degree), *parts, strict=True)
    )
    equations = coo_array((value, (row, column)), shape=(len(pixels), len(pixels))).tocsc()
    solved = splu(equations, "MMD_AT_PLUS_A", diag_pivot_thresh=0, options={"SymmetricMode": True})
    filled = image.copy()
    filled[hole] = solved.solve(right).clip(0, 1)
    return filled


def copied(image: Float32, usable: Bool, places: Int64) -> tuple[Float32, Bool]:
    """Return the colours at places `[n, 2]`, and which are usable, as nothing beyond the border is."""
    limit = np.array(usable.shape) - 1
    inside = ((places >= 0) & (places <= limit)).all(1)
    at = tuple(places.clip(0, limit).T)
    return image[at], inside & usable[at]

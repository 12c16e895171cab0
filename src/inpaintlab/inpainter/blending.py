"""Blending: a fill that was predicted small and made larger meets the known pixels without a step.

A network predicts the whole crop, known pixels too. How far it is from them at the hole's edge tells
how far it is just inside: that difference is continued smoothly into the hole, and added. Only pixels of
the hole change.
"""

from typing import Any

import cv2
import numpy as np

from inpaintlab.arrays import Bool, Float32

#: `gradient` is the blending below, `none` leaves a fill as it was predicted.
BLENDS = ("gradient", "none")
#: Known pixels within this distance of the hole, in output pixels, have a say.
REACH = 4.0
#: Sweeps over each level of the pyramid, and how much is lost in each. With less loss, faces gain and
#: scenes lose: the middle of a large hole takes the colour of its edge.
SWEEPS, LOSS = 12, 0.02
_NEIGHBOURS = np.array([[0, 1, 0], [1, 0, 1], [0, 1, 0]], np.float32) / 4
#: A level of the pyramid this small is not halved again.
_SMALLEST = 8
#: Less of a known pixel than this is none: its share of an average would be noise.
_TRACE = np.float32(1e-4)


def edge_difference(known: Float32, hole: Bool, output: Float32, scale: float) -> Float32:
    """Return what to add to an enlarged output, `[h, w, 3]`, so that it meets the known colours.

    `known` is 0 in the hole. One pixel of the network's output covers `scale` pixels of these; all is
    done on cells of half of it, as the output has nothing finer. `output` may be given for pixels or
    for `cells`. It keeps its own gradients and takes the known colours at the edge: Poisson blending
    (Pérez et al., Poisson Image Editing, 2003, equation 7), screened, solved from coarse to fine.
    """
    size = cells(hole.shape, scale)
    share = _averaged((~hole).astype(np.float32), size)
    mean = _mean(_averaged(known, size) - _averaged(output, size) * share[..., None], share)
    difference = _continued(mean, share == 0)
    return np.asarray(
        cv2.resize(difference, hole.shape[::-1], interpolation=cv2.INTER_LINEAR), np.float32
    )


def cells(shape: tuple[int, ...], scale: float) -> tuple[int, int]:
    """Return how many cells, down and across, stand for so many pixels."""
    cell = max(1, round(scale / 2))
    return -(-shape[0] // cell), -(-shape[1] // cell)


def _averaged(values: Float32, size: tuple[int, int]) -> Float32:
    if values.shape[:2] == size:
        return values
    return np.asarray(cv2.resize(values, size[::-1], interpolation=cv2.INTER_AREA), np.float32)


def _mean(total: Float32, share: Float32) -> Float32:
    """Divide by the known share; where nothing is known, it stays 0."""
    return np.asarray(total / np.maximum(share, _TRACE)[..., None], np.float32)


def _continued(mean: Float32, hole: Bool) -> Float32:
    """Return an image with the smooth continuation of what is known of it into its hole."""
    height, width = hole.shape
    found: Any = mean
    if min(height, width) > _SMALLEST and hole.any():
        known, half = (~hole).astype(np.float32), cells(hole.shape, 4)
        share = _averaged(known, half)
        coarser = _mean(_averaged(mean * known[..., None], half), share)
        smaller = _continued(coarser, share == 0)
        start = cv2.resize(smaller, (width, height), interpolation=cv2.INTER_LINEAR)
        found = np.where(hole[..., None], start, mean)
    # Multiplied and added in place: choosing by a mask takes three times as long.
    inside = np.repeat(hole[..., None], 3, axis=2).astype(np.float32)
    outside = mean * (1 - inside)
    for _ in range(SWEEPS):
        found = cv2.filter2D(found, -1, _NEIGHBOURS * (1 - LOSS), borderType=cv2.BORDER_REPLICATE)
        found *= inside
        found += outside
    return np.asarray(found, np.float32)

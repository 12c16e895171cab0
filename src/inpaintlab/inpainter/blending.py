"""Blending: what was painted small and made larger meets the known pixels without a step.

A network paints the whole crop, known pixels too. How far it is from them at the hole's edge tells how
far it is inside, just beyond: that difference is added, and fades with the distance. Only pixels of the
hole change.
"""

from collections.abc import Callable
from typing import Any

import cv2
import numpy as np

from inpaintlab.arrays import Bool, Float32
from inpaintlab.errors import SettingError, near_miss

#: The difference at the edge is averaged over about this many painted pixels, …
SPREAD = 1.0
#: … and is gone at this distance from it. Both are chosen on faces and scenes with networks for 64 and
#: 128 px: half and twice as much lose a little in the step at the edge or in PSNR.
REACH = 4.0
#: Of gradient blending: sweeps over each level of its pyramid, and how much is lost in each. With less
#: loss, faces gain and scenes lose: the middle of a large hole takes the colour of its edge.
SWEEPS, LOSS = 12, 0.02
_NEIGHBOURS = np.array([[0, 1, 0], [1, 0, 1], [0, 1, 0]], np.float32) / 4
#: A level of the pyramid this small is not halved again.
_SMALLEST = 8
#: Less of a known pixel than this is none: its share of an average would be noise.
_TRACE = np.float32(1e-4)


def edge_difference(blend: str, known: Float32, hole: Bool, painted: Float32, scale: float) -> Float32:
    """Return what to add to painted colours, `[h, w, 3]`, so that they meet the known ones.

    `known` is 0 in the hole. A pixel that the network painted covers `scale` pixels of these; all is
    done on cells of half of it, for nothing finer is left of what was painted. `painted` may be given
    for pixels or for `cells`.
    """
    size = cells(hole.shape, scale)
    share = _averaged((~hole).astype(np.float32), size)
    mean = _mean(_averaged(known, size) - _averaged(painted, size) * share[..., None], share)
    difference = BLENDS[blend](mean, share, scale / _cell(scale))
    return np.asarray(
        cv2.resize(difference, hole.shape[::-1], interpolation=cv2.INTER_LINEAR), np.float32
    )


def cells(shape: tuple[int, ...], scale: float) -> tuple[int, int]:
    """Return how many cells, down and across, stand for so many pixels."""
    return -(-shape[0] // _cell(scale)), -(-shape[1] // _cell(scale))


def feather(mean: Float32, share: Float32, step: float) -> Float32:
    """Smooth the difference at the hole's edge, and fade it out over `REACH` painted pixels."""
    total, count = (
        np.asarray(cv2.GaussianBlur(values, (0, 0), SPREAD * step), np.float32)
        for values in (mean * share[..., None], share)
    )
    smooth = _mean(total, count)
    distance = cv2.distanceTransform((share == 0).astype(np.uint8), cv2.DIST_L2, cv2.DIST_MASK_5)
    fade = (1 - distance / np.float32(REACH * step)).clip(0, 1)
    return np.asarray(smooth * fade[..., None], np.float32)


def gradient(mean: Float32, share: Float32, _: float) -> Float32:
    """Keep the painted gradients and take the known colours at the edge: Poisson blending.

    Solves the screened Laplace equation for the difference, which the known pixels give at the edge
    (Pérez et al., Poisson Image Editing, 2003, equation 7), by sweeps from coarse to fine.
    """
    return _continued(mean, share == 0)


def _cell(scale: float) -> int:
    return max(1, round(scale / 2))


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


#: Name -> function of the mean difference of each cell, its known share, and how many cells a painted
#: pixel has: what to add to each cell.
BLENDS: dict[str, Callable[[Float32, Float32, float], Float32]] = {
    "none": lambda mean, _share, _step: np.zeros_like(mean),
    "feather": feather,
    "gradient": gradient,
}


def check_blend(name: str) -> None:
    """Raise `SettingError` for a blending that is not known."""
    if name not in BLENDS:
        raise SettingError(f"unknown blend {name!r}{near_miss(name, BLENDS)}")

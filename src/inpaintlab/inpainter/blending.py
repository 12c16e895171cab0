"""Blending: what was painted small and made larger meets the known pixels without a step.

A network paints the whole crop, known pixels too. How far it is from them at the hole's edge tells how
far it is inside, just beyond: that difference is added, and fades with the distance. Only pixels of the
hole change.
"""

from collections.abc import Callable
from typing import Any

import cv2
import numpy as np

from inpaintlab.errors import SettingError, near_miss
from inpaintlab.inpainter.crops import Bools
from inpaintlab.inpainter.scaling import Floats

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


def feather(known: Floats, painted: Floats, hole: Bools, scale: float) -> Floats:
    """Add the smoothed difference at the hole's edge, fading out over `REACH` painted pixels."""
    mean, share = _differences(known, painted, hole, scale)
    total, count = (
        np.asarray(cv2.GaussianBlur(values, (0, 0), SPREAD * scale / _cell(scale)), np.float32)
        for values in (mean * share[..., None], share)
    )
    smooth = np.asarray(total / np.maximum(count, _TRACE)[..., None], np.float32)
    distance = cv2.distanceTransform(hole.astype(np.uint8), cv2.DIST_L2, cv2.DIST_MASK_5)
    fade = (1 - distance / np.float32(REACH * scale)).clip(0, 1)
    return _added(painted, smooth, fade[..., None])


def gradient(known: Floats, painted: Floats, hole: Bools, scale: float) -> Floats:
    """Keep the painted gradients and take the known colours at the edge: Poisson blending.

    Solves the screened Laplace equation for the difference, which the known pixels give at the edge
    (Pérez et al., Poisson Image Editing, 2003, equation 7), by sweeps from coarse to fine.
    """
    mean, share = _differences(known, painted, hole, scale)
    return _added(painted, _continued(mean, share == 0))


def _cell(scale: float) -> int:
    """Return the side of a cell: half a painted pixel, for nothing finer is left of what was painted."""
    return max(1, round(scale / 2))


def _differences(known: Floats, painted: Floats, hole: Bools, scale: float) -> tuple[Floats, Floats]:
    """Return how far known pixels are from painted ones, the mean of each cell, and its known share."""
    height, width = hole.shape
    cells = (-(-width // _cell(scale)), -(-height // _cell(scale)))
    share = (~hole).astype(np.float32)
    return _means((known - painted) * share[..., None], share, cells)


def _means(total: Floats, share: Floats, cells: tuple[int, int]) -> tuple[Floats, Floats]:
    """Average over cells what is known of them; where nothing is, it is 0."""
    share = np.asarray(cv2.resize(share, cells, interpolation=cv2.INTER_AREA), np.float32)
    total = np.asarray(cv2.resize(total, cells, interpolation=cv2.INTER_AREA), np.float32)
    return np.asarray(total / np.maximum(share, _TRACE)[..., None], np.float32), share


def _continued(mean: Floats, hole: Bools) -> Floats:
    """Return a picture with the smooth continuation of what is known of it into its hole."""
    height, width = hole.shape
    found: Any = mean
    if min(height, width) > _SMALLEST and hole.any():
        known = (~hole).astype(np.float32)
        coarser, share = _means(mean * known[..., None], known, (-(-width // 2), -(-height // 2)))
        start = cv2.resize(
            _continued(coarser, share == 0), (width, height), interpolation=cv2.INTER_LINEAR
        )
        found = np.where(hole[..., None], start, mean)
    # Multiplied and added in place: choosing by a mask takes three times as long.
    inside = np.repeat(hole[..., None], 3, axis=2).astype(np.float32)
    outside = mean * (1 - inside)
    for _ in range(SWEEPS):
        found = cv2.filter2D(found, -1, _NEIGHBOURS * (1 - LOSS), borderType=cv2.BORDER_REPLICATE)
        found *= inside
        found += outside
    return np.asarray(found, np.float32)


def _added(painted: Floats, difference: Floats, fade: Floats | float = 1.0) -> Floats:
    """Add a difference, given for cells, to what was painted."""
    height, width = painted.shape[:2]
    larger = cv2.resize(difference, (width, height), interpolation=cv2.INTER_LINEAR)
    return np.asarray((painted + larger * fade).clip(0, 1), np.float32)


#: Name -> function of known colours, painted ones, the hole and how many pixels a painted one covers.
BLENDS: dict[str, Callable[[Floats, Floats, Bools, float], Floats]] = {
    "none": lambda _known, painted, _hole, _scale: painted,
    "feather": feather,
    "gradient": gradient,
}


def check_blend(name: str) -> None:
    """Raise `SettingError` for a blending that is not known."""
    if name not in BLENDS:
        raise SettingError(f"unknown blend {name!r}{near_miss(name, BLENDS)}")

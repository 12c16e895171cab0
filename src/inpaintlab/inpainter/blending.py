"""Blending: what was painted small and made larger meets the known pixels without a step.

A network paints the whole crop, known pixels too. How far it is from them at the hole's edge tells how
far it is inside, just beyond: that difference is added, and fades with the distance. Only pixels of the
hole change.
"""

from collections.abc import Callable

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
#: Of gradient blending: sweeps over each level of its pyramid, and how much is lost in each. Without
#: loss the middle of a large hole takes the colour of its edge.
SWEEPS, LOSS = 12, 0.01
_NEIGHBOURS = np.array([[0, 1, 0], [1, 0, 1], [0, 1, 0]], np.float32) / 4
#: Less of a known pixel than this is none: its share of an average would be noise.
_TRACE = 1e-4


def feather(known: Floats, painted: Floats, hole: Bools, scale: float) -> Floats:
    """Add the smoothed difference at the hole's edge, fading out over `REACH` painted pixels."""
    height, width = hole.shape
    # Half a painted pixel is a cell: nothing finer is left after smoothing.
    cell = max(1, round(scale / 2))
    share = (~hole).astype(np.float32)

    def smoothed(values: Floats) -> Floats:
        cells = cv2.resize(values, (-(-width // cell), -(-height // cell)), interpolation=cv2.INTER_AREA)
        return np.asarray(cv2.GaussianBlur(cells, (0, 0), SPREAD * scale / cell), np.float32)

    total, count = smoothed((known - painted) * share[..., None]), smoothed(share)
    mean = total / np.maximum(count, _TRACE)[..., None]
    difference = cv2.resize(mean, (width, height), interpolation=cv2.INTER_LINEAR)
    distance = cv2.distanceTransform(hole.astype(np.uint8), cv2.DIST_L2, cv2.DIST_MASK_5)
    fade = (1 - distance / np.float32(REACH * scale)).clip(0, 1)
    return np.asarray((painted + difference * fade[..., None]).clip(0, 1), np.float32)


def gradient(known: Floats, painted: Floats, hole: Bools, _: float) -> Floats:
    """Keep the painted gradients and take the known colours at the edge: Poisson blending.

    Solves the screened Laplace equation for the difference, which the known pixels give at the edge
    (Pérez et al., Poisson Image Editing, 2003, equation 7), by sweeps from coarse to fine.
    """
    difference = np.where(hole[..., None], np.float32(0), known - painted)
    return (painted + _spread(difference, hole)).clip(0, 1)


def _spread(difference: Floats, hole: Bools) -> Floats:
    """Return the difference with its smooth continuation in the hole."""
    height, width = hole.shape
    start = difference
    if min(height, width) > 8 and hole.any():
        half = (-(-width // 2), -(-height // 2))
        share = cv2.resize((~hole).astype(np.float32), half, interpolation=cv2.INTER_AREA)[..., None]
        mean = cv2.resize(difference, half, interpolation=cv2.INTER_AREA) / np.maximum(share, _TRACE)
        smaller = _spread(np.where(share > 0, mean, np.float32(0)), share[..., 0] == 0)
        larger = cv2.resize(smaller, (width, height), interpolation=cv2.INTER_LINEAR)
        start = np.asarray(larger, np.float32)
    found = np.where(hole[..., None], start, difference)
    for _ in range(SWEEPS):
        swept = cv2.filter2D(found, -1, _NEIGHBOURS * (1 - LOSS), borderType=cv2.BORDER_REPLICATE)
        found = np.where(hole[..., None], swept, difference)
    return found


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

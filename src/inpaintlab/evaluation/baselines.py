"""Classical ways to fill a hole, to stand beside a network.

A baseline is a function of a picture, uint8 `[H, W, 3]`, and its hole, uint8 `[H, W]` of 0 and 1, and
one line in `BASELINES`.
"""

from collections.abc import Callable

import cv2
import numpy as np
import numpy.typing as npt

Array = npt.NDArray[np.uint8]

#: Pixels around the hole that OpenCV's methods look at, the value of its documentation.
RADIUS = 3


def mean_colour(image: Array, hole: Array) -> Array:
    """Paint the hole with the mean of the known pixels."""
    known = image[hole == 0].mean(axis=0)
    return np.where(hole[..., None] > 0, np.rint(known).astype(np.uint8), image)


def telea(image: Array, hole: Array) -> Array:
    """Fast marching method (Telea 2004), OpenCV."""
    return np.asarray(cv2.inpaint(image, hole, RADIUS, cv2.INPAINT_TELEA), np.uint8)


def navier_stokes(image: Array, hole: Array) -> Array:
    """Fluid dynamics method (Bertalmio et al. 2001), OpenCV."""
    return np.asarray(cv2.inpaint(image, hole, RADIUS, cv2.INPAINT_NS), np.uint8)


#: Name in tables and JSON -> function.
BASELINES: dict[str, Callable[[Array, Array], Array]] = {
    "mean colour": mean_colour,
    "Telea": telea,
    "Navier–Stokes": navier_stokes,
}

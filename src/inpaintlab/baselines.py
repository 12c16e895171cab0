"""Classical ways to fill a hole, to stand beside a network.

A baseline is a function of an image, uint8 `[H, W, 3]`, and its hole, uint8 `[H, W]` of 0 and 1, in
`BASELINES`. Those in `SLOW` take too long for every image.
"""

from collections.abc import Callable
from importlib.util import find_spec
from typing import Any

import cv2
import numpy as np

from inpaintlab.arrays import Float64, Int64, UInt8
from inpaintlab.registry import Registry

Baseline = Callable[[UInt8, UInt8], UInt8]
#: Pixels around the hole that OpenCV's methods look at, the value of its documentation.
RADIUS = 3
#: Radius of the patches that PatchMatch compares, the value of its package's examples.
PATCH = 3
#: A pixel and its four neighbours.
_CROSS = np.array([[0, 1, 0], [1, 1, 1], [0, 1, 0]], np.uint8)
#: Keeps equations solvable that say nothing of a pixel; colours change by less than a millionth.
_TRACE = 1e-12


def mean_colour(image: UInt8, hole: UInt8) -> UInt8:
    """Fill the hole with the mean of the known pixels."""
    known = image[hole == 0].mean(axis=0)
    return np.where(hole[..., None] > 0, np.rint(known).astype(np.uint8), image)


def telea(image: UInt8, hole: UInt8) -> UInt8:
    """Fast marching method (Telea 2004), OpenCV."""
    return np.asarray(cv2.inpaint(_seen(image, hole), hole, RADIUS, cv2.INPAINT_TELEA), np.uint8)


def navier_stokes(image: UInt8, hole: UInt8) -> UInt8:
    """Fluid dynamics method (Bertalmio et al. 2001), OpenCV."""
    return np.asarray(cv2.inpaint(_seen(image, hole), hole, RADIUS, cv2.INPAINT_NS), np.uint8)


def biharmonic(image: UInt8, hole: UInt8) -> UInt8:
    """Smoothest surface over the hole, by the biharmonic equation (Damelin and Hoang 2018)."""
    known = image[hole == 0]
    surface = smoothest_surface(hole, 1 - hole, lambda at: image.reshape(-1, 3)[at] / 1.0)
    filled = image.copy()
    filled[hole > 0] = np.rint(surface.clip(known.min(0), known.max(0)))
    return filled


def smoothest_surface(wanted: UInt8, known: UInt8, colours: Callable[[Int64], Float64]) -> Float64:
    """Return the biharmonic surface over the wanted pixels of an image, `[n, C]`, row by row.

    `wanted` and `known` are `[H, W]` of 0 and 1; what is neither does not exist, as what lies beyond the
    border. `colours` gives those of known pixels, `[k, C]`, by their places in the flattened image. The
    equations are those of scikit-image's `inpaint_biharmonic`, but the time follows the wanted pixels,
    and all of an image are solved for at once.
    """
    from scipy.sparse import eye_array
    from scipy.sparse.linalg import splu

    there = wanted | known
    near = np.asarray(cv2.dilate(wanted, _CROSS), np.uint8) & there
    far = np.asarray(cv2.dilate(near, _CROSS), np.uint8) & there
    rows, columns = np.flatnonzero(near), np.flatnonzero(far)
    laplacian = _laplacian(rows, columns, there)
    unknown = wanted.reshape(-1)[columns] > 0
    left = laplacian[:, unknown]
    right = laplacian[:, ~unknown] @ colours(columns[~unknown])
    # The Laplacian of the Laplacian is symmetric. What has no known neighbour at all becomes 0.
    squared = (left.T @ left + _TRACE * eye_array(left.shape[1])).tocsc()
    options = {"SymmetricMode": True}
    solved = splu(squared, "MMD_AT_PLUS_A", diag_pivot_thresh=0, options=options)
    return np.asarray(solved.solve(-left.T @ right))


def _laplacian(rows: Int64, columns: Int64, there: UInt8) -> Any:
    """Return the sum of a pixel's neighbours less as many times itself, a sparse row for each pixel."""
    from scipy.sparse import csc_array

    near = _neighbours(rows, there)
    pixels, others = (np.concatenate(part) for part in zip(*near, strict=True))
    of = np.searchsorted(rows, np.concatenate([pixels, pixels]))
    to = np.searchsorted(columns, np.concatenate([others, pixels]))
    values = np.repeat([1.0, -1.0], len(of) // 2)
    return csc_array((values, (of, to)), shape=(len(rows), len(columns)))


def _neighbours(pixels: Int64, there: UInt8) -> list[tuple[Int64, Int64]]:
    """Return pixels and those to their left, to their right, above and below, where there are any."""
    width, found = there.shape[1], []
    for step, inside in (
        (-1, pixels % width > 0),
        (1, pixels % width < width - 1),
        (-width, pixels >= width),
        (width, pixels < there.size - width),
    ):
        pixel = pixels[inside]
        pixel = pixel[there.reshape(-1)[pixel + step] > 0]
        found.append((pixel, pixel + step))
    return found


def patchmatch(image: UInt8, hole: UInt8) -> UInt8:
    """Copy patches from elsewhere in the image (Barnes et al. 2009), of the extra `patchmatch`."""
    from patchmatch import patch_match

    patch_match.set_random_seed(0)
    filled = patch_match.inpaint(_seen(image, hole), hole * 255, patch_size=PATCH)
    return np.where(hole[..., None] > 0, filled, image)


def _seen(image: UInt8, hole: UInt8) -> UInt8:
    """Return the image without what is hidden, which OpenCV and scikit-image look at near the border."""
    return np.where(hole[..., None] > 0, 0, image).astype(np.uint8)


#: Name in settings, JSON and tables -> function.
BASELINES: Registry[UInt8] = Registry(
    "baseline",
    {
        "mean-colour": mean_colour,
        "telea": telea,
        "navier-stokes": navier_stokes,
        "biharmonic": biharmonic,
        **({"patchmatch": patchmatch} if find_spec("patchmatch") else {}),
    },
)
#: Baselines that take tens of milliseconds and more for an image of 64 px.
SLOW = {"biharmonic", "patchmatch"}
#: What stands in sentences for a name that is not a word.
_TITLES = {
    "mean-colour": "mean colour",
    "telea": "Telea",
    "navier-stokes": "Navier–Stokes",
    "patchmatch": "PatchMatch",
}


def register_baseline(name: str, fill: Baseline, *, slow: bool = False) -> Baseline:
    """Add a baseline, which then stands in every evaluation; a slow one is run on the first images only.

    Raises `SettingError` for a name that is taken.
    """
    BASELINES.register(name, fill)
    if slow:
        SLOW.add(name)
    return fill


def title(method: str) -> str:
    """Return how a method is called in tables and sentences.

    >>> title("navier-stokes"), title("my network")
    ('Navier–Stokes', 'my network')
    """
    return _TITLES.get(method, method)

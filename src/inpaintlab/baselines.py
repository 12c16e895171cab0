"""Classical ways to fill a hole, to stand beside a network.

A baseline is a function of an image, uint8 `[H, W, 3]`, and its hole, uint8 `[H, W]` of 0 and 1, in
`BASELINES`. Those in `SLOW` take too long for every image.
"""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from threading import Lock

import cv2
import numpy as np
from torch import Tensor

from inpaintlab.arrays import UInt8
from inpaintlab.machine import processors
from inpaintlab.registry import Registry
from inpaintlab.tensors import to_arrays, to_tensor

Baseline = Callable[[UInt8, UInt8], UInt8]
#: Pixels around the hole that OpenCV's methods look at, the value of its documentation.
RADIUS = 3
#: Radius of the patches that PatchMatch compares, the value of its package's examples.
PATCH = 3
#: PatchMatch draws from one state for all threads.
_DRAWN = Lock()


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
    from skimage.restoration import inpaint_biharmonic  # a third of a second, for one method

    filled = inpaint_biharmonic(_seen(image, hole) / 255, hole.astype(bool), channel_axis=-1)
    fill = np.rint(filled.clip(0, 1) * 255).astype(np.uint8)
    return np.where(hole[..., None] > 0, fill, image)


def patchmatch(image: UInt8, hole: UInt8) -> UInt8:
    """Copy patches from elsewhere in the image (Barnes et al. 2009)."""
    from patchmatch import patch_match

    with _DRAWN:
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
        "patchmatch": patchmatch,
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


def on_tensors(fill: Baseline) -> Callable[[Tensor, Tensor], Tensor]:
    """Make of a baseline what fills `[B, 3, H, W]` in [0, 1], images of a batch side by side."""

    def fill_batch(image: Tensor, mask: Tensor) -> Tensor:
        holes = mask[:, 0].byte().cpu().numpy()
        # What is filled is cv2's and scikit-image's work, which leaves the interpreter free.
        with ThreadPoolExecutor(processors()) as pool:
            return to_tensor(np.stack(list(pool.map(fill, to_arrays(image), holes))))

    return fill_batch


def title(method: str) -> str:
    """Return how a method is called in tables and sentences.

    >>> title("navier-stokes"), title("my network")
    ('Navier–Stokes', 'my network')
    """
    return _TITLES.get(method, method)

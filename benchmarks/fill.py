"""Filling one hole of a large photo, beside OpenCV's Telea: time and peak memory.

The photo has 4,000×3,000 pixels (sample portraits tiled, with grain) and one hole of 400×400. Peak
memory is counted in a process of its own for each method, from the decoded photo on.

Usage: python benchmarks/fill.py [RUN]      without a run, a network with random weights
"""

import subprocess
import sys
from pathlib import Path

import cv2
import numpy as np
import timing
from timing import alternate, median, median_ratio

from inpaintlab import networks
from inpaintlab.checkpoints import ModelCard
from inpaintlab.data import samples
from inpaintlab.inpainter import Inpainter


def main(run: str | None = None) -> None:
    photo, hole = make_photo()
    inpainter = load(run)
    filled = inpainter.fill(photo, hole)
    assert np.array_equal(filled[hole == 0], photo[hole == 0]), "a known pixel was changed"
    print("known pixels: bit-exact")
    seconds = alternate(
        {
            "inpaintlab": lambda: inpainter.fill(photo, hole),
            "Telea": lambda: cv2.inpaint(photo, hole, 3, cv2.INPAINT_TELEA),
        }
    )
    for name in seconds:
        extra = peak_megabytes(name, run)
        print(
            f"{name:>12}: {median(seconds[name]):.3f} s, {extra:.0f} MB beyond photo, mask and libraries"
        )
    print(f"time of ours over Telea's: {median_ratio(seconds['inpaintlab'], seconds['Telea']):.2f}")


def make_photo() -> tuple[np.ndarray, np.ndarray]:
    """Return a photo uint8 [3000, 4000, 3] and its hole."""
    tile = samples.draw(0, 1000)
    photo = np.tile(tile, (3, 4, 1))
    photo += np.random.default_rng(0).integers(0, 8, photo.shape, np.uint8)
    hole = np.zeros(photo.shape[:2], np.uint8)
    hole[1300:1700, 1800:2200] = 1
    return photo, hole


def load(run: str | None) -> Inpainter:
    """Load a run, or make a network with random weights: the time is the same."""
    if run:
        return Inpainter.load(run)
    return Inpainter(networks.create("unet"), ModelCard("unet", {}, 64))


def peak_megabytes(method: str, run: str | None) -> float:
    """Return the peak memory that a fresh process takes to fill the photo once."""
    command = [sys.executable, __file__, "--measure", method, *([run] if run else [])]
    return float(subprocess.check_output(command, text=True))


def measure(method: str, run: str | None = None) -> None:
    photo, hole = make_photo()
    inpainter = load(run)
    inpainter.fill(photo[:64, :64].copy(), np.eye(64))  # what libraries take once is not counted
    methods = {
        "inpaintlab": lambda: inpainter.fill(photo, hole),
        "Telea": lambda: cv2.inpaint(photo, hole, 3, cv2.INPAINT_TELEA),
    }
    print(timing.peak_megabytes(methods[method]))


if __name__ == "__main__":
    if sys.argv[1:2] == ["--measure"]:
        measure(*sys.argv[2:])
    else:
        main(*(str(Path(word)) for word in sys.argv[1:2]))

"""Measure any function beside a classical method on photos of any size, by a metric of your own.

Usage: python examples/own_method.py FOLDER. No network is trained.
"""

import sys
from pathlib import Path

import cv2
import numpy as np
import torch
from torch import Tensor

import inpaintlab as il
from inpaintlab.data import samples


def blur_from_outside(image: Tensor, mask: Tensor) -> Tensor:
    """A method: what is known, spread into the hole by one wide blur."""
    filled = []
    for pixels, hole in zip(image, mask, strict=True):
        known = (pixels * (1 - hole)).permute(1, 2, 0).numpy()
        weight = (1 - hole[0]).numpy()
        spread, share = (cv2.GaussianBlur(of, (0, 0), 12) for of in (known, weight))
        filled.append(torch.from_numpy(spread / np.maximum(share, 1e-6)[..., None]))
    return torch.stack(filled).permute(0, 3, 1, 2)


@il.register_metric("worst_pixel", higher_is_better=False)
def worst_pixel(filled: Tensor, truth: Tensor, mask: Tensor) -> Tensor:
    """A metric: the largest error in the hole, one value for each image."""
    return ((filled - truth).abs() * mask).amax((1, 2, 3))


def main(folder: Path, count: int = 24) -> None:
    photos = [samples.draw(number, size=48 + 8 * (number % 3)) for number in range(count)]
    methods = {"blur": blur_from_outside, "telea": "telea"}
    result = il.evaluate(methods, photos, masks="rectangles-v1", through="fill")
    folder.mkdir(parents=True, exist_ok=True)
    result.html(folder / "report.html")
    for metric in ("hole_psnr", "worst_pixel"):
        gain = result.paired("blur", "telea", metric)
        print(f"{metric}: {gain.mean:+.3f} [{gain.low:+.3f}, {gain.high:+.3f}] beside Telea")


if __name__ == "__main__":
    main(Path(sys.argv[1]))

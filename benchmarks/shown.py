"""The sheet of the README: four free photographs with four kinds of holes, and how they are filled.

The photographs come with scikit-image: Chelsea the cat (Stefan van der Walt, CC0), coffee (Rachel
Michetti, CC0), a rocket (SpaceX, public domain) and an astronaut (NASA, public domain). The holes were
chosen before anything was filled.

Usage: python benchmarks/shown.py [-o docs/images/photos.jpg]
"""

import argparse
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from photos import KINDS, titled
from PIL import Image
from skimage import data

from inpaintlab import load
from inpaintlab.arrays import UInt8
from inpaintlab.masks import Rectangles
from inpaintlab.randomness import generator_for

HEIGHT, WIDTH = 300, 300


def main() -> None:
    parser = argparse.ArgumentParser(usage=__doc__)
    parser.add_argument("-o", "--output", type=Path, default=Path("docs/images/photos.jpg"))
    words = parser.parse_args()
    kinds = KINDS | {"rectangles": Rectangles(side=(0.25, 0.25))}
    rows = [
        row(photo(data.chelsea()), kinds["scratches"]),
        row(photo(data.coffee()), kinds["rectangles"]),
        row(photo(data.rocket()), kinds["objects"]),
        row(photo(data.astronaut()), kinds["text"]),
    ]
    Image.fromarray(np.vstack(rows)).save(words.output, quality=85)


def photo(image: UInt8) -> UInt8:
    """Cut a photograph to the sides of the sheet, around its middle."""
    scale = max(HEIGHT / image.shape[0], WIDTH / image.shape[1])
    size = (round(image.shape[1] * scale), round(image.shape[0] * scale))
    smaller = cv2.resize(image, size, interpolation=cv2.INTER_AREA)
    top, left = (smaller.shape[0] - HEIGHT) // 2, (smaller.shape[1] - WIDTH) // 2
    return np.asarray(smaller[top : top + HEIGHT, left : left + WIDTH], np.uint8)


def row(image: UInt8, kind: Any) -> UInt8:
    """Return a photograph with its hole, what each method makes of it, and the photograph."""
    mask = kind.draw(HEIGHT, WIDTH, generator_for(1))
    default = load("default")
    fills = {
        name: default.fill(image, mask, method=method)
        for name, method in (("Telea", "telea"), ("PatchMatch", "patchmatch"), ("inpaintlab", "auto"))
    }
    pictures = {"to fill": np.where(mask[..., None] > 0, 255, image)} | fills | {"photograph": image}
    return np.hstack([titled(name, picture.astype(np.uint8)) for name, picture in pictures.items()])


if __name__ == "__main__":
    main()

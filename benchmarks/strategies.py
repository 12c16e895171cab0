"""What strategies, blending and `auto` gain with a run of your own: PSNR, SSIM, seam and time.

DATA is a folder or a prepared dataset, of which the validation images are taken. Each is brought to
--side pixels and gets a hole: of --kinds those of photos.py, or `large` ones, half of them squares of
--hole pixels a side, half ellipses, at places drawn at random. Everything is compared with crop without
blending, image by image; after ± stands the standard error. The constants of blending were chosen on
the first 330 faces and scenes in the order of their names, so --skip those of a folder.

Usage: python benchmarks/strategies.py RUN DATA [--kinds large] [--side 256] [--hole 110] [--skip 0]
       [--images 60]
"""

import argparse
import time
from collections.abc import Iterator
from itertools import islice

import cv2
import numpy as np
import torch
from photos import KINDS

from inpaintlab import open_dataset
from inpaintlab.errors import ImageError
from inpaintlab.inpainter import Inpainter
from inpaintlab.metrics import METRICS
from inpaintlab.randomness import generator_for
from inpaintlab.tensors import to_tensor

WAYS = {
    "crop, none": {"method": "model", "strategy": "crop", "blend": "none"},
    "crop, gradient": {"method": "model", "strategy": "crop"},
    "whole, gradient": {"method": "model", "strategy": "whole"},
    "pieces": {"method": "model", "strategy": "pieces"},
    "model": {"method": "model"},
    "auto": {"method": "auto"},
    "biharmonic": {"method": "biharmonic"},
    "telea": {"method": "telea"},
}
FIGURES = ("hole_psnr", "hole_ssim", "seam_offset")


def main() -> None:
    parser = argparse.ArgumentParser(usage=__doc__)
    parser.add_argument("run")
    parser.add_argument("data")
    parser.add_argument("--kinds", default="large")
    for name, default in (("side", 256), ("hole", 110), ("skip", 0), ("images", 60)):
        parser.add_argument(f"--{name}", type=int, default=default)
    words = parser.parse_args()
    inpainter = Inpainter.load(words.run)
    images = list(islice(_squares(words.data, words.side, words.skip), words.images))
    for kind in words.kinds.split(","):
        random = np.random.default_rng(7)
        rows: dict[str, list[list[float]]] = {way: [] for way in WAYS}
        for number, image in enumerate(images):
            if kind == "large":
                hole = _draw(random, words.side, words.hole)
            else:
                hole = KINDS[kind].draw(words.side, words.side, generator_for(7, number))
            if 0 < hole.mean() < 0.9:
                for way, options in WAYS.items():
                    rows[way].append(_measure(inpainter, image, hole, options))
        _print(kind, rows)


def _squares(data: str, side: int, skip: int) -> Iterator[np.ndarray]:
    """Yield images that are large enough, squares of their upper left part."""
    dataset = open_dataset(data)
    part = dataset.validation if dataset.is_prepared else dataset
    chosen = getattr(part, "indices", range(len(dataset)))
    for index in sorted(chosen)[skip:]:
        try:
            yield dataset.read(index, side)[:side, :side]
        except ImageError:
            continue  # too small, or no image


def _draw(random: np.random.Generator, side: int, extent: int) -> np.ndarray:
    hole = np.zeros((side, side), np.uint8)
    y, x = (int(place) for place in random.integers(0, side - extent, 2))
    if random.random() < 0.5:
        hole[y : y + extent, x : x + extent] = 1
        return hole
    half = extent // 2
    angle = float(random.integers(0, 180))
    return cv2.ellipse(hole, (x + half, y + half), (half, extent // 3), angle, 0, 360, 1, -1)


def _measure(inpainter: Inpainter, image: np.ndarray, hole: np.ndarray, options: dict) -> list[float]:
    start = time.perf_counter()
    filled = inpainter.fill(image, hole, **options)
    seconds = time.perf_counter() - start
    tensors = (to_tensor(filled), to_tensor(image), torch.from_numpy(hole)[None, None].float())
    return [*(float(METRICS[name](*tensors)) for name in FIGURES), seconds * 1000]


def _print(kind: str, rows: dict[str, list[list[float]]]) -> None:
    base = np.array(next(iter(rows.values())))
    print(f"{kind}, {len(base)} images; {', '.join(FIGURES)}: mean, and the difference to the first row")
    for way, values in rows.items():
        found = np.array(values)
        error = (found - base).std(axis=0, ddof=1) / len(found) ** 0.5
        cells = [
            f"{mean:7.4f} ({gain:+.4f} ± {e:.4f})"
            for mean, gain, e in zip(found.mean(0), (found - base).mean(0), error, strict=True)
        ][:-1]
        print(f"{way:>15}: {' | '.join(cells)} | {np.median(found[:, -1]):.0f} ms", flush=True)


if __name__ == "__main__":
    main()

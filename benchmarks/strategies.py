"""What strategies and blending gain, on real images with one large hole each: PSNR, SSIM, seam, time.

Images are brought to --side pixels; half of the holes are squares of --hole pixels a side, half
ellipses, at places drawn at random. Everything is compared with crop without blending, image by
image; after ± stands the standard error. The constants of blending were chosen on the first
330 faces and scenes in the order of their names, so --skip those.

Usage: python benchmarks/strategies.py RUN FOLDER [--side 256] [--hole 110] [--skip 400] [--images 60]
"""

import argparse
import time
from pathlib import Path

import cv2
import numpy as np
import torch

from inpaintlab.errors import ImageError
from inpaintlab.images import load_rgb
from inpaintlab.inpainter import Inpainter
from inpaintlab.metrics import METRICS
from inpaintlab.tensors import to_tensor

WAYS = {
    "crop, none": {"strategy": "crop", "blend": "none"},
    "crop, gradient": {"strategy": "crop", "blend": "gradient"},
    "whole, gradient": {"strategy": "whole", "blend": "gradient"},
}
FIGURES = ("hole_psnr", "hole_ssim", "seam_offset")


def main() -> None:
    parser = argparse.ArgumentParser(usage=__doc__)
    parser.add_argument("run")
    parser.add_argument("folder")
    for name, default in (("side", 256), ("hole", 110), ("skip", 400), ("images", 60)):
        parser.add_argument(f"--{name}", type=int, default=default)
    words = parser.parse_args()
    inpainter = Inpainter.load(words.run)
    random = np.random.default_rng(7)
    rows: dict[str, list[list[float]]] = {way: [] for way in WAYS}
    for path in sorted(Path(words.folder).rglob("*"))[words.skip :]:
        image = _square(path, words.side)
        if image is None:
            continue
        hole = _draw(random, words.side, words.hole)
        for way, options in WAYS.items():
            rows[way].append(_measure(inpainter, image, hole, options))
        if len(rows["crop, none"]) == words.images:
            break
    _print(rows)


def _square(path: Path, side: int) -> np.ndarray | None:
    try:
        return load_rgb(path, side)[:side, :side] if path.is_file() else None
    except ImageError:
        return None  # too small, or no image


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


def _print(rows: dict[str, list[list[float]]]) -> None:
    base = np.array(next(iter(rows.values())))
    print(f"{len(base)} images; {', '.join(FIGURES)}: mean, and the difference to the first row")
    for way, values in rows.items():
        found = np.array(values)
        error = (found - base).std(axis=0, ddof=1) / len(found) ** 0.5
        cells = [
            f"{mean:7.4f} ({gain:+.4f} ± {e:.4f})"
            for mean, gain, e in zip(found.mean(0), (found - base).mean(0), error, strict=True)
        ][:-1]
        print(f"{way:>15}: {' | '.join(cells)} | {np.median(found[:, -1]):.0f} ms")


if __name__ == "__main__":
    main()

"""Filling a large photo, beside OpenCV's Telea: time, peak memory, and what twenty holes cost.

The photo has 4,000×3,000 pixels (sample portraits tiled, with grain), and one hole of 300×300 or twenty
of them. Without RUN it is filled by swift with random weights, made for 64 and for 256 px: weights do
not change the time. Peak memory is counted in a process of its own for each method, from the decoded
photo on. With --scratches, instead, the model that comes along fills six scratches across the photo.
With --exact N, N images of any size, kind and hole are filled, and every known pixel is compared.

Usage: python benchmarks/fill.py [RUN] [--scratches] [--exact N]
"""

import argparse
import subprocess
import sys
from collections.abc import Callable
from functools import partial

import cv2
import numpy as np
import timing
import torch
from hypothesis import HealthCheck, Phase, given, settings, strategies as st
from PIL import Image
from timing import alternate, median, median_ratio

from inpaintlab import networks
from inpaintlab.checkpoints import ModelCard
from inpaintlab.data import samples
from inpaintlab.inpainter import BLENDS, STRATEGIES, Inpainter

SIDE = 300
#: Working sizes of the networks with random weights.
SIZES = (64, 256)


def main() -> None:
    parser = argparse.ArgumentParser(usage=__doc__)
    parser.add_argument("run", nargs="?")
    parser.add_argument("--scratches", action="store_true")
    parser.add_argument("--exact", type=int)
    parser.add_argument("--measure", nargs=2, metavar=("METHOD", "HOLES"), help=argparse.SUPPRESS)
    words = parser.parse_args()
    if words.exact:
        compare_known(words.exact)
    elif words.scratches:
        race_scratches()
    elif words.measure:
        measure(words.run, *words.measure)
    else:
        race(words.run)


def race(run: str | None) -> None:
    """Time all methods in turn, with one hole and with twenty."""
    photo = make_photo()
    for count in (1, 20):
        hole = make_hole(count)
        fillers = methods(run, photo, hole)
        for name, fill in fillers.items():
            assert np.array_equal(fill()[hole == 0], photo[hole == 0]), f"{name} changed a known pixel"
        seconds = alternate(fillers)
        if count == 1:
            one = {name: median(values) for name, values in seconds.items()}
        print(
            f"\n{count} hole{'s' * (count > 1)} of {SIDE}×{SIDE} in 4,000×3,000; known pixels bit-exact"
        )
        for name, values in seconds.items():
            ratio, times = median_ratio(values, seconds["Telea"]), median(values) / one[name]
            print(
                f"{name:>26}: {median(values):.3f} s, {ratio:.2f} of Telea's, {times:.1f} × one hole, "
                f"{peak(run, name, count):.0f} MB beside the photo",
                flush=True,
            )


def race_scratches() -> None:
    """Time the model that comes along, and its parts, with scratches of two widths."""
    photo, default = make_photo(), Inpainter.load("default")
    for thick in (3, 6):
        hole = make_scratches(thick)
        fillers = {
            "auto": partial(default.fill, photo, hole),
            "biharmonic": partial(default.fill, photo, hole, method="biharmonic"),
            "Telea": partial(cv2.inpaint, photo, hole, 3, cv2.INPAINT_TELEA),
        }
        for name, values in alternate(fillers, 5).items():
            print(f"{hole.sum():,} px in scratches, {name}: {median(values):.2f} s", flush=True)


def methods(run: str | None, photo: np.ndarray, hole: np.ndarray) -> dict[str, Callable[[], np.ndarray]]:
    """Return what is compared: name -> function that fills the photo."""
    found: dict[str, Callable[[], np.ndarray]] = {
        "Telea": lambda: cv2.inpaint(photo, hole, 3, cv2.INPAINT_TELEA)
    }
    for inpainter in [Inpainter.load(run)] if run else [fresh(size) for size in SIZES]:
        label = f"{inpainter.card.network} at {inpainter.card.size} px"
        found[label] = lambda one=inpainter: one.fill(photo, hole)  # type: ignore[misc]
    return found


def make_photo() -> np.ndarray:
    """Return a photo, uint8 [3000, 4000, 3]."""
    photo = np.tile(samples.draw(0, 1000), (3, 4, 1))
    photo += np.random.default_rng(0).integers(0, 8, photo.shape, np.uint8)
    return photo


def make_hole(count: int) -> np.ndarray:
    """Return a hole in the middle, or twenty on a grid of five by four."""
    hole = np.zeros((3000, 4000), np.uint8)
    centres = (
        [(1500, 2000)]
        if count == 1
        else [(y, x) for y in range(375, 3000, 750) for x in range(400, 4000, 800)]
    )
    for y, x in centres:
        hole[y - SIDE // 2 : y + SIDE // 2, x - SIDE // 2 : x + SIDE // 2] = 1
    return hole


def make_scratches(thick: int) -> np.ndarray:
    """Return six lines across the photo."""
    hole, random = np.zeros((3000, 4000), np.uint8), np.random.default_rng(0)
    for _ in range(3):
        cv2.line(hole, (int(random.integers(4000)), 0), (int(random.integers(4000)), 2999), 1, thick)
        cv2.line(hole, (0, int(random.integers(3000))), (3999, int(random.integers(3000))), 1, thick)
    return hole


def fresh(size: int) -> Inpainter:
    """Return swift with random weights, as if trained at a size."""
    return Inpainter(networks.create("swift"), ModelCard("swift", {}, size))


def peak(run: str | None, method: str, holes: int) -> float:
    """Return the peak memory that a fresh process takes to fill the photo once."""
    command = [sys.executable, __file__, *([run] if run else []), "--measure", method, str(holes)]
    return float(subprocess.check_output(command, text=True))


def measure(run: str | None, method: str, holes: str) -> None:
    photo, hole = make_photo(), make_hole(int(holes))
    small = photo[:64, :64].copy()
    methods(run, small, np.eye(64, dtype=np.uint8))[method]()  # what libraries take once is not counted
    print(timing.peak_megabytes(methods(run, photo, hole)[method]))


def compare_known(count: int) -> None:
    """Fill images of 1×1 to 1,500×1,500 pixels and compare what was known."""
    inpainter = Inpainter(networks.create("swift", width=8), ModelCard("swift", {"width": 8}, 64))
    pixels = 0

    @settings(
        max_examples=count,
        deadline=None,
        database=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(
        kind=st.sampled_from(sorted(KINDS)),
        sides=st.tuples(*[st.one_of(st.integers(1, 64), st.integers(1, 1500))] * 2),
        shape=st.sampled_from(sorted(HOLES)),
        strategy=st.sampled_from(sorted(STRATEGIES)),
        blend=st.sampled_from(sorted(BLENDS)),
        seed=st.integers(0, 2**32 - 1),
    )
    def check(kind, sides, shape, strategy, blend, seed):
        nonlocal pixels
        random = np.random.default_rng(seed)
        hole = HOLES[shape](random, *sides).astype(np.uint8)
        if not 0 < hole.mean() <= 0.9:
            return
        image = KINDS[kind](random, *sides)
        filled = inpainter.fill(image, hole, strategy=strategy, blend=blend)
        before, after = as_array(image), as_array(filled)
        assert before.dtype == after.dtype
        assert before.shape == after.shape
        assert np.array_equal(before[hole == 0], after[hole == 0], equal_nan=True)
        pixels += int((hole == 0).sum())
        check.filled += 1

    check.filled = 0
    check()
    print(f"{check.filled} images filled ({count} drawn), {pixels:,} known pixels, none changed")


def as_array(image) -> np.ndarray:
    return np.moveaxis(image.numpy(), 0, -1) if isinstance(image, torch.Tensor) else np.asarray(image)


KINDS = {
    "L": lambda r, h, w: Image.fromarray(r.integers(0, 256, (h, w), np.uint8)),
    "LA": lambda r, h, w: Image.fromarray(r.integers(0, 256, (h, w, 2), np.uint8)),
    "RGB": lambda r, h, w: Image.fromarray(r.integers(0, 256, (h, w, 3), np.uint8)),
    "RGBA": lambda r, h, w: Image.fromarray(r.integers(0, 256, (h, w, 4), np.uint8)),
    "I;16": lambda r, h, w: Image.fromarray(r.integers(0, 2**16, (h, w)).astype(np.uint16)),
    "CMYK": lambda r, h, w: Image.frombytes("CMYK", (w, h), r.bytes(4 * h * w)),
    "uint8": lambda r, h, w: r.integers(0, 256, (h, w, 3), np.uint8),
    "uint16": lambda r, h, w: r.integers(0, 2**16, (h, w, 4)).astype(np.uint16),
    "float16": lambda r, h, w: r.random((h, w, 3), np.float32).astype(np.float16),
    "float32": lambda r, h, w: r.random((h, w, 3), np.float32),
    "float64": lambda r, h, w: r.random((h, w)),
    "torch": lambda r, h, w: torch.from_numpy(r.random((3, h, w), np.float32)),
    "torch double": lambda r, h, w: torch.from_numpy(r.random((3, h, w))),
}


def _rectangles(random: np.random.Generator, height: int, width: int) -> np.ndarray:
    hole = np.zeros((height, width), np.uint8)
    for _ in range(random.integers(1, 20)):
        y, x = random.integers(0, height), random.integers(0, width)
        hole[y : y + random.integers(1, height // 2 + 2), x : x + random.integers(1, width // 2 + 2)] = 1
    return hole


def _strokes(random: np.random.Generator, height: int, width: int) -> np.ndarray:
    hole = np.zeros((height, width), np.uint8)
    points = random.integers(0, (width, height), (random.integers(2, 12), 2)).astype(np.int32)
    return cv2.polylines(hole, [points], False, 1, int(random.integers(1, 40)), cv2.LINE_8)


HOLES = {
    "rectangles": _rectangles,
    "strokes": _strokes,
    "specks": lambda r, h, w: r.random((h, w)) < 0.0005 + r.random() * 0.001 * (r.random() < 0.5),
    "one pixel": lambda r, h, w: np.arange(h * w).reshape(h, w) == r.integers(0, h * w),
    "frame": lambda _, h, w: np.pad(np.zeros((max(h - 4, 0), max(w - 4, 0))), 2, constant_values=1)[
        :h, :w
    ],
    "half": lambda _, h, w: np.arange(w)[None].repeat(h, 0) < w / 2,
}


if __name__ == "__main__":
    main()

"""Ways to fill holes in ordinary photos, each at its own size: what a user gets, and how long it takes.

Every photo gets five holes, drawn by its name: a rectangle, irregular bands, scratches, text, and the
outline of an object. It belongs to the part `development` where the SHA-256 of its file's name begins
with 0 to 7, and else to `report`, which is for figures that choose nothing. Methods are baselines, runs,
files of weights and models of the hub, also with how they fill, as in `default@model+detail`; photos
that one of them has learnt from are left out.

A table for each kind and one for all: mean hole PSNR, how far it is above the best baseline named, photo
by photo with its 95 % interval, sharpness and distance of the hole, kernel and Fréchet distance of all
holes with what is around them (where there are enough), and median seconds; at wish how often a
classifier tells a fill from the truth, of 100 photos and more. The sheet shows twelve photos pixel by
pixel.

Usage: python benchmarks/photos.py PHOTOS --part development|report [--images 100]
       [--methods telea,runs/photos-1] [--kinds text,objects] [--real-or-filled] [--json FILE]
       [--sheet sheet.png]
"""

import argparse
import hashlib
import time
from collections.abc import Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import torch

from inpaintlab.arrays import UInt8
from inpaintlab.baselines import title
from inpaintlab.checkpoints import write_json
from inpaintlab.data.sources import open_dataset
from inpaintlab.evaluation.bench import Bench
from inpaintlab.evaluation.evaluation_set import ChosenImages, EvaluationSet
from inpaintlab.evaluation.methods import OpenedMethod, name_of, open_methods
from inpaintlab.evaluation.rows import Rows
from inpaintlab.features import efficientnet_vector
from inpaintlab.images import from_array, save
from inpaintlab.masks import MaskSet, Rectangles
from inpaintlab.masks.irregular import Irregular
from inpaintlab.metrics import (
    FIGURES,
    Available,
    Distributions,
    RealOrFilled,
    Unavailable,
    hole_crops,
    hole_distance_efficientnet,
    hole_psnr,
)
from inpaintlab.randomness import MASK_SEED, generator_for, integer, real
from inpaintlab.reports import Table, cell
from inpaintlab.tensors import composite, to_arrays, to_tensor

BASELINES = "telea,navier-stokes,biharmonic,patchmatch"
DISTANCE = "hole-distance-efficientnet"
SHOWN = ("hole_psnr", "sharpness", DISTANCE, RealOrFilled.figure)
#: Of all holes of a kind: kernel and Fréchet distance.
SETS = ("kd", "fd")
#: Widths of lines are told for photos with a shorter side of so many pixels.
SIDE = 224
#: First digits of the hash of a name in either part.
PARTS = {"development": "01234567", "report": "89abcdef"}
WORDS = ("Summer", "by", "the", "sea", "1987", "(c)", "Photo", "PREVIEW", "sample", "quick", "fox")
#: Photos on the sheet; pixels around a picture and above it, where its name stands.
ON_SHEET, GAP, HEAD = 12, 4, 16


def main() -> None:
    parser = argparse.ArgumentParser(usage=__doc__)
    parser.add_argument("photos")
    parser.add_argument("--part", choices=list(PARTS), default="development")
    parser.add_argument("--images", type=int, default=100)
    parser.add_argument("--methods", default=BASELINES)
    parser.add_argument("--kinds", default=",".join(KINDS))
    parser.add_argument("--real-or-filled", action="store_true")
    parser.add_argument("--json", type=Path)
    parser.add_argument("--sheet", type=Path)
    words = parser.parse_args()
    opened = open_methods({name_of(method): method for method in words.methods.split(",")}, "fill")
    timed = {name: Timed(of) for name, of in opened.items()}
    bench = Bench.of({name: of.method for name, of in timed.items()}, "rectangles", "fill", None, 1, [])
    images = choose(words.photos, words.part).open(None, bench.trained_on, limit=words.images)
    masks = Holes(images, words.kinds.split(","))
    offered = looks(words.real_or_filled)
    rows = bench.measure(images, masks, offered)
    found = figures(rows, timed, offered.sets[0])
    for kind, of in found.items():
        print(table(kind, of, len(images)).text(), "\n", flush=True)
    if words.json:
        facts = {"part": words.part, "photos": len(images), "masks": masks.hash}
        write_json(words.json, facts | {"kinds": found})
    if words.sheet:
        save(words.sheet, from_array(sheet(bench, images, masks)))


def choose(photos: str, part: str) -> ChosenImages:
    """Return the photos of a part, in the order of the hashes, which mixes them whatever their names."""
    dataset = open_dataset(photos)
    hashes = {index: digest(str(name)) for index, name in enumerate(dataset.names)}
    chosen = [index for index, of in hashes.items() if of[0] in PARTS[part]]
    return ChosenImages(dataset, sorted(chosen, key=hashes.__getitem__), photos, part)


def digest(name: str) -> str:
    return hashlib.sha256(Path(name).name.encode()).hexdigest()


def looks(real_or_filled: bool) -> Available:
    """Return the distance of each hole, those of all holes by a network, and what tells fills."""
    sets = Distributions(efficientnet_vector(), "-efficientnet", hole_crops)
    told = RealOrFilled() if real_or_filled else None
    return Available({DISTANCE: hole_distance_efficientnet()}, [sets], [], told)


class Timed:
    """A method that fills one image at a time, and how long each took, in seconds."""

    def __init__(self, of: OpenedMethod) -> None:
        self.own, self.seconds = of.own, list[float]()
        self.method = replace(of, own=self.fill)

    def fill(self, images: torch.Tensor, masks: torch.Tensor) -> torch.Tensor:
        """Fill images `[B, 3, H, W]`, one by one."""
        return torch.cat(
            [self._one(*pair) for pair in zip(images.split(1), masks.split(1), strict=True)]
        )

    def _one(self, image: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
        start = time.perf_counter()
        filled = self.own(image, mask)
        self.seconds.append(time.perf_counter() - start)
        return filled


class Holes(MaskSet):
    """Holes of some kinds for each photo; each depends on the kind, and on the photo's name and size."""

    def __init__(self, images: EvaluationSet, kinds: Sequence[str]) -> None:
        super().__init__(images.sizes, len(images), MASK_SEED, [{"name": kind} for kind in kinds])
        self.seeds = [int(digest(name)[:16], 16) for name in images.names]
        self.names, self.per_image = list(kinds), len(kinds)

    def draw(self, row: int) -> tuple[UInt8, str]:
        """Draw a mask `[H, W]`, and say its kind."""
        image, place = divmod(row, self.per_image)
        kind = self.names[place]
        generator = generator_for(self.seed, self.seeds[image], list(KINDS).index(kind))
        return KINDS[kind].draw(*self.shape(row), generator), kind


class Bands:
    """Masks as those of NVIDIA's test set, of which every second touches the border."""

    def draw(self, height: int, width: int, generator: torch.Generator) -> UInt8:
        """Return a mask `[height, width]` of 0 and 1."""
        border = integer((0, 1), generator) == 1
        return Irregular(0.1, 0.3, border).draw(height, width, generator)


class Scratches:
    """Long thin lines, a little bent, as on an old print."""

    def draw(self, height: int, width: int, generator: torch.Generator) -> UInt8:
        """Return a mask `[height, width]` of 0 and 1."""
        mask = np.zeros((height, width), np.uint8)
        for _ in range(integer((3, 8), generator)):
            thick = pixels(real((1, 4), generator), height, width)
            cv2.polylines(mask, [self._line(height, width, generator)], False, 1, thick)
        return mask

    def _line(self, height: int, width: int, generator: torch.Generator) -> np.ndarray:
        """Return points of a bent line, which may lead out of the photo."""
        middle = np.array([real((0, width), generator), real((0, height), generator)])
        angle, half = real((0, np.pi), generator), real((0.25, 0.6), generator) * min(height, width)
        along = half * np.array([np.cos(angle), np.sin(angle)])
        across = real((-0.2, 0.2), generator) * np.array([-along[1], along[0]])
        steps = np.linspace(-1, 1, 25)[:, None]
        return np.rint(middle + steps * along + steps**2 * across).astype(np.int32)


class Text:
    """Lines of words in a plain font, as captions and stamps are."""

    FONTS = (cv2.FONT_HERSHEY_SIMPLEX, cv2.FONT_HERSHEY_DUPLEX, cv2.FONT_HERSHEY_COMPLEX)

    def draw(self, height: int, width: int, generator: torch.Generator) -> UInt8:
        """Return a mask `[height, width]` of 0 and 1."""
        mask = np.zeros((height, width), np.uint8)
        font = self.FONTS[integer((0, len(self.FONTS) - 1), generator)]
        thick = pixels(real((1, 3), generator), height, width)
        scale = real((0.6, 1.1), generator) * min(height, width) / SIDE
        lines = integer((2, 4), generator)
        for line in range(lines):
            chosen = [WORDS[integer((0, len(WORDS) - 1), generator)] for _ in range(4)]
            down = round((line + real((0.5, 1), generator)) / lines * height)
            place = integer((0, width // 3), generator), down
            cv2.putText(mask, " ".join(chosen), place, font, scale, 1, thick, cv2.LINE_8)
        return mask


class Objects:
    """One compact shape with a smooth outline, its middle anywhere in the photo."""

    def draw(self, height: int, width: int, generator: torch.Generator) -> UInt8:
        """Return a mask `[height, width]` of 0 and 1."""
        middle = np.array([real((0, width), generator), real((0, height), generator)])
        radius = real((0.15, 0.3), generator) * min(height, width) / 2
        angles = np.linspace(0, 2 * np.pi, 90, endpoint=False)
        reach = np.ones_like(angles)
        for wave in range(2, 6):
            turn = real((0, 2 * np.pi), generator)
            reach += real((0, 0.4), generator) / wave * np.cos(wave * angles + turn)
        reach *= radius / reach.mean()
        outline = np.stack([reach * np.cos(angles), reach * np.sin(angles)], axis=1)
        mask = np.zeros((height, width), np.uint8)
        return cv2.fillPoly(mask, [np.rint(middle + outline).astype(np.int32)], 1)


def pixels(width: float, *sides: int) -> int:
    """Return the width of a line in a photo of these sides."""
    return max(1, round(width * min(sides) / SIDE))


KINDS: dict[str, Any] = {
    "rectangles": Rectangles(side=(0.25, 0.45)),
    "irregular": Bands(),
    "scratches": Scratches(),
    "text": Text(),
    "objects": Objects(),
}


def figures(rows: Rows, timed: dict[str, Timed], sets: Distributions) -> dict[str, dict[str, Any]]:
    """Return what each method reached with holes of each kind, and with all together."""
    kinds = {kind: rows.where("kind", kind) for kind in dict.fromkeys(rows.facts["kind"])}
    parts = kinds | ({"all": np.ones(len(rows), bool)} if len(kinds) > 1 else {})
    seconds = {name: np.array(of.seconds) for name, of in timed.items()}
    classical = [name for name, of in timed.items() if of.method.facts.kind == "baseline"]
    return {
        kind: {
            name: values
            | together(sets.scores(name, chosen))
            | {"seconds": float(np.median(seconds[name][chosen]))}
            for name, values in reached(rows.take(chosen), classical).items()
        }
        for kind, chosen in parts.items()
    }


def together(scores: dict[str, Any]) -> dict[str, float | None]:
    """Return the distances of a set of holes; None where there are too few."""
    found = {name: scores[f"{name}-efficientnet"] for name in SETS}
    return {name: None if isinstance(of, Unavailable) else of for name, of in found.items()}


def reached(rows: Rows, classical: Sequence[str]) -> dict[str, dict[str, Any]]:
    """Return the figures of each method; `gain` is above the classical one of the best hole PSNR, dB."""
    summary = rows.summary().methods
    best = max(classical, key=lambda name: summary[name]["hole_psnr"].mean, default=None)
    return {
        name: {metric: of[metric].mean for metric in SHOWN if metric in of}
        | {"gain": asdict(rows.paired(name, best, "hole_psnr")) if best not in (None, name) else None}
        for name, of in summary.items()
    }


def table(kind: str, methods: dict[str, Any], photos: int) -> Table:
    measured = [metric for metric in SHOWN if metric in next(iter(methods.values()))]
    psnr, *others = (FIGURES[metric] for metric in measured)
    distances = [f"{name.upper()} of holes" for name in SETS]
    columns = [
        "method",
        psnr.heading,
        "above classical",
        *(of.heading for of in others),
        *distances,
        "s",
    ]
    rows = []
    for name, of in methods.items():
        shown = [cell(of[metric], spec=FIGURES[metric].spec) for metric in measured]
        gain = cell(**of["gain"], sign="+") if of["gain"] else "–"
        far = ["–" if of[name] is None else f"{of[name]:.3g}" for name in SETS]
        rows.append([title(name), shown[0], gain, *shown[1:], *far, f"{of['seconds']:.3f}"])
    return Table.of(columns, rows, f"{kind}: {photos} photos")


def sheet(bench: Bench, images: EvaluationSet, masks: Holes) -> UInt8:
    """Return photos with their holes, fills and truth side by side, kinds in turn, uint8 `[H, W, 3]`."""
    strips = []
    for place in range(min(ON_SHEET, len(images))):
        row = place * masks.per_image + place % masks.per_image
        image, mask = to_tensor(images.read(place)), masks[row][None]
        shown = {masks.kinds[row]: composite(image, torch.ones_like(image), mask)}
        for name, fill in bench.fills.items():
            filled = fill(image, mask)
            shown[f"{name} {float(hole_psnr(filled, image, mask)):.1f} dB"] = filled
        pictures = (shown | {"truth": image}).items()
        strips.append(np.hstack([titled(name, to_arrays(of)[0]) for name, of in pictures]))
    wide = max(strip.shape[1] for strip in strips)
    return np.vstack([widened(strip, wide) for strip in strips])


def titled(name: str, picture: UInt8) -> UInt8:
    """Put a name above a picture, on white."""
    framed = np.pad(picture, ((HEAD, GAP), (GAP, GAP), (0, 0)), constant_values=255)
    cv2.putText(framed, name, (GAP, HEAD - 5), cv2.FONT_HERSHEY_SIMPLEX, 0.4, (0, 0, 0), 1, cv2.LINE_AA)
    return framed


def widened(strip: UInt8, wide: int) -> UInt8:
    return np.pad(strip, ((0, 0), (0, wide - strip.shape[1]), (0, 0)), constant_values=255)


if __name__ == "__main__":
    main()

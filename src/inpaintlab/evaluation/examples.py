"""Images for the report: the worst, the best and a random sample, never picked by hand."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import torch

from inpaintlab.arrays import UInt8
from inpaintlab.evaluation.fillers import OURS, Filler
from inpaintlab.evaluation.records import Records
from inpaintlab.evaluation.subjects import Subjects, rows_of
from inpaintlab.masks import MaskSet
from inpaintlab.tensors import composite, to_arrays

#: Seed of the random sample, the same for every run.
EXAMPLE_SEED = 7


@dataclass(frozen=True)
class Examples:
    """Images of one choice: rows uint8 `[N, H, W, 3]` of `damaged`, each method and `truth`.

    `hole_psnr` is that of each method, in dB.
    """

    names: list[str]
    hole_psnr: dict[str, list[float]]
    images: dict[str, UInt8]


def choose_examples(
    fillers: Mapping[str, Filler], subjects: Subjects, frozen: MaskSet, records: Records, count: int
) -> dict[str, Examples]:
    """Return `count` examples at random, and half as many of the worst and of the best of ours.

    Worst and best are by the PSNR in the hole, no two of one image.
    """
    psnr = records.values[OURS]["hole_psnr"]
    order = np.argsort(psnr, kind="stable").tolist()
    random = np.random.default_rng(EXAMPLE_SEED)
    chosen = random.choice(len(records), min(count, len(records)), replace=False)
    few = max(1, count // 2)
    rows = {
        "random": sorted(chosen.tolist()),
        "worst": _of_different_images(order, frozen.per_image, few),
        "best": _of_different_images(order[::-1], frozen.per_image, few),
    }
    return {name: _fill(of, fillers, subjects, frozen, records) for name, of in rows.items()}


def _of_different_images(order: list[int], per_image: int, count: int) -> list[int]:
    first: dict[int, int] = {}
    for row in order:
        first.setdefault(row // per_image, row)
        if len(first) == count:
            break
    return list(first.values())


def _fill(
    rows: list[int],
    fillers: Mapping[str, Filler],
    subjects: Subjects,
    frozen: MaskSet,
    records: Records,
) -> Examples:
    per = frozen.per_image
    image = torch.cat([rows_of(subjects, frozen, r // per, r // per + 1)[0][:1] for r in rows])
    mask = torch.stack([frozen[row] for row in rows])
    images = {"damaged": composite(image, torch.ones_like(image), mask)}
    images |= {name: fill(image, mask) for name, fill in fillers.items()}
    return Examples(
        [records.facts["image"][row] for row in rows],
        {name: records.values[name]["hole_psnr"][rows].tolist() for name in fillers},
        {name: to_arrays(row) for name, row in (images | {"truth": image}).items()},
    )

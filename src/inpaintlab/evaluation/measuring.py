"""Filling every hole with every method, and measuring each fill."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

from inpaintlab.evaluation.fillers import Filler
from inpaintlab.evaluation.records import Records
from inpaintlab.evaluation.subjects import Subjects, rows_of
from inpaintlab.masks import MaskSet
from inpaintlab.metrics import Distributions, Metric, measure
from inpaintlab.progress import bar


def measure_all(
    fillers: Mapping[str, Filler],
    subjects: Subjects,
    frozen: MaskSet,
    batch: int,
    *,
    slow: Mapping[str, Filler] | None = None,
    slow_images: int = 0,
    learned: Mapping[str, Metric] | None = None,
    sets: Sequence[Distributions] = (),
    what: str = "evaluating",
) -> Records:
    """Return the values of all metrics, a row for each mask of each image.

    `slow` methods fill the first `slow_images` images only, the rest of their values is NaN.
    `learned` are further metrics; `sets` take in what the other methods have filled. A batch is in
    memory at a time, and one number for each value.
    """
    rows, per = len(frozen), frozen.per_image
    names = [*fillers, *(slow or {})]
    values: dict[str, dict[str, Any]] = {name: {} for name in names}
    step = max(1, batch // per)
    with bar(what, len(subjects)) as advance:
        for start in range(0, len(subjects), step):
            stop = min(start + step, len(subjects))
            image, mask = rows_of(subjects, frozen, start, stop)
            filled = {name: fill(image, mask) for name, fill in fillers.items()}
            for collector in sets:
                collector.add(filled, image)
            few = max(0, min(slow_images, stop) - start) * per
            if few:
                filled |= {n: fill(image[:few], mask[:few]) for n, fill in (slow or {}).items()}
            for name, images in filled.items():
                n = len(images)
                found = _values(images, image[:n], mask[:n], learned or {})
                for metric, column in found.items():
                    array = values[name].setdefault(metric, np.full(rows, np.nan))
                    array[start * per : start * per + n] = column.double().numpy()
            for _ in range(start, stop):
                advance()
    return Records(subjects.facts(frozen), {name: of for name, of in values.items() if of})


@torch.inference_mode()
def _values(
    filled: Tensor, image: Tensor, mask: Tensor, learned: Mapping[str, Metric]
) -> dict[str, Tensor]:
    further = {name: metric(filled, image, mask) for name, metric in learned.items()}
    return measure(filled, image, mask) | further

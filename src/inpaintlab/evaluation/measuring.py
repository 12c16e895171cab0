"""Filling every hole with every method, and measuring each fill."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

from inpaintlab.evaluation.evaluation_set import EvaluationSet
from inpaintlab.evaluation.methods import Method
from inpaintlab.evaluation.rows import Rows
from inpaintlab.masks import MaskSet
from inpaintlab.metrics import Distributions, Metric, measure
from inpaintlab.progress import bar


def measure_all(
    methods: Mapping[str, Method],
    images: EvaluationSet,
    masks: MaskSet,
    batch_size: int,
    *,
    slow: Mapping[str, Method] | None = None,
    slow_images: int = 0,
    learned: Mapping[str, Metric] | None = None,
    sets: Sequence[Distributions] = (),
    what: str = "evaluating",
) -> Rows:
    """Return the values of all metrics, a row for each mask of each image.

    `slow` methods fill the first `slow_images` images only, the rest of their values is NaN.
    `learned` are further metrics; `sets` take in what the other methods have filled. A batch is in
    memory at a time, and one number for each value.
    """
    per, step = masks.per_image, images.step(batch_size, masks)
    values: dict[str, dict[str, Any]] = {name: {} for name in [*methods, *(slow or {})]}
    with bar(what, len(images)) as advance:
        for start in range(0, len(images), step):
            stop = min(start + step, len(images))
            image, mask = images.rows(masks, start, stop)
            filled = {name: fill(image, mask) for name, fill in methods.items()}
            for collector in sets:
                collector.add(filled, image)
            few = max(0, min(slow_images, stop) - start) * per
            if few:
                filled |= {n: fill(image[:few], mask[:few]) for n, fill in (slow or {}).items()}
            for name, of in filled.items():
                for metric, column in _values(of, image, mask, learned or {}).items():
                    array = values[name].setdefault(metric, np.full(len(masks), np.nan))
                    array[start * per : start * per + len(of)] = column.double().numpy()
            for _ in range(start, stop):
                advance()
    return Rows(images.facts(masks), {name: of for name, of in values.items() if of})


@torch.inference_mode()
def _values(
    filled: Tensor, image: Tensor, mask: Tensor, learned: Mapping[str, Metric]
) -> dict[str, Tensor]:
    image, mask = image[: len(filled)], mask[: len(filled)]
    further = {name: metric(filled, image, mask) for name, metric in learned.items()}
    return measure(filled, image, mask) | further

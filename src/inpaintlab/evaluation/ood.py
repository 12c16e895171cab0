"""How much is lost on out-of-distribution images, and on the same images changed."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np

from inpaintlab.arrays import Float64
from inpaintlab.evaluation.corruptions import CORRUPTIONS, SEVERITIES
from inpaintlab.evaluation.evaluation_set import EvaluationSet
from inpaintlab.evaluation.measuring import measure_all
from inpaintlab.evaluation.methods import Method
from inpaintlab.evaluation.rows import Rows, Summary
from inpaintlab.evaluation.statistics import (
    Interval,
    bootstrap_interval,
    bootstrap_intervals,
    unpaired_interval,
)
from inpaintlab.masks import MaskSet, frozen
from inpaintlab.training.validation import MASK_SEED


@dataclass(frozen=True)
class Contest:
    """What is compared, in dB in the hole: a model with the best quick baseline."""

    model: str
    baseline: str

    def psnr_and_gain(self, rows: Rows) -> tuple[Float64, Float64]:
        """Return the model's values, and how far they are above the baseline's."""
        own = rows.column(self.model, "hole_psnr")
        return own, own - rows.column(self.baseline, "hole_psnr")


@dataclass(frozen=True)
class OutOfDistribution:
    """How a model fares on images of another kind, beside its own ones.

    `loss` is how much lower the hole PSNR is than on the own images. Images differ in how hard they
    are for anything, so `gain`, over the baseline, and `gain_loss` say more.
    """

    data: str
    summary: Summary
    gain: Interval
    loss: Interval
    gain_loss: Interval


@dataclass(frozen=True)
class Corrupted:
    """What is lost by one corruption at one severity, paired with the same images unchanged."""

    corruption: str
    severity: int
    hole_psnr: Interval
    gain: Interval
    loss: Interval
    gain_loss: Interval


@dataclass(frozen=True)
class Corruptions:
    """What is lost by each corruption at each severity; `hole_psnr` and `gain` are without them."""

    n: int
    hole_psnr: Interval
    gain: Interval
    rows: list[Corrupted]


def frozen_masks(masks: Any, images: EvaluationSet) -> MaskSet:
    """Return the masks of some images: always the same for the same number of images and sizes."""
    return frozen(masks, images.size or images.sizes, len(images), MASK_SEED)


def other_images(
    data: str,
    images: EvaluationSet,
    masks: Any,
    methods: Mapping[str, Method],
    contest: Contest,
    own: Rows,
    batch_size: int,
) -> OutOfDistribution:
    """Measure on images of another kind; `own` are the values on the own images."""
    found = measure_all(
        methods, images, frozen_masks(masks, images), batch_size, what=f"evaluating on {data}"
    )
    (psnr, gain), (own_psnr, own_gain) = (contest.psnr_and_gain(of) for of in (found, own))
    clusters = own.clusters(), found.clusters()
    return OutOfDistribution(
        data,
        found.summary(),
        bootstrap_interval(gain, clusters[1]),
        unpaired_interval(own_psnr, clusters[0], psnr, clusters[1]),
        unpaired_interval(own_gain, clusters[0], gain, clusters[1]),
    )


def corrupted_images(
    images: EvaluationSet,
    masks: Any,
    methods: Mapping[str, Method],
    contest: Contest,
    batch_size: int,
) -> Corruptions:
    """Measure on the same images under each corruption at each severity."""
    mask_set = frozen_masks(masks, images)
    two = {name: methods[name] for name in (contest.baseline, contest.model)}

    def measured(what: str, images: EvaluationSet) -> tuple[Float64, Float64]:
        return contest.psnr_and_gain(measure_all(two, images, mask_set, batch_size, what=what))

    before = measured("unchanged", images)
    clusters = Rows(images.facts(mask_set)).clusters()
    rows = []
    for name, corrupt in CORRUPTIONS.items():
        for severity in SEVERITIES:
            change = partial(_call, corrupt, severity)
            after = measured(f"{name} {severity}", images.changed(change))
            columns = [*after, before[0] - after[0], before[1] - after[1]]
            found = bootstrap_intervals(np.stack(columns, axis=1), clusters)
            rows.append(Corrupted(name, severity, *found))
    psnr, gain = bootstrap_intervals(np.stack(before, axis=1), clusters)
    return Corruptions(len(images), psnr, gain, rows)


def _call(corrupt: Any, severity: int, image: Any) -> Any:
    return corrupt(image, severity)

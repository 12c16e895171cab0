"""Methods on a bench: every hole filled with every method, and each fill measured."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
import torch
from torch import Tensor

from inpaintlab.arrays import Float64
from inpaintlab.baselines import BASELINES, SLOW
from inpaintlab.data.sources import open_dataset
from inpaintlab.errors import SettingError
from inpaintlab.evaluation.corruptions import CORRUPTIONS, SEVERITIES, corrupt
from inpaintlab.evaluation.evaluation_set import ChosenImages, EvaluationSet
from inpaintlab.evaluation.methods import Method, OpenedMethod, open_baseline
from inpaintlab.evaluation.result import Corrupted, Corruptions, Gain, OutOfDistribution, Through
from inpaintlab.evaluation.rows import Rows
from inpaintlab.evaluation.statistics import (
    bootstrap_interval,
    bootstrap_intervals,
    percent_interval,
    unpaired_interval,
)
from inpaintlab.masks import MaskSet, frozen
from inpaintlab.metrics import Available, measure, variety
from inpaintlab.metrics.diversity import OTHERS
from inpaintlab.progress import bar
from inpaintlab.randomness import MASK_SEED
from inpaintlab.settings import TrainSettings, build


@dataclass(frozen=True)
class Bench:
    """Methods and the baselines beside them, ready to be measured on any images.

    `methods` fill every image: quick baselines, and then those under test; `slow` the first few. `size`
    is None where each image has its own.
    """

    methods: dict[str, OpenedMethod]
    slow: dict[str, OpenedMethod]
    masks: Any
    through: Through
    size: int | None
    batch_size: int = 64

    @classmethod
    def of(
        cls,
        methods: Mapping[str, OpenedMethod],
        masks: Any,
        through: Through,
        size: int | None,
        batch_size: int,
        baselines: Sequence[str] | None = None,
    ) -> "Bench":
        """Put baselines beside methods, by default all; masks are by default those of the first run.

        Raises `SettingError` where networks were trained at different sizes and are to stand in one
        table of squares.
        """
        wanted = list(BASELINES) if baselines is None else list(baselines)
        beside = {name: open_baseline(name) for name in wanted if name not in methods}
        # At an image's own size they take minutes, so there they stand only where they are named.
        slow = {name: of for name, of in beside.items() if name in SLOW and through == "network"}
        quick = {name: of for name, of in beside.items() if name not in SLOW}
        run = next((of.run for of in methods.values() if of.run), None)
        if masks is None:
            masks = build(TrainSettings, config=run.recipe).masks if run else "rectangles"
        side = None if through == "fill" else size or _common_size(methods)
        return cls({**quick, **methods}, slow, masks, through, side, batch_size)

    @property
    def trained_on(self) -> frozenset[str]:
        """The first 16 digits of the hashes of all images that a method has learnt from."""
        return frozenset[str]().union(*(of.trained_on for of in self.methods.values()))

    @property
    def fills(self) -> dict[str, Method]:
        """What fills every image."""
        return {name: of.fill for name, of in self.methods.items()}

    def frozen(self, images: EvaluationSet) -> MaskSet:
        """Return the masks of some images: always the same for the same number of images and sizes."""
        return frozen(self.masks, images.size or images.sizes, len(images), MASK_SEED)

    def measure(
        self,
        images: EvaluationSet,
        masks: MaskSet,
        offered: Available | None = None,
        *,
        only: Sequence[str] = (),
        slow_images: int = 0,
        what: str = "evaluating",
    ) -> Rows:
        """Return the values of all metrics, a row for each mask of each image.

        Slow methods fill the first `slow_images` images only, the rest of their values is NaN; `only`
        names the others that are to fill, by default all. What is `offered` are further metrics, and
        collectors that take in what these have filled. A batch is in memory at a time.
        """
        offered = offered or Available({}, [], [])
        methods = {name: fill for name, fill in self.fills.items() if not only or name in only}
        slow = {name: of.fill for name, of in self.slow.items()} if slow_images else {}
        values: dict[str, dict[str, Any]] = {name: {} for name in [*methods, *slow]}
        per = masks.per_image
        step = max(1, self.batch_size // per) if self.size else 1
        with bar(what, len(images)) as advance:
            for start in range(0, len(images), step):
                stop = min(start + step, len(images))
                image, mask = images.rows(masks, start, stop)
                part = (stop - start) / (len(methods) + 1)  # measuring takes its time as well
                filled = {}
                for name, fill in methods.items():
                    filled[name] = fill(image, mask)
                    advance(part)
                for collector in offered.collectors:
                    collector.add(filled, image, mask)
                if few := max(0, min(slow_images, stop) - start) * per:
                    filled |= {name: fill(image[:few], mask[:few]) for name, fill in slow.items()}
                for name, of in filled.items():
                    found = _values(of, image, mask, offered)
                    others = images.others(masks, start, stop, OTHERS)
                    found |= self._variety(name, image, mask, offered.variants, others)
                    found |= self._limits(name, of, image, mask)
                    for metric, column in found.items():
                        array = values[name].setdefault(metric, np.full(len(masks), np.nan))
                        array[start * per : start * per + len(of)] = column.double().numpy()
                advance(part)
        rows = Rows(images.facts(masks), {name: of for name, of in values.items() if of})
        if offered.told:
            with bar("telling real from filled", len(methods)) as advance:
                for name in methods:
                    values[name][offered.told.figure] = offered.told.told(name, rows.clusters())
                    advance(1)
        return rows

    def _variety(
        self, name: str, image: Tensor, mask: Tensor, count: int, others: Iterable[Tensor]
    ) -> dict[str, Tensor]:
        """Return how far fills of a hole are apart and how good the best is, of what varies.

        `others` are of the whole set: what a batch holds depends on its size, and on how many masks an
        image has. At sizes of their own, images cannot be set beside each other.
        """
        method = self.methods.get(name)
        if count < 2 or method is None or method.drawn is None:
            return {}
        fills = method.variants(image, mask, count)
        return variety(fills, image, mask, others if self.size else ())

    def _limits(self, name: str, filled: Tensor, image: Tensor, mask: Tensor) -> dict[str, Tensor]:
        """Return how far what a model says of its fills holds; nothing of one that says nothing."""
        method = self.methods.get(name)
        if method is None or method.states is None:
            return {}
        return method.states(image, mask).figures(filled, image, mask)

    def elsewhere(self, data: str, limit: int, gain: Gain, own: Rows) -> OutOfDistribution:
        """Measure on images of another kind, none of them learnt from; `own` are the own values."""
        dataset = open_dataset(data)
        chosen = ChosenImages(dataset, range(len(dataset)), data, "all")
        images = chosen.open(self.size, self.trained_on, limit=limit)
        found = self.measure(images, self.frozen(images), what=f"evaluating on {data}")
        (psnr, above), (own_psnr, own_above) = (_psnr_and_gain(of, gain) for of in (found, own))
        ours, theirs = own.clusters(), found.clusters()
        return OutOfDistribution(
            data,
            found.summary(),
            bootstrap_interval(above, theirs),
            unpaired_interval(own_psnr, ours, psnr, theirs),
            unpaired_interval(own_above, ours, above, theirs),
        )

    def corrupted(self, images: EvaluationSet, gain: Gain) -> Corruptions:
        """Measure on the same images under each corruption at each severity."""
        masks = self.frozen(images)

        def measured(what: str, images: EvaluationSet) -> Rows:
            return self.measure(images, masks, only=(gain.model, gain.baseline), what=what)

        before = _psnr_and_gain(measured("unchanged", images), gain)
        clusters = Rows(images.facts(masks)).clusters()
        rows = []
        for name, severity in [(name, severity) for name in CORRUPTIONS for severity in SEVERITIES]:
            changed = measured(f"{name} {severity}", images.changed(partial(corrupt, name, severity)))
            after = _psnr_and_gain(changed, gain)
            of_limits = [key for key in ("refused_percent", "inside_percent") if key in changed.metrics]
            columns = [*after, before[0] - after[0], before[1] - after[1]]
            found = bootstrap_intervals(np.stack(columns, axis=1), clusters)
            limits = {
                key.partition("_")[0]: percent_interval(changed.column(gain.model, key), clusters)
                for key in of_limits
            }
            rows.append(Corrupted(name, severity, *found, **limits))
        psnr, above = bootstrap_intervals(np.stack(before, axis=1), clusters)
        return Corruptions(len(images), psnr, above, rows)


@torch.inference_mode()
def _values(filled: Tensor, image: Tensor, mask: Tensor, offered: Available) -> dict[str, Tensor]:
    image, mask = image[: len(filled)], mask[: len(filled)]
    further = {name: metric(filled, image, mask) for name, metric in offered.metrics.items()}
    return measure(filled, image, mask) | further


def _psnr_and_gain(rows: Rows, gain: Gain) -> tuple[Float64, Float64]:
    """Return the model's hole PSNR in each row, and how far it is above the baseline's."""
    own = rows.column(gain.model, "hole_psnr")
    return own, own - rows.column(gain.baseline, "hole_psnr")


def _common_size(methods: Mapping[str, OpenedMethod]) -> int:
    sizes = {name: of.facts.size for name, of in methods.items() if of.facts.size}
    if not sizes:
        raise SettingError("say size=…: the side in pixels of the squares that are to be filled")
    if len(set(sizes.values())) > 1:
        each = ", ".join(f"{name} at {size} px" for name, size in sizes.items())
        raise SettingError(
            f"networks of different sizes do not stand in one table of squares ({each}): evaluate "
            "through fill, each image at its own size, or say the size"
        )
    return next(iter(sizes.values()))

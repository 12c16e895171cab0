"""`evaluate`: methods beside classical baselines, on the same images and the same frozen masks."""

import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from importlib.metadata import version
from typing import Any

from inpaintlab.data.dataset import ImageDataset, hash_all
from inpaintlab.data.grouping import key_for
from inpaintlab.data.sources import open_dataset
from inpaintlab.errors import SettingError
from inpaintlab.evaluation.baselines import BASELINES, SLOW
from inpaintlab.evaluation.cards import choose_cards
from inpaintlab.evaluation.evaluation import Evaluation
from inpaintlab.evaluation.evaluation_set import EvaluationSet, open_evaluation_set
from inpaintlab.evaluation.measuring import measure_all
from inpaintlab.evaluation.methods import (
    Method,
    OpenedMethod,
    Through,
    name_of,
    open_baseline,
    open_methods,
)
from inpaintlab.evaluation.ood import Contest, corrupted_images, frozen_masks, other_images
from inpaintlab.evaluation.result import Gain, MaskFacts, model_of
from inpaintlab.evaluation.rows import Rows, Summary
from inpaintlab.evaluation.whole_sets import whole_sets
from inpaintlab.metrics import FIGURES, Available, Figure, available
from inpaintlab.settings import TrainSettings, build


def evaluate(
    methods: Mapping[str, Any] | Any,
    images: Any,
    *,
    masks: Any = None,
    through: Through = "network",
    size: int | None = None,
    limit: int | None = None,
    group_by: str | None = None,
    batch_size: int = 64,
    baselines: Sequence[str] | None = None,
    slow_images: int = 50,
    learned: bool = True,
    weights: Mapping[str, str] | None = None,
    download: bool = False,
    ood: Sequence[str] = (),
    ood_images: int = 1000,
    corruptions: bool = False,
    corruption_images: int = 200,
    examples: int = 8,
) -> Evaluation:
    """Measure methods beside classical baselines, all on the same images and the same frozen masks.

    `methods` maps names to functions `(image, mask) -> image`, modules, `Inpainter`s, names of baselines
    and paths: runs, files of weights, ONNX files, models of the hub. A single one needs no name.
    `images` is a part of a dataset as `open_dataset` gives, a folder, a list of arrays, or a map-style
    dataset; those that a method has learnt from are excluded. `masks` are kinds, folders, functions or
    one mask set, by default those of the first run.

    Through the network all images are squares of `size` pixels; through `fill` each has its own size and
    is filled as a user fills it. Raises `SettingError`, `RunError`, `DataError`, `MaskError`.

    >>> import numpy as np
    >>> photos = [np.random.default_rng(i).integers(0, 256, (40, 50, 3), np.uint8) for i in range(3)]
    >>> result = evaluate({"grey": lambda image, mask: image * 0 + 0.5}, photos, size=32, learned=False)
    >>> list(result.overall.methods)
    ['mean-colour', 'telea', 'navier-stokes', 'grey']
    """
    named = methods if isinstance(methods, Mapping) else {name_of(methods): methods}
    bench = Bench.of(open_methods(named, through, size), masks, through, size, batch_size, baselines)
    chosen = choose_images(images)
    measured = chosen.open(
        bench.size,
        trained_on=bench.trained_on,
        limit=limit,
        group_by=key_for(group_by, [chosen.data]),
    )
    result = bench.measure(
        measured,
        data=chosen.data,
        part=chosen.part,
        slow_images=slow_images,
        offered=offered_metrics(measured, learned, weights, download),
        examples=examples,
    )
    return bench.generalise(result, measured, ood, ood_images, corruption_images * corruptions)


@dataclass(frozen=True)
class ChosenImages:
    """Which images of a dataset are to be measured, and what they are called."""

    dataset: ImageDataset
    indices: Sequence[int]
    hashes: Sequence[str]
    data: str
    part: str

    def open(self, size: int | None, **options: Any) -> EvaluationSet:
        """Read the images; options are those of `open_evaluation_set`."""
        return open_evaluation_set(self.dataset, self.indices, self.hashes, size, **options)


def choose_images(images: Any) -> ChosenImages:
    """Return the images that an object stands for: of a whole dataset those that it validates with.

    A dataset without a split of its own stands for all its images. Raises `SettingError` for what holds
    no images.
    """
    if hasattr(images, "indices") and hasattr(getattr(images, "dataset", None), "read"):
        hashes = hash_all(images.dataset)  # a part of a dataset
        name = getattr(images, "part", "given")
        return ChosenImages(images.dataset, images.indices, hashes, f"{len(images)} images", name)
    if not isinstance(images, str | os.PathLike):
        given = open_dataset(images)
        if given is images:  # it has a split
            return choose_images(given.validation)
        return ChosenImages(given, range(len(given)), given.hashes, f"{len(given)} images", "given")
    dataset = open_dataset(str(images))
    split, hashes = dataset.predefined_split, dataset.hashes
    indices = split.val if split else range(len(hashes))
    part = "validation" if split else "all images not trained on"
    return ChosenImages(dataset, indices, hashes, str(images), part)


def offered_metrics(
    images: EvaluationSet,
    learned: bool,
    weights: Mapping[str, str] | None = None,
    download: bool = False,
) -> Available:
    """Return the figures of feature networks that can be had for these images."""
    smallest = min(min(size) for size in images.sizes)
    return available(weights, download, smallest) if learned else Available({}, [], [])


@dataclass(frozen=True)
class Bench:
    """Methods and the baselines beside them, ready to be measured on any images.

    `methods` fill every image: quick baselines, and then those under test; `slow` the first few.
    """

    methods: dict[str, OpenedMethod]
    slow: dict[str, OpenedMethod]
    masks: Any
    through: Through
    size: int | None
    batch_size: int

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

    def measure(
        self,
        images: EvaluationSet,
        *,
        data: str,
        part: str,
        slow_images: int,
        offered: Available,
        examples: int,
    ) -> Evaluation:
        """Fill every hole with every method and measure each fill."""
        frozen = frozen_masks(self.masks, images)
        rows = measure_all(
            self.fills,
            images,
            frozen,
            self.batch_size,
            slow={name: of.fill for name, of in self.slow.items()},
            slow_images=slow_images,
            learned=offered.metrics,
            sets=offered.sets,
        )
        everywhere, slow = rows.only(self.methods), rows.take(rows.measured())
        sets, missing = whole_sets(everywhere, list(self.methods), offered)
        opened = {**self.methods, **self.slow}
        facts = {name: opened[name].facts for name in rows.values}
        model = model_of(facts, self.methods)
        result = Evaluation(
            inpaintlab=version("inpaintlab"),
            data=data,
            part=part,
            through=self.through,
            size=self.size,
            masks=MaskFacts(**frozen.facts()),
            methods=facts,
            figures={name: figure_of(name) for name in rows.metrics},
            rows=rows,
            overall=everywhere.summary(),
            bins=_by(everywhere, "bin"),
            borders=_by(everywhere, "border", lambda of: "touching the border" if of else "inside"),
            kinds=_by(everywhere, "kind"),
            groups=_by(everywhere, "group"),
            slow=slow.summary() if set(rows.values) > set(self.methods) and len(slow) else None,
            sets=sets,
            unavailable=missing,
            cards=choose_cards(self.fills, images, frozen, rows, model, examples),
        )
        return replace(result, gain=_gain(result))

    def generalise(
        self,
        result: Evaluation,
        images: EvaluationSet,
        ood: Sequence[str],
        ood_images: int,
        corruption_images: int,
    ) -> Evaluation:
        """Return the result with what is lost on other images, and on the same ones changed, if any.

        Raises `SettingError` where there is no baseline to compare with.
        """
        if not ood and not corruption_images:
            return result
        if result.gain is None:
            raise SettingError("what is lost elsewhere is told beside a baseline: evaluate with one")
        contest = Contest(result.gain.model, result.gain.baseline)
        own, found = result.rows.only(self.methods), []
        for folder in ood:
            # Whatever split a prepared dataset brings: none of it was trained on, or it is excluded.
            chosen = choose_images(folder)
            chosen = replace(chosen, indices=range(len(chosen.hashes)))
            there = chosen.open(self.size, trained_on=self.trained_on, limit=ood_images)
            found.append(
                other_images(folder, there, self.masks, self.fills, contest, own, self.batch_size)
            )
        corruptions = None
        if corruption_images:
            few = images.first(corruption_images)
            corruptions = corrupted_images(few, self.masks, self.fills, contest, self.batch_size)
        return replace(result, ood=found, corruptions=corruptions)


def figure_of(metric: str) -> Figure:
    """Return how a metric is shown; one that is not known here any more by its name."""
    return FIGURES.get(metric, Figure(metric, ".4g", True))


def _gain(result: Evaluation) -> Gain | None:
    """Compare the model with the quick baseline that has the best hole PSNR."""
    psnr = {
        name: values["hole_psnr"].mean
        for name, values in result.overall.methods.items()
        if result.methods[name].kind == "baseline" and name != result.model
    }
    if not psnr:
        return None
    best = max(psnr, key=lambda name: psnr[name])
    return Gain(result.model, best, result.paired(result.model, best, "hole_psnr"))


def _by(rows: Rows, fact: str, label: Callable[[Any], str] = str) -> dict[str, Summary]:
    """Return the means for each value of a fact."""
    values = rows.kinds_of(fact)
    if len(values) < 2 and fact != "bin":  # a table of one part is the table of all
        return {}
    return {label(value): rows.take(rows.where(fact, value)).summary() for value in values}


def _common_size(methods: Mapping[str, OpenedMethod]) -> int:
    """Return the side that all networks were trained at; raises `SettingError` if there is not one."""
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

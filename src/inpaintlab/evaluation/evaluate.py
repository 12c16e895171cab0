"""`evaluate`: methods beside classical baselines, on the same images and the same frozen masks."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import torch

from inpaintlab.baselines import title
from inpaintlab.data.sources import open_dataset
from inpaintlab.errors import FeaturesError, SettingError
from inpaintlab.evaluation.bench import Bench
from inpaintlab.evaluation.cards import Card, make_card
from inpaintlab.evaluation.evaluation import Evaluation
from inpaintlab.evaluation.evaluation_set import ChosenImages, EvaluationSet, choose_images
from inpaintlab.evaluation.methods import name_of, open_methods
from inpaintlab.evaluation.probe import probe_bench
from inpaintlab.evaluation.probed import Probed
from inpaintlab.evaluation.result import Gain, MaskFacts, SetFigures, Through, WholeSets
from inpaintlab.evaluation.rows import Rows, Summary
from inpaintlab.masks import MaskSet, frozen
from inpaintlab.metrics import (
    FIGURES,
    LEAST_IMAGES,
    Available,
    Distributions,
    Figure,
    RealOrFilled,
    Unavailable,
    available,
    common_size,
)
from inpaintlab.tensors import composite, to_arrays
from inpaintlab.trust import heat_map

#: Seed of the random examples, the same for every run.
EXAMPLE_SEED = 7
#: Why a model says nothing of its limits.
_NO_LIMITS = (
    "this model has not learnt them: it was trained for a short time, on few images, with trust=false, "
    "or not by inpaint train"
)
#: What is said of a method that looks where it must not.
_READS_HOLE = (
    "its fills follow what is under the hole, which was black here and never the truth; in use they "
    "depend on what stands there"
)


def evaluate(
    methods: Mapping[str, Any] | Any,
    images: Any,
    *,
    masks: Any = None,
    through: Through = "network",
    size: int | None = None,
    limit: int | None = None,
    max_bad_fraction: float = 1.0,
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
    probe: bool = False,
    probe_images: int = 32,
    real_or_filled: bool = False,
    faces: bool = False,
    variants: int = 4,
    examples: int = 8,
) -> Evaluation:
    """Measure methods beside classical baselines, all on the same images and the same frozen masks.

    `methods` maps names to functions `(image, mask) -> image`, modules, `Inpainter`s, names of baselines
    and paths: runs, files of weights, ONNX files, models of the hub. A single one needs no name.
    `images` is a part of a dataset as `open_dataset` gives, a folder, a list of arrays, or a map-style
    dataset; those that a method has learnt from are excluded. `masks` are kinds, folders, functions or
    one mask set, by default those of the first run.

    With `real_or_filled` a classifier is trained to tell each method's fills from the truth. `faces`
    says that images are aligned faces, so that the person can be compared. Of networks
    whose fills vary, so many `variants` of each hole are set beside each other (0: none). With `probe`
    the first images are changed a little, to see how far the model's fills move.
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
    chosen = images if isinstance(images, ChosenImages) else choose_images(images)
    check_inputs(bench, weights, ood)
    if probe and bench.size is None:
        raise SettingError("probes are of a network on squares: leave out probe, or through=fill")
    opened = chosen.open(
        bench.size, bench.trained_on, max_bad=max_bad_fraction, group_by=group_by, limit=limit
    )
    smallest = min(min(size) for size in opened.sizes)
    offered = Available({}, [], [])
    if learned:
        offered = available(weights, download, smallest, faces=faces)
    told = _told(opened) if real_or_filled else None
    offered = replace(offered, told=told, variants=variants)
    result = _measure(bench, opened, chosen, offered, slow_images, examples)
    if probe:
        result = replace(result, probe=_probed(bench, opened.first(probe_images), result, learned))
    if not ood and not corruptions:
        return result
    if result.gain is None:
        raise SettingError("what is lost elsewhere is told beside a baseline: evaluate with one")
    gain, own = result.gain, result.rows.only(bench.methods)
    return replace(
        result,
        ood=[bench.elsewhere(folder, ood_images, gain, own) for folder in ood],
        corruptions=bench.corrupted(opened.first(corruption_images), gain) if corruptions else None,
    )


def _told(images: EvaluationSet) -> RealOrFilled:
    if len(images) < LEAST_IMAGES:
        raise SettingError(
            f"real_or_filled takes at least {LEAST_IMAGES} images, there are {len(images)}: "
            "give more, or leave it out"
        )
    return RealOrFilled()


def _probed(bench: Bench, images: EvaluationSet, result: Evaluation, learned: bool) -> Probed:
    """Probe the model under test, and the best baseline beside it."""
    names = [result.model, *([result.gain.baseline] if result.gain else [])]
    two = replace(bench, methods={name: bench.methods[name] for name in names})
    return probe_bench(two, images, result.data, learned=learned)


def check_inputs(bench: Bench, weights: Mapping[str, str] | None, ood: Sequence[str]) -> None:
    """Raise for masks, weights and images that cannot be used, before anything is measured."""
    frozen(bench.masks, 8, 1, 0)
    for name, path in (weights or {}).items():
        if not Path(path).is_file():
            raise FeaturesError(f"there is no file {path} of weights {name}")
    for folder in ood:
        dataset = open_dataset(folder)
        ChosenImages(dataset, range(len(dataset)), folder, "all").check(bench.size, bench.trained_on)


def figure_of(metric: str) -> Figure:
    """Return how a metric is shown; one that is not known here any more by its name."""
    return FIGURES.get(metric, Figure(metric, ".4g", True))


def _place(metric: str) -> int:
    """Return where a metric stands in tables; what is not known here any more comes last."""
    return list(FIGURES).index(metric) if metric in FIGURES else len(FIGURES)


def _measure(
    bench: Bench,
    images: EvaluationSet,
    chosen: ChosenImages,
    offered: Available,
    slow_images: int,
    examples: int,
) -> Evaluation:
    masks = bench.frozen(images)
    rows = bench.measure(images, masks, offered, slow_images=slow_images)
    everywhere, slow = rows.only(bench.methods), rows.take(rows.measured())
    sets, missing = whole_sets(everywhere, list(bench.methods), offered)
    missing += [
        Unavailable(f"limits of {name}", _NO_LIMITS)
        for name, of in bench.methods.items()
        if of.facts.kind == "network" and of.states is None
    ]
    opened = {**bench.methods, **bench.slow}
    first = images.rows(masks, 0, 1)
    peeking = [name for name, of in opened.items() if of.reads_hole(*first)]
    result = Evaluation(
        inpaintlab=version("inpaintlab"),
        data=chosen.data,
        part=chosen.part,
        through=bench.through,
        size=bench.size,
        masks=MaskFacts(**masks.facts()),
        methods={name: opened[name].facts for name in rows.values},
        figures={name: figure_of(name) for name in sorted(rows.metrics, key=_place)},
        rows=rows,
        overall=everywhere.summary(),
        bins=_by(everywhere, "bin"),
        borders=_by(everywhere, "border", lambda of: "touching the border" if of else "inside"),
        kinds=_by(everywhere, "kind"),
        groups=_by(everywhere, "group"),
        slow=slow.summary() if set(rows.values) > set(bench.methods) and len(slow) else None,
        sets=sets,
        unavailable=missing,
        findings=[f"{title(name)}: {_READS_HOLE}" for name in peeking],
    )
    return replace(
        result, gain=_gain(result), cards=choose_cards(bench, images, masks, result, examples)
    )


def choose_cards(
    bench: Bench, images: EvaluationSet, masks: MaskSet, result: Evaluation, count: int
) -> dict[str, list[Card]]:
    """Return `count` examples at random, and half as many of the worst and of the best of the model.

    Worst and best are by the PSNR in the hole, no two of one image.
    """
    rows = result.rows
    order = np.argsort(rows.column(result.model, "hole_psnr"), kind="stable").tolist()
    random = np.random.default_rng(EXAMPLE_SEED)
    chosen = random.choice(len(rows), min(count, len(rows)), replace=False)
    few = max(1, count // 2)

    def of_different_images(order: list[int]) -> list[int]:
        first: dict[int, int] = {}
        for row in order:
            first.setdefault(row // masks.per_image, row)
        return list(first.values())[:few]

    def card(row: int) -> Card:
        place = row // masks.per_image
        image, mask = images.rows(masks, place, place + 1)[0][:1], masks[row][None]
        shown = {"damaged": composite(image, torch.ones_like(image), mask)}
        shown |= {name: fill(image, mask) for name, fill in bench.fills.items()} | {"truth": image}
        psnr = {name: float(rows.values[name]["hole_psnr"][row]) for name in bench.fills}
        pixels, said = {name: to_arrays(of)[0] for name, of in shown.items()}, ""
        if states := bench.methods[result.model].states:
            stated = states(image, mask)
            width = stated.half_width[0, 0].numpy()
            pixels["uncertainty"], said = heat_map(width, pixels[result.model]), stated.sentence(0)
        return make_card(images.names[place], psnr, pixels, said)

    choices = {
        "random": sorted(chosen.tolist()),
        "worst": of_different_images(order),
        "best": of_different_images(order[::-1]),
    }
    return {name: [card(row) for row in of] for name, of in choices.items()}


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
    values = rows.kinds_of(fact)
    if len(values) < 2 and fact != "bin":  # a table of one part is the table of all
        return {}
    return {label(value): rows.take(rows.where(fact, value)).summary() for value in values}


def whole_sets(
    rows: Rows, methods: Sequence[str], offered: Available
) -> tuple[WholeSets | None, list[Unavailable]]:
    """Return figures of whole sets, None where there are none, and what could not be had."""
    missing = {of.name: of for of in offered.missing}
    bins = {name: rows.where("bin", name) for name in rows.kinds_of("bin")}
    overall = SetFigures(len(rows), {method: {} for method in methods})
    by_bin = {
        name: SetFigures(int(of.sum()), {method: {} for method in methods})
        for name, of in bins.items()
        if len(bins) > 1
    }
    equal_n: dict[str, int] = {}

    def add(part: SetFigures, collector: Distributions, *chosen: Any) -> None:
        for method, values in part.methods.items():
            for name, value in collector.scores(method, *chosen).items():
                if not isinstance(value, Unavailable):
                    values[name] = value
                elif part is overall:
                    missing[name] = value

    for collector in offered.sets:
        add(overall, collector)
        if equal := common_size(bins.values(), collector.least):
            equal_n[collector.figures[0]] = equal
        for name, part in by_bin.items():
            add(part, collector, bins[name], equal or None)
    found = WholeSets(overall, equal_n, by_bin) if any(overall.methods.values()) else None
    return found, list(missing.values())

"""The figures of a cross-validation: each variant over its folds, and variants in pairs."""

import io
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
from rich.console import Console

from inpaintlab.baselines import title
from inpaintlab.checkpoints import read_json, write_json
from inpaintlab.data.manifest import is_dataset
from inpaintlab.errors import RunError
from inpaintlab.evaluation.compare import HEADLINE, Pair, compared
from inpaintlab.evaluation.evaluation import Evaluation
from inpaintlab.evaluation.folds import Fold
from inpaintlab.evaluation.rows import Rows
from inpaintlab.evaluation.statistics import FoldInterval, fold_interval
from inpaintlab.files import write_atomically
from inpaintlab.metrics import FIGURES
from inpaintlab.reports import Answer, Cell, Note, Result, Row, Table
from inpaintlab.settings import CrossvalSettings

#: Figures, and tables, in the folder of a cross-validation.
RESULT, TABLES = "crossval.json", "crossval.txt"
#: Metrics of the table of means; all stand in the JSON.
SHOWN = ("hole_psnr", "ssim", "l1_percent")


@dataclass(frozen=True)
class Machine:
    """What figures can depend on: runs at a time, threads of each, and whether their budget is time."""

    jobs: int
    threads: int
    timed: bool


@dataclass(frozen=True)
class Spread:
    """A mean over folds, and the standard deviation over them."""

    mean: float
    sd: float


@dataclass(frozen=True)
class FoldFigures:
    """A fold of a variant: its figures, or the reason why there are none.

    `images` validated, of them there are `n` holes; `train` images were learnt from, in so many steps
    and seconds, where these are known. `masks` is the hash of the masks.
    """

    fold: int
    run: str = ""
    reason: str = ""
    n: int = 0
    images: int = 0
    train: int = 0
    masks: str = ""
    steps: int | None = None
    seconds: float | None = None
    metrics: dict[str, float] = field(default_factory=dict)


@dataclass(frozen=True)
class Variant:
    """Figures of a variant or a baseline: by fold, and over them; None where a fold is missing."""

    folds: list[FoldFigures]
    metrics: dict[str, Spread] | None

    @classmethod
    def of(cls, folds: list[FoldFigures]) -> "Variant":
        """Return the figures of all folds, with mean and standard deviation over them."""
        if not all(of.metrics for of in folds):
            return cls(folds, None)
        columns = {name: np.array([of.metrics[name] for of in folds]) for name in folds[0].metrics}
        spreads = {name: Spread(float(of.mean()), float(of.std(ddof=1))) for name, of in columns.items()}
        return cls(folds, spreads)


@dataclass(frozen=True)
class FoldDifferences:
    """Differences of two variants in each fold, and their mean with its corrected interval."""

    interval: FoldInterval
    folds: list[float]


@dataclass(frozen=True)
class VariantPair:
    """Two variants in a pair over all rows, and over folds; or the reason why there is no comparison.

    `ratio` is the number of images that a fold validates with over that of those it trains on.
    """

    first: str
    other: str
    reason: str = ""
    pair: Pair | None = None
    ratio: float = 0.0
    over_folds: dict[str, FoldDifferences] = field(default_factory=dict)
    sentence: str = ""


@dataclass(frozen=True)
class Failure:
    """A fold that gave no figures, and why."""

    variant: str
    fold: int
    reason: str


@dataclass(frozen=True)
class CrossValidation(Result):
    """Every fold of every variant, measured on the same images and masks.

    `interrupted` says that it was stopped with everything saved, after `done` of `runs` runs; there are
    no figures then. `test` counts the images of the test part, which were not used.
    """

    folder: str
    interrupted: bool
    done: int
    runs: int
    inpaintlab: str = ""
    data: str = ""
    folds: int = 0
    vary: dict[str, list[Any]] = field(default_factory=dict)
    size: int | None = None
    machine: Machine | None = None
    masks: str | None = None
    images: int = 0
    test: int | None = None
    baselines: dict[str, Variant] = field(default_factory=dict)
    variants: dict[str, Variant] = field(default_factory=dict)
    comparisons: list[VariantPair] = field(default_factory=list)
    failed: list[Failure] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    def save(self) -> None:
        """Write `crossval.json`, and what the command prints with `--verbose` as `crossval.txt`."""
        write_json(Path(self.folder) / RESULT, self.as_dict())
        text = io.StringIO()
        self.answer().show(verbose=True, to=Console(file=text, width=100_000, highlight=False))
        write_atomically(Path(self.folder) / TABLES, text.getvalue().encode())

    def tables(self) -> list[Table]:
        """Return means over folds, every fold, and differences of variants."""
        pairs = [of for of in self.comparisons if of.pair]
        return [self._means(), self._each_fold(), *([self._differences(pairs)] if pairs else [])]

    def answer(self) -> Answer:
        """Return what a command prints."""
        if self.interrupted:
            return Answer(
                f"{self.done} of {self.runs} runs are done",
                command=f"inpaint crossval --resume {self.folder}",
            )
        notes = [
            Note(f"failed: fold {of.fold} of {of.variant}: {of.reason}.", "bad") for of in self.failed
        ]
        notes += [Note(f"{of.sentence}.", "") for of in self.comparisons]
        means, *others = self.tables()
        details: list[Table | Note] = [*others, *(Note(f"{note}.", "quiet") for note in self.notes)]
        places = {"all figures": f"{self.folder}/{RESULT}"}
        return Answer(self._headline(), means, notes, places, details=details)

    def _headline(self) -> str:
        psnr = {name: of.metrics[HEADLINE] for name, of in self.variants.items() if of.metrics}
        if not psnr:
            return f"{self._caption()}: no variant was measured in every fold."
        best = max(psnr, key=lambda name: psnr[name].mean)
        words = f"{psnr[best].mean:.2f} dB ± {psnr[best].sd:.2f} in the hole"
        return f"{self._short(best)} has {words} over {self._caption()}."

    def _caption(self) -> str:
        line = f"{self.folds} folds of {self.data} at {self.size} px"
        return line if self.masks is None else f"{line}: {self.images:,} images, masks {self.masks}"

    def _short(self, variant: str) -> str:
        """Return the name of a variant, its value alone where one thing varies."""
        return variant.partition("=")[2] if len(self.vary) < 2 else variant

    def _heading(self) -> str:
        return next(iter(self.vary), "network") if len(self.vary) < 2 else ""

    def _methods(self) -> Iterator[tuple[str, Variant, bool]]:
        yield from ((title(name), of, False) for name, of in self.baselines.items())
        yield from ((self._short(name), of, True) for name, of in self.variants.items())

    def _means(self) -> Table:
        def cell(of: Variant, name: str) -> Cell:
            if of.metrics is None:
                return Cell("not given")
            spec = FIGURES[name].spec
            return Cell(f"{of.metrics[name].mean:{spec}} ± {of.metrics[name].sd:{spec}}")

        rows = [
            Row((name, *(cell(of, key) for key in SHOWN)), is_variant)
            for name, of, is_variant in self._methods()
        ]
        columns = [self._heading(), *(FIGURES[name].heading for name in SHOWN)]
        note = "mean of the folds' means ± standard deviation over folds"
        return Table.of(columns, rows, self._caption(), note)

    def _each_fold(self) -> Table:
        figure = FIGURES[HEADLINE]

        def cell(of: FoldFigures) -> str:
            return format(of.metrics[HEADLINE], figure.spec) if of.metrics else "failed"

        rows = [Row((name, *map(cell, of.folds)), strong) for name, of, strong in self._methods()]
        columns = [self._heading(), *(f"fold {number}" for number in range(self.folds))]
        return Table.of(columns, rows, f"{figure.heading}, fold by fold")

    def _differences(self, pairs: Sequence[VariantPair]) -> Table:
        rows = []
        for of in pairs:
            assert of.pair is not None
            overall, training = of.pair.overall, of.over_folds[HEADLINE].interval
            p = "" if training.p is None else f"{training.p:.2g}"
            cells = overall.metrics[HEADLINE].cell(sign="+"), training.cell(sign="+"), p
            name = f"{self._short(of.other)} less {self._short(of.first)}"
            rows.append((name, *cells, f"{overall.wins[HEADLINE]:.0%}"))
        columns = ["", "for other images", "if trained on others", "p", "wins"]
        return Table.of(columns, rows, "difference in the hole, dB [95 % interval]")


def gather(
    folder: Path,
    settings: CrossvalSettings,
    variants: Sequence[str],
    folds: Sequence[Fold],
    machine: Machine,
) -> CrossValidation:
    """Return the figures of all folds, and write them into the folder.

    Where a fold of a variant has failed, its mean is not given. Raises `RunError` where the images
    have changed between folds.
    """
    results = {fold: fold.result() for fold in folds if "done" in fold.state()}
    facts = {fold: read_json(fold.run.data) for fold in results}
    if len({of["split_hash"] for of in facts.values()}) > 1:
        raise RunError(
            f"the images of {settings.data} have changed between folds, whose figures do not belong "
            "together: begin again in another folder"
        )
    figures: dict[str, list[FoldFigures]] = {name: [] for name in variants}
    for fold in folds:
        train = facts.get(fold, {}).get("train", 0)
        figures[fold.variant].append(_figures(fold, results.get(fold), train))
    comparisons = _comparisons(figures, results)
    first = next(iter(results.values()), None)
    test = next((of["test"] for of in facts.values()), None)
    methods = first.methods if first else {}
    result = CrossValidation(
        folder=str(folder),
        interrupted=False,
        done=sum(fold.is_over() for fold in folds),
        runs=len(folds),
        inpaintlab=version("inpaintlab"),
        data=settings.data,
        folds=settings.folds or 0,
        vary=settings.vary,
        size=settings.size,
        machine=machine,
        masks=first.masks.name if first else None,
        images=len({one for of in results.values() for one in of.rows.facts["sha256"]}),
        test=test,
        baselines={
            name: _baseline(name, results, settings.folds or 0)
            for name, of in methods.items()
            if of.kind == "baseline"
        },
        variants={name: Variant.of(of) for name, of in figures.items()},
        comparisons=comparisons,
        failed=[Failure(f.variant, f.number, f.reason()) for f in folds if f not in results],
        notes=notes(settings.data, machine, test, len(comparisons)),
    )
    result.save()
    return result


def notes(data: str, machine: Machine, test: int | None, comparisons: int) -> list[str]:
    """Return what a reader must know of the figures, a sentence in each line."""
    looks_alike = not is_dataset(Path(data)) and not data.startswith("samples:")
    lines = {
        "folds are not independent, as they share training images: the spread over them understates "
        "how much a figure would change with other training images, and no unbiased estimate of that "
        "exists (Bengio and Grandvalet 2004)": True,
        "the interval for other images takes these runs as they are; the one for training on "
        "others is widened for what folds share (Nadeau and Bengio 2003), which helps "
        "but proves nothing": comparisons > 0,
        f"of {comparisons} comparisons one may look clear by chance, and the best of several "
        "variants looks a little better than it is": comparisons > 1,
        "each run is measured with the weights of its best validation, on the same images: every "
        "figure is a little high, for all variants alike": True,
        "copies of a file are in one fold, images that only look alike may not be: "
        f"inpaint prepare {data} -o NAME.dataset keeps them together": looks_alike,
        f"minutes were shared: {machine.jobs} runs at a time, threads for each: "
        f"{machine.threads}; alone a run learns more in its time, --jobs 1 does "
        "that": machine.timed and machine.jobs > 1,
        f"the {test} images of the test part were not used": test is not None,
    }
    return [line for line, holds in lines.items() if holds]


def _figures(fold: Fold, result: Evaluation | None, train: int) -> FoldFigures:
    if result is None:
        return FoldFigures(fold.number, str(fold.run.folder), fold.reason())
    return FoldFigures(
        fold.number,
        str(fold.run.folder),
        n=result.overall.n,
        images=result.overall.images,
        train=train,
        masks=result.masks.hash,
        metrics=_means(result, result.model),
        **fold.state()["done"],
    )


def _means(result: Evaluation, method: str) -> dict[str, float]:
    return {name: interval.mean for name, interval in result.overall.methods[method].items()}


def _baseline(name: str, results: Mapping[Fold, Evaluation], count: int) -> Variant:
    """Return the figures of a baseline, which are the same for all variants."""
    means = {fold.number: _means(result, name) for fold, result in results.items()}
    return Variant.of([FoldFigures(number, metrics=means.get(number, {})) for number in range(count)])


def _comparisons(
    figures: Mapping[str, list[FoldFigures]], results: Mapping[Fold, Evaluation]
) -> list[VariantPair]:
    measured = {name: [of for fold, of in results.items() if fold.variant == name] for name in figures}
    one, *others = figures
    pairs = []
    for other in others:
        both = list(zip(measured[one], measured[other], strict=False))
        if not all(of.metrics for of in (*figures[one], *figures[other])):
            pairs.append(_not_compared(one, other, "a fold of one of them has failed"))
        elif any(a.rows.keys() != b.rows.keys() for a, b in both):
            pairs.append(_not_compared(one, other, "they were measured on different images or masks"))
        else:
            pairs.append(_compared(one, figures[one], other, figures[other], both))
    return pairs


def _not_compared(one: str, other: str, reason: str) -> VariantPair:
    return VariantPair(one, other, reason, sentence=f"{other} is not compared with {one}: {reason}")


def _compared(
    one: str,
    first: Sequence[FoldFigures],
    other: str,
    second: Sequence[FoldFigures],
    results: Sequence[tuple[Evaluation, Evaluation]],
) -> VariantPair:
    ratio = float(np.mean([of.images / of.train for of in first]))
    over_folds = {}
    for metric in first[0].metrics:
        if any(metric not in of.metrics for of in (*first, *second)):
            continue  # of several fills of a hole, which one of them does not give
        found = [b.metrics[metric] - a.metrics[metric] for a, b in zip(first, second, strict=True)]
        over_folds[metric] = FoldDifferences(fold_interval(found, ratio), found)
    rows = [
        Rows(a.rows.facts, {one: a.rows.values[a.model], other: b.rows.values[b.model]})
        for a, b in results
    ]
    pair = compared(Rows.join(rows), one, other)
    words = sentence(pair, over_folds[HEADLINE].interval)
    return VariantPair(one, other, "", pair, ratio, over_folds, words)


def sentence(pair: Pair, training: FoldInterval) -> str:
    """Return in one sentence which variant is better, and how sure that is."""
    mean, images = training.mean, pair.overall.metrics[HEADLINE]
    better, worse = (pair.other, pair.first) if mean > 0 else (pair.first, pair.other)
    words = f"{better} is {abs(mean):.2f} dB better in the hole than {worse}"
    if images.is_clear and training.is_clear:
        return f"{words}, and would be with other training images too, as far as folds can tell"
    if images.is_clear:
        return f"{words} as trained here; with other training images it may be otherwise"
    return (
        f"{pair.first} and {pair.other} are not distinguishable "
        f"({pair.other} is {mean:+.2f} dB from {pair.first})"
    )

"""The figures of a cross-validation: each variant over its folds, and variants in pairs."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np

from inpaintlab.checkpoints import read_json, write_json
from inpaintlab.data.manifest import is_dataset
from inpaintlab.errors import RunError
from inpaintlab.evaluation.baselines import title
from inpaintlab.evaluation.compare import HEADLINE, Pair, compared
from inpaintlab.evaluation.evaluation import Evaluation
from inpaintlab.evaluation.fold import Fold
from inpaintlab.evaluation.rows import Rows
from inpaintlab.evaluation.share import Machine
from inpaintlab.evaluation.statistics import FoldInterval, fold_interval
from inpaintlab.files import write_atomically
from inpaintlab.metrics import FIGURES
from inpaintlab.reports import Answer, Cell, Column, Note, Result, Row, Table
from inpaintlab.settings import CrossvalSettings, TrainSettings

#: Figures, and tables, in the folder of a cross-validation.
RESULT, TABLES = "crossval.json", "crossval.txt"
#: Columns of the tables there.
_WIDTH = 160
#: Metrics of the table of means; all stand in the JSON.
SHOWN = ("hole_psnr", "ssim", "l1_percent")


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
        """Write `crossval.json` and `crossval.txt` into its folder."""
        write_json(Path(self.folder) / RESULT, self.as_dict())
        parts = [self._caption(), *(table.text(_WIDTH) for table in self.tables()), *self._sentences()]
        write_atomically(Path(self.folder) / TABLES, "\n\n".join(parts).encode() + b"\n")

    def tables(self) -> list[Table]:
        """Return means over folds, every fold, and differences of variants."""
        compared = [of for of in self.comparisons if of.pair]
        return [self._means(), self._each_fold(), *([self._differences(compared)] if compared else [])]

    def answer(self) -> Answer:
        """Return what a command prints."""
        if self.interrupted:
            return Answer(
                f"{self.done} of {self.runs} runs are done",
                command=f"inpaint crossval --resume {self.folder}",
            )
        notes = [Note(f"{line}.", "bad") for line in self._failures()]
        notes += [Note(f"{of.sentence}.", "") for of in self.comparisons if of.sentence]
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

    def _sentences(self) -> list[str]:
        compared = [
            of.sentence or f"{of.other} is not compared with {of.first}: {of.reason}"
            for of in self.comparisons
        ]
        return [*compared, *self._failures(), *(f"note: {note}" for note in self.notes)]

    def _failures(self) -> list[str]:
        return [f"failed: fold {of.fold} of {of.variant}: {of.reason}" for of in self.failed]

    def _short(self, variant: str) -> str:
        """Return the name of a variant, its value alone where one thing varies."""
        return variant.partition("=")[2] if len(self.vary) < 2 else variant

    def _heading(self) -> str:
        return next(iter(self.vary), "network") if len(self.vary) < 2 else ""

    def _rows(self) -> Iterable[tuple[str, Variant, bool]]:
        """Yield name and figures of every method, and whether it is a variant."""
        yield from ((title(name), of, False) for name, of in self.baselines.items())
        yield from ((self._short(name), of, True) for name, of in self.variants.items())

    def _means(self) -> Table:
        def cell(of: Variant, name: str) -> Cell:
            if of.metrics is None:
                return Cell("not given")
            spec = FIGURES[name].spec
            return Cell(f"{of.metrics[name].mean:{spec}} ± {of.metrics[name].sd:{spec}}")

        rows = [
            Row((name, *(cell(of, key) for key in SHOWN)), strong) for name, of, strong in self._rows()
        ]
        columns = [self._heading(), *(FIGURES[name].heading for name in SHOWN)]
        note = "mean of the folds' means ± standard deviation over folds"
        return Table.of(columns, rows, self._caption(), note)

    def _each_fold(self) -> Table:
        spec = FIGURES[HEADLINE].spec
        rows = [
            Row(
                (
                    name,
                    *(
                        "failed" if not f.metrics else format(f.metrics[HEADLINE], spec)
                        for f in of.folds
                    ),
                ),
                strong,
            )
            for name, of, strong in self._rows()
        ]
        columns = [self._heading(), *(f"fold {number}" for number in range(self.folds))]
        return Table.of(columns, rows, f"{FIGURES[HEADLINE].heading}, fold by fold")

    def _differences(self, pairs: Sequence[VariantPair]) -> Table:
        rows = []
        for of in pairs:
            assert of.pair is not None
            training = of.over_folds[HEADLINE].interval
            rows.append(
                (
                    f"{self._short(of.other)} less {self._short(of.first)}",
                    of.pair.overall.metrics[HEADLINE].cell(sign="+"),
                    training.cell(sign="+"),
                    "" if training.p is None else f"{training.p:.2g}",
                    f"{of.pair.overall.wins[HEADLINE]:.0%}",
                )
            )
        headings = ("for other images", "if trained on others", "p", "wins")
        columns = [Column("", text=True), *(Column(heading) for heading in headings)]
        return Table.of(columns, rows, "difference in the hole, dB [95 % interval]")


@dataclass(frozen=True)
class Measured:
    """A fold that is done: its result, and what its run says of its images."""

    result: Evaluation
    train: int
    test: int
    split_hash: str

    @property
    def model(self) -> Rows:
        """The rows of the model alone, under one name for all folds."""
        return self.result.rows.renamed({self.result.model: "model"})

    def values(self, method: str | None = None) -> dict[str, float]:
        """Return the means of a method in this fold, by metric; None: of the model."""
        metrics = self.result.overall.methods[method or self.result.model]
        return {name: interval.mean for name, interval in metrics.items()}


#: For each variant what each fold measured, or None where it has failed.
Found = dict[str, list[Measured | None]]


def gather(
    folder: Path,
    settings: CrossvalSettings,
    variants: Mapping[str, TrainSettings],
    folds: Sequence[Fold],
    machine: Machine,
) -> CrossValidation:
    """Return the figures of all folds, and write them into the folder.

    Where a fold of a variant has failed, its mean is not given. Raises `RunError` where the images
    have changed between folds.
    """
    by_name = {name: [fold for fold in folds if fold.variant == name] for name in variants}
    found: Found = {name: [_measured(fold) for fold in of] for name, of in by_name.items()}
    whole = [one for of in found.values() for one in of if one]
    if len({one.split_hash for one in whole}) > 1:
        raise RunError(
            f"the images of {settings.data} have changed between folds, whose figures do not belong "
            "together: begin again in another folder"
        )
    comparisons = _comparisons(found)
    test = whole[0].test if whole else None
    methods = whole[0].result.methods.items() if whole else ()
    beside = [method for method, of in methods if of.kind == "baseline"]
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
        masks=whole[0].result.masks.name if whole else None,
        images=len({one for fold in whole for one in fold.result.rows.facts["sha256"]}),
        test=test,
        baselines={name: _baseline(name, found) for name in beside},
        variants={name: _variant(by_name[name], found[name]) for name in variants},
        comparisons=comparisons,
        failed=[_failure(fold) for fold in folds if "done" not in fold.state()],
        notes=notes(settings.data, machine, test, len(comparisons)),
    )
    result.save()
    return result


def notes(data: str, machine: Machine, test: int | None, comparisons: int) -> list[str]:
    """Return what a reader must know of the figures, a sentence in each line."""
    lines = [
        "folds are not independent, as they share training images: the spread over them understates "
        "how much a figure would change with other training images, and no unbiased estimate of that "
        "exists (Bengio and Grandvalet 2004)"
    ]
    if comparisons:
        lines.append(
            "the interval for other images takes these runs as they are; the one for training on "
            "others is widened for what folds share (Nadeau and Bengio 2003), which helps "
            "but proves nothing"
        )
    if comparisons > 1:
        lines.append(
            f"of {comparisons} comparisons one may look clear by chance, and the best of several "
            "variants looks a little better than it is"
        )
    lines.append(
        "each run is measured with the weights of its best validation, on the same images: every "
        "figure is a little high, for all variants alike"
    )
    if not is_dataset(Path(data)) and not data.startswith("samples:"):
        lines.append(
            "copies of a file are in one fold, images that only look alike may not be: "
            f"inpaint prepare {data} -o NAME.dataset keeps them together"
        )
    if machine.timed and machine.jobs > 1:
        lines.append(
            f"minutes were shared: {machine.jobs} runs at a time, threads for each: "
            f"{machine.threads}; alone a run learns more in its time, --jobs 1 does that"
        )
    if test is not None:
        lines.append(f"the {test} images of the test part were not used")
    return lines


def _measured(fold: Fold) -> Measured | None:
    if "done" not in fold.state():
        return None
    data = read_json(fold.run.data)
    return Measured(fold.result(), data["train"], data["test"], data["split_hash"])


def _failure(fold: Fold) -> Failure:
    reason = fold.state().get("failed", "it was stopped before it was done")
    return Failure(fold.variant, fold.number, reason)


def _variant(folds: Sequence[Fold], found: Sequence[Measured | None]) -> Variant:
    rows = [_row(fold, measured) for fold, measured in zip(folds, found, strict=True)]
    return Variant(rows, _over([row.metrics for row in rows]))


def _row(fold: Fold, measured: Measured | None) -> FoldFigures:
    if measured is None:
        return FoldFigures(fold.number, str(fold.run.folder), _failure(fold).reason)
    overall = measured.result.overall
    return FoldFigures(
        fold.number,
        str(fold.run.folder),
        n=overall.n,
        images=overall.images,
        train=measured.train,
        masks=measured.result.masks.hash,
        **fold.state()["done"],
        metrics=measured.values(),
    )


def _baseline(name: str, found: Found) -> Variant:
    """Return the figures of a baseline, which are the same for all variants."""
    folds = [next((one for one in of if one), None) for of in zip(*found.values(), strict=True)]
    values = [one.values(name) if one else {} for one in folds]
    return Variant([FoldFigures(number, metrics=of) for number, of in enumerate(values)], _over(values))


def _over(folds: Sequence[dict[str, float]]) -> dict[str, Spread] | None:
    """Return mean and standard deviation over folds of each metric; None where a fold has none."""
    if not all(folds):
        return None
    columns = {name: np.array([of[name] for of in folds]) for name in folds[0]}
    return {
        name: Spread(float(column.mean()), float(column.std(ddof=1))) for name, column in columns.items()
    }


def _comparisons(found: Found) -> list[VariantPair]:
    """Compare the first variant with each of the others."""
    (one, first), *others = found.items()
    return [_compared(one, first, other, of) for other, of in others]


def _compared(
    one: str, first: Sequence[Measured | None], other: str, second: Sequence[Measured | None]
) -> VariantPair:
    pairs = [(a, b) for a, b in zip(first, second, strict=True) if a and b]
    if len(pairs) < len(first):
        return VariantPair(one, other, "a fold of one of them has failed")
    if any(a.result.rows.keys() != b.result.rows.keys() for a, b in pairs):
        return VariantPair(one, other, "they were measured on different images or masks")
    ratio = float(np.mean([a.result.overall.images / a.train for a, _ in pairs]))
    over_folds = {}
    for metric in pairs[0][0].values():
        differences = [b.values()[metric] - a.values()[metric] for a, b in pairs]
        over_folds[metric] = FoldDifferences(fold_interval(differences, ratio), differences)
    sides = [Rows.join([of.model for of in side]) for side in zip(*pairs, strict=True)]
    rows = Rows(sides[0].facts, {one: sides[0].values["model"], other: sides[1].values["model"]})
    pair = compared(rows, one, other)
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

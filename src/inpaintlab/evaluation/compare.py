"""Comparing methods pair by pair, on the same images and the same masks."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from inpaintlab.arrays import Bool
from inpaintlab.checkpoints import Run, read_card
from inpaintlab.data.seal import model_hash
from inpaintlab.errors import RunError
from inpaintlab.evaluation.command import run_evaluation
from inpaintlab.evaluation.evaluation import Evaluation
from inpaintlab.evaluation.result import MaskFacts
from inpaintlab.evaluation.rows import Rows
from inpaintlab.evaluation.statistics import (
    Interval,
    bootstrap_interval,
    bootstrap_intervals,
    share_interval,
)
from inpaintlab.metrics import FIGURES, REALISM
from inpaintlab.progress import say
from inpaintlab.reports import Answer, Note, Result, Row, Table
from inpaintlab.settings import CompareSettings, EvaluateSettings

#: Images that runs of different sizes are compared on; filling each at its own size takes its time.
THROUGH_FILL = 300
#: The metric that sentences are about.
HEADLINE = "hole_psnr"


@dataclass(frozen=True)
class Difference:
    """How one method differs from another over `n` rows, row by row.

    `wins` is the share of rows on which it is better, a tie being half a win; `wins_interval` that of
    the first metric.
    """

    n: int
    metrics: dict[str, Interval]
    wins: dict[str, float]
    wins_interval: Interval


@dataclass(frozen=True)
class Pair:
    """How `other` differs from `first`, over all rows and by hole-ratio bin, and in one sentence."""

    first: str
    other: str
    overall: Difference
    bins: dict[str, Difference]
    sentence: str = ""


@dataclass(frozen=True)
class Comparison(Result):
    """Methods compared with the first of them, on the same images and masks.

    `command` is what to type next, where the methods are runs.
    """

    methods: list[str]
    data: str
    part: str
    masks: MaskFacts
    n: int
    images: int
    pairs: list[Pair]
    command: str = ""

    def tables(self) -> list[Table]:
        """Return a table for each pair: differences by hole-ratio bin."""
        return [
            self._table("hole ratio", _parts(pair), f"{pair.other} less {pair.first}: {self._title()}")
            for pair in self.pairs
        ]

    def answer(self) -> Answer:
        """Return what a command prints: for two methods their table, for more a row for each."""
        first, *others = self.pairs
        if others:
            overall = {pair.other: pair.overall for pair in self.pairs}
            table = self._table(f"less {self.methods[0]}", overall, self._title())
        else:
            table = self._table("hole ratio", _parts(first), "")
        notes = [Note(f"{pair.sentence}.", "") for pair in others]
        return Answer(f"{first.sentence}.", table, notes, details=self.tables(), command=self.command)

    def _table(self, heading: str, parts: Mapping[str, Difference], title: str) -> Table:
        main = {
            name: figure
            for name, figure in FIGURES.items()
            if figure.is_main and all(name in pair.overall.metrics for pair in self.pairs)
        }
        columns = [heading, "n", *(figure.heading for figure in main.values()), "wins"]
        rows = []
        for name, part in parts.items():
            shown = (part.metrics[key].cell(figure.spec, sign="+") for key, figure in main.items())
            rows.append(Row((name, str(part.n), *shown, f"{part.wins[HEADLINE]:.0%}")))
        return Table.of(columns, rows, title)

    def _title(self) -> str:
        return f"{self.images} images ({self.part}), masks {self.masks.name} #{self.masks.hash}"


def compare(result: Evaluation, first: str | None = None) -> Comparison:
    """Compare the models of an evaluation with one of them, by default the first.

    Where there is one model alone, it is compared with each baseline. Raises `SettingError` for a method
    that was not measured.
    """
    names = [name for name in result.overall.methods if result.methods[name].kind != "baseline"]
    one = first or names[0]
    result.rows.column(one, HEADLINE)
    if set(names) <= {one}:
        names = list(result.overall.methods)
    return _comparison(result, result.rows, [one, *(name for name in names if name != one)])


def run_comparison(settings: CompareSettings) -> Comparison:
    """Compare the first run with each of the others, by results that `inpaint evaluate` has left.

    A run without such a result, or whose weights have changed since, is evaluated first. Runs of
    different sizes have no squares in common: they are evaluated together, each image filled at its own
    size. Raises `RunError` where results do not rest on the same images and masks, or a file of them was
    edited.
    """
    cards = {folder: read_card(Run.open(folder).model) for folder in settings.runs}
    sizes = {folder: card.size for folder, card in cards.items() if card}
    if settings.result == "val" and len(set(sizes.values())) > 1:
        each = ", ".join(f"{folder} works at {size} px" for folder, size in sizes.items())
        say(f"{each}: compared on at most {THROUGH_FILL} validation images, each filled at its own size")
        models = [str(folder) for folder in settings.runs]
        told = {"models": models, "through": "fill", "limit": THROUGH_FILL}
        return _with_command(
            compare(run_evaluation(EvaluateSettings.model_validate(told)).result), settings
        )
    results = [_result(folder, settings) for folder in settings.runs]
    for folder, result in zip(settings.runs[1:], results[1:], strict=True):
        _check_same(settings.runs[0], results[0], folder, result)
    names = [folder.name for folder in settings.runs]
    if len(set(names)) < len(names):
        names = [str(folder) for folder in settings.runs]
    values = {name: of.rows.values[of.model] for name, of in zip(names, results, strict=True)}
    found = _comparison(results[0], Rows(results[0].rows.facts, values), names)
    return _with_command(found, settings)


def _with_command(found: Comparison, settings: CompareSettings) -> Comparison:
    """Return a comparison of runs that ends with how to use the best of them."""
    gains = [0.0, *(pair.overall.metrics[HEADLINE].mean for pair in found.pairs)]
    best = settings.runs[gains.index(max(gains))]
    return replace(found, command=f"inpaint fill IMAGE MASK --run {best}")


def compared(rows: Rows, first: str, other: str) -> Pair:
    """Return how a method differs from another one, row by row, overall and by hole-ratio bin."""
    clusters = rows.clusters()
    metrics = [name for name in rows.values[first] if name in rows.values[other]]

    def part(chosen: Bool) -> Difference:
        columns = [rows.values[other][m][chosen] - rows.values[first][m][chosen] for m in metrics]
        found = bootstrap_intervals(np.stack(columns, axis=1), clusters[chosen])
        gains = {name: rows.gained(first, other, name, FIGURES[name])[chosen] for name in metrics}
        wins = {n: float((gain > 0).mean() + (gain == 0).mean() / 2) for n, gain in gains.items()}
        share = share_interval(columns[0] > 0, clusters[chosen])
        return Difference(int(chosen.sum()), dict(zip(metrics, found, strict=True)), wins, share)

    overall = part(np.ones(len(rows), bool))
    bins = {name: part(rows.where("bin", name)) for name in rows.kinds_of("bin")}
    by_bin = {name: of.metrics[HEADLINE] for name, of in bins.items()}
    words = sentence(first, other, overall.metrics[HEADLINE], by_bin) + _realism(rows, first, other)
    return Pair(first, other, overall, bins, words)


def _realism(rows: Rows, first: str, other: str) -> str:
    """Return by which figures of realism one method is clearly better, to stand beside hole PSNR."""
    words = ""
    for name in REALISM:
        if all(name in rows.values[of] for of in (first, other)):
            figure, two = FIGURES[name], [rows.column(of, name).mean() for of in (first, other)]
            gain = bootstrap_interval(rows.gained(first, other, name, figure), rows.clusters())
            if gain.is_clear:
                better, worse = sorted(two, key=figure.score, reverse=True)
                values = f"{better:{figure.spec}} against {worse:{figure.spec}}"
                words += f"; by {figure.title}, {other if gain.mean > 0 else first} is better ({values})"
    return words


def sentence(one: str, other: str, overall: Interval, bins: dict[str, Interval]) -> str:
    """Return in one sentence which method is better, by how much, and where that cannot be told."""
    if overall.low is None:
        return f"too few images to tell {one} from {other} (by {overall.mean:+.2f} dB here)"
    if not overall.is_clear:
        difference = overall.text(sign="+", unit=" dB")
        return f"{one} and {other} are not distinguishable: {other} is {difference} from {one}"
    better, by = (other, overall) if overall.mean > 0 else (one, -overall)
    words = f"{better} is better by {by.text(unit=' dB')} in the hole"
    against = [name for name, of in bins.items() if of.is_clear and of.mean * overall.mean < 0]
    few = [name for name, of in bins.items() if of.low is None]
    unclear = [name for name, of in bins.items() if not of.is_clear and name not in few]
    if against:
        words += f"; the other way round for holes of {', '.join(against)}"
    if unclear:
        words += f"; not distinguishable for holes of {', '.join(unclear)}"
    if few:
        words += f"; too few images to tell for holes of {', '.join(few)}"
    return words


def _comparison(result: Evaluation, rows: Rows, names: Sequence[str]) -> Comparison:
    one, *others = names
    pairs = [compared(rows, one, other) for other in others]
    data, part, masks = result.data, result.part, result.masks
    return Comparison(list(names), data, part, masks, len(rows), rows.images, pairs)


def _parts(pair: Pair) -> dict[str, Difference]:
    return {"all": pair.overall, **pair.bins}


def _result(folder: Path, settings: CompareSettings) -> Evaluation:
    run = Run.open(folder)
    path = run.metrics / f"{settings.result}.json"
    if path.is_file():
        result = Evaluation.read(path)
        if result.methods[result.model].weights == model_hash(run.model):
            return result
        say(f"{path} is of other weights than {folder} has now: measured anew")
    elif settings.result != "val":
        raise RunError(
            f"{folder} has no result {settings.result!r}: run inpaint evaluate {folder} with the same "
            "images for both runs"
        )
    return run_evaluation(EvaluateSettings.model_validate({"models": [str(folder)]})).result


def _check_same(one: Path, first: Evaluation, other: Path, result: Evaluation) -> None:
    if first.size != result.size:
        raise RunError(
            f"{one} was measured at {first.size} px, {other} at {result.size} px: they have no squares "
            f"in common; inpaint evaluate {one} {other} --through fill measures both on whole images"
        )
    masks = [f"{of.masks.name} #{of.masks.hash}" for of in (first, result)]
    if masks[0] != masks[1]:
        raise RunError(
            f"{one} was measured with masks {masks[0]}, {other} with {masks[1]}: they cannot be "
            "compared; evaluate both with the same --masks and --data"
        )
    keys = first.rows.keys(), result.rows.keys()
    if keys[0] != keys[1]:
        common = len(set(keys[0]) & set(keys[1]))
        raise RunError(
            f"{one} and {other} were measured on different images ({common} of {len(keys[0])} rows "
            f"are the same): give both the same images, as in inpaint evaluate {one} {other}"
        )

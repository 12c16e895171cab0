"""The result of an evaluation, which draws itself: as an answer, as tables and as one page."""

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from markupsafe import Markup

from inpaintlab.baselines import BASELINES, title
from inpaintlab.checkpoints import Run
from inpaintlab.errors import InpaintlabError, RunError
from inpaintlab.evaluation import tables
from inpaintlab.evaluation.cards import card_grid
from inpaintlab.evaluation.figures import quality_by_bin, training_curves
from inpaintlab.evaluation.limits_report import limits_blocks
from inpaintlab.evaluation.result import Measurements
from inpaintlab.evaluation.statistics import Interval
from inpaintlab.files import write_atomically
from inpaintlab.images import encode_png
from inpaintlab.metrics.table import OF_LIMITS, OF_SEVERAL
from inpaintlab.reports import (
    Answer,
    Block,
    Card as ImageCard,
    Cards,
    Code,
    Column,
    Drawings,
    Facts,
    Heading,
    Note,
    Page,
    Raw,
    Table,
    Text,
    data_url,
)
from inpaintlab.reports.notebook import fragment, own_text
from inpaintlab.reports.page import environment

#: How examples were chosen: key -> heading, and what is said of it.
CHOICES = {
    "random": ("Random examples", "Drawn at random with a fixed seed; nobody picked them."),
    "worst": ("The worst", "The lowest PSNR in the hole of {}, of all that were measured."),
    "best": ("The best", "The highest PSNR in the hole of {}, of all that were measured."),
}
_FIGURES = (
    'What is called "hole" counts the pixels of the hole only; PSNR, SSIM, MS-SSIM and L1 the whole '
    "composite, and so depend on how much of it is hole. Seam and colour are how far the step across "
    "the hole's edge, and its mean colour, are from the truth's. Bins are (lower, upper]. The best is "
    "underlined."
)
_INTERVALS = (
    "Means of per-image values, with 95 % intervals; every method on the same images and masks. "
    "Intervals of methods that overlap may still differ: only the difference pair by pair, above, "
    "compares them."
)


@dataclass(frozen=True)
class Evaluation(Measurements):
    """Methods on the same images and masks: shows itself in a notebook, as tables and as a page.

    `rows` holds every value, a row for each image and mask; `overall.methods[name][metric]` a mean with
    its 95 % interval. `as_dict` and `from_dict` go to JSON and back.
    """

    def paired(self, one: str, other: str, metric: str = "hole_psnr") -> Interval:
        """Return the mean of `one` less `other`, row by row, with its interval.

        Raises `SettingError` with the nearest name for a method or a metric that was not measured.
        """
        return self.rows.paired(one, other, metric)

    def to_pandas(self) -> Any:
        """Return a data frame: a line for each image, mask and method, with all facts and metrics."""
        try:
            import pandas
        except ModuleNotFoundError:
            raise InpaintlabError("to_pandas needs pandas: pip install pandas") from None
        parts = [
            pandas.DataFrame({**self.rows.facts, "method": method, **values})
            for method, values in self.rows.values.items()
        ]
        return pandas.concat(parts, ignore_index=True)

    def tables(self) -> list[Table]:
        """Return all tables, that by hole ratio first."""
        found = [tables.ratio_table(self), *tables.further_tables(self)]
        found += tables.limits_tables(self)
        return [*found, *self.probe.tables()] if self.probe else found

    def answer(self, **places: Path) -> Answer:
        """Return what a command prints; `places` are files by what they are."""
        slow = [Note(f"{words}.", "quiet")] if (words := tables.beside_slow(self)) else []
        return Answer(
            f"{self.model}: {tables.headline(self)}.",
            tables.overall_table(self),
            [*tables.notes(self), *tables.limits_notes(self), *slow],
            places,
            details=[*self.tables(), *tables.not_measured(self)],
        )

    def html(self, path: str | Path, run: Run | None = None, results: Path | None = None) -> None:
        """Write the report as one self-contained page.

        With a run folder also how it was trained, and with a folder of `results` a table of them all.

        Raises `RunError` where a figure has no baseline beside it.
        """
        check_baselines(self)
        Page(
            self.methods[self.model].run or self.model,
            f"{tables.headline(self)}.",
            [*_figures(self), *_all_results(results), *_training(self, run), *_grounds(self, run)],
            tables.caption(self),
            style=own_text("evaluation/report.css"),
            script=own_text("evaluation/report.js") if self.cards else "",
        ).write(Path(path))

    def save_examples(self, path: Path) -> None:
        """Write the random examples as one PNG: a column for each, a row for each method."""
        write_atomically(path, encode_png(card_grid(self.cards["random"])))

    def _repr_html_(self) -> str:
        blocks: list[Block] = [Text(f"{self.model}: {tables.headline(self)}.")]
        blocks += [tables.overall_table(self), *tables.notes(self)]
        # The styles of cards must reach no further than this cell.
        style = Markup("<style>.inpaintlab {{ {} }}</style>").format(own_text("evaluation/report.css"))
        random = _examples(self, {"random": CHOICES["random"]})
        return fragment(*(block.html() for block in blocks), style, random)


def check_baselines(result: Measurements) -> None:
    """Raise `RunError` where a figure has no baseline beside it, on the same holes.

    Figures of several fills of a hole have none, as baselines give one, nor have those of limits.
    A method that was measured on fewer holes than the others has no mean over all of them: it is NaN.
    """
    for place, methods in _tables(result):
        beside = [of for name, of in methods.items() if result.methods[name].kind == "baseline"]
        if not beside:
            raise RunError(
                f"no report is written: in {place} no baseline stands beside {', '.join(methods)}; "
                f"measure one of {', '.join(BASELINES)} on the same holes, as evaluate does by itself"
            )
        for figure in methods.get(result.model, {}):
            own = figure in OF_SEVERAL or figure in OF_LIMITS
            if not own and not any(figure in of for of in beside):
                raise RunError(
                    f"no report is written: in {place} no baseline has {figure}; measure it of all "
                    "methods, or of none"
                )
        for name, figures in methods.items():
            means = (of.mean if isinstance(of, Interval) else of for of in figures.values())
            if any(math.isnan(mean) for mean in means):
                raise RunError(
                    f"no report is written: in {place} {name} was measured on fewer holes than the "
                    "others; measure all methods of a table on the same holes"
                )


def _tables(result: Measurements) -> Iterator[tuple[str, Mapping[str, Mapping[str, Any]]]]:
    yield "the table of all images", result.overall.methods
    for key, heading in {"bins": "hole ratio", **tables.PARTS}.items():
        for name, part in getattr(result, key).items():
            yield f"the table by {heading} ({name})", part.methods
    if result.slow:
        yield "the table of slow baselines", result.slow.methods
    if result.sets:
        yield "the table of whole sets", result.sets.overall.methods
    for of in result.ood:
        yield f"the table of {of.data}", of.summary.methods


def _figures(result: Measurements) -> Iterator[Block]:
    if words := tables.beside_slow(result):
        yield Text(f"{words}.")
    if result.test_access:
        yield Text(f"On {result.data}, {result.test_access}.")
    yield from tables.notes(result)
    yield Heading("By hole ratio")
    yield Drawings([quality_by_bin(result)])
    yield Text(_INTERVALS, quiet=True)
    yield tables.ratio_table(result)
    yield Text(_FIGURES, quiet=True)
    yield Raw(_examples(result, CHOICES))
    yield from tables.further_tables(result)
    yield from limits_blocks(result)
    if result.probe:
        yield Heading("How far small changes move the fill")
        yield Text(f"{result.probe.headline}.")
        yield from result.probe.blocks()


def _examples(result: Measurements, choices: Mapping[str, tuple[str, str]]) -> Markup:
    shown = [
        (heading, words.format(result.model), result.cards[key])
        for key, (heading, words) in choices.items()
        if key in result.cards
    ]
    names = {name: title(name) for name in result.overall.methods}
    template = environment().get_template("evaluation/cards.html.jinja")
    return Markup(template.render(choices=shown, model=result.model, names=names))  # noqa: S704


def _all_results(folder: Path | None) -> Iterator[Block]:
    """Return a line for each result of a folder; that of this page is one of them."""
    paths = sorted(folder.glob("*.json")) if folder else []
    kept = {path.name: of for path in paths if (of := Evaluation.read_figures(path))}
    if len(kept) < 2:
        return
    columns: list[str | Column] = ["metrics/", Column("images", text=True), Column("masks", text=True)]
    columns += ["n", "weights", "hole PSNR"]
    yield Heading("All results of this folder")
    yield Table.of(
        columns,
        [
            [
                name,
                f"{of.part} of {Path(of.data).name}",
                of.masks.name,
                str(of.overall.n),
                f"#{of.weights[:8]}",
                f"{of.overall.methods[of.model]['hole_psnr'].mean:.2f} dB",
            ]
            for name, of in kept.items()
        ],
    )


def _training(result: Measurements, run: Run | None) -> Iterator[Block]:
    if run is None:
        return
    yield Heading("Training")
    yield Drawings(training_curves(run, result))
    from inpaintlab.training.guards.incidents import read_incidents  # which brings training along

    incidents = read_incidents(run)
    if incidents:
        yield Heading("Incidents")
        yield Text("What the guards of the run saw, why it was, and what they did.", quiet=True)
    for incident in incidents:
        alarm, verdict = incident.alarm, incident.verdict
        yield Heading(f"Step {alarm.step}: {alarm.kind}", 3)
        yield Text(f"{alarm.sentence}.")
        words = f"{verdict.sentence}. Experiment: {verdict.experiment}. Done: {incident.action}."
        yield Note(words, "warn", head=f"Cause ({verdict.cause}):")
        image = data_url((incident.folder / "images.png").read_bytes())
        yield Cards([ImageCard(image, "As they came, with their holes, and filled.")], wide=True)


def _grounds(result: Measurements, run: Run | None) -> Iterator[Block]:
    yield Heading("What was measured")
    yield Facts(_facts(result))
    if result.unavailable:
        yield Heading("What was not measured, and why", 3)
    yield from tables.not_measured(result)
    if result.command:
        yield Heading("How to repeat it")
        yield Code(result.command, wrap=True)
    of = result.methods[result.model]
    known = {key: value for key, value in of.provenance.items() if isinstance(value, str | int | float)}
    if known:
        words = ", ".join(f"{key.replace('_', ' ')} {value}" for key, value in known.items())
        yield Text(f"The weights of {result.model} (#{of.weights}): {words}.")
    if run:
        yield Text("They came from this recipe:")
        yield Code(run.recipe.read_text(encoding="utf-8"))


def _facts(result: Measurements) -> dict[str, str | Markup]:
    masks, overall = result.masks, result.overall
    found: dict[str, str | Markup] = {
        "images": f"{overall.images} ({result.part}) of {result.data}, {tables.how(result)}",
        "holes": str(overall.n),
    }
    if result.test_access:
        found["test part"] = result.test_access
    if copies := result.lookalikes:
        found["look-alikes"] = (
            f"{len(copies.pairs)}; {copies.looked_at} of the {copies.of} learnt from were looked at"
        )
    found["masks"] = (
        f"{masks.name} #{masks.hash}, seed {masks.seed}; hole ratio {masks.mean_ratio:.3f} on average, "
        f"{100 * masks.border_share:.0f} % touch the border"
    )
    most = max(1, *masks.histogram.values())
    bars = (
        Markup(
            '<tr><td class="text">{}</td><td>{}</td>'
            '<td class="text"><span class="bar" style="width: {:.2f}rem"></span></td></tr>'
        ).format(name, count, 7 * count / most)
        for name, count in masks.histogram.items()
    )
    found["hole ratios"] = Markup("<table>{}</table>").format(Markup("").join(bars))
    found["every value"] = f"#{result.rows.hash}"
    for name, of in result.methods.items():
        if of.kind == "network":
            size = f", trained at {of.size} px" if of.size else ""
            weights = f", weights #{of.weights}" if of.weights else ""
            found[f"method {name}"] = f"{of.network}{size}{weights}"
    return found

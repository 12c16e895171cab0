"""The report of an evaluation: one self-contained page."""

import math
from collections.abc import Iterator, Mapping
from functools import cache
from importlib.resources import files

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from inpaintlab.checkpoints import Run
from inpaintlab.errors import RunError
from inpaintlab.evaluation import tables
from inpaintlab.evaluation.baselines import BASELINES, title
from inpaintlab.evaluation.cards import Card
from inpaintlab.evaluation.figures import quality_by_bin, training_curves
from inpaintlab.evaluation.result import Measurements
from inpaintlab.evaluation.statistics import Interval
from inpaintlab.reports import (
    Block,
    Card as ImageCard,
    Cards,
    Code,
    Drawings,
    Facts,
    Heading,
    Note,
    Page,
    Raw,
    Text,
    data_url,
)
from inpaintlab.training.guards.incidents import read_incidents

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


def report(result: Measurements, run: Run | None = None) -> Page:
    """Return the report; with a run folder also how it was trained.

    Raises `RunError` where a figure has no baseline beside it.
    """
    check_baselines(result)
    blocks: list[Block] = []
    if words := tables.beside_slow(result):
        blocks.append(Text(f"{words}."))
    if result.test_access:
        blocks.append(Text(f"On {result.data}, {result.test_access}."))
    blocks += tables.notes(result)
    blocks += [
        Heading("By hole ratio"),
        Drawings([quality_by_bin(result)]),
        Text(_INTERVALS, quiet=True),
    ]
    blocks += [tables.ratio_table(result), Text(_FIGURES, quiet=True)]
    blocks += [Raw(example_cards(result)), *tables.further_tables(result)]
    if run:
        blocks += [Heading("Training"), Drawings(training_curves(run, result)), *_incidents(run)]
    blocks += [Heading("What was measured"), Facts(_facts(result)), *_not_measured(result)]
    blocks += [Heading("How to repeat it"), Code(result.command, wrap=True)] if result.command else []
    blocks += _origin(result, run)
    name = result.methods[result.model].run or result.model
    return Page(
        name,
        f"{tables.headline(result)}.",
        blocks,
        tables.caption(result),
        style=_text("report.css"),
        script=_text("report.js") if result.cards else "",
    )


def example_cards(result: Measurements, choices: Mapping[str, tuple[str, str]] = CHOICES) -> Markup:
    """Return cards of examples: damaged, filled and true, and a slider where scripts run."""
    shown: list[tuple[str, str, list[Card]]] = [
        (heading, words.format(result.model), result.cards[key])
        for key, (heading, words) in choices.items()
        if key in result.cards
    ]
    template = _environment().get_template("cards.html.jinja")
    names = {name: title(name) for name in result.overall.methods}
    return Markup(template.render(choices=shown, model=result.model, names=names))  # noqa: S704


def cards_style() -> Markup:
    """Return the styles of the cards for a notebook, where they must reach no further."""
    return Markup("<style>.inpaintlab {{ {} }}</style>").format(Markup(_text("report.css")))  # noqa: S704


def check_baselines(result: Measurements) -> None:
    """Raise `RunError` where a figure has no baseline beside it, on the same holes.

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
            if not any(figure in of for of in beside):
                raise RunError(
                    f"no report is written: in {place} no baseline has {figure}; measure it of all "
                    "methods, or of none"
                )
        for name, figures in methods.items():
            if any(math.isnan(_mean(value)) for value in figures.values()):
                raise RunError(
                    f"no report is written: in {place} {name} was measured on fewer holes than the "
                    "others; measure all methods of a table on the same holes"
                )


def _tables(
    result: Measurements,
) -> Iterator[tuple[str, Mapping[str, Mapping[str, Interval]] | Mapping[str, Mapping[str, float]]]]:
    """Yield the name and the methods of every table of a result."""
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


def _mean(value: float | Interval) -> float:
    return value.mean if isinstance(value, Interval) else value


def _incidents(run: Run) -> Iterator[Block]:
    """Yield what the guards of a run wrote down, with the images."""
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
    bars = Markup("").join(
        Markup(
            '<tr><td class="text">{}</td><td>{}</td>'
            '<td class="text"><span class="bar" style="width: {:.2f}rem"></span></td></tr>'
        ).format(name, count, 7 * count / most)
        for name, count in masks.histogram.items()
    )
    found["hole ratios"] = Markup("<table>{}</table>").format(bars)
    found["every value"] = f"#{result.rows.hash}"
    for name, of in result.methods.items():
        if of.kind == "network":
            size = f", trained at {of.size} px" if of.size else ""
            weights = f", weights #{of.weights}" if of.weights else ""
            found[f"method {name}"] = f"{of.network}{size}{weights}"
    return found


def _not_measured(result: Measurements) -> Iterator[Block]:
    reasons = tables.not_measured(result)
    if reasons:
        yield Heading("What was not measured, and why", 3)
    for reason, names in reasons.items():
        yield Note(f"{reason}.", "quiet", head=f"{', '.join(names)}:")


def _origin(result: Measurements, run: Run | None) -> Iterator[Block]:
    """Yield where the weights of the model come from."""
    of = result.methods[result.model]
    known = {key: value for key, value in of.provenance.items() if isinstance(value, str | int | float)}
    if known:
        words = ", ".join(f"{key.replace('_', ' ')} {value}" for key, value in known.items())
        yield Text(f"The weights of {result.model} (#{of.weights}): {words}.")
    if run:
        yield Text("They came from this recipe:")
        yield Code(run.recipe.read_text(encoding="utf-8"))


@cache
def _environment() -> Environment:
    loader = PackageLoader("inpaintlab", "evaluation")
    return Environment(loader=loader, autoescape=True, undefined=StrictUndefined)


@cache
def _text(name: str) -> str:
    return files("inpaintlab.evaluation").joinpath(name).read_text("utf-8")

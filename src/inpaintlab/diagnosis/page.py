"""`check.html`: the verdicts and the curves behind them, on one self-contained page."""

import io
from collections.abc import Sequence
from pathlib import Path

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup
from matplotlib.figure import Figure

from inpaintlab.configs import TrainSettings, dump
from inpaintlab.diagnosis.network import EXPLODED, VANISHED
from inpaintlab.diagnosis.verdict import Verdict, worst
from inpaintlab.files import write_atomically


def write_page(title: str, settings: TrainSettings, verdicts: Sequence[Verdict], page: Path) -> None:
    """Write the page; raises `OutputError` where the disk refuses."""
    environment = Environment(
        loader=PackageLoader("inpaintlab", "diagnosis"), autoescape=True, undefined=StrictUndefined
    )
    by_part = {verdict.part: verdict for verdict in verdicts}
    drawn = {"learning rate": _rates, "activations": _layers}
    curves = {
        part: Markup(_svg(draw(by_part[part])))  # noqa: S704 - our own SVG
        for part, draw in drawn.items()
        if part in by_part
    }
    text = environment.get_template("check.html.jinja").render(
        title=title,
        headline=headline(verdicts),
        verdicts=verdicts,
        curves=curves,
        settings=dump(settings),
    )
    write_atomically(page, text.encode("utf-8", "backslashreplace"))


def headline(verdicts: Sequence[Verdict]) -> str:
    """Say in one line how a check ended.

    >>> headline([Verdict("memory", "ok", ""), Verdict("split", "note", "")])
    'nothing found that would spoil the run; worth knowing: split'
    """
    of = {word: [v.part for v in verdicts if v.word == word] for word in ("finding", "note")}
    notes = f"; worth knowing: {', '.join(of['note'])}" if of["note"] else ""
    if worst([verdict.word for verdict in verdicts]) != "finding":
        return f"nothing found that would spoil the run{notes}"
    return f"look at this before training: {', '.join(of['finding'])}{notes}"


def _rates(verdict: Verdict) -> Figure:
    figures = verdict.figures
    figure = Figure(figsize=(9, 3), layout="constrained")
    axes = figure.subplots()
    axes.plot(figures["rates"], figures["losses"], color="C0")
    marks = [("suggestion", "suggested", "C2", "-"), ("used", "the run's", "C1", "--")]
    marks += [("steepest", "steepest", "gray", ":"), ("divergence", "diverges", "C3", "-")]
    for key, label, colour, style in marks:
        if figures[key] is not None:
            axes.axvline(
                figures[key], color=colour, ls=style, lw=1.2, label=f"{label}: {figures[key]:.2g}"
            )
    axes.set(xscale="log", yscale="log", xlabel="learning rate", ylabel="loss, smoothed")
    axes.legend(loc="upper left")
    return figure


def _layers(verdict: Verdict) -> Figure:
    layers = verdict.figures["layers"]
    figure = Figure(figsize=(9, 3), layout="constrained")
    axes = figure.subplots()
    places = range(1, len(layers) + 1)
    axes.plot(places, [line["variance"] for line in layers], ".-", label="the run's first weights")
    if verdict.figures["initialised"]:
        axes.plot(places, [line["own"] for line in layers], ".-", label="the network's own")
        axes.legend()
    for level in (VANISHED, EXPLODED):
        axes.axhline(level, color="C3", ls=":", lw=1)
    axes.set(
        yscale="log", xlabel="layer, in the order in which they run", ylabel="variance of its output"
    )
    return figure


def _svg(figure: Figure) -> str:
    buffer = io.StringIO()
    figure.savefig(buffer, format="svg", metadata={"Date": None})
    svg = buffer.getvalue()
    return svg[svg.index("<svg") :]

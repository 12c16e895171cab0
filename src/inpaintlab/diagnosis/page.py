"""`check.html` and `diagnosis.html`: verdicts and the curves behind them, on a self-contained page."""

import base64
import math
from collections.abc import Sequence
from pathlib import Path

from matplotlib.figure import Figure

from inpaintlab.diagnosis.evidence import Evidence
from inpaintlab.diagnosis.network import EXPLODED, VANISHED
from inpaintlab.diagnosis.verdict import Verdict, named
from inpaintlab.evaluation import page as pages
from inpaintlab.evaluation.cards import example_grid
from inpaintlab.images import encode_png
from inpaintlab.settings import TrainSettings, dump


def write_page(title: str, settings: TrainSettings, verdicts: Sequence[Verdict], page: Path) -> None:
    """Write the page; raises `OutputError` where the disk refuses."""
    by_part = {verdict.part: verdict for verdict in verdicts}
    drawn = {
        "learning rate": (_rates, "loss by learning rate"),
        "activations": (_layers, "variance of the output of each layer"),
    }
    curves = {
        part: pages.svg(draw(by_part[part]), label)
        for part, (draw, label) in drawn.items()
        if part in by_part
    }
    pages.write_page(
        page,
        "diagnosis/check.html.jinja",
        title=title,
        headline=headline(verdicts),
        verdicts=verdicts,
        curves=curves,
        settings=dump(settings),
    )


def write_diagnosis(
    title: str, headline: str, evidence: Evidence, verdicts: Sequence[Verdict], page: Path
) -> None:
    """Write the page of a diagnosis; raises `OutputError` where the disk refuses."""
    rows = evidence.examples
    grid = base64.b64encode(encode_png(example_grid(rows))).decode() if rows else ""
    pages.write_page(
        page,
        "diagnosis/diagnosis.html.jinja",
        title=title,
        headline=headline,
        verdicts=verdicts,
        curves=[
            pages.svg(figure, f"{name} over the steps") for name, figure in _course(evidence).items()
        ],
        rows=list(rows),
        grid=grid,
        settings=dump(evidence.settings),
    )


def headline(verdicts: Sequence[Verdict]) -> str:
    """Say in one line how a check ended.

    >>> headline([Verdict("memory", "ok", ""), Verdict("split", "note", "")])
    'nothing found that would spoil the run; worth knowing: split'
    """
    findings, noted = (named(verdicts, word) for word in ("finding", "note"))
    notes = f"; worth knowing: {', '.join(noted)}" if noted else ""
    if not findings:
        return f"nothing found that would spoil the run{notes}"
    return f"look at this before training: {', '.join(findings)}{notes}"


def _rates(verdict: Verdict) -> Figure:
    figures = verdict.figures
    figure = Figure(figsize=(6, 3.2), layout="constrained")
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
    figure = Figure(figsize=(6, 3.2), layout="constrained")
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


def _course(evidence: Evidence) -> dict[str, Figure]:
    """Draw error, hole PSNR, learning rate and the gradient's norm over the steps."""
    names = ("error", "hole PSNR", "learning rate", "gradient's norm")
    figures = {name: Figure(figsize=(4.5, 2.8), layout="constrained") for name in names}
    error, quality, rate, norm = (figure.subplots() for figure in figures.values())
    steps = [line["step"] for line in evidence.train_lines]
    for axes, name, label in (
        (error, "hole_l1", "training"),
        (rate, "learning_rate", "rate"),
        (norm, "gradient_norm", "before clipping"),
    ):
        if len(values := evidence.column(name)) == len(steps):
            axes.plot(steps, values, lw=0.8, label=label)
    points = [line["step"] for line in evidence.validations]
    errors = [v.get("hole_l1", math.nan) for v in evidence.validations]
    error.plot(points, errors, marker=".", label="validation")
    quality.plot(points, [v["hole_psnr"] for v in evidence.validations], marker=".", label="validation")
    if evidence.classical:
        level = float(evidence.classical["val"].mean())
        quality.axhline(level, ls="--", lw=0.8, color="gray", label="Telea")
    norm.axhline(evidence.settings.grad_clip, ls="--", lw=0.8, color="gray", label="clipped at")
    for incident in evidence.incidents:
        error.axvline(incident["alarm"]["step"], color="C3", ls=":", lw=1)
    error.set(xlabel="step", ylabel="L1 in the hole", yscale="log" if steps or points else "linear")
    quality.set(xlabel="step", ylabel="hole PSNR, dB")
    rate.set(xlabel="step", ylabel="learning rate")
    norm.set(xlabel="step", ylabel="gradient's norm", yscale="log" if steps else "linear")
    for axes in (error, quality, norm):
        axes.legend(fontsize="small")
    return figures

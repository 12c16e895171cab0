"""The curves of a check and of a diagnosis."""

import math
from collections.abc import Sequence

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from inpaintlab.diagnosis.evidence import Evidence
from inpaintlab.images import encode_png
from inpaintlab.layers.initialise import LayerVariance
from inpaintlab.reports import Block, Card, Cards, Drawings, Heading, Markup, Text, data_url, sheet, svg
from inpaintlab.training.rate import RateTest

#: Inches: on the screen of a phone letters are then still large enough to read.
_WIDE, _SMALL = (6, 3.2), (4.5, 2.8)


def rate_curve(test: RateTest, used: float) -> tuple[Block, ...]:
    """Draw the loss of a range test over the rate, with the run's own rate."""
    figure, axes = _axes(_WIDE)
    axes.plot(test.rates, test.losses, color="C0")
    for rate, label, colour, style in (
        (test.suggestion, "suggested", "C2", "-"),
        (used, "the run's", "C1", "--"),
        (test.steepest, "steepest", "gray", ":"),
        (test.divergence, "diverges", "C3", "-"),
    ):
        if rate is not None:
            axes.axvline(rate, color=colour, ls=style, lw=1.2, label=f"{label}: {rate:.2g}")
    axes.set(xscale="log", yscale="log", xlabel="learning rate", ylabel="loss, smoothed")
    axes.legend(loc="upper left")
    caption = (
        "The rate rises from step to step; the loss falls, lies flat, and rises where training diverges."
    )
    return _section("Learning rate", caption, svg(figure, "loss by learning rate"))


def variances(
    layers: Sequence[LayerVariance], levels: Sequence[float], changed: bool
) -> tuple[Block, ...]:
    """Draw the variance of every layer's output, and the levels that it should stay between."""
    figure, axes = _axes(_WIDE)
    places = range(1, len(layers) + 1)
    axes.plot(places, [layer.after for layer in layers], ".-", label="the run's initial weights")
    if changed:
        axes.plot(places, [layer.before for layer in layers], ".-", label="the network's own")
        axes.legend()
    for level in levels:
        axes.axhline(level, color="C3", ls=":", lw=1)
    axes.set(
        yscale="log", xlabel="layer, in the order in which they run", ylabel="variance of its output"
    )
    caption = (
        "Variance of the output of each layer for a batch. Outside the dotted lines signals have "
        "vanished or exploded."
    )
    return _section("Activations at the start", caption, svg(figure, "variance of each layer's output"))


def training(evidence: Evidence) -> tuple[Block, ...]:
    """Draw error, hole PSNR, learning rate and the gradient's norm over the steps of a run."""
    drawings = []
    points = [line.step for line in evidence.validations]
    for name, ylabel, label in (
        ("hole_l1", "L1 in the hole", "training"),
        ("hole_psnr", "hole PSNR, dB", ""),
        ("learning_rate", "learning rate", ""),
        ("gradient_norm", "norm of the gradient", "before clipping"),
    ):
        figure, axes = _axes(_SMALL)
        lines = [line for line in evidence.train_lines if name in line.values]
        if label or name == "learning_rate":
            axes.plot([x.step for x in lines], [x.values[name] for x in lines], lw=0.8, label=label)
        if name in ("hole_l1", "hole_psnr") and points:
            values = [line.values.get(name, math.nan) for line in evidence.validations]
            axes.plot(points, values, marker=".", label="validation")
        if name == "hole_l1":
            for incident in evidence.incidents:
                axes.axvline(incident.alarm.step, color="C3", ls=":", lw=1)
        if name == "hole_psnr" and len(evidence.telea_val):
            axes.axhline(float(evidence.telea_val.mean()), ls="--", lw=0.8, color="gray", label="Telea")
        if name == "gradient_norm":
            clip = evidence.settings.grad_clip
            axes.axhline(clip, ls="--", lw=0.8, color="gray", label="clipped at")
        if axes.get_legend_handles_labels()[0] and name != "learning_rate":
            axes.legend(fontsize="small")
        log = name in ("hole_l1", "gradient_norm") and bool(lines)
        axes.set(xlabel="step", ylabel=ylabel, yscale="log" if log else "linear")
        drawings.append(svg(figure, f"{ylabel} over the steps"))
    caption = "From its log, a line every ten steps; red where the guards raised an alarm."
    return _section("Training curve", caption, *drawings)


def examples(evidence: Evidence) -> tuple[Block, ...]:
    """Show random images of validation, by the best weights; nothing where there are none."""
    if not evidence.examples:
        return ()
    caption = (
        "Drawn at random from the validation images, nobody picked them; rows from above: "
        f"{', '.join(evidence.examples)} (of the network, inside and outside the hole). Best weights."
    )
    image = data_url(encode_png(sheet(list(evidence.examples.values()))))
    cards = Cards([Card(image, "", title="random validation images")], wide=True)
    return Heading("Random images"), Text(caption, quiet=True), cards


def _section(heading: str, caption: str, *drawings: Markup) -> tuple[Block, ...]:
    return Heading(heading), Text(caption, quiet=True), Drawings(drawings)


def _axes(size: tuple[float, float]) -> tuple[Figure, Axes]:
    figure = Figure(figsize=size, layout="constrained")
    return figure, figure.subplots()

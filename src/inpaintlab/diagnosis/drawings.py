"""The curves of a check and of a diagnosis."""

from collections.abc import Mapping, Sequence

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from inpaintlab.diagnosis.evidence import Evidence
from inpaintlab.images import encode_png
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


def variances(lines: Mapping[str, Sequence[float]], levels: Sequence[float]) -> tuple[Block, ...]:
    """Draw variances of every layer's output, and the levels that they should stay between."""
    figure, axes = _axes(_WIDE)
    for label, values in lines.items():
        axes.plot(range(1, len(values) + 1), values, ".-", label=label)
    if len(lines) > 1:
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
    telea = float(evidence.telea_val.mean()) if len(evidence.telea_val) else None
    drawings = []
    for name, ylabel, scale, level, meaning in (
        ("hole_l1", "L1 in the hole", "log", None, ""),
        ("hole_psnr", "hole PSNR, dB", "linear", telea, "Telea"),
        ("learning_rate", "learning rate", "linear", None, ""),
        ("gradient_norm", "norm of the gradient", "log", evidence.settings.grad_clip, "clipped at"),
    ):
        figure, axes = _axes(_SMALL)
        before = ", before clipping" if name == "gradient_norm" else ""
        for label, lines, style in (
            (f"training{before}", evidence.train_lines, "-"),
            ("validation", evidence.validations, ".-"),
        ):
            drawn = [line for line in lines if name in line.values]
            if drawn:
                values = [line.values[name] for line in drawn]
                axes.plot([line.step for line in drawn], values, style, lw=0.8, label=label)
                axes.set(yscale=scale)
        if level is not None:
            axes.axhline(level, ls="--", lw=0.8, color="gray", label=meaning)
        for incident in evidence.incidents if name == "hole_l1" else ():
            axes.axvline(incident.alarm.step, color="C3", ls=":", lw=1)
        if len(axes.get_legend_handles_labels()[0]) > 1:
            axes.legend(fontsize="small")
        axes.set(xlabel="step", ylabel=ylabel)
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

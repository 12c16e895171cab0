"""The drawings of the report."""

from collections.abc import Sequence
from typing import Any

from markupsafe import Markup
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from inpaintlab.baselines import title
from inpaintlab.checkpoints import Run
from inpaintlab.evaluation.result import Measurements
from inpaintlab.evaluation.statistics import Interval
from inpaintlab.reports import plain, svg
from inpaintlab.runs import read_log

#: Inches: on the screen of a phone letters are then still large enough to read.
WIDTH, HEIGHT = 5, 3.4
_MARKERS = "sD^vPXhd"
Lines = list[dict[str, Any]]


def quality_by_bin(result: Measurements) -> Markup:
    """Draw the hole PSNR of every method, over all images and by hole-ratio bin, with intervals."""
    parts = {"all": result.overall, **result.bins}
    methods = list(result.overall.methods)
    figure = Figure(figsize=(WIDTH, 1.2 + 0.2 * len(methods) + 0.5 * len(parts)), layout="constrained")
    axes = figure.subplots()
    for number, method in enumerate(methods):
        values = [row.methods[method]["hole_psnr"] for row in parts.values()]
        means = [of.mean for of in values]
        # The rows of methods lie side by side within that of their bin, in the order of the legend.
        offset = 0.7 * ((number + 0.5) / len(methods) - 0.5)
        is_model = method == result.model
        axes.errorbar(
            means,
            [place + offset for place in range(len(values))],
            xerr=error_bars(values),
            fmt="o" if is_model else _MARKERS[number % len(_MARKERS)],
            color="C0" if is_model else f"C{1 + number % 9}",
            ms=6 if is_model else 4.5,
            lw=2 if is_model else 1.2,
            label=plain(title(method)),
        )
    for place in range(1, len(parts)):
        axes.axhline(place - 0.5, color="0.85", lw=1 if place > 1 else 2)
    axes.set_yticks(range(len(parts)), [f"{name}\nn = {row.n}" for name, row in parts.items()])
    axes.set(xlabel="hole PSNR, dB", ylim=(len(parts) - 0.5, -0.5))
    axes.tick_params(axis="y", length=0)
    axes.grid(axis="x", color="0.9")
    axes.set_axisbelow(True)
    figure.legend(loc="outside upper center", ncols=2, frameon=False, fontsize="small")
    overall = result.overall.methods.items()
    words = ", ".join(f"{title(method)} {of['hole_psnr'].mean:.2f} dB" for method, of in overall)
    return svg(figure, f"Hole PSNR by hole ratio. Over all: {words}. The table has all values.")


def error_bars(values: Sequence[Interval]) -> list[list[float]]:
    """Return how far intervals go below and above their means, as matplotlib asks.

    Where there are too few images for an interval there is a dot alone.
    """
    below = [0.0 if of.low is None else of.mean - of.low for of in values]
    above = [0.0 if of.high is None else of.high - of.mean for of in values]
    return [below, above]


def training_curves(run: Run, result: Measurements) -> list[Markup]:
    """Draw the loss, and the quality on validation images, over the steps of a run."""
    train, validation = read_log(run.log, "train"), read_log(run.log, "validation")
    quality = [line["hole_psnr"] for line in validation]
    best = f", best {max(quality):.2f} dB" if quality else ""
    steps = f"{validation[-1]['step']} steps" if validation else "the steps"
    return [
        svg(_losses(train, validation), f"Losses in training and validation over {steps}."),
        svg(_quality(validation, result), f"Hole PSNR on validation images over {steps}{best}."),
    ]


def _losses(train: Lines, validation: Lines) -> Figure:
    figure = Figure(figsize=(WIDTH, HEIGHT), layout="constrained")
    axes = figure.subplots()
    shown = [(train, "hole_l1", "training, hole"), (validation, "hole_l1", "validation, hole")]
    shown += [(validation, "known_l1", "validation, outside")]
    is_l1 = any("hole_l1" in line for line in train)
    if not is_l1:  # an objective of the user's own has other scalars
        shown = [(train, "loss", "training"), (validation, "loss", "validation")]
    for lines, key, label in shown:
        having = [line for line in lines if key in line]
        points = [line["step"] for line in having], [line[key] for line in having]
        axes.plot(*points, marker="." if lines is validation else "", lw=1.0, label=label)
    axes.set(xlabel="step", ylabel="L1" if is_l1 else "loss", yscale="log" if is_l1 else "linear")
    axes.legend()
    _shade_level(axes, train)
    return figure


def _quality(validation: Lines, result: Measurements) -> Figure:
    """Draw the hole PSNR over steps, with a line for each other method on the same images."""
    figure = Figure(figsize=(WIDTH, HEIGHT), layout="constrained")
    axes = figure.subplots()
    steps, psnr = ([line[key] for line in validation] for key in ("step", "hole_psnr"))
    axes.plot(steps, psnr, marker=".", label=plain(result.model))
    axes.set(xlabel="step", ylabel="validation hole PSNR, dB")
    others = [name for name in result.overall.methods if name != result.model]
    for position, name in enumerate(others if result.part == "validation" else []):
        level = result.overall.methods[name]["hole_psnr"].mean
        axes.axhline(level, ls="--", lw=0.8, color="0.4")
        # Telea and Navier–Stokes are mostly so close that one label must stand at the other end.
        axes.annotate(
            plain(title(name)),
            (position % 2, level),
            xycoords=("axes fraction", "data"),
            ha="right" if position % 2 else "left",
            va="bottom",
            fontsize="small",
            color="0.4",
        )
    return figure


def _shade_level(axes: Axes, train: Lines) -> None:
    levels = [line.get("level", 1.0) for line in train]
    if min(levels, default=1.0) == 1:
        return
    twin = axes.twinx()
    steps = [line["step"] for line in train]
    twin.fill_between(steps, levels, step="pre", color="gray", alpha=0.12, lw=0)
    twin.set(ylim=(0, 1), ylabel="level of the holes (shaded)")

"""The drawings of the report."""

from collections.abc import Mapping
from typing import Any

from markupsafe import Markup
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from inpaintlab.checkpoints import Run
from inpaintlab.evaluation.fillers import OURS
from inpaintlab.evaluation.page import plain, svg
from inpaintlab.evaluation.table import rows
from inpaintlab.training.record import read_log

#: Inches: on the screen of a phone letters are then still large enough to read.
_WIDTH, _HEIGHT = 5, 3.4
_MARKERS = "sD^vPXhd"


def quality_by_bin(result: Mapping[str, Any]) -> Markup:
    """Draw the hole PSNR of every method, over all images and by hole-ratio bin, with intervals."""
    parts = rows(result)
    methods = list(result["overall"]["methods"])
    figure = Figure(figsize=(_WIDTH, 1.2 + 0.2 * len(methods) + 0.5 * len(parts)), layout="constrained")
    axes = figure.subplots()
    for number, method in enumerate(methods):
        # The rows of methods lie side by side within that of their bin, in the order of the legend.
        offset = 0.7 * ((number + 0.5) / len(methods) - 0.5)
        _dots(axes, number, method, [row["methods"][method]["hole_psnr"] for _, row in parts], offset)
    for place in range(1, len(parts)):
        axes.axhline(place - 0.5, color="0.85", lw=1 if place > 1 else 2)
    axes.set_yticks(range(len(parts)), [f"{name}\nn = {row['n']}" for name, row in parts])
    axes.set(xlabel="hole PSNR, dB", ylim=(len(parts) - 0.5, -0.5))
    axes.tick_params(axis="y", length=0)
    axes.grid(axis="x", color="0.9")
    axes.set_axisbelow(True)
    figure.legend(loc="outside upper center", ncols=2, frameon=False, fontsize="small")
    values = (f"{m} {of['hole_psnr']['mean']:.2f} dB" for m, of in parts[0][1]["methods"].items())
    return svg(
        figure, f"Hole PSNR by hole ratio. Over all: {', '.join(values)}. The table has all values."
    )


def _dots(axes: Axes, number: int, method: str, values: list[Mapping[str, Any]], offset: float) -> None:
    ours = method == OURS
    means = [value["mean"] for value in values]
    # Where there are too few images for an interval there is a dot alone.
    reach = [
        [abs(value[end] - value["mean"]) if value[end] is not None else 0.0 for value in values]
        for end in ("low", "high")
    ]
    axes.errorbar(
        means,
        [place + offset for place in range(len(values))],
        xerr=reach,
        fmt="o" if ours else _MARKERS[number % len(_MARKERS)],
        color="C0" if ours else f"C{1 + number % 9}",
        ms=6 if ours else 4.5,
        lw=2 if ours else 1.2,
        label=plain(method),
    )


def training_curves(run: Run, result: Mapping[str, Any]) -> list[Markup]:
    """Draw the loss, and the quality on validation images, over the steps of a run."""
    train, validation = read_log(run.log, "train"), read_log(run.log, "validation")
    quality = [line["hole_psnr"] for line in validation]
    best = f", best {max(quality):.2f} dB" if quality else ""
    steps = f"{validation[-1]['step']} steps" if validation else "the steps"
    return [
        svg(_losses(train, validation), f"L1 in training and validation over {steps}."),
        svg(_quality(validation, result), f"Hole PSNR on validation images over {steps}{best}."),
    ]


def _losses(train: list[dict[str, Any]], validation: list[dict[str, Any]]) -> Figure:
    figure = Figure(figsize=(_WIDTH, _HEIGHT), layout="constrained")
    axes = figure.subplots()
    axes.plot(
        [line["step"] for line in train],
        [line["hole_l1"] for line in train],
        lw=0.8,
        label="training, hole",
    )
    for key, label in (("hole_l1", "validation, hole"), ("known_l1", "validation, outside")):
        axes.plot([v["step"] for v in validation], [v[key] for v in validation], marker=".", label=label)
    axes.set(xlabel="step", ylabel="L1", yscale="log")
    axes.legend()
    _shade_level(axes, train)
    return figure


def _quality(validation: list[dict[str, Any]], result: Mapping[str, Any]) -> Figure:
    figure = Figure(figsize=(_WIDTH, _HEIGHT), layout="constrained")
    axes = figure.subplots()
    axes.plot(
        [v["step"] for v in validation],
        [v["hole_psnr"] for v in validation],
        marker=".",
        label="ours",
    )
    if result["part"] == "validation":
        _levels(axes, result)
    axes.set(xlabel="step", ylabel="validation hole PSNR, dB")
    return figure


def _levels(axes: Axes, result: Mapping[str, Any]) -> None:
    """Draw a line for each other method."""
    others = [name for name in result["overall"]["methods"] if name != OURS]
    for position, name in enumerate(others):
        level = result["overall"]["methods"][name]["hole_psnr"]["mean"]
        axes.axhline(level, ls="--", lw=0.8, color="0.4")
        # Telea and Navier–Stokes are mostly so close that one label must stand at the other end.
        axes.annotate(
            plain(name),
            (position % 2, level),
            xycoords=("axes fraction", "data"),
            ha="right" if position % 2 else "left",
            va="bottom",
            fontsize="small",
            color="0.4",
        )


def _shade_level(axes: Axes, train: list[dict[str, Any]]) -> None:
    """Show how holes grew during the run, if they did."""
    levels = [line.get("level", 1.0) for line in train]
    if min(levels, default=1.0) == 1:
        return
    twin = axes.twinx()
    steps = [line["step"] for line in train]
    twin.fill_between(steps, levels, step="pre", color="gray", alpha=0.12, lw=0)
    twin.set(ylim=(0, 1), ylabel="level of the holes (shaded)")

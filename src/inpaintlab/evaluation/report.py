"""`report.html`: one self-contained file, and `examples.png` beside it."""

import base64
import io
from typing import Any

import numpy as np
import numpy.typing as npt
from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from inpaintlab.checkpoints import Run
from inpaintlab.evaluation.table import caption, rows
from inpaintlab.files import write_atomically
from inpaintlab.images import encode_png
from inpaintlab.metrics import METRICS
from inpaintlab.training.record import read_log
from inpaintlab.training.wheels.incidents import read_incidents

Array = npt.NDArray[np.uint8]

_GAP = 2
#: Least height of a picture in the grid.
_CELL = 96


def write_report(run: Run, result: dict[str, Any], examples: dict[str, Array]) -> None:
    """Write the report of a run: headline, table, curves, examples chosen at random."""
    picture = encode_png(example_grid(examples))
    write_atomically(run.examples, picture)
    environment = Environment(
        loader=PackageLoader("inpaintlab", "evaluation"), autoescape=True, undefined=StrictUndefined
    )
    page = environment.get_template("report.html.jinja").render(
        result=result,
        caption=caption(result),
        headline=headline(result),
        columns=METRICS,
        rows=rows(result),
        best=_best,
        names=list(examples),
        grid=base64.b64encode(picture).decode(),
        curves=Markup(training_curves(run, result)),  # noqa: S704 - our own SVG
        incidents=shown_incidents(run),
        recipe=run.recipe.read_text(encoding="utf-8"),
    )
    write_atomically(run.report, page.encode())


def shown_incidents(run: Run) -> list[dict[str, Any]]:
    """Return what the guards of a run wrote down, with the pictures as text."""
    pictures = sorted(run.incidents.glob("*/pictures.png"))
    found = [base64.b64encode(path.read_bytes()).decode() for path in pictures]
    incidents = read_incidents(run)
    return [dict(of, picture=picture) for of, picture in zip(incidents, found, strict=True)]


def headline(result: dict[str, Any]) -> str:
    """Return one sentence: ours beside the best baseline."""
    methods = result["overall"]["methods"]
    ours = methods["ours"]["hole_psnr"]
    name, best = max(
        ((name, of["hole_psnr"]) for name, of in methods.items() if name != "ours"),
        key=lambda pair: pair[1],
    )
    word = "above" if ours >= best else "below"
    return f"{ours:.2f} dB in the hole, {abs(ours - best):.2f} dB {word} {name} ({best:.2f} dB)"


def example_grid(examples: dict[str, Array]) -> Array:
    """Join rows `[N, H, W, 3]` to one picture: a column for each example, a row for each method.

    Small pictures are enlarged by a whole factor, pixel by pixel, so that they can be seen.
    """
    cells = np.stack(list(examples.values()))
    factor = -(-_CELL // cells.shape[2])
    cells = cells.repeat(factor, axis=2).repeat(factor, axis=3)
    gaps = ((0, 0), (0, 0), (_GAP, 0), (_GAP, 0), (0, 0))
    cells = np.pad(cells, gaps, constant_values=255)
    methods, count, height, width, channels = cells.shape
    grid = cells.transpose(0, 2, 1, 3, 4).reshape(methods * height, count * width, channels)
    return np.pad(grid, ((0, _GAP), (0, _GAP), (0, 0)), constant_values=255)


def training_curves(run: Run, result: dict[str, Any]) -> str:
    """Draw loss and validation over the steps, as SVG text."""
    train, validation = read_log(run.log, "train"), read_log(run.log, "validation")
    figure = Figure(figsize=(9, 3), layout="constrained")
    left, right = figure.subplots(1, 2)
    left.plot(
        [line["step"] for line in train],
        [line["hole_l1"] for line in train],
        lw=0.8,
        label="training, hole",
    )
    for key, label in (("hole_l1", "validation, hole"), ("known_l1", "validation, outside")):
        left.plot([v["step"] for v in validation], [v[key] for v in validation], marker=".", label=label)
    left.set(xlabel="step", ylabel="L1", yscale="log")
    left.legend()
    _shade_level(left, train)
    right.plot(
        [v["step"] for v in validation],
        [v["hole_psnr"] for v in validation],
        marker=".",
        label="ours",
    )
    if result["part"] == "validation":
        baselines = [name for name in result["overall"]["methods"] if name != "ours"]
        for position, name in enumerate(baselines):
            level = result["overall"]["methods"][name]["hole_psnr"]
            right.axhline(level, ls="--", lw=0.8, color="gray")
            # Telea and Navier–Stokes are mostly so close that one label must stand at the other end.
            right.annotate(
                name,
                (position % 2, level),
                xycoords=("axes fraction", "data"),
                ha="right" if position % 2 else "left",
                va="bottom",
                fontsize="small",
                color="gray",
            )
    right.set(xlabel="step", ylabel="validation hole PSNR, dB")
    buffer = io.StringIO()
    figure.savefig(buffer, format="svg", metadata={"Date": None})
    svg = buffer.getvalue()
    return svg[svg.index("<svg") :]


def _shade_level(axes: Axes, train: list[dict[str, Any]]) -> None:
    """Show how holes grew during the run, if they did."""
    levels = [line.get("level", 1.0) for line in train]
    if min(levels, default=1.0) == 1:
        return
    twin = axes.twinx()
    steps = [line["step"] for line in train]
    twin.fill_between(steps, levels, step="pre", color="gray", alpha=0.12, lw=0)
    twin.set(ylim=(0, 1), ylabel="level of the holes (shaded)")


def _best(row: dict[str, Any], metric: str) -> float:
    values: list[float] = [of[metric] for of in row["methods"].values()]
    return max(values) if METRICS[metric].higher_is_better else min(values)

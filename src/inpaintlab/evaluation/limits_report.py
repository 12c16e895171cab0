"""The part of a report that shows what models know of their limits, and how far that holds."""

from collections.abc import Iterator

import numpy as np
from markupsafe import Markup
from matplotlib.figure import Figure

from inpaintlab.arrays import Float64
from inpaintlab.evaluation import tables
from inpaintlab.evaluation.figures import HEIGHT, WIDTH, error_bars
from inpaintlab.evaluation.result import Measurements
from inpaintlab.reports import Block, Drawings, Heading, Row, Table, Text, plain, svg

#: Images of about the same stated error that become a dot; and refused images in the table.
_GROUPS, _SHOWN = 10, 20
#: Shares of the images that are accepted, the surest first.
_SHARES = np.linspace(0.1, 1.0, 19)
_WORDS = (
    "Before the truth is known, a model that knows its limits says how unlike an image is to those "
    "of training (novelty: 0 is usual, and above 1 it is refused), what hole PSNR it expects, and "
    "an interval for each value, made to hold 90 % of them. Here all of that is set beside the "
    "truth. Limits are taken from the validation images of the run: of those, they hold a little "
    "better than elsewhere."
)


def limits_blocks(result: Measurements) -> Iterator[Block]:
    """Yield drawings, tables and what was refused; nothing where no model says anything."""
    names = tables.knows_limits(result)
    if not names:
        return
    yield Heading("What the models know of their limits" if names[1:] else "What it knows of its limits")
    yield Text(_WORDS, quiet=True)
    drawings = [risk_coverage(result), stated_and_true(result)]
    yield Drawings([*drawings, inside_by_bin(result)] if len(result.bins) > 1 else drawings)
    yield from tables.limits_tables(result)
    yield from (table for name in names if (table := refused_table(result, name)))


def risk_coverage(result: Measurements) -> Markup:
    """Draw the error of the fills that are accepted over their share, the surest first."""
    figure = Figure(figsize=(WIDTH, HEIGHT), layout="constrained")
    axes, words = figure.subplots(), []
    for number, name in enumerate(tables.knows_limits(result)):
        expected, true = _two(result, name)
        stated, best = (_accepted(true, by) for by in (expected, true))
        colour = f"C{number}"
        axes.plot(100 * _SHARES, stated, color=colour, label=plain(name))
        label = "if errors were known" if number == 0 else None
        axes.plot(100 * _SHARES, best, color=colour, lw=0.8, ls=":", label=label)
        at = int(np.argmin(abs(_SHARES - 0.8)))
        words.append(f"{name} {stated[-1]:.2f} dB of all and {stated[at]:.2f} dB of the surest 80 %")
    axes.set(xlabel="accepted, % of the images", ylabel="hole PSNR of their mean error, dB")
    axes.grid(color="0.9")
    axes.legend(frameon=False, fontsize="small")
    return svg(figure, f"Error of the fills that are accepted, over their share: {', '.join(words)}.")


def stated_and_true(result: Measurements) -> Markup:
    """Draw the true hole PSNR over the stated one, of groups of images with about the same."""
    figure = Figure(figsize=(WIDTH, HEIGHT), layout="constrained")
    axes, words = figure.subplots(), []
    for number, name in enumerate(tables.knows_limits(result)):
        expected, true = _two(result, name)
        parts = np.array_split(np.argsort(expected), min(_GROUPS, len(expected)))
        dots = np.array([(expected[part].mean(), true[part].mean()) for part in parts])
        axes.plot(*dots.T, "o-", color=f"C{number}", ms=4, lw=1, label=plain(name))
        words.append(f"{name} states {expected.mean():.2f} dB and has {true.mean():.2f} dB")
    ends = axes.get_xlim()
    axes.plot(ends, ends, color="0.6", lw=0.8, ls="--", label="as stated")
    axes.set(xlabel="stated hole PSNR, dB", ylabel="true hole PSNR, dB", xlim=ends)
    axes.grid(color="0.9")
    axes.legend(frameon=False, fontsize="small")
    return svg(figure, f"True over stated hole PSNR, tenths of the images: {', '.join(words)}.")


def inside_by_bin(result: Measurements) -> Markup:
    """Draw how many values lie in their interval, by hole-ratio bin, beside what they are made for."""
    figure = Figure(figsize=(WIDTH, HEIGHT), layout="constrained")
    axes, names = figure.subplots(), tables.knows_limits(result)
    parts = {"all": result.overall, **result.bins}
    for number, name in enumerate(names):
        values = [of.methods[name]["inside_percent"] for of in parts.values()]
        places = [place + 0.15 * (number - (len(names) - 1) / 2) for place in range(len(values))]
        means = [of.mean for of in values]
        axes.errorbar(
            places, means, yerr=error_bars(values), fmt="o", ms=5, color=f"C{number}", label=plain(name)
        )
    axes.axhline(90, color="0.6", lw=0.8, ls="--")
    axes.set_xticks(range(len(parts)), list(parts))
    axes.set(xlabel="hole ratio", ylabel="values in their interval, %")
    axes.grid(axis="y", color="0.9")
    if len(names) > 1:
        axes.legend(frameon=False, fontsize="small")
    words = ", ".join(
        f"{name} {result.overall.methods[name]['inside_percent'].mean:.1f} %" for name in names
    )
    return svg(figure, f"Values in their interval, which is to hold 90 %, by hole ratio: {words}.")


def refused_table(result: Measurements, name: str) -> Table | None:
    """Return the images that a model refuses, the most foreign first; None where it refuses none."""
    values = result.rows.values[name]
    if "novelty" not in values:
        return None
    order = np.argsort(-values["novelty"], kind="stable")
    refused = [int(row) for row in order if values["novelty"][row] > 1]
    if not refused:
        return None
    facts = result.rows.facts
    rows = [
        Row(
            (
                facts["image"][row],
                f"{100 * facts['ratio'][row]:.0f} %",
                *(f"{values[key][row]:.2f}" for key in ("novelty", "expected_psnr", "hole_psnr")),
            )
        )
        for row in refused[:_SHOWN]
    ]
    more = f" The {_SHOWN} most foreign are shown." if len(refused) > _SHOWN else ""
    words = f"{name} refuses {len(refused)} of {len(order)}: they are unlike the images of training"
    columns = ["image", "hole", "novelty", "stated hole PSNR, dB", "true, dB"]
    return Table.of(columns, rows, words, f"Refused is what has a novelty above 1.{more}")


def _two(result: Measurements, name: str) -> tuple[Float64, Float64]:
    return result.rows.column(name, "expected_psnr"), result.rows.column(name, "hole_psnr")


def _accepted(psnr: Float64, by: Float64) -> Float64:
    """Return the PSNR of the mean squared error of the best images, by some order, for each share."""
    squared = 10 ** (-psnr[np.argsort(-by, kind="stable")] / 10)
    mean = np.cumsum(squared) / np.arange(1, len(squared) + 1)
    counts = np.maximum(1, np.round(_SHARES * len(squared))).astype(int)
    return np.asarray(-10 * np.log10(mean[counts - 1]), np.float64)

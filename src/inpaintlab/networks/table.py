"""The summary of a network, or of several beside each other, as a table in the terminal."""

from collections.abc import Sequence
from typing import Any

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table

from inpaintlab.networks.summary import field_text, share_text, side_text

#: Key of a row -> its heading, for what belongs to a kernel.
KERNEL = {"kernel": "k", "stride": "s", "dilation": "d", "padding": "p"}


def show(summary: dict[str, Any]) -> None:
    """Print a summary to stdout; of several networks, a row for each."""
    console = Console(highlight=False)
    if not console.is_terminal:
        console.width = max(console.width, 100)  # a file or a pipe has no width of its own
    everything = [summary, *summary["compared"]]
    if summary["compared"]:
        console.print(_comparison(everything))
    else:
        console.print(_layers(summary))
        for line in _totals(summary):
            console.print(line, markup=False, soft_wrap=True)
    for part in everything:
        name = f" {_label(part, everything)}:" if summary["compared"] else ""
        for warning in part["warnings"]:
            console.print(f"warning:{name} {warning['text']}", markup=False, soft_wrap=True)


def _layers(summary: dict[str, Any]) -> Table:
    masks = bool(summary["holes"])
    table = _table(
        f"{summary['network']} at {_setting(summary)}",
        ["layer", "kind", "output"],
        [
            *KERNEL.values(),
            "field",
            *(["hole"] if masks else []),
            *("param.", "FLOP", "alive", "saved"),
        ],
    )
    for row in folded(summary["layers"]):
        kernel = ["" if row[key] is None else _kernel_text(row[key]) for key in KERNEL]
        hole = [] if not masks else ["" if row["hole"] is None else _hole_text(row["hole"])]
        counts = [short(row[key]) for key in ("parameters", "flops", "forward_bytes", "training_bytes")]
        output = "×".join(map(str, row["output"]))
        field = field_text(row["receptive_field"])
        table.add_row(row["layer"] or "(network)", row["kind"], output, *kernel, field, *hole, *counts)
    return table


def folded(rows: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """Put what works pixel by pixel, as normalisation and activation, into the row of its layer."""
    lines: list[dict[str, Any]] = []
    for row in rows:
        line = lines[-1] if lines else None
        if line is None or row["kernel"] or row["flops"] or row["hole"] or not _belongs(row, lines):
            lines.append(dict(row))
            continue
        if line["layer"].startswith(f"{row['layer']}."):  # a module, after the one layer inside it
            line |= {key: row[key] for key in ("layer", "kind", "output")}
        elif row["layer"]:
            line["kind"] += " norm" if "Norm" in row["kind"] else f" {row['kind']}"
        for key in ("parameters", "training_bytes"):
            line[key] += row[key]
        line["forward_bytes"] = max(line["forward_bytes"], row["forward_bytes"])
    return lines


def _belongs(row: dict[str, Any], lines: Sequence[dict[str, Any]]) -> bool:
    """Tell whether a row without operations of its own only finishes the last line."""
    last = lines[-1]
    if last["receptive_field"] != row["receptive_field"]:
        return False
    inside = [line for line in lines if line["layer"].startswith(f"{row['layer']}.")]
    if inside:
        return inside == [last] and last["output"][1:] == row["output"][1:]
    return bool(last["output"] == row["output"])


def _totals(summary: dict[str, Any]) -> list[str]:
    """Say in lines what the whole network is."""
    lines = [
        f"{summary['parameters']:,} parameters, {short(summary['flops'], ' ')}FLOP an image, "
        f"receptive field {field_text(summary['receptive_field'])}"
        + ("" if summary["receptive_field"] == "whole" else " px"),
        f"memory of features: {short(summary['forward_bytes'], ' ')}B alive at the peak of a forward "
        f"pass, {short(summary['training_bytes'], ' ')}B saved for the backward pass of training",
    ]
    if summary["holes"]:
        steps = [f"{_hole_text(sides)} ({layer})" for layer, *sides in summary["holes"]]
        closed = next((i for i, step in enumerate(steps) if step.startswith("closed")), len(steps))
        lines.append(f"hole: {summary['hole']} → {' → '.join(steps[: closed + 1])}")
    if narrow := summary["bottleneck"]:
        lines.append(
            f"bottleneck {narrow['layer']}: {narrow['numbers']:,} numbers, "
            f"{share_text(narrow['share'])} of those in the hole"
        )
    return lines


def _comparison(summaries: Sequence[dict[str, Any]]) -> Table:
    figures = ["param.", "FLOP an image", "field px", "bottleneck", "alive", "saved", "warnings"]
    table = _table(f"at {_setting(summaries[0])}", ["network"], [f" {figure}" for figure in figures])
    for summary in summaries:
        narrow = summary["bottleneck"]
        table.add_row(
            _label(summary, summaries),
            short(summary["parameters"]),
            short(summary["flops"]),
            field_text(summary["receptive_field"]),
            share_text(narrow["share"]) if narrow else "",
            short(summary["forward_bytes"]),
            short(summary["training_bytes"]),
            str(len(summary["warnings"])),
        )
    return table


def _table(title: str, words: Sequence[str], figures: Sequence[str]) -> Table:
    table = Table(title=title, title_justify="left", box=SIMPLE_HEAD, padding=0, pad_edge=False)
    for heading in words:
        table.add_column(heading, overflow="fold", no_wrap=heading == "output")
    for heading in figures:
        table.add_column(heading, justify="right", no_wrap=True)
    return table


def _setting(summary: dict[str, Any]) -> str:
    size = f"{summary['size']} px" + (f" ({summary['note']})" if summary["note"] else "")
    return f"{size}, batch {summary['batch']}, hole {summary['hole']} px"


def _label(summary: dict[str, Any], beside: Sequence[dict[str, Any]]) -> str:
    """Return a network's name, with the arguments in which it differs from others of that name."""
    arguments = summary["arguments"]
    others = [other["arguments"] for other in beside if other["network"] == summary["network"]]
    differing = [key for key in arguments if any(other[key] != arguments[key] for other in others)]
    return " ".join([summary["network"], *(f"{key}={arguments[key]}" for key in differing)])


def _kernel_text(value: Sequence[int] | str) -> str:
    return value if isinstance(value, str) else side_text(value)


def _hole_text(sides: Sequence[int]) -> str:
    return side_text(sides) if all(sides) else "closed"


def short(value: float, gap: str = "") -> str:
    """Write a count with three digits and a unit, `gap` between them.

    >>> short(0), short(36_864), short(2_818_572_364, " ")
    ('0', '36.9k', '2.82 G')
    """
    units = iter(("", "k", "M", "G", "T", "P"))
    unit = next(units)
    while value >= 999.5 and unit != "P":
        value, unit = value / 1000, next(units)
    return f"{value:.3g}{gap}{unit}"

"""The result of an evaluation as a table in the terminal."""

from typing import Any

from rich.console import Console
from rich.table import Table

from inpaintlab.metrics import METRICS


def show(result: dict[str, Any]) -> None:
    """Print the table to stdout: overall, then bin by bin."""
    table = Table(title=caption(result), title_justify="left")
    for heading in ("hole ratio", "n", "method"):
        table.add_column(heading)
    shown = {name: metric for name, metric in METRICS.items() if metric.is_main}
    for metric in shown.values():
        table.add_column(metric.heading, justify="right")
    for name, row in rows(result):
        for position, (method, metrics) in enumerate(row["methods"].items()):
            first = (name, str(row["n"])) if position == 0 else ("", "")
            values = [format(metrics[key], metric.spec) for key, metric in shown.items()]
            style = "bold" if method == "ours" else ""
            last = position == len(row["methods"]) - 1
            table.add_row(*first, method, *values, style=style, end_section=last)
    Console(highlight=False).print(table)


def rows(result: dict[str, Any]) -> list[tuple[str, dict[str, Any]]]:
    """Return (name, row) for all pictures and for each bin."""
    return [("all", result["overall"]), *result["bins"].items()]


def caption(result: dict[str, Any]) -> str:
    """Return one line that says what was measured on what."""
    kinds = " + ".join(part["name"] for part in result["masks"]["parts"])
    return (
        f"{result['run']}: {result['overall']['n']} pictures ({result['part']}) at {result['size']} px, "
        f"masks {kinds} #{result['masks']['hash']}"
    )

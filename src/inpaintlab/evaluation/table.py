"""The result of an evaluation as a table in the terminal."""

from typing import Any

from rich.console import Console
from rich.table import Table

#: Metric -> heading, format, and whether more is better.
COLUMNS: dict[str, tuple[str, str, bool]] = {
    "hole_psnr": ("hole PSNR dB ↑", ".2f", True),
    "psnr": ("PSNR dB ↑", ".2f", True),
    "ssim": ("SSIM ↑", ".4f", True),
    "l1_percent": ("L1 % ↓", ".2f", False),
}


def show(result: dict[str, Any]) -> None:
    """Print the table to stdout: overall, then bin by bin."""
    table = Table(title=caption(result), title_justify="left")
    for heading in ("hole ratio", "n", "method"):
        table.add_column(heading)
    for heading, _, _ in COLUMNS.values():
        table.add_column(heading, justify="right")
    for name, row in rows(result):
        for position, (method, metrics) in enumerate(row["methods"].items()):
            first = (name, str(row["n"])) if position == 0 else ("", "")
            values = [format(metrics[key], spec) for key, (_, spec, _) in COLUMNS.items()]
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

"""The result of a cross-validation as tables."""

from collections.abc import Mapping
from io import StringIO
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from inpaintlab.evaluation.compare import HEADLINE
from inpaintlab.evaluation.table import cell
from inpaintlab.files import write_atomically
from inpaintlab.metrics import FIGURES

#: The tables in the folder of a cross-validation.
TABLES = "crossval.txt"
#: Metrics that a terminal has room for; all stand in the JSON.
_SHOWN = ("hole_psnr", "ssim", "l1")
#: Columns of that file.
_WIDTH = 160


def show(result: Mapping[str, Any]) -> None:
    """Print the tables, and what must be known of them, and leave them in `crossval.txt` too."""
    file = StringIO()
    _print(Console(file=file, width=_WIDTH, highlight=False), result)
    write_atomically(Path(result["folder"]) / TABLES, file.getvalue().encode())
    _print(Console(highlight=False), result)


def _print(console: Console, result: Mapping[str, Any]) -> None:
    console.print(_caption(result), markup=False, soft_wrap=True)
    console.print(_means(result))
    console.print("mean of the folds' means ± standard deviation over folds", soft_wrap=True)
    console.print(_each_fold(result))
    done = [of for of in result["comparisons"] if "reason" not in of]
    if done:
        console.print(_comparisons(result, done))
    for of in result["comparisons"]:
        told = of.get("sentence") or f"{of['other']} is not compared with {of['first']}: {of['reason']}"
        console.print(f"{told}.", markup=False, soft_wrap=True)
    for of in result["failed"]:
        line = f"failed: fold {of['fold']} of {of['variant']}: {of['reason']}"
        console.print(line, markup=False, soft_wrap=True)
    for note in result["notes"]:
        console.print(f"note: {note}", markup=False, soft_wrap=True)


def _caption(result: Mapping[str, Any]) -> str:
    line = f"{result['folds']} folds of {result['data']} at {result['size']} px"
    if result["masks"] is None:
        return line
    return f"{line}: {result['images']:,} images, masks {result['masks']}"


def _rows(result: Mapping[str, Any]) -> list[tuple[str, Mapping[str, Any], str]]:
    """Return name, figures and style of every method."""
    baselines = [(name, of, "") for name, of in result["baselines"].items()]
    return baselines + [(_short(result, name), of, "bold") for name, of in result["variants"].items()]


def _short(result: Mapping[str, Any], variant: str) -> str:
    """Return the name of a variant, its value alone where one thing varies."""
    return escape(variant.partition("=")[2] if len(result["vary"]) < 2 else variant)


def _means(result: Mapping[str, Any]) -> Table:
    table = Table(_heading(result))
    shown = {name: figure for name, figure in FIGURES.items() if name in _SHOWN}
    for figure in shown.values():
        table.add_column(figure.heading, justify="right", no_wrap=True)
    for name, of, style in _rows(result):
        figures = [_spread(of["metrics"], key, figure.spec) for key, figure in shown.items()]
        table.add_row(name, *figures, style=style)
    return table


def _each_fold(result: Mapping[str, Any]) -> Table:
    figure = FIGURES[HEADLINE]
    table = Table(_heading(result), f"{figure.heading}, fold by fold")
    for name, of, style in _rows(result):
        each = [_fold(row.get("metrics"), figure.spec) for row in of["folds"]]
        table.add_row(name, "  ".join(each), style=style)
    return table


def _heading(result: Mapping[str, Any]) -> str:
    return next(iter(result["vary"]), "network") if len(result["vary"]) < 2 else ""


def _spread(metrics: Mapping[str, Any] | None, name: str, spec: str) -> str:
    if metrics is None:
        return "not given"
    return f"{metrics[name]['mean']:{spec}} ± {metrics[name]['sd']:{spec}}"


def _fold(metrics: Mapping[str, float] | None, spec: str) -> str:
    return "failed" if metrics is None else format(metrics[HEADLINE], spec)


def _comparisons(result: Mapping[str, Any], done: list[dict[str, Any]]) -> Table:
    table = Table(title=escape("difference in the hole, dB [95 % interval]"), title_justify="left")
    table.add_column("")
    for heading in ("for other images", "if trained on others", "p", "wins"):
        table.add_column(heading, justify="right", no_wrap=heading != "p")
    spec = FIGURES[HEADLINE].spec
    for of in done:
        images, training = of["overall"]["metrics"][HEADLINE], of["over_folds"][HEADLINE]
        p = "" if training["p"] is None else f"{training['p']:.2g}"
        table.add_row(
            f"{_short(result, of['other'])} less {_short(result, of['first'])}",
            cell(images, spec, sign="+"),
            cell(training, spec, sign="+"),
            p,
            f"{of['overall']['wins'][HEADLINE]:.0%}",
        )
    return table

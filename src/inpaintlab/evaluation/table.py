"""The result of an evaluation, or of a comparison, as tables in the terminal."""

from collections.abc import Mapping
from typing import Any

from rich.console import Console
from rich.table import Table

from inpaintlab.evaluation.fillers import OURS
from inpaintlab.metrics import FIGURES, Figure

#: Headings of the tables of parts: key in the result -> what it is by.
PARTS = {
    "bins": "hole ratio",
    "borders": "the hole's place",
    "kinds": "mask kind",
    "groups": "group",
}


def columns(result: Mapping[str, Any]) -> dict[str, Figure]:
    """Return the metrics that a result holds, and how they are shown."""
    held = next(iter(result["overall"]["methods"].values()))
    return {name: figure for name, figure in FIGURES.items() if name in held}


def show(result: Mapping[str, Any]) -> None:
    """Print tables to stdout, overall and by bin first, and then what must be known of them."""
    console = _console()
    shown = {name: figure for name, figure in columns(result).items() if figure.is_main}
    console.print(_table(result, shown), *_further(result), sep="\n")
    for line in notes(result):
        console.print(line, markup=False, soft_wrap=True)


def rows(result: Mapping[str, Any]) -> list[tuple[str, dict[str, Any]]]:
    """Return (name, row) for all images and for each hole-ratio bin."""
    return [("all", result["overall"]), *result["bins"].items()]


def cell(mean: Mapping[str, Any], spec: str, *, sign: str = "", interval: bool = True) -> str:
    """Return a mean with its interval as text.

    >>> cell({"mean": 21.234, "low": 20.9, "high": 21.52}, ".2f")
    '21.23 [20.90, 21.52]'
    >>> cell({"mean": 21.234, "low": None, "high": None}, ".2f")
    '21.23'
    """
    text = format(mean["mean"], sign + spec)
    if not interval or mean["low"] is None:
        return text
    return f"{text} [{format(mean['low'], sign + spec)}, {format(mean['high'], sign + spec)}]"


def caption(result: Mapping[str, Any]) -> str:
    """Return one line that says what was measured on what."""
    overall = result["overall"]
    count = f"{overall['n']} images"
    if overall["n"] != overall["images"]:  # several masks for each, or copies of a file
        count = f"{overall['n']} holes in {overall['images']} different images"
    return (
        f"{result['run']}: {count} ({result['part']}) at {result['size']} px, "
        f"masks {result['masks']['name']} #{result['masks']['hash']}"
    )


def notes(result: Mapping[str, Any]) -> list[str]:
    """Return what a reader must know of a result, a sentence in each line."""
    lines = [f"finding: {finding}" for finding in result["findings"]]
    if copies := note_of_copies(result):
        lines.append(copies)
    reasons = not_measured(result)
    return lines + [f"not measured: {', '.join(names)}: {reason}" for reason, names in reasons.items()]


def note_of_copies(result: Mapping[str, Any]) -> str:
    """Return what is known of look-alikes among the images learnt from, empty where there are none."""
    copies = result.get("copies")
    if not copies or not copies["pairs"]:
        return ""
    ours, theirs = copies["pairs"][0]
    line = f"{len(copies['pairs'])} images look like one that was learnt from ({ours}: {theirs})"
    if copies["without"]:
        psnr = copies["without"]["methods"][OURS]["hole_psnr"]
        line += f"; without them {cell(psnr, '.2f')} dB in the hole"
    return line


def not_measured(result: Mapping[str, Any]) -> dict[str, list[str]]:
    """Return why figures could not be had: reason -> their names."""
    reasons: dict[str, list[str]] = {}
    for of in result["unavailable"]:
        reasons.setdefault(of["reason"], []).append(of["name"])
    return reasons


def show_comparison(result: Mapping[str, Any]) -> None:
    """Print for each pair of runs a sentence and a table of differences by hole-ratio bin."""
    console = _console()
    for of in result["comparisons"]:
        console.print(f"{of['sentence']}.", soft_wrap=True, markup=False)
        title = (
            f"{of['other']} less {of['first']}: {result['images']} images ({result['part']}), "
            f"masks {result['masks']['name']} #{result['masks']['hash']}"
        )
        table = Table(title=title, title_justify="left")
        table.add_column("hole ratio")
        table.add_column("n", justify="right")
        shown = {name: figure for name, figure in FIGURES.items() if figure.is_main}
        for figure in shown.values():
            table.add_column(figure.heading, justify="right")
        table.add_column(f"{of['other']} wins", justify="right")
        for name, row in [("all", of["overall"]), *of["bins"].items()]:
            values = [cell(row["metrics"][key], figure.spec, sign="+") for key, figure in shown.items()]
            table.add_row(name, str(row["n"]), *values, f"{row['wins']['hole_psnr']:.0%}")
        console.print(table)


def _console() -> Console:
    # What is not a terminal is a file, with room for lines that rich would break at 80 columns.
    console = Console(highlight=False)
    return console if console.is_terminal else Console(highlight=False, width=max(140, console.width))


def _table(result: Mapping[str, Any], shown: Mapping[str, Figure]) -> Table:
    first = next(iter(shown))
    table = Table(title=caption(result), title_justify="left")
    for heading in ("hole ratio", "n", "method"):
        table.add_column(heading)
    for figure in shown.values():
        table.add_column(figure.heading, justify="right")
    for name, row in rows(result):
        for position, (method, metrics) in enumerate(row["methods"].items()):
            head = (name, str(row["n"])) if position == 0 else ("", "")
            # One interval in a line is as much as a terminal has room for.
            values = [
                cell(metrics[key], figure.spec, interval=key == first) for key, figure in shown.items()
            ]
            style = "bold" if method == OURS else ""
            last = position == len(row["methods"]) - 1
            table.add_row(*head, method, *values, style=style, end_section=last)
    return table


def _further(result: Mapping[str, Any]) -> list[Table]:
    """Return the smaller tables of what a result has: hole PSNR alone."""
    found = []
    for key in ("borders", "kinds", "groups"):
        if result[key]:
            found.append(_part_table(PARTS[key], result[key]))
    if slow := result["slow"]:
        found.append(_part_table("with slow baselines", {f"{slow['images']} images": slow}))
    if result["sets"]:
        found.append(_sets_table(result["sets"]))
    if result.get("also"):
        found.append(_also_table(result["also"]))
    if result.get("shift"):
        found.append(_shift_table(result["shift"]))
    return found


def _part_table(heading: str, parts: Mapping[str, Any]) -> Table:
    table = Table(title="hole PSNR, dB", title_justify="left")
    table.add_column(heading, no_wrap=True)
    table.add_column("n", justify="right")
    for method in next(iter(parts.values()))["methods"]:
        table.add_column(method, justify="right")
    for name, row in parts.items():
        values = [cell(of["hole_psnr"], ".2f") for of in row["methods"].values()]
        table.add_row(name or "(top folder)", str(row["n"]), *values)
    return table


def _sets_table(sets: Mapping[str, Any]) -> Table:
    names = list(next(iter(sets["methods"].values())))
    table = Table("whole sets", "n", "method", *names)
    for part, of in [("all", sets), *sets["bins"].items()]:
        for place, (method, values) in enumerate(of["methods"].items()):
            head = ("", "") if place else (part, str(of["n"]))
            cells = (f"{values[name]:.4g}" if name in values else "–" for name in names)
            table.add_row(*head, method, *cells, end_section=place == len(of["methods"]) - 1)
    return table


def _also_table(also: list[dict[str, Any]]) -> Table:
    headings = ("hole PSNR dB", "lost", "above the best baseline", "lost of that")
    table = Table("other images", "n", *headings)
    for of in also:
        ours = of["methods"][OURS]["hole_psnr"]
        signed = [cell(of[key], ".2f", sign="+") for key in ("loss", "gain", "gain_loss")]
        table.add_row(of["data"], str(of["n"]), cell(ours, ".2f"), *signed)
    return table


def _shift_table(shift: Mapping[str, Any]) -> Table:
    strengths = sorted({row["strength"] for row in shift["rows"]})
    title = f"dB lost of what is gained over {shift['baseline']}, on {shift['n']} images changed"
    table = Table("strength", *map(str, strengths), title=title, title_justify="left")
    for name in dict.fromkeys(row["shift"] for row in shift["rows"]):
        of = {row["strength"]: row["gain_loss"] for row in shift["rows"] if row["shift"] == name}
        table.add_row(name, *(cell(of[s], ".2f", sign="+") for s in strengths))
    return table

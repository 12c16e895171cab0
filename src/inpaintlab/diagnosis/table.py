"""A check as a table in the terminal."""

from collections.abc import Sequence

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table
from rich.text import Text

from inpaintlab.diagnosis.verdict import Verdict

_STYLES = {"ok": "green", "note": "yellow", "finding": "bold red"}


def show(title: str, verdicts: Sequence[Verdict]) -> None:
    """Print a table to stdout: part, verdict, what was seen and what to do."""
    console = Console(highlight=False)
    if not console.is_terminal:
        console.width = max(console.width, 100)  # a file or a pipe has no width of its own
    table = Table(title=title, title_justify="left", box=SIMPLE_HEAD, padding=(0, 1), pad_edge=False)
    for heading in ("part", "verdict"):
        table.add_column(heading, no_wrap=True)
    table.add_column("what was seen, and what to do", overflow="fold")
    for verdict in verdicts:
        seen = Text(verdict.text)
        if verdict.advice:
            seen.append(f"\n→ {verdict.advice}")
        table.add_row(verdict.part, Text(verdict.word, _STYLES[verdict.word]), seen)
    console.print(table)

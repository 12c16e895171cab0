"""What a command prints: the answer first, on one screen."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from rich.console import Console, RenderableType
from rich.text import Text as RichText

from inpaintlab.reports.blocks import Block, Note, Text
from inpaintlab.reports.notebook import fragment
from inpaintlab.reports.table import STYLES, Table

#: Lines of a screen that an answer may take: one of 24, with the prompt and the command above.
LINES = 20
_MARKS = {"bad": "✗", "warn": "!", "good": "✓", "quiet": "·", "": "·"}


def console() -> Console:
    """Return the console of results, on stdout; a file or a pipe has no width of its own."""
    found = Console(highlight=False)
    return found if found.is_terminal else Console(highlight=False, width=100_000)


@dataclass(frozen=True)
class Answer:
    """A sentence with the figure, one small table, what matters of it, where more is, what to type next.

    `places` are files by what they are ("report"), `details` what only `verbose` prints.
    """

    headline: str
    table: Table | None = None
    notes: Sequence[Note] = ()
    places: Mapping[str, Path | str] = field(default_factory=dict)
    command: str = ""
    details: Sequence[Table | Note] = ()

    def show(self, *, verbose: bool = False, to: Console | None = None) -> None:
        """Print it to stdout: at most 20 lines, or with `verbose` all there is."""
        to = to or console()
        for part in self._everything(to) if verbose else self._screen(to):
            if isinstance(part, Table) and not to.is_terminal:  # no blanks at the ends of lines
                part = RichText(part.text(to.width))
            to.print(part)
        for line in self._ends():
            # A command or a path that was broken in two could not be copied.
            to.print(line, markup=False, soft_wrap=True)

    def __str__(self) -> str:
        to = Console(width=100_000, color_system=None, highlight=False)
        with to.capture() as captured:
            self.show(to=to)
        return captured.get().rstrip()

    def _repr_html_(self) -> str:
        table = [self.table] if self.table else []
        parts: list[Block] = [Text(self.headline), *table, *self.notes, *self.details]
        return fragment(*(part.html() for part in parts))

    def _ends(self) -> list[str]:
        lines = [f"{name}: {place}" for name, place in self.places.items()]
        return lines + ([f"next: {self.command}"] if self.command else [])

    def _everything(self, to: Console) -> list[RenderableType]:
        parts: list[RenderableType] = [RichText(self.headline, "bold")]
        parts += [self.table] if self.table else []
        parts += [_noted(note, to) for note in self.notes]
        return parts + [_noted(of, to) if isinstance(of, Note) else of for of in self.details]

    def _screen(self, to: Console) -> list[RenderableType]:
        """Return what fits: a table is cut before the first notes, then notes are counted only."""

        def lines(part: RenderableType) -> int:
            return len(to.render_lines(part, pad=False))

        headline = RichText(self.headline, "bold")
        room = LINES - lines(headline) - len(self._ends())
        parts: list[RenderableType] = [headline]
        if self.table:
            table, kept = self.table, len(self.table.rows)
            while kept > 1 and lines(table) > room - min(4, 2 * len(self.notes)):
                kept -= 1
                table = self.table.head(kept)
            parts.append(table)
            room -= lines(table)
        for place, note in enumerate(self.notes):
            left = len(self.notes) - place - 1
            if lines(_noted(note, to)) > room - (left > 0):
                parts.append(RichText(f"… and {left + 1} more: --verbose prints all", "dim"))
                break
            parts.append(_noted(note, to))
            room -= lines(_noted(note, to))
        return parts


def _noted(note: Note, to: Console) -> RichText:
    """Return a note with a mark before it, its lines under each other and within the screen."""
    text = RichText(f"{note.head} " if note.head else "", STYLES[note.tone])
    text.append(note.text, "not bold default")
    if note.advice:
        text.append(f"\n→ {note.advice}", "not bold default")
    mark = RichText(f"{_MARKS[note.tone]} ", STYLES[note.tone])
    return mark + RichText("\n  ").join(text.wrap(to, to.width - 2))

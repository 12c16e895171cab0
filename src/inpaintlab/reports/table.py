"""A table that draws itself for the terminal, as HTML and in a notebook."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal

from markupsafe import Markup
from rich.box import SIMPLE_HEAD
from rich.console import Console, ConsoleOptions, RenderResult
from rich.table import Table as RichTable
from rich.text import Text

from inpaintlab.reports.notebook import fragment

Tone = Literal["", "good", "warn", "bad", "quiet"]
#: How a terminal shows a tone.
STYLES: dict[Tone, str] = {
    "": "",
    "good": "green",
    "warn": "yellow",
    "bad": "bold red",
    "quiet": "dim",
}

#: Columns between two columns of a table.
_GAP = 2
#: Columns that text has at least, if it is that long.
_WORDS = 20


@dataclass(frozen=True)
class Cell:
    """Text with what a reader sees of it beside: an interval, a colour, a line under the best.

    `detail` is smaller, and the first to go where a terminal is narrow. `heat`, 0 to 1, is how red the
    cell is on a page.
    """

    text: str
    detail: str = ""
    tone: Tone = ""
    best: bool = False
    heat: float | None = None

    def __str__(self) -> str:
        return f"{self.text} {self.detail}".strip()

    def html(self) -> Markup:
        """Return what stands inside `<td>`."""
        text = (Markup("<u>{}</u>") if self.best else Markup("{}")).format(self.text)
        return text + (Markup("<small>{}</small>").format(self.detail) if self.detail else "")


def cell(
    mean: float | None,
    low: float | None = None,
    high: float | None = None,
    *,
    spec: str = ".2f",
    sign: str = "",
) -> Cell:
    """Return a number with its interval, a dash where there is none.

    >>> str(cell(21.234, 20.9, 21.52)), str(cell(0.5, sign="+")), str(cell(None))
    ('21.23 [20.90, 21.52]', '+0.50', '–')
    """
    if mean is None:
        return Cell("–")
    spec = sign + spec
    interval = "" if low is None or high is None else f"[{format(low, spec)}, {format(high, spec)}]"
    return Cell(format(mean, spec), interval)


@dataclass(frozen=True)
class Column:
    """A heading; `text` columns stand left and are wrapped, others stand right and are not.

    Columns that are `optional` are left out, from the right, where a terminal has no room for them.
    """

    heading: str
    text: bool = False
    optional: bool = False


@dataclass(frozen=True)
class Row:
    """The cells of a line; `group` is the heading that it stands under with its neighbours."""

    cells: tuple[str | Cell, ...]
    strong: bool = False
    group: str = ""


@dataclass(frozen=True)
class Table:
    """Rows of text under a title. `note` stands below.

    >>> print(Table.of(["method", "dB"], [["ours", "23.10"], ["telea", "18.40"]]).text())
    method     dB
    ─────────────
    ours    23.10
    telea   18.40
    """

    columns: tuple[Column, ...]
    rows: tuple[Row, ...]
    title: str = ""
    note: str = ""

    @classmethod
    def of(
        cls,
        columns: Iterable[str | Column],
        rows: Iterable[Sequence[str | Cell] | Row],
        title: str = "",
        note: str = "",
    ) -> "Table":
        """Build a table of plain headings and rows; the first column is text, the others numbers."""
        full = [
            Column(c, text=place == 0) if isinstance(c, str) else c for place, c in enumerate(columns)
        ]
        lines = [row if isinstance(row, Row) else Row(tuple(row)) for row in rows]
        return cls(tuple(full), tuple(lines), title, note)

    def head(self, count: int) -> "Table":
        """Return the first rows, with a note on how many more there are."""
        more = len(self.rows) - count
        if more <= 0:
            return self
        return replace(self, rows=self.rows[:count], note=f"… and {more} more rows")

    def text(self, width: int = 100_000) -> str:
        """Return the table as plain text of at most so many columns."""
        console = Console(width=width, color_system=None)
        with console.capture() as capture:
            console.print(self)
        return "\n".join(line.rstrip() for line in capture.get().rstrip().splitlines())

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        """Yield what rich prints: as much of it as the terminal is wide enough for."""
        if self.title:
            yield Text(self.title, "italic")
        shown, detailed, widths = self._fitting(options.max_width)
        for part in _parts(widths, options.max_width):
            yield self._rich(part, detailed, widths)
        if missing := [of.heading for place, of in enumerate(self.columns) if place not in shown]:
            yield Text(f"no room for {', '.join(missing)}", "dim")
        if self.note:
            yield Text(self.note, "dim")

    def html(self) -> Markup:
        """Return `<table>` in a box that scrolls; the styles are those of a page."""
        heads = Markup("").join(
            Markup("<th{}>{}</th>").format(_class("text" if c.text else ""), c.heading)
            for c in self.columns
        )
        body, group = Markup(""), ""
        for row in self.rows:
            if row.group != group:
                group = row.group
                body += Markup('<tr class="group"><th colspan="{}"><span>{}</span></th></tr>\n').format(
                    len(self.columns), group
                )
            body += self._row_html(row)
        title = Markup("<h3>{}</h3>\n").format(self.title) if self.title else Markup("")
        note = Markup('<p class="quiet">{}</p>\n').format(self.note) if self.note else Markup("")
        label = self.title or self.columns[0].heading
        return title + Markup(
            '<div class="scroll" tabindex="0" role="region" aria-label="{}"><table>\n'
            "<thead><tr>{}</tr></thead>\n<tbody>\n{}</tbody></table></div>\n{}"
        ).format(label, heads, body, note)

    def _repr_html_(self) -> str:
        return fragment(self.html())

    def _row_html(self, row: Row) -> Markup:
        cells = Markup("")
        for column, value in zip(self.columns, row.cells, strict=True):
            of = value if isinstance(value, Cell) else Cell(value)
            heat = "" if of.heat is None else Markup(' style="--heat: {:.2f}"').format(of.heat)
            names = " ".join(name for name in ("text" if column.text else "", of.tone) if name)
            cells += Markup("<td{}{}>{}</td>").format(_class(names), heat, of.html())
        return Markup("<tr{}>{}</tr>\n").format(_class("strong" if row.strong else ""), cells)

    def _fitting(self, width: int) -> tuple[set[int], set[int], dict[int, int]]:
        """Return columns, those with details, and widths, of the fullest drawing that fits.

        Without details first, then without optional columns; what is left may still be too wide.
        """
        optional = [place for place, column in enumerate(self.columns) if column.optional]
        first = next((place for place, column in enumerate(self.columns) if not column.text), 0)
        everything = set(range(len(self.columns)))
        ways: list[tuple[set[int], int]] = [(everything, 0), ({first}, 0)]
        ways += [(set(), count) for count in range(len(optional) + 1)]
        for detailed, left_out in ways:
            shown = everything - set(optional[len(optional) - left_out :])
            least = {place: self._least(place, detailed=place in detailed) for place in sorted(shown)}
            room = width - _GAP * (len(shown) - 1) - sum(least.values())
            if room >= 0:
                break
        return shown, detailed, self._widened(least, room, detailed)

    def _widened(self, least: dict[int, int], room: int, detailed: set[int]) -> dict[int, int]:
        """Return the widths of columns with what room there is beyond the least, from the left."""
        widths = {}
        for place, width in least.items():
            more = min(max(0, room), self._natural(place, detailed=place in detailed) - width)
            widths[place], room = width + more, room - more
        return widths

    def _rich(self, shown: Sequence[int], detailed: set[int], widths: dict[int, int]) -> RichTable:
        table = RichTable(box=SIMPLE_HEAD, padding=(0, _GAP - 1, 0, 0), pad_edge=False, show_edge=False)
        for place in shown:
            column = self.columns[place]
            table.add_column(
                Text(column.heading),
                justify="left" if column.text else "right",
                overflow="fold",
                width=widths[place],
            )
        group = ""
        for row in self.rows:
            if row.group != group:
                group = row.group
                if table.rows:
                    table.add_section()
                table.add_row(Text(group, "italic"))
            cells = [_rich_cell(row.cells[place], place in detailed) for place in shown]
            table.add_row(*cells, style="bold" if row.strong else "")
        return table

    def _least(self, place: int, *, detailed: bool) -> int:
        """Return the width that a column needs: numbers are never broken, words seldom."""
        heading = max(map(len, self.columns[place].heading.split()), default=0)
        widest = max([heading, *self._cells(place, detailed)])
        return min(_WORDS, widest) if self.columns[place].text else widest

    def _natural(self, place: int, *, detailed: bool) -> int:
        """Return the width that a column has where there is room; groups stand in the first."""
        groups = [len(row.group) for row in self.rows] if place == 0 else []
        return max([len(self.columns[place].heading), *groups, *self._cells(place, detailed)])

    def _cells(self, place: int, detailed: bool) -> list[int]:
        values = (row.cells[place] for row in self.rows)
        return [len(str(v) if detailed or isinstance(v, str) else v.text) for v in values]


def _parts(widths: Mapping[int, int], room: int) -> Iterator[list[int]]:
    """Yield the columns that stand side by side; the first, which names the rows, stands in each part.

    >>> list(_parts({0: 10, 1: 5, 2: 5, 3: 5}, 24)), list(_parts({0: 10, 1: 5, 2: 5}, 4))
    ([[0, 1, 2], [0, 3]], [[0, 1], [0, 2]])
    """
    first, *others = widths
    part, used = [first], widths[first]
    for place in others:
        if len(part) > 1 and used + _GAP + widths[place] > room:
            yield part
            part, used = [first], widths[first]
        part.append(place)
        used += _GAP + widths[place]
    yield part


def _rich_cell(value: str | Cell, detailed: bool) -> Text:
    if isinstance(value, str):
        return Text(value)
    style = " ".join(word for word in (STYLES[value.tone], "underline" if value.best else "") if word)
    text = Text(value.text, style)
    return (
        text.append(f" {value.detail}", "not bold not underline") if detailed and value.detail else text
    )


def _class(names: str) -> Markup:
    return Markup(' class="{}"').format(names) if names else Markup("")

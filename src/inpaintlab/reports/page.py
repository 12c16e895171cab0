"""A page for people: one file that needs no other and asks for none."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from inpaintlab.files import write_atomically
from inpaintlab.reports.blocks import Block, Heading, Text
from inpaintlab.reports.notebook import fragment, style


@dataclass(frozen=True)
class Page:
    """A title, a sentence with the answer, and blocks from above.

    `subtitle` says of what, on one quiet line. `style` and `script` are those of one page alone: without
    a script its content security policy lets none run.
    """

    title: str
    headline: str = ""
    blocks: Sequence[Block] = ()
    subtitle: str = ""
    style: str = ""
    script: str = ""

    def html(self) -> str:
        """Return the whole page."""
        template = environment().get_template("reports/page.html.jinja")
        body = Markup("").join(block.html() for block in self.blocks)
        return template.render(page=self, base=style(), body=body)

    def write(self, path: str | Path) -> None:
        """Write the page; raises `OutputError` where the disk refuses."""
        # Names of files may hold bytes that are no text.
        write_atomically(Path(path), self.html().encode("utf-8", "backslashreplace"))

    def _repr_html_(self) -> str:
        blocks: list[Block] = [Heading(self.title), Text(self.headline), *self.blocks]
        return fragment(*(block.html() for block in blocks))


@cache
def environment() -> Environment:
    """Return the templates of all rooms, by `ROOM/NAME`; what is put into them is escaped."""
    loader = PackageLoader("inpaintlab", "")
    return Environment(loader=loader, autoescape=True, undefined=StrictUndefined)

"""What the pages for people share: the template they extend, and drawings inside them.

A page is one file. Its content security policy lets nothing in from outside.
"""

import io
from pathlib import Path
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup
from matplotlib import rc_context
from matplotlib.figure import Figure

from inpaintlab.files import write_atomically

#: Matplotlib's note of who made a drawing and when: none, so that the same drawing is the same text.
_UNSIGNED = dict.fromkeys(("Creator", "Date", "Format", "Type"))


def write_page(path: Path, template: str, **values: Any) -> None:
    """Render a template of the package, `ROOM/NAME.html.jinja`, into a file.

    Values are escaped, `Markup` excepted. Raises `OutputError` where the disk refuses.
    """
    environment = Environment(
        loader=PackageLoader("inpaintlab", ""), autoescape=True, undefined=StrictUndefined
    )
    text = environment.get_template(template).render(**values)
    # Names of files may hold bytes that are no text.
    write_atomically(path, text.encode("utf-8", "backslashreplace"))


def svg(figure: Figure, label: str) -> Markup:
    """Return a drawing as SVG for a page; `label` says in words what it shows."""
    buffer = io.StringIO()
    with rc_context({"svg.hashsalt": "inpaintlab"}):
        figure.savefig(buffer, format="svg", metadata=_UNSIGNED)
    _, _, text = buffer.getvalue().partition("<svg")
    return Markup('<svg role="img" aria-label="{}"').format(label) + Markup(text)  # noqa: S704 - our own


def plain(name: str) -> str:
    r"""Return a name as matplotlib shows it letter by letter: a dollar would begin a formula.

    >>> print(plain("a$b"))
    a\$b
    """
    return name.replace("$", r"\$")

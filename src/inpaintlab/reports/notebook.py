"""HTML for the cell of a notebook: with the styles of a page, which reach no further."""

from functools import cache
from importlib.resources import files

from markupsafe import Markup


def fragment(*parts: Markup) -> str:
    """Return what a `_repr_html_` returns for some parts."""
    return f'<style>{style()}</style><div class="inpaintlab">{Markup("").join(parts)}</div>'


def style() -> Markup:
    """Return the styles of tables, notes and cards."""
    return own_text("reports/style.css")


@cache
def own_text(name: str) -> Markup:
    """Return a file of styles or scripts beside our modules, `ROOM/NAME`."""
    return Markup(files("inpaintlab").joinpath(name).read_text("utf-8"))  # noqa: S704 - our own

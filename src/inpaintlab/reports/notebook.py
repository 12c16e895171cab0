"""HTML for the cell of a notebook: with the styles of a page, which reach no further."""

from functools import cache
from importlib.resources import files

from markupsafe import Markup


def fragment(*parts: Markup) -> str:
    """Return what a `_repr_html_` returns for some parts."""
    return f'<style>{style()}</style><div class="inpaintlab">{Markup("").join(parts)}</div>'


@cache
def style() -> Markup:
    """Return the styles of tables, notes and cards."""
    text = files("inpaintlab.reports").joinpath("style.css").read_text("utf-8")
    return Markup(text)  # noqa: S704 - our own

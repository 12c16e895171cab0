"""Drawings and images as text that a page can hold."""

import base64
import io
from collections.abc import Sequence
from typing import IO, Protocol

import numpy as np
from markupsafe import Markup

from inpaintlab.arrays import UInt8

#: Matplotlib's note of who made a drawing and when: none, so that the same drawing is the same text.
_UNSIGNED = dict.fromkeys(("Creator", "Date", "Format", "Type"))

#: Pixels between the images of a sheet, and the least height of one.
_GAP, _CELL = 2, 96


class Drawing(Protocol):
    """A figure of matplotlib, which is slow to import and so is not imported here."""

    def savefig(self, fname: IO[str], *, format: str, metadata: dict[str, None]) -> None:
        """Write it."""
        ...


def svg(figure: Drawing, description: str) -> Markup:
    """Return a drawing as SVG for a page; `description` says in words what it shows."""
    from matplotlib import rc_context

    buffer = io.StringIO()
    with rc_context({"svg.hashsalt": "inpaintlab"}):
        figure.savefig(buffer, format="svg", metadata=_UNSIGNED)
    _, _, text = buffer.getvalue().partition("<svg")
    return Markup('<svg role="img" aria-label="{}"').format(description) + Markup(text)  # noqa: S704 - our own


def plain(name: str) -> str:
    r"""Return a name as matplotlib shows it letter by letter: a dollar would begin a formula.

    >>> print(plain("a$b"))
    a\$b
    """
    return name.replace("$", r"\$")


def thumbnail(pixels: UInt8, side: int = 96) -> str:
    """Return uint8 RGB pixels `[H, W, 3]` as a URL of an image at most `side` pixels wide and high.

    Smaller images keep their size.
    """
    from PIL import Image

    image, buffer = Image.fromarray(pixels), io.BytesIO()
    image.thumbnail((side, side), Image.Resampling.BOX)
    image.save(buffer, format="WEBP", quality=85)
    return data_url(buffer.getvalue(), "image/webp")


def data_url(data: bytes, media_type: str = "image/png") -> str:
    """Return an encoded image as a URL that holds it.

    >>> data_url(b"abc")
    'data:image/png;base64,YWJj'
    """
    return f"data:{media_type};base64,{base64.b64encode(data).decode()}"


def sheet(rows: Sequence[UInt8]) -> UInt8:
    """Join rows of images, each `[N, H, W, 3]`, to one image: a column for each of the N.

    Small images are enlarged by a whole factor, pixel by pixel, so that they can be seen.
    """
    cells = np.stack(rows)
    factor = -(-_CELL // cells.shape[2])
    cells = cells.repeat(factor, axis=2).repeat(factor, axis=3)
    gaps = ((0, 0), (0, 0), (_GAP, 0), (_GAP, 0), (0, 0))
    cells = np.pad(cells, gaps, constant_values=255)
    count, across, height, width, channels = cells.shape
    grid = cells.transpose(0, 2, 1, 3, 4).reshape(count * height, across * width, channels)
    return np.pad(grid, ((0, _GAP), (0, _GAP), (0, 0)), constant_values=255)

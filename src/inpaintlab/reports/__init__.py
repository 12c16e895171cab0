"""Tables, pages and answers: what every result is drawn with, for terminal, notebook and HTML.

Nothing here knows a network, a dataset or a metric; a result describes itself with these parts.
"""

from markupsafe import Markup

from inpaintlab.reports.answer import Answer, console
from inpaintlab.reports.blocks import (
    Block,
    Card,
    Cards,
    Code,
    Drawings,
    Facts,
    Heading,
    Note,
    Raw,
    Text,
)
from inpaintlab.reports.drawing import data_url, plain, sheet, svg, thumbnail
from inpaintlab.reports.page import Page
from inpaintlab.reports.result import Result
from inpaintlab.reports.table import Cell, Column, Row, Table, Tone, cell

__all__ = [
    "Answer",
    "Block",
    "Card",
    "Cards",
    "Cell",
    "Code",
    "Column",
    "Drawings",
    "Facts",
    "Heading",
    "Markup",
    "Note",
    "Page",
    "Raw",
    "Result",
    "Row",
    "Table",
    "Text",
    "Tone",
    "cell",
    "console",
    "data_url",
    "plain",
    "sheet",
    "svg",
    "thumbnail",
]

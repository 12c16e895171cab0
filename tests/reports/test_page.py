"""A page is one file that asks for nothing."""

import re

import numpy as np
from matplotlib.figure import Figure

from inpaintlab.reports import (
    Card,
    Cards,
    Code,
    Drawings,
    Facts,
    Heading,
    Note,
    Page,
    Table,
    Text,
    sheet,
    svg,
    thumbnail,
)


def _page(**more: str) -> Page:
    figure = Figure(figsize=(3, 2))
    figure.subplots().plot([1, 2], [2, 1])
    pixels = np.full((40, 300, 3), 128, np.uint8)
    return Page(
        "runs/<a>",
        "it is & sound",
        [
            Heading("<first>"),
            Text("<said>", quiet=True),
            Note("<seen>", "bad", "<do>", "Finding:"),
            Facts({"<key>": "<value>"}),
            Code("<code>", wrap=True),
            Drawings([svg(figure, "a line <falls>")]),
            Cards([Card(thumbnail(pixels), "<image>", "<why>", "path/<x>"), Card("", "broken")]),
            Table.of(["<column>", "n"], [["<cell>", "1"]]),
        ],
        **more,
    )


def test_everything_is_escaped_and_nothing_is_asked_for():
    html = _page(subtitle="<sub>").html()
    words = ("a", "first", "said", "seen", "do", "key", "value", "code", "falls", "image", "why", "x")
    for word in (*words, "column", "cell", "sub"):
        assert f"&lt;{word}&gt;" in html, word
        assert f"<{word}>" not in html, word
    assert "<script" not in html
    assert "script-src" not in html
    assert not re.findall(r"""(?:src|href)=["'](?!data:|#)""", html)


def test_a_script_is_let_in_where_there_is_one():
    html = _page(script="let a = 1 < 2;").html()
    assert "script-src 'unsafe-inline'" in html
    assert "let a = 1 < 2;" in html


def test_pages_are_written_whole(tmp_path):
    page = Page("name \udcff", "")
    page.write(tmp_path / "new" / "page.html")
    assert "name \\udcff" in (tmp_path / "new" / "page.html").read_text()


def test_a_page_is_shown_in_a_notebook():
    html = _page()._repr_html_()
    assert html.startswith("<style>")
    assert "&lt;cell&gt;" in html
    assert "<body" not in html
    assert not re.search(r"^(:root|body|html)", html, re.MULTILINE)


def test_thumbnails_keep_their_shape():
    from base64 import b64decode
    from io import BytesIO

    from PIL import Image

    url = thumbnail(np.zeros((300, 150, 3), np.uint8), 96)
    assert Image.open(BytesIO(b64decode(url.partition(",")[2]))).size == (48, 96)


def test_grid_has_a_row_for_each_method():
    random = np.random.default_rng(0)
    rows = {name: random.integers(0, 256, (3, 96, 96, 3), np.uint8) for name in ("damaged", "mine")}
    grid = sheet(list(rows.values()))
    assert grid.shape == (2 * 98 + 2, 3 * 98 + 2, 3)
    assert np.array_equal(grid[100:196, 2:98], rows["mine"][0])
    assert np.array_equal(grid[2:98, 198:294], rows["damaged"][2])


def test_small_examples_are_enlarged():
    rows = {"mine": np.arange(32 * 32 * 3, dtype=np.uint8).reshape(1, 32, 32, 3)}
    grid = sheet(list(rows.values()))
    assert grid.shape == (100, 100, 3)
    assert np.array_equal(grid[2:98:3, 2:98:3], rows["mine"][0])

"""One table for terminal, notebook and page."""

import pytest
from rich.console import Console

from inpaintlab.reports import Answer, Cell, Column, Note, Row, Table, cell

WIDE = Table.of(
    [Column("method", text=True), *(Column(f"metric {n}", optional=n > 3) for n in range(8))],
    [Row(("ours", *(cell(20 + n, 19, 21) for n in range(8))), strong=True, group="0–10 %")],
    title="figures of a run",
)


@pytest.mark.parametrize("width", [200, 120, 80, 60, 40])
def test_a_table_fits_its_terminal_and_drops_details_first(width):
    text = WIDE.text(width)
    assert max(map(len, text.splitlines())) <= width
    assert "20.00" in text
    assert "ours" in text
    assert ("[19.00, 21.00]" in text) == (width > 100)
    assert ("27.00" in text) == (width >= 80)
    assert "25.0" not in text or "25.00" in text


def test_a_file_gets_all_of_it():
    assert WIDE.text().count("[19.00, 21.00]") == 8


def test_html_escapes_and_marks():
    table = Table.of(["<b>"], [[Cell("<i>", "<s>", "bad", best=True, heat=0.5)]], "a & b", "<note>")
    html = str(table.html())
    assert "<td" in html
    assert 'class="text bad" style="--heat: 0.50"' in html
    assert "<u>&lt;i&gt;</u><small>&lt;s&gt;</small>" in html
    for raw in ("<b>", "<i>", "<s>", "<note>", "a & b"):
        assert raw not in html
    assert "<style>" in table._repr_html_()


def test_cells_must_be_as_many_as_columns():
    with pytest.raises(ValueError, match="zip"):
        Table.of(["a", "b"], [["1"]]).html()


LONG = Answer(
    "23.1 dB in the hole, 4.7 dB above the best baseline.",
    Table.of(["name", "dB"], [[f"method {n}", f"{n}.00"] for n in range(60)]),
    [Note(f"finding {n} " + "which takes many words to be told " * 4, advice="do it") for n in range(9)],
    {"report": "runs/a/report.html"},
    "inpaint fill photo.png mask.png --model runs/a",
)


def _printed(answer: Answer, **options: bool) -> list[str]:
    to = Console(width=80, color_system=None, force_terminal=False)
    with to.capture() as capture:
        answer.show(to=to, **options)
    return capture.get().splitlines()


def test_an_answer_fits_one_screen():
    lines = _printed(LONG)
    assert len(lines) <= 20
    assert max(map(len, lines)) <= 80
    assert lines[0].startswith("23.1 dB")
    assert lines[-2:] == [
        "report: runs/a/report.html",
        "next: inpaint fill photo.png mask.png --model runs/a",
    ]
    assert any("more rows" in line for line in lines)
    assert any("--verbose" in line for line in lines)


def test_a_verbose_answer_says_all():
    text = "\n".join(_printed(LONG, verbose=True))
    assert "method 59" in text
    assert "finding 8" in text


def test_a_short_answer_is_not_cut():
    answer = Answer("done", Table.of(["a"], [["1"]]), [Note("sound", "good")])
    assert "more" not in "\n".join(_printed(answer))
    assert "sound" in answer._repr_html_()


@pytest.mark.parametrize("width", range(60, 110, 2))
def test_a_column_is_shown_whole_or_not_at_all(width):
    """Headings are broken between words, numbers never are."""
    cells = [Cell("24.14", "[24.01, 24.28]"), "32.85", "0.9629", "0.68", "0.0345"]
    headings = ["hole PSNR dB ↑", "PSNR dB ↑", "SSIM ↑", "L1 % ↓", "hole distance ↓"]
    columns = [Column("method", text=True), Column(headings[0])]
    columns += [Column(heading, optional=True) for heading in headings[1:]]
    text = Table.of(columns, [["Navier–Stokes", *cells]]).text(width)
    line = text.splitlines()[-1].split()
    shown = [word for word in line if word in ("24.14", "32.85", "0.9629", "0.68", "0.0345")]
    assert shown == ["24.14", "32.85", "0.9629", "0.68", "0.0345"][: len(shown)]
    assert {"0", "0.", "0.0"}.isdisjoint(line)
    assert len(shown) < 5 or "distance" in text
    assert max(map(len, text.splitlines())) <= width


@pytest.mark.parametrize("width", [32, 40, 76, 200])
def test_what_does_not_fit_stands_below_and_what_is_left_out_is_named(width):
    """Ten folds of a variant with a long name: no number is broken, no fold missing."""
    numbers = [f"2{fold}.12" for fold in range(10)]
    columns = ["network", *(f"fold {fold}" for fold in range(10))]
    text = Table.of(columns, [["swift, augment=medium seed=0", *numbers]]).text(width)
    assert [word for word in text.split() if word in numbers] == numbers
    left = Table.of([*columns[:2], Column("SSIM ↑", optional=True)], [["a" * 9, "24.12", "0.9"]]).text(
        20
    )
    assert left.splitlines()[-1] == "no room for SSIM ↑"


def test_an_answer_is_printed_as_a_terminal_shows_it(capsys):
    table = Table.of(["method", "dB"], [["ours", "23.10"]])
    answer = Answer("Ours is best.", table, places={"report": "a.html"}, command="inpaint fill a b")
    answer.show()
    assert str(answer) == capsys.readouterr().out.rstrip()
    assert str(answer).splitlines()[-1] == "next: inpaint fill a b"

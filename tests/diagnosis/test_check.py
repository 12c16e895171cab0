"""The whole command: table, JSON, page, exit codes, and nothing else written."""

import json
import re
import shutil
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from inpaintlab.diagnosis import overfit
from inpaintlab.diagnosis.check import Check
from inpaintlab.errors import OutputError, SizeError
from tests.conftest import save_portraits
from tests.diagnosis.conftest import check_of

PARTS = [
    *(
        "images",
        "split",
        "variety",
        "memory",
        "batch norm",
        "activations",
        "learning rate",
        "capacity",
        "speed",
        "number of images",
    ),
]
QUICK = (
    "--size 32 --batch-size 4 --network swift -s network.width=16 -s validation_images=4 --lr 2e-3 "
    "-s rate_steps=40 -s overfit_steps=60 -s seconds=1000"
)


@pytest.fixture(autouse=True)
def _low_goal(monkeypatch):
    """What a small network can reach in 60 steps."""
    monkeypatch.setattr(overfit, "GOAL", 15.0)


class Page(HTMLParser):
    """Collects what a page asks from elsewhere."""

    def __init__(self):
        super().__init__()
        self.outside, self.svgs = [], 0

    def handle_starttag(self, tag, attrs):
        self.svgs += tag == "svg"
        self.outside += [value for name, value in attrs if name in ("src",) and value]
        self.outside += [tag] if tag in ("script", "link") else []


def test_a_healthy_run_passes(inpaint, tmp_path, portraits):
    shutil.rmtree(portraits)
    save_portraits(portraits, 120)
    code, out, err = inpaint(f"check {portraits} {QUICK} --steps 300")
    assert code == 0, out + err
    assert all(part in out for part in PARTS)
    assert out.startswith("Nothing was found that spoils the run")
    assert "! batch norm: " in out  # batches of 4
    assert "\npage: check.html\nnext: inpaint train " in out
    assert len(out.splitlines()) <= 20
    assert {path.name for path in tmp_path.iterdir()} == {"portraits", "check.html"}
    page = Page()
    text = (tmp_path / "check.html").read_text()
    page.feed(text)
    assert (page.svgs, page.outside) == (2, [])
    assert all(f"<b>{part}:</b>" in text for part in PARTS)


def test_json_and_a_finding(inpaint, tmp_path, portraits):
    for number in range(10):
        Image.fromarray(np.full((40, 40, 3), number, np.uint8)).save(portraits / f"<b>{number}.png")
    code, out, err = inpaint(f"check {portraits} {QUICK} -o pages/mine.html --json")
    found = json.loads(out)
    assert code == 1, err
    assert [part["part"] for part in found["parts"]] == PARTS
    assert "images" in found["findings"]
    assert found["page"] == "pages/mine.html"
    text = (tmp_path / "pages" / "mine.html").read_text()
    assert "&lt;b&gt;" in text
    assert not re.search(r"<b>\d", text)
    assert Check.from_dict(found).as_dict() == found


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ("check", "data is missing"),
        ("check nowhere", "nowhere does not exist"),
        ("check samples:40 --size 63", "nearest: "),
        ("check samples:40 --lr fast", "learning_rate: must be a number above 0, or auto (got 'fast')"),
        ("check samples:40 --lr 0", "learning_rate: must be a number above 0, or auto"),
        ("check samples:40 -s initialise=kaimig", "did you mean 'kaiming'?"),
        ("check samples:40 -s initialise=lsuv -s initialise.gain=3", "has no setting 'gain'"),
        ("check samples:40 -o .", "is a folder"),
        ("check samples:40 --masks rectangels", "did you mean 'rectangles'?"),
        ("train samples:40 -s sample=30", "unknown setting 'sample'"),
    ],
)
def test_mistakes_are_one_line(inpaint, words, message):
    code, out, err = inpaint(words)
    assert (code, out) == (2, "")
    assert message in err
    assert err.count("\n") == 1


def test_what_does_not_fit_is_found_and_not_tried(monkeypatch):
    monkeypatch.setattr("inpaintlab.diagnosis.check.free_bytes", lambda device: 10**6)
    result = check_of(output=None)
    words = {verdict.part: verdict.word for verdict in result.verdicts}
    assert words["memory"] == "finding"
    assert words["capacity"] == "note"
    assert "speed" not in words
    assert result.findings


def test_settings_of_a_run_are_taken_as_they_are(tmp_path):
    result = check_of(initialise="lsuv", learning_rate="auto", devices=2, output=None)
    of = {verdict.part: verdict for verdict in result.verdicts}
    assert of["activations"].figures["initialised"]
    assert all(line["after"] > 0 for line in of["activations"].figures["layers"])
    assert of["learning rate"].figures["auto"]
    assert not Path("runs").exists()


def test_a_folder_or_a_size_that_cannot_be_is_refused_before_reading(tmp_path):
    with pytest.raises(OutputError, match="is a folder"):
        check_of(output=tmp_path)
    with pytest.raises(SizeError):
        check_of(size=36, output=None)

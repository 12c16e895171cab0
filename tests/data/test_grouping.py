"""What an image belongs to, and what is said where it belongs to nothing."""

import json
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
from PIL import Image

from inpaintlab import evaluate
from inpaintlab.data import samples
from inpaintlab.data.prepare import prepare
from inpaintlab.errors import DataError, SettingError
from inpaintlab.settings import PrepareSettings


@pytest.fixture
def people(tmp_path):
    """Twelve images, six of each person."""
    folder = tmp_path / "people"
    folder.mkdir()
    for index in range(12):
        name = f"{'anna' if index < 6 else 'bert'}_{index:02}.png"
        Image.fromarray(samples.draw(index, 48)).save(folder / name)
    return folder


def metadata(folder: Path, change=str, encoding="utf-8", kind="csv", leave_out=0):
    names = sorted(path.name for path in folder.glob("*.png"))[leave_out:]
    pairs = [(change(name), name[:4]) for name in names]
    text = "file_name,person\n" + "".join(f"{name},{person}\n" for name, person in pairs)
    if kind == "jsonl":
        text = "".join(json.dumps({"file_name": n, "person": p}) + "\n" for n, p in pairs)
    (folder / f"metadata.{kind}").write_text(text, encoding=encoding)


def groups(folder, group_by="column:person"):
    prepare(PrepareSettings(sources=[str(folder)], output="x.dataset", group_by=group_by))
    return len(np.unique(pq.read_table("x.dataset/manifest.parquet")["group"]))


@pytest.mark.parametrize(
    "how",
    [
        {},
        {"change": lambda name: name.removesuffix(".png")},
        {"change": str.upper},
        {"change": lambda name: name.replace(".png", ".JPG")},
        {"encoding": "utf-8-sig"},
        {"encoding": "utf-8-sig", "kind": "jsonl"},
    ],
    ids=["as they are", "no suffix", "upper case", "another suffix", "Excel", "jsonl"],
)
def test_a_column_finds_its_images(people, how, capsys):
    metadata(people, **how)
    assert groups(people) == 2
    assert "group_by column:person finds a key for 12 of 12 images\n" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("group_by", "how", "words"),
    [
        ("column:person", {"change": lambda name: f"else/{name}"}, "needs its path below the folder"),
        ("column:person", {"change": lambda name: "x.png"}, "the first is anna_00.png"),
        ("name:^xyz", {}, "name:.xyz finds no key for any of 12 images.*the pattern"),
        ("column:person", {"encoding": "utf-16"}, "is not text in UTF-8: save it as CSV UTF-8"),
        ("folder", {}, "group_by folder finds no key .* groups images of one folder"),
        ("column:name", {}, "must have the columns file_name and name"),
    ],
)
def test_a_grouping_that_matches_nothing_is_refused(people, group_by, how, words):
    metadata(people, **how)
    with pytest.raises(DataError, match=words):
        groups(people, group_by)


@pytest.mark.parametrize(("left_out", "warned"), [(1, False), (2, True)])
def test_few_keys_are_warned_of(people, left_out, warned, capsys):
    metadata(people, leave_out=left_out)
    assert groups(people) == 2 + left_out
    found = f"finds a key for {12 - left_out} of 12 images, the others stand alone"
    (line,) = [line for line in capsys.readouterr().err.splitlines() if found in line]
    assert line.startswith("warning: ") == warned


def test_a_name_that_could_be_two_is_no_key(people):
    """Two lines of one name in two cases say two things of the image of a third."""
    (people / "metadata.csv").write_text("file_name,person\nANNA_00,a\nAnna_00,b\nbert_11.png,b\n")
    assert groups(people) == 12


@pytest.mark.parametrize("prepared", [False, True])
@pytest.mark.parametrize("group_by", ["column:person", "name:^(anna|bert)"])
def test_figures_by_group(people, prepared, group_by, tmp_path, monkeypatch):
    metadata(people, change=lambda name: name.removesuffix(".png"))
    data = "people"
    if prepared:
        data = "x.dataset"
        prepare(PrepareSettings(sources=["people"], output=data, test_share=0, train_share=0.1))
        data, elsewhere = str(tmp_path / data), tmp_path / "elsewhere"
        elsewhere.mkdir()
        monkeypatch.chdir(elsewhere)
    found = evaluate("telea", data, size=32, learned=False, group_by=group_by)
    assert list(found.groups) == ["anna", "bert"]
    with pytest.raises(DataError, match="finds no key for any"):
        evaluate("telea", data, size=32, learned=False, group_by="name:^xyz")


def test_figures_of_what_has_no_metadata_are_refused():
    with pytest.raises(DataError, match=r"no metadata\.csv or metadata\.jsonl .* in samples:12"):
        evaluate("telea", "samples:12", size=32, learned=False, group_by="column:person")
    with pytest.raises(SettingError, match="group_by is folder"):
        evaluate("telea", "samples:12", size=32, learned=False, group_by="person")

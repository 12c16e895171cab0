"""A full disk at any file of any command: one line that says how to go on, and nothing half written."""

import hashlib
import shutil
from itertools import count
from pathlib import Path

import pytest

from inpaintlab import files
from inpaintlab.data.manifest import DatasetFolder
from inpaintlab.data.seal import TestAccess, open_test, read_ledger
from inpaintlab.errors import FullDiskError
from tests.conftest import save_portraits
from tests.test_cli import files as photo_and_mask

SMALL = "--size 16 --steps 3 --batch-size 4 -s network.width=8 -s validation_images=4"
QUICK = "--limit 4 -s learned=false -s slow_images=0"
#: A command, and at which of the files that it writes the disk is full.
COMMANDS = {
    "prepare photos -o p.dataset --preview -s size=16": (
        0,
        1,
        2,
        4,
        5,
        6,
    ),  # findings.jsonl, the fourth, is empty
    f"evaluate run {QUICK}": (0, 1, 2, 3),
    f"evaluate telea --data photos -s size=16 {QUICK} -o out": (2, 4, 6),
    "fill photo.png mask.png -o sub/out.png --run run": (0, 1),
    "fill photo.png mask.png -o out.png --preview": (0,),
    "fill images -o filled --run run": (0, 1, 5),
    "masks drawn --count 5 --size 32": (0, 1, 4, 7),
    "align photos aligned --points points.csv --size 24": (0, 3, 25, 26),
    "diagnose run": (0,),
    f"train samples:40 {SMALL} -o new": (0, 1, 2, 5, 6),
}
CASES = [(words, number) for words, numbers in COMMANDS.items() for number in numbers]


def full_from(patch, first):
    """Have the disk be full from some file on, counted from 0, for native code too."""
    numbers, real = count(), files.temporary_beside

    def temporary_beside(path):
        temporary = real(path)
        if next(numbers) >= first:
            path.parent.mkdir(parents=True, exist_ok=True)
            temporary.symlink_to("/dev/full")
        return temporary

    patch.setattr(files, "temporary_beside", temporary_beside)


def hashes(folder):
    return {
        path: hashlib.sha256(path.read_bytes()).hexdigest()
        for path in folder.rglob("*")
        if path.is_file()
    }


@pytest.fixture
def inputs(tmp_path, trained_run):
    """What the commands work on, and its hashes."""
    photo_and_mask(tmp_path)
    save_portraits(tmp_path / "photos", 25)
    save_portraits(tmp_path / "images", 8)
    for index in range(8):
        shutil.copy(tmp_path / "mask.png", tmp_path / "images" / f"{index:03}_mask.png")
    lines = "".join(f"{index:03}.png,14,18,26,18\n" for index in range(25))
    (tmp_path / "points.csv").write_text(f"file,left_x,left_y,right_x,right_y\n{lines}")
    shutil.copytree(trained_run, tmp_path / "run")
    return hashes(tmp_path)


@pytest.mark.parametrize(("words", "first"), CASES)
def test_one_line_and_going_on(inpaint, tmp_path, monkeypatch, inputs, words, first):
    with monkeypatch.context() as patch:
        full_from(patch, first)
        code, out, err = inpaint(words)
    assert (code, out) == (2, ""), err
    last = err.splitlines()[-1]
    again = "inpaint train --resume new" if words.startswith("train") else "run it again"
    assert last.startswith("inpaint: cannot write "), err
    assert last.count("No space left on device; make room, then ") == 1
    assert "Traceback" not in err
    now = hashes(tmp_path)
    assert {path: now.get(path) for path in inputs} == inputs
    assert not [path for path in tmp_path.rglob("*") if path.suffix == ".tmp"]
    begun = words.startswith("train") and (tmp_path / "new" / "recipe.yaml").exists()
    assert last.endswith(again if begun or not words.startswith("train") else "run it again")
    code, _, err = inpaint("train --resume new" if begun else words)
    assert code in (0, 1), err


@pytest.mark.parametrize("length", [0, 10])
def test_the_ledger_keeps_no_half_line(tmp_path, monkeypatch, inpaint, length):
    """A line that was written in part would look edited, and cast doubt on all before it."""
    save_portraits(tmp_path / "photos", 25)
    inpaint("prepare photos -o p.dataset")
    dataset = DatasetFolder(tmp_path / "p.dataset")
    access = TestAccess("run", "lineage", "2020", "a", "b")
    open_test(dataset, access)
    whole = type(dataset.ledger).open

    class Short:
        def __init__(self, file):
            self.file = file

        def __enter__(self):
            return self

        def __exit__(self, *_):
            self.file.close()

        def write(self, data):
            return self.file.write(data[:length])

        def __getattr__(self, name):
            return getattr(self.file, name)

    with monkeypatch.context() as patch:
        patch.setattr(type(dataset.ledger), "open", lambda *of, **how: Short(whole(*of, **how)))
        with pytest.raises(FullDiskError, match=r"ledger\.jsonl, so the test stays shut: No space left"):
            open_test(dataset, access)
    assert read_ledger(dataset).sentence() == "the test set has been used once"
    open_test(dataset, access)
    assert read_ledger(dataset).sentence() == "the test set has been used twice"


def test_what_is_printed_into_a_full_disk_is_told(inpaint, monkeypatch):
    with Path("/dev/full").open("w") as full:
        monkeypatch.setattr("sys.stdout", full)
        code, _, err = inpaint("summary unet --size 32 --json")
        monkeypatch.undo()
    assert (code, err.count("\n")) == (2, 1)
    assert "what is printed into one: No space left on device" in err


def test_an_empty_folder_stays_and_a_new_one_goes(tmp_path):
    def break_off(folder):
        with files.emptied_if_broken_off(folder):
            files.write_atomically(folder / "a" / "b", b"c")
            raise ZeroDivisionError

    (tmp_path / "empty").mkdir()
    for name in ("empty", "new"):
        with pytest.raises(ZeroDivisionError):
            break_off(tmp_path / name)
    assert [path.name for path in tmp_path.iterdir()] == ["empty"]
    assert not list((tmp_path / "empty").iterdir())

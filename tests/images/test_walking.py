"""Which files of a folder are images, and that everything else is counted."""

import os
from pathlib import Path

import pytest
from PIL import Image

from inpaintlab.data import samples
from inpaintlab.data.folders import FolderDataset
from inpaintlab.data.places import find
from inpaintlab.errors import ImageError
from inpaintlab.files import MARK, mark_outputs, read_mark
from inpaintlab.images import SUFFIXES, Walk, load
from inpaintlab.inpainter.pairs import images_in
from inpaintlab.masks import Folder

#: Formats as Pillow calls them, and suffixes under which they are found.
NAMES = {
    "JPEG": ("a.jpg", "a.JPEG", "a.jpe", "a.jfif", "a", "a.backup", "a.2024-05-01"),
    "PNG": ("a.png", "a", "a.part"),
    "WEBP": ("a.webp", "a"),
    "AVIF": ("a.avif", "a"),
    "TIFF": ("a.tif", "a.tiff", "a"),
    "BMP": ("a.bmp", "a"),
    "GIF": ("a.gif", "a"),
    "PPM": ("a.ppm", "a"),
    "JPEG2000": ("a.jp2", "a"),
}


def write(path: Path, kind="PNG", index=0) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(samples.draw(index, 40)).save(path, kind)
    return path


def walked(folder: Path, **options) -> list[str]:
    return [path.as_posix() for path in Walk(**options).paths(folder)]


#: Every door that searches a folder; each gives the names of what it takes.
DOORS = {
    "train": lambda folder: list(FolderDataset(folder).names),
    "prepare": lambda folder: [os.path.relpath(place.path, folder) for place in find([str(folder)])],
    "fill": lambda folder: [path.as_posix() for path in images_in(folder)],
    "masks": lambda folder: [os.path.relpath(path, folder) for path in Folder(str(folder)).files],
}


@pytest.mark.parametrize("door", DOORS)
@pytest.mark.parametrize(
    ("kind", "name"), [(kind, name) for kind, names in NAMES.items() for name in names]
)
def test_formats_are_found_by_suffix_or_content(door, kind, name, tmp_path):
    path = write(tmp_path / "in" / name, kind)
    assert DOORS[door](tmp_path / "in") == [name]
    assert load(path).size == (40, 40)


def test_every_suffix_has_a_format():
    known = {Path(name).suffix.lower() for names in NAMES.values() for name in names}
    assert known - {"", ".backup", ".2024-05-01", ".part"} == SUFFIXES - {".pgm"}


OTHERS = {
    "notes.txt": b"\xff\xd8\xff",
    "letter": b"BM is how this letter begins, and it is none",
    "P6 is not": b"P6 is not a bitmap",
    "raw.nef": b"II*\0\x08\0\0\0",
    "photo.heic": b"\0\0\0\x18ftypheic",
    "empty": b"",
}


@pytest.mark.parametrize("door", DOORS)
def test_what_is_passed_over_is_counted_in_one_line(door, tmp_path, capsys):
    folder = tmp_path / "in"
    write(folder / "a.png")
    for name, data in OTHERS.items():
        (folder / name).write_bytes(data)
    os.mkfifo(folder / "pipe")
    (folder / "metadata.csv").write_text("file_name\n")
    write(folder / ".hidden.png")
    (folder / "._a.png").write_bytes(b"\0\5\x16\7")
    write(folder / ".thumbnails" / "b.png")
    assert DOORS[door](folder) == ["a.png"]
    (line,) = capsys.readouterr().err.splitlines()
    kinds = "without suffix 4, .heic 1, .nef 1, .txt 1"
    assert line.startswith(f"not used of {folder}: files that are no images (7: ")
    assert sorted(line.partition("(7: ")[2].partition(")")[0].split(", ")) == sorted(kinds.split(", "))
    assert line.endswith("), hidden images (1)")


@pytest.mark.parametrize("door", DOORS)
def test_nothing_is_said_where_all_is_used(door, tmp_path, capsys):
    write(tmp_path / "in" / "sub" / "a.png")
    assert DOORS[door](tmp_path / "in") == ["sub/a.png"]
    assert capsys.readouterr().err == ""


@pytest.mark.parametrize("door", DOORS)
def test_links_are_followed_once_and_loops_end(door, tmp_path):
    write(tmp_path / "real" / "a.png")
    folder = tmp_path / "in"
    write(folder / "b.png")
    (folder / "one").symlink_to(tmp_path / "real")
    (folder / "two").symlink_to(tmp_path / "real")
    (folder / "up").symlink_to(folder)
    (folder / "self").symlink_to(folder / "self")
    assert DOORS[door](folder) == ["b.png", "one/a.png"]


def test_masks_beside_their_images_are_left_out_where_images_are_wanted(tmp_path, capsys):
    for name in ("a.jpg", "a_mask.png", "b.png", "b-mask.png", "b_mask001.png", "gas-mask.png"):
        write(tmp_path / "in" / name, "PNG")
    write(tmp_path / "in" / "sub" / "a_mask.png")
    wanted = ["a.jpg", "b.png", "gas-mask.png", "sub/a_mask.png"]
    assert DOORS["train"](tmp_path / "in") == DOORS["prepare"](tmp_path / "in") == wanted
    assert capsys.readouterr().err.endswith("in: masks beside their images (3)\n")
    assert len(DOORS["fill"](tmp_path / "in")) == len(DOORS["masks"](tmp_path / "in")) == 7


def test_outputs_are_left_out_below_the_folder_searched(tmp_path, capsys):
    """What somebody names is searched all the same."""
    folder = tmp_path / "in"
    write(folder / "a.png")
    mark_outputs(folder / "runs" / "one")
    write(folder / "runs" / "one" / "examples.png")
    write(folder / "filled.png")
    mark_outputs(folder, ["filled.png"])
    for door in ("train", "prepare", "fill"):
        assert DOORS[door](folder) == ["a.png"]
    words = "files written by inpaintlab (1), folders written by inpaintlab (1)\n"
    assert words in capsys.readouterr().err
    assert DOORS["masks"](folder) == ["a.png", "filled.png", "runs/one/examples.png"]
    assert DOORS["train"](folder / "runs" / "one") == ["examples.png"]


def test_a_folder_with_something_in_it_is_not_marked_as_a_whole(tmp_path):
    write(tmp_path / "in" / "a.png")
    mark_outputs(tmp_path / "in")
    assert not (tmp_path / "in" / MARK).exists()
    mark_outputs(tmp_path / "in", ["x y.png", "é.png"])
    mark_outputs(tmp_path / "in", ["x y.png", "z.png"])
    assert read_mark(tmp_path / "in") == {"x y.png", "z.png", "é.png"}


def test_a_file_that_cannot_be_opened_is_no_image(tmp_path):
    (tmp_path / "gone").symlink_to("nowhere")
    (tmp_path / "gone.png").symlink_to("nowhere")
    assert walked(tmp_path) == ["gone.png"]
    with pytest.raises(ImageError):
        load(tmp_path / "gone.png")

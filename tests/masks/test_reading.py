import numpy as np
import pytest
import torch
from PIL import Image

from inpaintlab.errors import ImageError, MaskError
from inpaintlab.images import Encoded
from inpaintlab.masks import Door, read_mask
from tests.masks.cases import ARRAYS, FILES, TRANSPARENT, grey, photo

HOLE = np.zeros((40, 48), np.uint8)
HOLE[10:22, 14:30] = 1


def as_file(case, tmp_path):
    path = tmp_path / "mask.png"
    path.write_bytes(case.encode(HOLE))
    return path


DOORS = {
    "path": as_file,
    "name": lambda case, tmp_path: str(as_file(case, tmp_path)),
    "bytes": lambda case, _: case.encode(HOLE),
    "encoded": lambda case, _: Encoded("mask.png", case.encode(HOLE)),
    "PIL": lambda case, _: case.make(HOLE),
    "numpy": lambda case, _: np.asarray(case.make(HOLE)),
    "torch": lambda case, _: torch.from_numpy(
        np.moveaxis(np.array(case.make(HOLE).convert("RGBA")), -1, 0)
    ),
}
#: What an array no longer says: which palette it had, and that its four channels were ink.
LOST = {
    "numpy": {"palette", "red in a palette", "CMYK"},
    "torch": {name for name in FILES if "in 16" in name or "in 32" in name or name == "16 bits"},
}
#: What is a mask, but none for its image, which the reader does not know.
SAID_LATER = {"marks no hole, so", "marks 100%", "sizes must agree"}


@pytest.mark.parametrize(
    ("door", "name"), [(d, n) for d in DOORS for n in FILES if n not in LOST.get(d, ())]
)
def test_files_mean_the_same_at_every_door(tmp_path, door, name):
    case = FILES[name]
    if case.error and case.error not in SAID_LATER:
        with pytest.raises(MaskError, match=case.error):
            read_mask(DOORS[door](case, tmp_path))
        return
    hole, notes = read_mask(DOORS[door](case, tmp_path))
    assert hole.dtype == np.uint8
    assert np.array_equal(hole, case.reads(HOLE))
    said = [note for note in notes if "inverted" not in note] if case.error else notes
    assert len(said) == (case.note is not None)
    assert case.note is None or case.note in said[0]


@pytest.mark.parametrize("name", ARRAYS)
def test_arrays(name):
    case = ARRAYS[name]
    if case.error:
        with pytest.raises(MaskError, match=case.error):
            read_mask(case.make(HOLE))
        return
    assert np.array_equal(read_mask(case.make(HOLE))[0], HOLE)


def test_black_marks_the_hole_where_it_is_said(tmp_path):
    for invert, expected in ((None, HOLE), (False, HOLE), (True, 1 - HOLE)):
        assert np.array_equal(read_mask(grey(HOLE), invert=invert)[0], expected)
    assert read_mask(grey(1 - HOLE), invert=False)[1] == []
    note = "the mask looks inverted, its hole is all round the border"
    for door, cure in ((None, ": if so, add invert=True"), (Door(), ""), (Door("x"), ": if so, add x")):
        given = {"door": door} if door else {}
        assert read_mask(grey(1 - HOLE), **given)[1] == [note + cure]


@pytest.mark.parametrize("name", TRANSPARENT)
def test_full_transparency_alone(name):
    assert np.array_equal(read_mask(FILES[name].make(HOLE), transparent=True)[0], HOLE)


def test_a_transparent_colour_alone(tmp_path):
    for name, image in (("grey", grey(HOLE, 7, 90)), ("colour", grey(HOLE, 7, 90).convert("RGB"))):
        key = 7 if image.mode == "L" else (7, 7, 7)
        image.save(tmp_path / f"{name}.png", transparency=key)
        assert np.array_equal(read_mask(tmp_path / f"{name}.png", transparent=True)[0], HOLE)


def test_without_transparency():
    with pytest.raises(MaskError, match="the photo has no transparency"):
        read_mask(grey(HOLE), transparent=True, name="the photo")


def test_what_is_no_image(tmp_path):
    with pytest.raises(ImageError, match="there is no"):
        read_mask(tmp_path / "none.png")
    with pytest.raises(ImageError, match="the mask"):
        read_mask(b"no image")


def test_photos_are_refused_by_name_unless_they_are_insisted_on(tmp_path):
    Image.fromarray(photo(HOLE)).save(tmp_path / "photo.png")
    for door, cure in ((Door(grey="--grey"), "add --grey"), (Door(), "make it black and white")):
        with pytest.raises(MaskError, match=f"photo.png is grey in .* is it a mask.* {cure}"):
            read_mask(tmp_path / "photo.png", door=door)
    hole, (note,) = read_mask(tmp_path / "photo.png", grey=True)
    assert np.array_equal(hole, photo(HOLE).max(axis=2) > 127)
    assert note.startswith("photo.png is grey in")

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image, ImageFilter

from inpaintlab import masks
from inpaintlab.errors import MaskError
from inpaintlab.masks import check_mask, check_ratio, load_mask, looks_inverted, read_mask


@given(st.floats(0.0001, 1))
def test_ratio_bins_close_above(ratio):
    low, high = (int(word) / 100 for word in masks.ratio_bin(ratio).removesuffix(" %").split("–"))
    assert low < ratio <= high or (ratio == low == 0)


def test_ratio_out_of_range():
    with pytest.raises(MaskError, match=r"got 1\.1"):
        masks.ratio_bin(1.1)


def test_threshold_of_files(tmp_path):
    path = tmp_path / "m.png"
    Image.fromarray(np.array([[0, 127, 128, 255]], np.uint8)).save(path)
    assert load_mask(path).tolist() == [[0, 0, 1, 1]]
    assert load_mask(path, invert=True).tolist() == [[1, 1, 0, 0]]


@pytest.mark.parametrize(("value", "words"), [(0, "marks no hole"), (1, "marks 100% of the image")])
def test_useless_masks_are_named_with_the_flag(value, words):
    with pytest.raises(MaskError, match=f"hole.png {words}.*--invert-mask"):
        check_ratio(np.full((4, 4), value, np.uint8), "hole.png", inverted_by="--invert-mask")


def test_looks_inverted():
    mask = np.zeros((20, 20), np.uint8)
    mask[8:12, 8:12] = 1
    assert not looks_inverted(mask)
    assert looks_inverted(1 - mask)


@pytest.mark.parametrize(
    ("mask", "words"),
    [
        (torch.zeros(1, 3, 4, 4), r"must be \[1, 1, 4, 4\]"),
        (torch.zeros(1, 1, 4, 5), r"got \[1, 1, 4, 5\]"),
        (torch.full((1, 1, 4, 4), 0.5), r"exactly 0 or 1, got values from 0\.5 to 0\.5"),
        (torch.full((1, 1, 4, 4), 255.0), "use mask > 0.5"),
    ],
)
def test_mask_tensors_are_checked(mask, words):
    with pytest.raises(MaskError, match=words):
        check_mask(mask, torch.zeros(1, 3, 4, 4))


def test_real_masks_fall_into_their_bins(real_masks):
    """The published set names the bin of each file; ours must agree."""
    files = sorted(real_masks.glob("*.png"))[::60]
    assert files
    for file in files:
        number = int(file.name[3])
        assert masks.ratio_bin(float(load_mask(file).mean())) == f"{10 * number - 10}–{10 * number} %"


HOLE = np.zeros((20, 20), np.uint8)
HOLE[5:12, 4:15] = 1


def as_alpha(colours):
    """Colours with a hole that is transparent."""
    return np.concatenate([colours, 255 * (1 - HOLE[..., None])], axis=2).astype(np.uint8)


RED = np.array([200, 0, 0], np.uint8)
STROKES = np.repeat(255 * HOLE[..., None], 4, axis=2)
PHOTO = np.random.default_rng(0).integers(0, 256, (20, 20, 3), np.uint8)

MASK_FILES = {
    "two-valued": (lambda p: Image.fromarray(HOLE * 255).save(p), ".png", None),
    "one bit": (lambda p: Image.fromarray(HOLE * 255).convert("1").save(p), ".png", None),
    "palette": (lambda p: Image.fromarray(HOLE * 255).convert("RGB").quantize(2).save(p), ".png", None),
    "red": (lambda p: Image.fromarray(HOLE[..., None] * RED).save(p), ".png", None),
    "jpeg": (lambda p: Image.fromarray(HOLE * 255).save(p, quality=95), ".jpg", None),
    "zero and one": (lambda p: Image.fromarray(HOLE).save(p), ".png", "only 0 and 1"),
    "transparent in white": (
        lambda p: Image.fromarray(as_alpha(PHOTO * 0 + 255)).save(p),
        ".png",
        "alpha",
    ),
    "transparent in black": (lambda p: Image.fromarray(as_alpha(PHOTO * 0)).save(p), ".png", "alpha"),
    "transparent in a photo": (lambda p: Image.fromarray(as_alpha(PHOTO)).save(p), ".png", "alpha"),
    "white strokes on nothing": (lambda p: Image.fromarray(STROKES).save(p), ".png", None),
    "opaque": (lambda p: Image.fromarray(HOLE * 255).convert("RGBA").save(p), ".png", None),
}


@pytest.mark.parametrize("kind", MASK_FILES)
def test_mask_files_of_every_kind(tmp_path, kind):
    write, suffix, words = MASK_FILES[kind]
    path = tmp_path / f"mask{suffix}"
    write(path)
    hole, notes = read_mask(path)
    assert np.array_equal(hole, HOLE)
    assert np.array_equal(read_mask(path, invert=True)[0], 1 - HOLE)
    assert len(notes) == (words is not None)
    assert words is None or words in notes[0]


def test_soft_edges_are_cut_and_photos_remarked_upon(tmp_path):
    large = np.zeros((200, 200), np.uint8)
    large[50:120, 40:150] = 255
    Image.fromarray(large).filter(ImageFilter.GaussianBlur(2)).save(tmp_path / "soft.png")
    hole, notes = read_mask(tmp_path / "soft.png")
    assert notes == []
    assert (hole != large // 255).mean() < 0.005
    Image.fromarray(PHOTO).save(tmp_path / "photo.png")
    (note,) = read_mask(tmp_path / "photo.png")[1]
    assert "is it a mask?" in note

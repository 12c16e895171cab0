import numpy as np
import pytest
import torch
from hypothesis import given, strategies as st

from inpaintlab import masks
from inpaintlab.errors import MaskError
from inpaintlab.masks import COMMAND, Door, check_mask, check_ratio, looks_inverted, read_mask


@given(st.floats(0.0001, 1))
def test_ratio_bins_close_above(ratio):
    low, high = (int(word) / 100 for word in masks.ratio_bin(ratio).removesuffix(" %").split("–"))
    assert low < ratio <= high or (ratio == low == 0)


def test_ratio_out_of_range():
    with pytest.raises(MaskError, match=r"got 1\.1"):
        masks.ratio_bin(1.1)


@pytest.mark.parametrize(
    ("share", "words"),
    [(0, "marks no hole"), (100, "marks 100% of the image"), (95, "marks 95% of the image")],
)
def test_useless_masks_are_named_with_what_helps(share, words):
    """Turning round helps neither an empty mask nor a full one."""
    mask = (np.arange(100) < share).astype(np.uint8)
    for door, helps in ((COMMAND, share == 95), (Door(), False)):
        with pytest.raises(MaskError, match=f"hole.png {words}") as error:
            check_ratio(mask, "hole.png", door)
        assert str(error.value).endswith("add or leave out --invert-mask") == helps


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
        assert masks.ratio_bin(float(read_mask(file)[0].mean())) == f"{10 * number - 10}–{10 * number} %"

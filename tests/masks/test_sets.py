"""Sets keep what their names promise: golden hashes, each made with

masks.frozen([{"name": NAME}], SIZE, 4, seed=0).hash
"""

from itertools import pairwise

import numpy as np
import pytest
import torch
from hypothesis import given, settings, strategies as st

from inpaintlab import masks
from inpaintlab.errors import MaskError, SettingError
from inpaintlab.masks.frozen import BINS, SETS
from inpaintlab.masks.irregular import MARGIN, Irregular
from inpaintlab.randomness import generator_for
from inpaintlab.settings import MASK_SETS

GOLDEN = {
    ("rectangles-v1", 64): "7fd8d04142397f0e",
    ("rectangles-v1", 128): "bdba0ece91a2e951",
    ("rectangles-v1", 256): "bfa0ff039844ef49",
    ("strokes-v1", 64): "08227193cd8e8305",
    ("strokes-v1", 128): "f5216b2e1c4ca8e1",
    ("strokes-v1", 256): "efc471bc7561baf3",
    ("nvidia-style-v1", 64): "baabb195437c4e33",
    ("nvidia-style-v1", 128): "492b52d3436a6f20",
    ("nvidia-style-v1", 256): "7c1981feaae66bd1",
}


@pytest.mark.parametrize(("name", "size"), GOLDEN)
def test_a_set_never_changes(name, size):
    assert masks.frozen([{"name": name}], size, 4, seed=0).hash == GOLDEN[name, size]


def test_every_set_has_golden_hashes():
    assert {name for name, _ in GOLDEN} == set(SETS) == set(MASK_SETS)


def test_a_wrong_version_is_told_the_right_name():
    with pytest.raises(SettingError, match="did you mean 'nvidia-style-v1'"):
        masks.frozen([{"name": "nvidia-style-v2"}], 32, 1, 0)


def test_changed_defaults_do_not_change_a_set(monkeypatch):
    before = masks.frozen([{"name": "rectangles-v1"}], 64, 4, 0).hash
    monkeypatch.setattr(masks.Rectangles.__init__, "__defaults__", ((3, 3), (0.1, 0.2)))
    assert masks.frozen([{"name": "rectangles-v1"}], 64, 4, 0).hash == before


@pytest.mark.parametrize("name", SETS)
def test_masks_do_not_depend_on_how_many_there_are(name):
    few, many = (masks.frozen([{"name": name}], 32, count, 7) for count in (2, 5))
    assert torch.equal(few.batch(0, len(few)), many.batch(0, len(few)))
    assert masks.frozen([{"name": name}], 32, 2, 8).hash != few.hash


@pytest.mark.parametrize("size", [32, 64, 96])
def test_each_image_gets_a_mask_of_every_bin(size):
    frozen = masks.frozen([{"name": "nvidia-style-v1"}], size, 6, 1)
    assert len(frozen) == 36
    ratios = np.array(frozen.ratios).reshape(6, 6)
    for place, (low, high) in enumerate(pairwise(BINS)):
        assert (ratios[:, place] > low - 1 / size**2).all()
        assert (ratios[:, place] <= high).all()
    borders = np.array(frozen.borders).reshape(6, 6)
    assert borders.sum(0).tolist() == borders.sum(1).tolist() == [3] * 6


@given(
    seed=st.integers(0, 1000), place=st.integers(0, 5), border=st.booleans(), size=st.integers(24, 80)
)
@settings(max_examples=40, deadline=None)
def test_irregular_masks_are_what_was_asked_for(seed, place, border, size):
    low, high = BINS[place : place + 2]
    mask = Irregular(low, high, border).draw(size, size + 8, generator_for(seed))
    assert mask.shape == (size, size + 8)
    assert set(np.unique(mask)) == {0, 1}
    assert low - 1 / mask.size < mask.mean() <= high
    assert masks.touches_border(mask) == border
    if not border:
        margin = max(1, round(MARGIN * size))
        assert not mask[:margin].any()
        assert not mask[:, -margin:].any()


def test_what_cannot_be_drawn_says_so():
    with pytest.raises(MaskError, match="use a larger --size"):
        Irregular(0.01, 0.011, True).draw(8, 8, generator_for(0))


@pytest.mark.parametrize(
    "parts",
    [
        [{"name": "rectangles-v1"}, {"name": "strokes"}],
        [{"name": "strokes-v1"}, {"name": "rectangles-v1"}],
        [{"name": "rectangles-v1", "side": (0.1, 0.2)}],
    ],
)
def test_a_set_stands_alone(parts):
    with pytest.raises(SettingError, match="stands alone and takes no arguments"):
        masks.frozen(parts, 64, 2, 0)


def test_sets_are_not_for_training():
    with pytest.raises(SettingError, match="is a mask set: it is for measuring"):
        masks.make([{"name": "nvidia-style-v1"}])


def test_likeness_to_the_published_set(real_masks):
    """Means of each bin at 256 px: holes, islands in them and thickness are near the real ones.

    Of a fifth of the files; docs/reference/masks.md has the figures of all.
    """
    import cv2

    def look(mask):
        holes, islands = (cv2.connectedComponents(part)[0] - 1 for part in (mask, 1 - mask))
        return holes, islands, cv2.distanceTransform(np.pad(mask, 1), cv2.DIST_L2, 5).sum() / mask.sum()

    frozen = masks.frozen([{"name": "nvidia-style-v1"}], 256, 40, 0)
    for place in range(6):
        files = sorted(real_masks.glob(f"bin{place + 1}_*.png"))[::5]
        theirs = np.mean([look(masks.read_mask(file)[0][1::2, 1::2]) for file in files], axis=0)
        ours = np.mean([look(frozen.array(row)) for row in range(place, len(frozen), 6)], axis=0)
        assert np.allclose(np.log(ours / theirs), 0, atol=(0.6, 0.7, 0.25)), (place, ours, theirs)

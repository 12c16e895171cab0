from collections import Counter
from typing import get_args

import cv2
import numpy as np
import pytest
from hypothesis import given, strategies as st

from inpaintlab.errors import SettingError
from inpaintlab.inpainter import BLENDS, STRATEGIES, crops
from inpaintlab.inpainter.crops import Box, crop_holes, explain, plan
from inpaintlab.settings import FillSettings
from tests.inpainter.holes import some_hole

SIZE = 16


@pytest.mark.parametrize("strategy", STRATEGIES)
@given(
    height=st.integers(4, 200),
    width=st.integers(4, 200),
    seed=st.integers(0, 10**6),
    speckled=st.booleans(),
)
def test_crops_share_out_the_hole(strategy, height, width, seed, speckled):
    hole = some_hole(height, width, seed)
    if speckled:  # islands in rings, bridges of one pixel, diagonals
        random = np.random.default_rng(seed)
        hole = (random.random((height, width)) < random.uniform(0.05, 0.7)).astype(np.uint8)
        hole[0, 0] = 1
    image = Box(0, 0, height, width)
    seen = np.zeros_like(hole)
    for crop in plan(hole, SIZE, strategy):
        part = seen[crop.bounds.slices]
        assert part.shape == crop.hole.shape
        assert crop.bounds == crop.bounds.grown(0, crop.box)
        assert not (part.astype(bool) & crop.hole).any()
        part |= crop.hole
        tall, wide = crop.box.size
        # A square, unless the image itself is narrower.
        side = max(tall, wide)
        assert crop.box == image or (
            side >= SIZE and (tall, wide) == (min(side, height), min(side, width))
        )
    assert np.array_equal(seen, hole)


def test_a_hole_in_a_crop_is_like_one_in_training():
    """It takes 40 % of its side, inside the 25–50 % of the default masks."""
    assert 0.25 <= 1 / crops.CONTEXT <= 0.5


@pytest.mark.parametrize(
    ("strategy", "line"),
    [
        (
            "crop",
            "strategy crop: 2 crops, the largest of 100×100 px for a hole of 40×40 px, "
            "filled at 16×16 px",
        ),
        (
            "whole",
            "strategy whole: one crop of 400×300 px for a hole of 294×294 px, filled at 21×16 px",
        ),
    ],
)
def test_explanations(strategy, line):
    hole = np.zeros((300, 400), np.uint8)
    hole[2:42, 10:50] = hole[292:296, 300:304] = 1
    assert explain(plan(hole, SIZE, strategy), f"strategy {strategy}", SIZE) == line


def test_an_unknown_strategy_is_named():
    with pytest.raises(SettingError, match="unknown strategy 'hole', did you mean 'whole'"):
        plan(np.eye(9, dtype=np.uint8), SIZE, "hole")


def test_settings_know_all_strategies_and_blends():
    """They are free of torch, and cannot import the tables."""
    for name, table in (("strategy", STRATEGIES), ("blend", BLENDS)):
        assert set(get_args(FillSettings.model_fields[name].annotation)) == set(table)


@pytest.mark.parametrize(("length", "is_whole"), [(59, False), (61, True)])
def test_a_hole_longer_than_a_fifth_of_the_shorter_side_takes_the_whole_image(length, is_whole):
    hole = np.zeros((300, 400), np.uint8)
    hole[100:102, 50 : 50 + length] = 1
    (crop,) = crop_holes(hole, 64)
    assert (crop.box == Box(0, 0, 300, 400)) is is_whole


def shares(hole, size=64):
    """The sides of the crops by pieces, and how many there are of each."""
    return Counter(min(crop.box.size) for crop in plan(hole, size, "pieces"))


def test_pieces_follow_how_thick_a_hole_is_there():
    hole = np.zeros((1000, 1400), np.uint8)
    cv2.line(hole, (20, 30), (1300, 30), 1, 3)  # a scratch: at full size, window by window
    assert set(shares(hole)) == {64}
    assert shares(hole)[64] == pytest.approx(1283 / 26, abs=1.5)
    hole[500:600, 100:900] = 1  # a bar: as large as it is thick
    sides = shares(hole)
    assert set(sides) == {64, 250}
    assert sides[250] <= 9
    hole[500:600, 1000:1100] = 1  # a square: once, with its surroundings
    assert set(shares(hole)) == {64, 250, 252}


@pytest.mark.parametrize("size", [1, 2, 3])
def test_pieces_for_a_network_of_a_few_pixels_end(size):
    hole = np.zeros((9, 9), np.uint8)
    hole[2:7, 3] = 1
    assert sum(crop.hole.sum() for crop in plan(hole, size, "pieces")) == 5


def test_a_thin_part_that_leaves_a_thick_hole_is_seen_finer():
    hole = np.zeros((1000, 1400), np.uint8)
    hole[400:600, 400:600] = 1
    cv2.line(hole, (500, 400), (500, 20), 1, 5)
    sides = shares(hole)
    assert sides[64] >= 380 / 26 - 1
    assert sum(sides.values()) - sides[64] == 1


@pytest.mark.parametrize("hole", [np.eye(9), np.eye(300), np.pad([[1]], 40)])
def test_pieces_of_holes_of_one_pixel(hole):
    crops = plan(hole.astype(np.uint8), 64, "pieces")
    assert {crop.box.size for crop in crops} == {(min(64, len(hole)),) * 2}

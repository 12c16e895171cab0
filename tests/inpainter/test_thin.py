"""What of a hole is thin, and windows along it."""

import cv2
import numpy as np
import pytest
from hypothesis import given, settings, strategies as st

from inpaintlab.inpainter.thin import THICK, along, thin_part
from tests.inpainter.holes import some_hole


def lines(thickness, *ends, shape=(300, 400)):
    hole = np.zeros(shape, np.uint8)
    for start, end in ends:
        cv2.line(hole, start, end, 1, thickness)
    return hole


@pytest.mark.parametrize("thickness", [1, 3, 5])
def test_scratches_are_thin_also_where_they_cross_and_at_the_border(thickness):
    hole = lines(thickness, ((0, 20), (399, 250)), ((50, 299), (300, 0)), ((0, 150), (399, 150)))
    assert np.array_equal(thin_part(hole), hole)


@pytest.mark.parametrize("side", [THICK + 1, 12, 40])
def test_a_square_is_thick_with_its_corners(side):
    hole = np.zeros((100, 100), np.uint8)
    hole[30 : 30 + side, 30 : 30 + side] = 1
    assert not thin_part(hole).any()
    hole[:] = 0
    hole[:side, :side] = 1
    assert not thin_part(hole).any()


def test_a_scratch_that_ends_in_a_square_is_thin_and_the_square_is_not():
    hole = lines(3, ((0, 100), (200, 100)))
    scratch = hole.copy()
    hole[60:140, 200:280] = 1
    thin = thin_part(hole)
    assert not thin[:, 210:].any()
    assert np.array_equal(thin[:, :190], scratch[:, :190])


def test_a_drop_on_a_scratch_is_thick():
    hole = lines(3, ((0, 100), (399, 100)))
    cv2.circle(hole, (200, 100), 12, 1, cv2.FILLED)
    assert 400 < (hole - thin_part(hole)).sum() < 500


def test_a_band_is_thick():
    assert not thin_part(lines(14, ((0, 20), (399, 250)))).any()


@given(
    height=st.integers(1, 120),
    width=st.integers(1, 120),
    size=st.integers(2, 64),
    seed=st.integers(0, 10**6),
)
@settings(max_examples=60)
def test_every_pixel_lies_in_one_window_of_the_size_asked_for(height, width, size, seed):
    hole = some_hole(height, width, seed)
    assert not (thin_part(hole) > hole).any()
    share = np.zeros_like(hole)
    for crop in along(hole, size):
        assert crop.box.size == (min(size, height), min(size, width))
        assert crop.bounds == crop.bounds.grown(0, crop.box)
        share[crop.bounds.slices] += crop.hole
    assert np.array_equal(share, hole)

import cv2
import numpy as np
import pytest
from hypothesis import given, settings, strategies as st

from inpaintlab.inpainter.detail import copy_detail
from tests.inpainter.holes import some_hole


def square_hole(side, hole_side):
    hole = np.zeros((side, side), bool)
    start = (side - hole_side) // 2
    hole[start : start + hole_side, start : start + hole_side] = True
    return hole


def stripes(side, period, slant):
    """Grey stripes from 0.2 to 0.8."""
    rows, columns = np.mgrid[:side, :side]
    wave = 0.5 + 0.3 * np.sin(2 * np.pi * (columns + slant * rows) / period)
    return np.repeat(wave[..., None], 3, axis=2).astype(np.float32)


def noise(side, seed=0):
    """Coarse noise in grey: it has the same statistics everywhere and no pattern to go on."""
    fine = np.random.default_rng(seed).random((side, side), np.float32)
    grey = 0.5 + 1.5 * (cv2.GaussianBlur(fine, (0, 0), 1.0) - 0.5)
    return np.repeat(grey[..., None], 3, axis=2).clip(0, 1)


def smooth(image, deviation=6.0):
    return cv2.GaussianBlur(image, (0, 0), deviation)


def contrast(image, where):
    """Root mean square of the Laplacian."""
    return float(np.sqrt((cv2.Laplacian(image, cv2.CV_32F)[where] ** 2).mean()))


def error(filled, truth, hole):
    return float(((filled - truth)[hole] ** 2).mean())


@settings(max_examples=25)
@given(height=st.integers(1, 70), width=st.integers(1, 70), seed=st.integers(0, 10**6))
def test_any_hole_gives_colours_and_known_pixels_stay(height, width, seed):
    random = np.random.default_rng(seed)
    hole = some_hole(height, width, seed) > 0
    known, guide = random.random((2, height, width, 3), np.float32)
    filled = copy_detail(known, hole, guide)
    assert filled.shape == known.shape
    assert filled.dtype == np.float32
    assert np.array_equal(filled[~hole], known[~hole])
    assert 0 <= filled.min() <= filled.max() <= 1


@pytest.mark.parametrize("hole_side", [20, 60])  # one level, and a pyramid
def test_neither_the_hidden_image_nor_the_rest_of_the_guide_is_seen(hole_side):
    hole, image = square_hole(120, hole_side), noise(120)
    guide = smooth(image)
    filled = copy_detail(np.where(hole[..., None], 0, image), hole, guide)
    other = copy_detail(image, hole, np.where(hole[..., None], guide, 0))
    assert np.array_equal(filled, other)


def test_a_seed_gives_the_same_fill_again_and_another_seed_another():
    hole, image = square_hole(120, 60), noise(120)
    first, again, other = (copy_detail(image, hole, smooth(image), seed=seed) for seed in (1, 1, 2))
    assert np.array_equal(first, again)
    assert not np.array_equal(first, other)


@pytest.mark.parametrize(("hole_side", "period"), [(20, 6), (60, 12)])
@pytest.mark.parametrize("slant", [0.0, 0.5])
def test_stripes_go_on_through_a_guide_without_any(hole_side, period, slant):
    hole, image = square_hole(140, hole_side), stripes(140, period, slant)
    guide = np.full_like(image, 0.5)
    filled = copy_detail(image, hole, guide)
    assert error(filled, image, hole) < 0.25 * error(guide, image, hole)


@pytest.mark.parametrize("hole_side", [20, 60])
def test_texture_is_nearly_as_rough_as_around_the_hole(hole_side):
    hole, image = square_hole(140, hole_side), noise(140)
    filled = copy_detail(image, hole, smooth(image))
    assert 0.5 < contrast(filled, hole) / contrast(image, ~hole) < 1.2


@pytest.mark.parametrize("hole_side", [20, 60])
def test_low_frequencies_are_the_guides(hole_side):
    """The hole is darker than anything around it, as in the shade."""
    hole, image = square_hole(140, hole_side), 0.4 + 0.6 * noise(140)
    guide = smooth(image) - 0.25
    filled = copy_detail(image, hole, guide)
    inside = cv2.erode(hole.astype(np.uint8), np.ones((15, 15))) > 0
    assert np.abs(filled[inside].mean() - guide[inside].mean()) < 0.02


def test_what_is_flat_stays_flat():
    hole, image = square_hole(120, 60), np.full((120, 120, 3), 0.3, np.float32)
    assert np.allclose(copy_detail(image, hole, image), 0.3, atol=1e-4)


def test_each_side_of_an_edge_gets_its_own_texture():
    """Left of the middle it is flat, right of it rough; the guide says so by its colours alone."""
    image = noise(140)
    image[:, :70] = 0.9
    hole = square_hole(140, 60)
    filled = copy_detail(image, hole, smooth(image, 3.0))
    left, right = hole.copy(), hole.copy()
    left[:, 62:], right[:, :78] = False, False
    assert contrast(filled, left) < 0.2 * contrast(filled, right)


@pytest.mark.parametrize("margin", [0, 3])
def test_without_room_for_patches_the_guide_comes_back(margin):
    hole, image = square_hole(30, 30 - 2 * margin), noise(30)
    guide = smooth(image)
    filled = copy_detail(image, hole, guide)
    assert np.array_equal(filled[hole], guide[hole])


def test_an_image_without_a_hole_comes_back():
    image = noise(40)
    assert np.array_equal(copy_detail(image, np.zeros((40, 40), bool), image), image)

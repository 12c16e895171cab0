"""Structure that repeats is continued; nothing else is."""

import numpy as np
import pytest
from hypothesis import given, settings, strategies as st

from inpaintlab.inpainter.offsets import LARGEST, continue_structure, repeated, repetition
from tests.inpainter.holes import facade, some_hole


def square(shape, top=70, left=80, side=60):
    hole = np.zeros(shape[:2], bool)
    hole[top : top + side, left : left + side] = True
    return hole


def grey(image, hole):
    return np.where(hole[..., None], np.float32(0.5), image)


def error(filled, image, hole):
    return np.abs(filled - image)[hole].mean()


@given(height=st.integers(1, 90), width=st.integers(1, 90), seed=st.integers(0, 10**6))
@settings(max_examples=40, deadline=None)
def test_known_pixels_stay_and_nothing_of_the_hole_is_seen(height, width, seed):
    random = np.random.default_rng(seed)
    image = random.random((height, width, 3), np.float32)
    hole = some_hole(height, width, seed) > 0
    guide = random.random((height, width, 3), np.float32)
    filled = continue_structure(image, hole, guide)
    assert np.array_equal(filled[~hole], image[~hole])
    assert filled.dtype == np.float32
    assert 0 <= filled.min() <= filled.max() <= 1
    other = np.where(hole[..., None], 1 - image, image)
    assert np.array_equal(continue_structure(other, hole, guide), filled)
    assert repetition(other, hole) == pytest.approx(repetition(image, hole))
    assert -1 <= repetition(image, hole) <= 1


@pytest.mark.parametrize("place", [(70, 80), (0, 0), (140, 160), (0, 80)])
def test_windows_of_a_facade_go_on_in_the_hole(place):
    image = facade()
    hole = square(image.shape, *place)
    filled = repeated(image, hole, grey(image, hole), grey)
    assert filled is not None
    assert error(filled, image, hole) < error(grey(image, hole), image, hole) / 2


def test_shade_is_that_around_the_hole():
    image = facade(shade=0.3)
    hole = square(image.shape)
    filled = continue_structure(image, hole, grey(image, hole))
    assert abs((filled - image)[hole].mean()) < 0.03


def test_large_images_are_looked_at_smaller_and_copied_to_the_pixel():
    image = facade(2 * LARGEST + 37, 2 * LARGEST + 90, 53)
    hole = square(image.shape, 260, 290, 130)
    filled = continue_structure(image, hole, grey(image, hole))
    assert error(filled, image, hole) < 0.06


def test_the_same_seed_gives_the_same():
    image = np.random.default_rng(1).random((80, 90, 3), np.float32)
    hole = square(image.shape, 20, 30, 25)
    one, same = (continue_structure(image, hole, image, seed=3) for _ in range(2))
    assert np.array_equal(one, same)


@pytest.mark.parametrize("kind", ["noise", "ramp", "edge"])
def test_what_does_not_repeat_is_left_to_the_guide(kind):
    y, x = np.mgrid[:120, :140] / 140
    noise = np.random.default_rng(2).random((120, 140))
    values = {"noise": noise, "ramp": (x + y) / 2, "edge": np.where(x > 0.5, 0.8, 0.2)}[kind]
    image = np.repeat(values[..., None], 3, axis=2).astype(np.float32)
    hole = square(image.shape, 40, 50, 40)
    assert repeated(image, hole, grey(image, hole), grey) is None


def test_a_guide_with_the_right_colours_is_left_as_it_is():
    image = facade()
    assert repeated(image, square(image.shape), image, grey) is None


def test_where_the_guide_tells_a_hidden_strip_as_well_it_is_left():
    image, hole = facade(), square(facade().shape)
    assert repeated(image, hole, grey(image, hole), lambda *_: image) is None


def test_an_image_that_is_all_hole_has_nothing_to_copy():
    image, hole = np.zeros((20, 30, 3), np.float32), np.ones((20, 30), bool)
    assert repeated(image, hole, image, grey) is None

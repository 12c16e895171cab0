import numpy as np
import pytest
from hypothesis import given, settings, strategies as st
from skimage.restoration import inpaint_biharmonic

from inpaintlab.baselines import BASELINES, SLOW, register_baseline, smoothest_surface, title
from inpaintlab.errors import SettingError

METHODS = dict(BASELINES)


def hole(shape, top=20, left=15):
    mask = np.zeros(shape[:2], np.uint8)
    mask[top : top + 20, left : left + 35] = 1
    return mask


@pytest.mark.parametrize(("top", "left"), [(20, 15), (0, 0), (0, 15), (20, 0)])
@pytest.mark.parametrize("name", METHODS)
def test_known_pixels_stay_and_hidden_ones_do_not_matter(name, photo, top, left):
    mask = hole(photo.shape, top, left)
    other = np.where(mask[..., None] > 0, 255 - photo, photo)
    filled = METHODS[name](photo, mask)
    assert filled.dtype == np.uint8
    assert np.array_equal(filled[mask == 0], photo[mask == 0])
    assert np.array_equal(filled, METHODS[name](other, mask))


@pytest.mark.parametrize("name", METHODS)
def test_one_colour_is_filled_with_it(name):
    image = np.full((60, 70, 3), (10, 120, 250), np.uint8)
    filled = METHODS[name](image, hole(image.shape))
    assert np.abs(filled.astype(int) - image).max() <= 4  # OpenCV rounds down, pixel after pixel


@given(
    height=st.integers(2, 40),
    width=st.integers(2, 40),
    share=st.floats(0.02, 0.8),
    compact=st.booleans(),
    seed=st.integers(0, 10**6),
)
@settings(max_examples=60)
def test_the_smoothest_surface_is_that_of_scikit_image(height, width, share, compact, seed):
    random = np.random.default_rng(seed)
    image, mask = random.random((height, width, 3)), np.zeros((height, width), np.uint8)
    if compact:
        mask[: round(share * height) + 1, round((1 - share) * width) :] = 1
    else:
        mask[:] = random.random((height, width)) < share
    mask[0, 0] = 0
    known = image[mask == 0]
    surface = smoothest_surface(mask, 1 - mask, lambda at: image.reshape(-1, 3)[at])
    expected = inpaint_biharmonic(image * (1 - mask[..., None]), mask > 0, channel_axis=-1)
    bound = surface.clip(known.min(0), known.max(0))
    assert np.abs(bound - expected[mask > 0]).max(initial=0) < 1e-6


def test_what_does_not_exist_is_as_what_lies_beyond_the_border():
    image, wanted = np.random.default_rng(0).random((20, 30, 3)), np.zeros((20, 30), np.uint8)
    wanted[5:12, 20:25] = 1
    known = 1 - wanted
    known[:, 25:] = 0
    narrow = image[:, :25]
    found = smoothest_surface(wanted, known, lambda at: image.reshape(-1, 3)[at])
    same = smoothest_surface(wanted[:, :25], known[:, :25], lambda at: narrow.reshape(-1, 3)[at])
    assert np.allclose(found, same)


def test_a_surface_without_anything_known_around_it_is_finite():
    wanted = np.zeros((9, 9), np.uint8)
    wanted[2:5, 2:5] = wanted[7, 7] = 1
    known = np.zeros((9, 9), np.uint8)
    known[6:, 6:] = 1 - wanted[6:, 6:]
    found = smoothest_surface(wanted, known, lambda at: np.full((len(at), 1), 0.5))
    assert np.isfinite(found).all()
    assert np.allclose(found[-1], 0.5)


def test_a_baseline_of_a_user_stands_with_the_others(monkeypatch, photo):
    monkeypatch.setitem(BASELINES, "white", None)
    del BASELINES["white"]
    monkeypatch.setattr("inpaintlab.baselines.SLOW", set(SLOW))
    register_baseline("white", lambda image, hole: np.where(hole[..., None] > 0, 255, image), slow=True)
    assert BASELINES.need("white")(photo, hole(photo.shape)).max() == 255
    assert title("white") == "white"
    with pytest.raises(SettingError, match="there is a baseline 'telea' already"):
        register_baseline("telea", lambda image, hole: image)

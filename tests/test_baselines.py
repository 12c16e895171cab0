import numpy as np
import pytest

from inpaintlab.baselines import BASELINES, SLOW, register_baseline, title
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


def test_a_baseline_of_a_user_stands_with_the_others(monkeypatch, photo):
    monkeypatch.setitem(BASELINES, "white", None)
    del BASELINES["white"]
    monkeypatch.setattr("inpaintlab.baselines.SLOW", set(SLOW))
    register_baseline("white", lambda image, hole: np.where(hole[..., None] > 0, 255, image), slow=True)
    assert BASELINES.need("white")(photo, hole(photo.shape)).max() == 255
    assert title("white") == "white"
    with pytest.raises(SettingError, match="there is a baseline 'telea' already"):
        register_baseline("telea", lambda image, hole: image)

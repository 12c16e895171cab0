import numpy as np
import pytest

from inpaintlab.evaluation.baselines import BASELINES, SLOW

METHODS = BASELINES | SLOW


def hole(shape):
    mask = np.zeros(shape[:2], np.uint8)
    mask[20:40, 15:50] = 1
    return mask


@pytest.mark.parametrize("name", METHODS)
def test_known_pixels_stay_and_hidden_ones_do_not_matter(name, photo):
    mask = hole(photo.shape)
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

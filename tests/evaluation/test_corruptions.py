import numpy as np
import pytest

from inpaintlab.data import samples
from inpaintlab.evaluation.corruptions import CORRUPTIONS, SEVERITIES, corrupt


@pytest.mark.parametrize("name", CORRUPTIONS)
def test_a_corruption_keeps_shape_and_kind_and_repeats(name):
    image = samples.draw(3, 48)
    before = image.copy()
    for severity in SEVERITIES:
        corrupted = corrupt(name, severity, image)
        assert corrupted.shape == image.shape
        assert corrupted.dtype == np.uint8
        assert np.array_equal(corrupted, corrupt(name, severity, image))
    assert np.array_equal(image, before)


@pytest.mark.parametrize("name", ["rotated", "rescaled", "off-centre", "blurred", "noisy", "JPEG"])
def test_a_more_severe_one_changes_more(name):
    images = [samples.draw(index, 64) for index in range(12)]
    changes = [
        np.mean([np.abs(corrupt(name, s, image).astype(int) - image).mean() for image in images])
        for s in SEVERITIES
    ]
    assert changes == sorted(changes)
    assert changes[0] > 0


def test_colours_change_and_light_does_not():
    image = samples.draw(3, 48)
    for severity in SEVERITIES:
        corrupted = corrupt("recoloured", severity, image)
        assert np.abs(corrupted.max(-1).astype(int) - image.max(-1)).max() <= 2
        assert not np.array_equal(corrupted, image)


def test_noise_is_of_the_severity_it_says():
    grey = np.full((200, 200, 3), 128, np.uint8)
    assert corrupt("noisy", 3, grey).std() == pytest.approx(16, rel=0.05)


def test_images_of_one_beginning_get_noise_of_their_own():
    one, other = (samples.draw(index, 48) for index in (1, 2))
    noise = [corrupt("noisy", 2, image).astype(int) - image for image in (one, other)]
    assert not np.array_equal(*noise)


def test_moved_to_the_right_and_down():
    image = np.zeros((40, 40, 3), np.uint8)
    image[10, 10] = 255
    moved = corrupt("off-centre", 2, image)
    assert moved[14, 14].tolist() == [255] * 3

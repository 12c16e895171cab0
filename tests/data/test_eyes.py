import importlib.util
import sys

import numpy as np
import pytest

from inpaintlab.data import eyes
from inpaintlab.data.keypoints import open_points
from inpaintlab.errors import SettingError
from inpaintlab.images import load_rgb_whole


@pytest.fixture(params=list(eyes.DETECTORS))
def detector(request):
    if request.param == "dlib":
        pytest.importorskip("dlib")
        if not importlib.util.find_spec("face_recognition_models"):
            pytest.skip("needs face_recognition_models, of the extra faces")
    return eyes.create(request.param)


def error(found, truth):
    return np.linalg.norm(found - truth, axis=1).max() / np.linalg.norm(truth[1] - truth[0])


def test_eyes_of_real_portraits(detector, real_portraits, real_keypoints):
    """Most are found within a tenth of the eye distance, and what is certain is right."""
    known = open_points(real_keypoints, (19, 24), (25, 30))
    right = wrong = 0
    for path in sorted(real_portraits.iterdir())[::100]:
        face, (truth,) = detector.find(load_rgb_whole(path)[0])[0], known.find(path.name)
        if face.certainty >= eyes.CERTAIN:
            near = error(face.eyes, truth.eyes) < 0.1
            right, wrong = right + near, wrong + (not near)
    assert right >= 8
    assert wrong <= 1


def test_tilted_and_enlarged_faces(detector, real_portraits, real_keypoints):
    path = real_portraits / "00016A02.jpg"
    (truth,) = open_points(real_keypoints, (19, 24), (25, 30)).find(path.name)
    pixels = load_rgb_whole(path)[0]
    large = np.ascontiguousarray(pixels.repeat(4, axis=0).repeat(4, axis=1))
    (face, *_) = detector.find(large)
    assert error(face.eyes, truth.eyes * 4 + 1.5) < 0.1


def test_a_picture_without_a_face(detector):
    for height, width in ((90, 120), (1, 1), (5, 300)):
        found = detector.find(np.full((height, width, 3), 128, np.uint8))
        assert found == []


def test_an_unknown_detector():
    with pytest.raises(SettingError, match="unknown detector 'har', did you mean 'haar'"):
        eyes.create("har")


def test_the_extra_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "dlib", None)
    with pytest.raises(SettingError, match=r"pip install 'inpaintlab\[faces\]'"):
        eyes.create("dlib")

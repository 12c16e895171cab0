import pytest
import torch

from inpaintlab import features
from inpaintlab.errors import ImageError, MaskError, SettingError
from inpaintlab.networks.discriminators import DISCRIMINATORS
from tests.weights import tiny_features

every_one = pytest.mark.parametrize("name", DISCRIMINATORS)


@pytest.fixture(autouse=True)
def _tiny(monkeypatch):
    monkeypatch.setitem(features.FEATURES, "efficientnet-lite0", tiny_features)


def create(name, layers=3):
    torch.manual_seed(0)
    return DISCRIMINATORS[name](width=8, layers=layers)


def batch(side=32):
    mask = torch.zeros(2, 1, side, side)
    mask[..., 4:12, 4:12] = 1
    return torch.rand(2, 3, side, side, generator=torch.Generator().manual_seed(0)), mask


@every_one
@pytest.mark.parametrize("side", [5, 17, 32])
def test_numbers_for_a_patch_and_features_to_match(name, side):
    """One, or of `features` one for each map."""
    numbers, taps = create(name)(*batch(side))
    assert numbers.shape[:2] == (2, 3 if name == "features" else 1)
    assert len(taps) >= 3
    widths = [tap.shape[1] for tap in taps]
    assert widths == sorted(widths)
    assert all(tap.requires_grad for tap in taps)


@every_one
def test_looks_at_the_whole_image_and_at_the_mask(name):
    network = create(name).eval()
    image, mask = batch()
    before = network(image, mask)[0]
    for row, column in ((0, 0), (7, 7), (31, 31)):
        other = image.clone()
        other[:, :, row, column] += 1
        assert not torch.equal(network(other, mask)[0], before)
    assert not torch.equal(network(image, torch.zeros_like(mask))[0], before)


@every_one
def test_a_score_is_of_its_own_patch_only(name):
    network = create(name, layers=2).eval()
    image, mask = batch(64)
    other = image.clone()
    other[..., -4:, -4:] = 0
    changed = network(other, mask)[0] != network(image, mask)[0]
    assert not changed[0, 0, 0, 0]
    assert changed[0, 0, -1, -1]


@every_one
def test_every_parameter_gets_a_gradient(name):
    network = create(name)
    numbers, taps = network(*batch())
    (numbers.square().mean() + sum(tap.square().mean() for tap in taps)).backward()
    assert all(p.grad is not None and p.grad.abs().sum() > 0 for p in network.parameters())


@every_one
def test_images_of_a_batch_do_not_mix_in_use(name):
    network = create(name).eval()
    image, mask = batch()
    assert torch.allclose(network(image, mask)[0][:1], network(image[:1], mask[:1])[0], atol=1e-5)


def test_spectral_norm_bounds_every_layer():
    network = create("spectral-patch")
    for _ in range(50):  # the estimate grows exact as training goes on
        network(*batch())
    for stage in network.stages:
        matrix = stage[0].weight.detach().flatten(1)
        assert torch.linalg.matrix_norm(matrix, 2) == pytest.approx(1, abs=0.02)


def test_published_patch_is_142_pixels_wide():
    """Four layers, as in LaMa: what the gradient of one number reaches."""
    network = DISCRIMINATORS["patch"](width=2, layers=4).double().eval()
    image = torch.rand(1, 3, 320, 320, dtype=torch.double, requires_grad=True)
    numbers, _ = network(image, torch.zeros(1, 1, 320, 320, dtype=torch.double))
    numbers[0, 0, 10, 10].backward()
    rows = image.grad.abs().sum((0, 1, 3)).nonzero()
    assert rows.max() - rows.min() + 1 == 142


@every_one
@pytest.mark.parametrize(
    ("image", "mask", "error", "message"),
    [
        (torch.rand(1, 4, 16, 16), torch.zeros(1, 1, 16, 16), ImageError, r"got \[1, 4, 16, 16\]"),
        (torch.rand(1, 3, 16, 16), torch.zeros(1, 1, 8, 16), MaskError, r"got \[1, 1, 8, 16\]"),
        (torch.rand(1, 3, 16, 16), torch.full((1, 1, 16, 16), 0.5), MaskError, "exactly 0 or 1"),
    ],
)
def test_bad_inputs(name, image, mask, error, message):
    with pytest.raises(error, match=message):
        create(name)(image, mask)


def test_bad_arguments_and_small_images():
    with pytest.raises(SettingError, match="layers must be at least 1, got 0"):
        DISCRIMINATORS["patch"](layers=0)
    with pytest.raises(SettingError, match="cannot score 2×2"):
        DISCRIMINATORS["patch"](layers=1)(torch.rand(1, 3, 2, 2), torch.zeros(1, 1, 2, 2))

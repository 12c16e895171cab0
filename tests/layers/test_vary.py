import pytest
import torch

from inpaintlab.layers import Vary


def test_it_starts_by_changing_little_and_all_of_it_learns():
    torch.manual_seed(0)
    layer = Vary(8, 16)
    features, noise = torch.randn(4, 16, 5, 7), torch.randn(4, 8)
    changed = layer(features, noise)
    assert 0 < (changed - features).std() < 0.2 * features.std()
    changed.square().sum().backward()
    assert all(p.grad.abs().sum() > 0 for p in layer.parameters())


def test_each_image_has_its_own_noise_and_all_places_the_same():
    torch.manual_seed(0)
    layer = Vary(3, 2)
    features, noise = torch.ones(2, 2, 4, 4), torch.tensor([[1.0, 0, 0], [0, 5.0, 0]])
    changed = layer(features, noise)
    assert (changed == changed[:, :, :1, :1]).all()
    assert torch.equal(changed[1:], layer(features[1:], noise[1:]))
    assert not torch.equal(changed[0], changed[1])


@pytest.mark.parametrize("noise", [0, 3])
def test_without_noise_it_is_0(noise):
    layer = Vary(noise, 2)
    features = torch.rand(2, 2, 4, 4)
    assert torch.equal(layer(features), features)
    assert (len(list(layer.parameters())) > 0) == (noise > 0)

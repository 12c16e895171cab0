import pytest
import torch

from inpaintlab.layers import GridMixing


def test_every_place_sees_every_other_and_knows_where_it_is():
    layer = GridMixing(4, grid=6, norm="none").double()
    features = torch.rand(1, 4, 6, 6, dtype=torch.double, requires_grad=True)
    layer(features)[0, 1, 0, 0].backward()
    seen = features.grad[0, 1]
    assert (seen != 0).all()
    assert (features.grad[0, 0] == 0).all(), "channels do not mix"
    shifted = torch.roll(features.detach(), 2, 3)
    assert not torch.allclose(layer(shifted), torch.roll(layer(features.detach()), 2, 3))


@pytest.mark.parametrize("size", [(6, 6), (12, 12), (5, 17), (1, 3)])
def test_any_size_comes_back(size):
    layer = GridMixing(4, grid=6).eval()
    assert layer(torch.rand(2, 4, *size)).shape == (2, 4, *size)


def test_it_starts_by_changing_little_and_all_of_it_learns():
    torch.manual_seed(0)
    layer = GridMixing(8)
    features = torch.randn(4, 8, 8, 8)
    mixed = layer(features)
    assert (mixed - features).std() < 0.1 * features.std()
    mixed.square().sum().backward()
    assert all(p.grad.abs().sum() > 0 for p in layer.parameters())

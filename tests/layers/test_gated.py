import pytest
import torch
import torch.nn.functional as F
from torch import nn

from inpaintlab.errors import SettingError
from inpaintlab.layers import GatedConv2d, GatedUpsampling, same_padding
from inpaintlab.layers.gated import GATES


@pytest.mark.parametrize("kernel", [1, 3, 5, 7])
@pytest.mark.parametrize("dilation", [1, 2, 16])
def test_same_padding_keeps_the_size(kernel, dilation):
    layer = nn.Conv2d(1, 1, kernel, padding=same_padding(kernel, dilation), dilation=dilation)
    assert layer(torch.zeros(1, 1, 9, 6)).shape == (1, 1, 9, 6)


@pytest.mark.parametrize(("kernel", "cure"), [(4, "take 3 or 5"), (0, "take 1"), (-2, "take 1")])
def test_even_kernels_are_refused(kernel, cure):
    with pytest.raises(SettingError, match=cure):
        same_padding(kernel)


def test_unknown_gates_are_refused():
    with pytest.raises(SettingError, match="one of full, separable, single, got 'half'"):
        GatedConv2d(3, 4, gate="half")


def test_full_gate_is_the_equation():
    """One convolution for both gives what two would."""
    layer = GatedConv2d(3, 4, dilation=2)
    x, weight, bias = torch.randn(2, 3, 8, 8), layer.convolution.weight, layer.convolution.bias
    features = F.conv2d(x, weight[:4], bias[:4], padding=2, dilation=2)
    gates = F.conv2d(x, weight[4:], bias[4:], padding=2, dilation=2)
    assert torch.allclose(layer(x), F.elu(features) * torch.sigmoid(gates), atol=1e-6)


@pytest.mark.parametrize("gate", GATES)
@pytest.mark.parametrize(("stride", "side"), [(1, 12), (2, 6)])
def test_shapes_and_gradients(gate, stride, side):
    layer = GatedConv2d(3, 5, stride=stride, gate=gate)
    out = layer(torch.randn(2, 3, 12, 12))
    assert out.shape == (2, 5, side, side)
    out.square().sum().backward()
    assert all(p.grad.abs().sum() > 0 for p in layer.parameters())


@pytest.mark.parametrize("gate", GATES)
def test_closed_gates_let_nothing_through(gate):
    layer = GatedConv2d(3, 4, gate=gate)
    biases = layer.separable[1].bias if gate == "separable" else layer.convolution.bias[4:]
    with torch.no_grad():
        biases.fill_(-200)
    assert layer(torch.randn(1, 3, 6, 6)).abs().max() < 1e-6


def test_light_gates_are_lighter():
    counts = [sum(p.numel() for p in GatedConv2d(16, 16, gate=gate).parameters()) for gate in GATES]
    assert counts == sorted(counts, reverse=True)


@pytest.mark.parametrize("gate", ["full", "separable"])
def test_variance_stays_through_many_layers(gate):
    torch.manual_seed(0)
    layers = nn.Sequential(*(GatedConv2d(32, 32, gate=gate) for _ in range(25)))
    for start in (0.1, 1.0):
        assert 0.05 < layers(start * torch.randn(1, 32, 32, 32)).square().mean() < 0.6


def test_upsampling_doubles():
    assert GatedUpsampling(3, 4)(torch.zeros(1, 3, 5, 6)).shape == (1, 4, 10, 12)

import pytest
import torch
from hypothesis import given, settings, strategies as st

from inpaintlab.layers import FourierConv, FourierUnit, SpectralTransform

sides = st.integers(1, 17)
CONSTRUCTORS = [FourierUnit, SpectralTransform, FourierConv]


def create(kind, inputs=4, outputs=4, **arguments):
    torch.manual_seed(0)
    return kind(inputs, outputs, **arguments).eval()


def linear_unit(channels=3):
    """A Fourier unit whose convolution is all that it does to the spectrum."""
    unit = create(FourierUnit, channels, channels)
    unit.bn, unit.relu = torch.nn.Identity(), torch.nn.Identity()
    return unit


@given(sides, sides, st.integers(1, 3))
@settings(max_examples=30)
def test_any_size(height, width, outputs):
    features = torch.rand(2, 4, height, width)
    for kind in (FourierUnit, SpectralTransform):
        output = create(kind, outputs=outputs)(features)
        assert output.shape == (2, outputs, height, width)
        assert torch.isfinite(output).all()


@given(sides, sides, st.integers(-20, 20), st.integers(-20, 20))
@settings(max_examples=30)
def test_a_shift_in_a_circle_goes_through_complex_weights(height, width, down, right):
    """A shift turns the phases of the spectrum, which multiplying by complex numbers lets through.

    The unit's weights are free to treat real and imaginary parts otherwise, and ReLU does: only such
    weights, without activation, show that the transform and the order of channels are right.
    """
    unit, features = linear_unit(), torch.randn(1, 3, height, width)
    real, imaginary = torch.randn(2, 3, 3)
    rows = torch.stack([torch.stack([real, -imaginary], -1), torch.stack([imaginary, real], -1)], 1)
    unit.conv_layer.weight.data = rows.reshape(6, 6, 1, 1)

    def shifted(tensor):
        return tensor.roll((down, right), (2, 3))

    assert torch.allclose(unit(shifted(features)), shifted(unit(features)), atol=1e-4)


@given(sides, sides, st.floats(-3, 3))
@settings(max_examples=30)
def test_linear_without_normalisation_and_activation(height, width, factor):
    unit = linear_unit()
    one, other = torch.randn(2, 1, 3, height, width)
    expected = unit(one) + factor * unit(other)
    assert torch.allclose(unit(one + factor * other), expected, atol=1e-4)


@given(sides, sides)
@settings(max_examples=30)
def test_a_convolution_that_keeps_the_spectrum_keeps_the_features(height, width):
    unit, features = linear_unit(), torch.randn(1, 3, height, width)
    unit.conv_layer.weight.data = torch.eye(6)[:, :, None, None]
    assert torch.allclose(unit(features), features, atol=1e-5)


def test_one_pixel_changes_all():
    unit, features = create(FourierUnit), torch.rand(1, 4, 9, 12)
    other = features.clone()
    other[..., 4, 5] += 1
    assert ((unit(other) - unit(features)).abs().amax(1) > 1e-6).all()


@pytest.mark.parametrize("size", [(3, 4), (4, 3), (1, 1), (2, 2)])
def test_gradients(size):
    unit = create(FourierUnit, 2, 2).double()
    unit.relu = torch.nn.Softplus()  # smooth, for the check by differences
    features = torch.randn(1, 2, *size, dtype=torch.double, requires_grad=True)
    assert torch.autograd.gradcheck(unit, (features,))


@pytest.mark.parametrize("kind", CONSTRUCTORS)
@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_half_precision(kind, dtype):
    layer, features = create(kind), torch.rand(2, 4, 9, 12)
    expected = layer(features)
    coarse = layer.to(dtype)(features.to(dtype))
    assert coarse.dtype == dtype
    assert torch.allclose(coarse.float(), expected, atol=0.05)


@pytest.mark.parametrize("kind", CONSTRUCTORS)
def test_mixed_precision(kind):
    layer, features = create(kind).train(), torch.rand(2, 4, 9, 12)
    expected = layer(features)
    with torch.autocast("cpu", torch.bfloat16):
        mixed = layer(features)
    assert torch.allclose(mixed.float(), expected, atol=0.1)
    mixed.float().sum().backward()
    assert all(torch.isfinite(p.grad).all() for p in layer.parameters())


@pytest.mark.parametrize("ratio_in", [0, 0.25, 0.75, 1])
@pytest.mark.parametrize("ratio_out", [0, 0.25, 0.75, 1])
@pytest.mark.parametrize("stride", [1, 2])
def test_any_share_of_global_channels(ratio_in, ratio_out, stride):
    layer = create(FourierConv, 8, 12, stride=stride, ratio_in=ratio_in, ratio_out=ratio_out)
    output = layer(torch.rand(2, 8, 10, 6))
    assert output.shape == (2, 12, 10 // stride, 6 // stride)
    assert sum(layer.parts_in) == 8
    assert layer.parts_out[1] == 12 * ratio_out


def test_only_global_channels_see_afar():
    """A pixel in the corner: what is local goes one pixel far, what is global everywhere."""
    layer, features = create(FourierConv, 32, 32, ratio_in=0.5, ratio_out=0.5), torch.rand(1, 32, 9, 12)

    def reach(channel):
        other = features.clone()
        other[:, channel, 0, 0] += 1
        changed = (layer(other) - layer(features)).abs() > 1e-6
        return changed[:, :16, 2:, 2:].any(), changed[:, 16:, 2:, 2:].any()

    assert reach(0) == (False, False)
    assert reach(31) == (False, True)

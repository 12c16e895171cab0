import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings, strategies as st

from inpaintlab.layers import PartialConv2d, partial


def straightforward(x, valid, layer):
    """The paper's equations, with the mask spread over all channels."""
    spread = valid.expand_as(x)
    settings = (layer.stride, layer.padding, layer.dilation)
    total = F.conv2d(spread, torch.ones_like(layer.weight), None, *settings)
    raw = F.conv2d(x * spread, layer.weight, None, *settings)
    window = layer.weight[0].numel()
    y = torch.where(total > 0, raw * window / total.clamp(min=1), 0)
    if layer.bias is not None:
        y = torch.where(total > 0, y + layer.bias.view(1, -1, 1, 1), 0)
    return y, (total[:, :1] > 0).to(x)


def inputs(count, channels, height, width, seed=0, share=0.5):
    generator = torch.Generator().manual_seed(seed)
    x = torch.randn(count, channels, height, width, generator=generator).double()
    valid = (torch.rand(count, 1, height, width, generator=generator) > share).double()
    return x, valid


SHAPES = [
    {"kernel_size": 3, "padding": 1},
    {"kernel_size": 3, "padding": 1, "stride": 2},
    {"kernel_size": 7, "padding": 3, "stride": 2},
    {"kernel_size": 3, "padding": 2, "dilation": 2},
    {"kernel_size": (1, 3), "padding": (0, 1)},
    {"kernel_size": 2},
]
every_shape = pytest.mark.parametrize("shape", SHAPES, ids=str)


@every_shape
@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize("last", [True, False])
def test_equals_the_equations_forward_and_backward(shape, bias, last):
    torch.manual_seed(0)
    layer = PartialConv2d(4, 6, bias=bias, **shape).double()
    x, valid = inputs(3, 4, 9, 11)
    if last:
        x = x.to(memory_format=torch.channels_last)
        layer = layer.to(memory_format=torch.channels_last)
    x.requires_grad_()
    results = []
    for y, new in (layer(x, valid), straightforward(x, valid, layer)):
        grads = torch.autograd.grad((y * y.detach().cos()).sum(), [x, *layer.parameters()])
        results.append([y, new.double(), *grads])
    for ours, theirs in zip(*results, strict=True):
        assert torch.allclose(ours, theirs, atol=1e-9)


@given(
    data=st.data(),
    count=st.integers(1, 5),
    height=st.integers(4, 12),
    width=st.integers(4, 12),
    share=st.sampled_from([0.0, 0.3, 0.9, 1.0]),
)
@settings(max_examples=25, deadline=None)
def test_any_size_hole_and_chunk(data, count, height, width, share):
    shape = data.draw(st.sampled_from(SHAPES))
    layer = PartialConv2d(3, 2, **shape).double()
    x, valid = inputs(count, 3, height, width, seed=height, share=share)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(partial, "_CHUNK", data.draw(st.sampled_from([1, 200, 10**9])))
        y, new = layer(x, valid)
    expected, expected_new = straightforward(x, valid, layer)
    assert torch.allclose(y, expected)
    assert torch.equal(new.double(), expected_new)


@every_shape
def test_gradcheck(shape, monkeypatch):
    monkeypatch.setattr(partial, "_CHUNK", 60)
    layer = PartialConv2d(2, 2, **shape).double()
    x, valid = inputs(2, 2, 5, 6)
    x.requires_grad_()

    def compute(x, weight, bias):
        return torch.func.functional_call(layer, {"weight": weight, "bias": bias}, (x, valid))[0]

    assert torch.autograd.gradcheck(compute, (x, *layer.parameters()))


def test_ratios_at_edges_and_corners_of_a_valid_image():
    layer, plain = PartialConv2d(3, 4, 3, padding=1, bias=False), torch.nn.Conv2d(3, 4, 3, 1, 1)
    x = torch.rand(1, 3, 8, 8)
    y, new = layer(x, torch.ones(1, 1, 8, 8))
    plain = F.conv2d(x, layer.weight, padding=1)
    assert torch.allclose(y[..., 1:-1, 1:-1], plain[..., 1:-1, 1:-1], atol=1e-6)
    assert torch.allclose(y[..., 0, 1:-1], 1.5 * plain[..., 0, 1:-1], atol=1e-6)
    assert torch.allclose(y[..., 0, 0], 2.25 * plain[..., 0, 0], atol=1e-6)
    assert new.min() == 1


def test_a_window_without_a_valid_pixel_gives_zero_and_not_the_bias():
    layer = PartialConv2d(3, 4, 3, padding=1)
    torch.nn.init.ones_(layer.bias)
    valid = torch.ones(1, 1, 8, 8)
    valid[..., 2:6, 2:6] = 0
    y, new = layer(torch.rand(1, 3, 8, 8), valid)
    # A hole of 4×4 has shrunk to 2×2.
    assert (new == 0).sum() == 4
    assert (new[..., 3:5, 3:5] == 0).all()
    assert y[..., 3:5, 3:5].abs().max() == 0
    assert (y[..., 0, 0] != 0).all()


def test_a_mask_with_channels_counts_channels():
    x, _ = inputs(2, 4, 6, 6)
    valid = (torch.rand(2, 4, 6, 6, generator=torch.Generator().manual_seed(3)) > 0.5).double()
    layer = PartialConv2d(4, 5, 3, padding=1).double()
    ours, new = layer(x, valid)
    expected, expected_new = straightforward(x, valid, layer)
    assert torch.allclose(ours, expected)
    assert torch.equal(new.double(), expected_new)


@pytest.mark.parametrize("channels", [(3, 5), (1, 1), (4, 2)])
def test_several_inputs_are_as_if_concatenated(channels):
    layer = PartialConv2d(sum(channels), 4, 3, padding=1).double()
    xs, valids = zip(*(inputs(3, c, 7, 8, seed=c) for c in channels), strict=True)
    spread = [valid.expand_as(x) for x, valid in zip(xs, valids, strict=True)]
    for x in xs:
        x.requires_grad_()
    y, new = layer(xs, valids)
    expected, expected_new = layer(torch.cat(xs, 1), torch.cat(spread, 1))
    assert torch.allclose(y, expected)
    assert torch.equal(new, expected_new)
    ours, theirs = (torch.autograd.grad(z.square().sum(), xs) for z in (y, expected))
    assert all(torch.allclose(a, b) for a, b in zip(ours, theirs, strict=True))


@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize("last", [True, False])
@pytest.mark.parametrize("others", [0, 1])
@pytest.mark.parametrize("folding", [1, 10**9])
def test_enlarging_is_as_if_pixels_were_repeated(bias, last, others, folding, monkeypatch):
    monkeypatch.setattr(partial, "_WORTH_FOLDING", folding)
    monkeypatch.setattr(partial, "_CHUNK", 400)
    layer = PartialConv2d(4 + 3 * others, 5, 3, padding=1, bias=bias).double()
    small, small_valid = inputs(3, 4, 5, 6, seed=1)
    skip, skip_valid = inputs(3, 3, 10, 12, seed=2)
    if last:
        small = small.contiguous(memory_format=torch.channels_last)
        layer = layer.to(memory_format=torch.channels_last)
    small.requires_grad_()
    xs, valids = (small, *[skip] * others), (small_valid, *[skip_valid] * others)
    repeated = [F.interpolate(x, scale_factor=2) for x in (small, small_valid)]
    results = []
    for y, new in (
        layer(xs, valids, enlarge=True),
        layer((repeated[0], *xs[1:]), (repeated[1], *valids[1:])),
    ):
        grads = torch.autograd.grad((y * y.detach().cos()).sum(), [small, *layer.parameters()])
        results.append([y, new, *grads])
    for ours, theirs in zip(*results, strict=True):
        assert torch.allclose(ours, theirs, atol=1e-9)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_half_precision(dtype):
    """Nearly everything is hole: a sum of 1 of 576 must not get lost."""
    torch.manual_seed(0)
    layer = PartialConv2d(64, 8, 3, padding=1)
    x, valid = torch.rand(1, 64, 16, 16), torch.zeros(1, 1, 16, 16)
    valid[..., 3, 3] = 1
    exact, new = layer(x, valid)
    y, new_half = layer.to(dtype)(x.to(dtype), valid.to(dtype))
    assert y.dtype == dtype
    assert torch.equal(new, new_half)
    assert torch.allclose(y.float(), exact, atol=0.05, rtol=0.02)


def test_autocast_convolves_in_half_precision_and_keeps_the_mask_exact():
    layer = PartialConv2d(8, 8, 3, padding=1)
    x, valid = torch.rand(2, 8, 8, 8, requires_grad=True), torch.ones(2, 1, 8, 8)
    with torch.autocast("cpu", torch.bfloat16):
        y, new = layer(x, valid)
    assert (y.dtype, new.dtype) == (torch.bfloat16, torch.float32)
    y.float().sum().backward()
    assert layer.weight.grad.dtype == torch.float32
    assert torch.allclose(y.float(), layer(x, valid)[0], atol=0.05)


def test_no_gradient_is_computed_that_nobody_wants():
    layer = PartialConv2d(2, 2, 3)
    layer.weight.requires_grad_(False)
    y, _ = layer(torch.rand(1, 2, 5, 5), torch.ones(1, 1, 5, 5))
    y.sum().backward()
    assert layer.weight.grad is None
    assert layer.bias.grad is not None

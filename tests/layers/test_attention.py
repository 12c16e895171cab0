import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings, strategies as st

from inpaintlab.errors import SettingError, SizeError
from inpaintlab.layers import ContextualAttention


def plain(features, mask, rate, fuse, scale=10.0):
    """Contextual attention as the paper draws it: every patch cut out, everything at once."""
    height, width = (side // rate for side in features.shape[-2:])
    known = F.max_pool2d(F.max_pool2d(mask, rate), 3, 1, 1).flatten(1) == 0
    patches = F.unfold(features[..., ::rate, ::rate], 3, padding=1)
    patches = patches / patches.norm(dim=1, keepdim=True).clamp(min=1e-4)
    scores = patches.mT @ patches
    if fuse:
        scores = scores.unflatten(2, (height, width)).unflatten(1, (height, width))
        scores = diagonals(diagonals(scores, (0, 1, 3, 2, 4)), (0, 2, 4, 1, 3))
        scores = scores.flatten(3).flatten(1, 2)
    weights = (scores * scale).masked_fill(~known[:, None], -torch.inf).softmax(2)
    pasted = paste(weights, features, rate) / paste(weights, torch.ones_like(features[:, :1]), rate)
    return torch.where(known.any(1)[:, None, None, None], pasted, features)


def diagonals(scores, order):
    turned = scores.permute(order)
    eye = torch.eye(3, dtype=scores.dtype)[None, None]
    summed = F.conv2d(turned.reshape(-1, 1, *turned.shape[3:]), eye, padding=1)
    return summed.view(turned.shape).permute(*(order.index(dim) for dim in range(5)))


def paste(weights, values, rate):
    size = [side + rate for side in values.shape[-2:]]
    before, after = rate // 2, rate - rate // 2
    windows = F.unfold(F.pad(values, (before, after, before, after)), 2 * rate, stride=rate)
    pasted = F.fold(windows @ weights.mT, size, 2 * rate, stride=rate)
    return pasted[..., before:-after, before:-after]


def batch(height=12, width=16, count=2, channels=5, dtype=torch.double):
    """Features, and a hole of another size in each sample."""
    generator = torch.Generator().manual_seed(0)
    features = torch.randn(count, channels, height, width, generator=generator, dtype=dtype)
    mask = torch.zeros(count, 1, height, width, dtype=dtype)
    for index in range(count):
        mask[index, :, : 2 + index, : 3 - index] = 1
    return features, mask


@pytest.mark.parametrize("rate", [1, 2, 3])
@pytest.mark.parametrize("fuse", [True, False])
@pytest.mark.parametrize("cells", [(6, 5), (1, 7), (7, 1), (4, 8)])
@pytest.mark.parametrize("chunk", [1, 10, 1000])
def test_equals_the_plain_form_with_its_gradient(rate, fuse, cells, chunk):
    features, mask = batch(cells[0] * rate, cells[1] * rate)
    features.requires_grad_()
    expected = plain(features, mask, rate, fuse).nan_to_num()
    found = ContextualAttention(rate, fuse=fuse, chunk=chunk)(features, mask)
    known = torch.isfinite(expected).flatten(1).all(1)
    assert torch.allclose(found, torch.where(known[:, None, None, None], expected, features), atol=1e-9)
    gradients = [torch.autograd.grad(out.square().sum(), features)[0] for out in (expected, found)]
    assert torch.allclose(gradients[1], gradients[0].nan_to_num(), atol=1e-8) or not known.all()


def test_chunks_do_not_matter_in_single_precision():
    features, mask = batch(dtype=torch.float32)
    whole = ContextualAttention(chunk=10_000)(features, mask)
    assert torch.allclose(ContextualAttention(chunk=9)(features, mask), whole, atol=1e-5)


def test_gradcheck():
    features, mask = batch(6, 8, channels=2)
    features.requires_grad_()
    assert torch.autograd.gradcheck(lambda x: ContextualAttention(chunk=4)(x, mask), features)


@given(data=st.data())
@settings(max_examples=15)
def test_what_touches_the_hole_is_never_pasted(data):
    """A feature far from all others under the hole, or beside it, leaves no trace in what is pasted."""
    top, left = data.draw(st.integers(0, 11)), data.draw(st.integers(0, 15))
    features, mask = batch(channels=3)
    features, mask = features.abs(), torch.zeros_like(mask)
    mask[..., top, left] = 1
    marked = torch.where(mask > 0, 1e6, features)
    assert ContextualAttention()(marked, mask).max() <= features.max() + 1e-9


def test_constant_features_stay_constant_up_to_the_edge():
    _, mask = batch()
    features = torch.full((2, 4, 12, 16), 0.7, dtype=torch.double)
    assert torch.allclose(ContextualAttention()(features, mask), features)


@pytest.mark.parametrize("share", [0.0, 1.0])
def test_no_hole_and_no_known_patch_are_defined(share):
    features, mask = batch()
    mask[0] = share
    features.requires_grad_()
    out = ContextualAttention()(features, mask)
    out.square().sum().backward()
    assert torch.isfinite(out).all()
    assert torch.isfinite(features.grad).all()
    if share:
        assert torch.equal(out[0], features[0])


def test_all_features_zero_are_defined():
    _, mask = batch()
    features = torch.zeros(2, 4, 12, 16, dtype=torch.double, requires_grad=True)
    out = ContextualAttention()(features, mask)
    out.sum().backward()
    assert out.abs().max() == 0
    assert torch.isfinite(features.grad).all()


def test_samples_do_not_mix():
    features, mask = batch()
    together = ContextualAttention()(features, mask)
    for index in range(2):
        alone = ContextualAttention()(features[index : index + 1], mask[index : index + 1])
        assert torch.allclose(alone[0], together[index], atol=1e-12)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_half_precision_is_finite(dtype):
    features, mask = batch()
    half = (100 * features).to(dtype).requires_grad_()
    out = ContextualAttention()(half, mask.to(dtype))
    out.float().square().mean().backward()
    assert out.dtype == dtype
    assert torch.isfinite(out).all()
    assert torch.isfinite(half.grad).all()


def test_autocast_changes_nothing():
    features, mask = batch(dtype=torch.float32)
    expected = ContextualAttention()(features, mask)
    with torch.autocast("cpu", torch.bfloat16):
        assert torch.equal(ContextualAttention()(features, mask), expected)


def test_training_remembers_no_scores():
    """What is saved for the gradient grows with the number of cells, not with its square."""
    kept = []
    for side in (16, 32):
        features = torch.randn(1, 4, side, side, requires_grad=True)
        seen = {}

        def remember(tensor, seen=seen):
            seen[tensor.untyped_storage().data_ptr()] = tensor.untyped_storage().nbytes()
            return tensor

        with torch.autograd.graph.saved_tensors_hooks(remember, lambda tensor: tensor):
            ContextualAttention(chunk=32)(features, torch.zeros(1, 1, side, side))
        kept.append(sum(seen.values()))
    assert kept[1] < 5 * kept[0]


def test_bad_arguments():
    with pytest.raises(SettingError, match="rate must be at least 1, got 0"):
        ContextualAttention(0)
    with pytest.raises(SettingError, match="chunk must be at least 1, got 0"):
        ContextualAttention(chunk=0)
    with pytest.raises(SizeError, match="multiples of 2"):
        ContextualAttention()(torch.zeros(1, 3, 5, 4), torch.zeros(1, 1, 5, 4))

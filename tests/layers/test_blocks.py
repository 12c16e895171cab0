import pytest
import torch
from hypothesis import given, strategies as st

from inpaintlab.errors import SettingError
from inpaintlab.layers import (
    NORMALISATIONS,
    ConvBlock,
    hide,
    known_mean,
    normalisation,
    same_padding,
    smooth_fill,
)


def test_known_mean_sees_known_pixels_only():
    image = torch.full((2, 3, 4, 4), 0.25)
    mask = torch.zeros(2, 1, 4, 4)
    mask[0, :, :2] = 1
    image[0, :, :2] = float("nan")
    assert torch.equal(known_mean(image, mask), torch.full((2, 3, 1, 1), 0.25))


def test_known_mean_without_a_known_pixel_is_grey():
    assert torch.equal(
        known_mean(torch.rand(1, 3, 4, 4), torch.ones(1, 1, 4, 4)), torch.full((1, 3, 1, 1), 0.5)
    )


def test_hide_leaves_nothing_of_the_hole():
    image, mask = torch.rand(1, 3, 4, 4), torch.zeros(1, 1, 4, 4)
    mask[..., 1:3, 1:3] = 1
    other = torch.where(mask > 0, torch.full_like(image, float("inf")), image)
    middle = known_mean(image, mask)
    assert torch.equal(hide(image, mask, middle), hide(other, mask, middle))
    assert hide(image, mask, middle)[:, :3, 1:3, 1:3].abs().sum() == 0
    assert torch.equal(hide(image, mask, middle)[:, 3:], mask)


@pytest.mark.parametrize(("stride", "dilation", "side"), [(1, 1, 12), (1, 2, 12), (1, 5, 12), (2, 1, 6)])
def test_block_keeps_or_halves_the_size(stride, dilation, side):
    assert ConvBlock(4, 8, stride, dilation)(torch.rand(1, 4, 12, 12)).shape == (1, 8, side, side)


@pytest.mark.parametrize("name", NORMALISATIONS)
def test_normalisations_keep_the_shape_and_learn(name):
    layer = normalisation(name, 12)
    x = 3 + 2 * torch.randn(4, 12, 6, 6)
    y = layer(x)
    assert y.shape == x.shape
    if name != "none":
        assert float(y.detach().mean()) == pytest.approx(0, abs=0.01)
        assert float(y.detach().std()) == pytest.approx(1, abs=0.02)
        assert sum(p.numel() for p in layer.parameters()) == 24


@pytest.mark.parametrize("name", sorted(set(NORMALISATIONS) - {"batch"}))
def test_normalisations_but_batch_see_one_image_alone(name):
    layer, x = normalisation(name, 8), torch.randn(3, 8, 5, 5)
    assert torch.allclose(layer(x)[:1], layer(x[:1]), atol=1e-6)


@given(st.sampled_from([1, 3, 5, 7, 11]), st.integers(1, 9), st.integers(1, 12))
def test_same_padding_keeps_the_size(kernel, dilation, side):
    layer = torch.nn.Conv2d(1, 1, kernel, 1, same_padding(kernel, dilation), dilation)
    assert layer(torch.rand(1, 1, side, side)).shape[-2:] == (side, side)


def test_what_cannot_be_had():
    with pytest.raises(SettingError, match="unknown normalisation 'groop', did you mean 'group'"):
        normalisation("groop", 8)


@given(seed=st.integers(0, 10**6), levels=st.integers(0, 4))
def test_smooth_fill_keeps_what_is_known_and_stays_an_image(seed, levels):
    generator = torch.Generator().manual_seed(seed)
    image, mask = torch.rand(2, 3, 32, 48, generator=generator), some_mask(generator)
    filled = smooth_fill(image, mask, levels)
    known = (mask == 0).expand_as(image)
    assert torch.equal(filled[known], image[known])
    assert filled.min() >= 0
    assert filled.max() <= 1
    other = torch.where(mask > 0, torch.rand(image.shape, generator=generator), image)
    assert torch.equal(smooth_fill(other, mask, levels), filled)


def some_mask(generator):
    mask = torch.zeros(2, 1, 32, 48)
    mask[0, :, 3:20, 10:40] = 1
    mask[1] = (torch.rand(1, 32, 48, generator=generator) < 0.7).float()
    return mask


@pytest.mark.parametrize(("width", "least"), [(4, 0.002), (8, 0.01), (32, 0.1)])
def test_smooth_fill_continues_a_ramp(width, least):
    """A ramp solves the biharmonic equation, so that narrow holes hold one again."""
    image = torch.linspace(0, 1, 64).expand(1, 3, 64, 64).contiguous()
    mask = torch.zeros(1, 1, 64, 64)
    mask[..., 32 - width // 2 : 32 + width // 2, 32 - width // 2 : 32 + width // 2] = 1
    assert (smooth_fill(image, mask, 5) - image).abs().max() < least


def test_smooth_fill_continues_a_curve_across_a_scratch():
    """Straight from edge to edge would cut the top off."""
    x = torch.linspace(-1, 1, 64)
    image = (1 - 8 * x**2).clamp(min=0).expand(1, 3, 64, 64).contiguous()
    mask = torch.zeros(1, 1, 64, 64)
    mask[..., 30:34] = 1
    missed = (image.max() - image[..., 29:30]).max()
    assert (smooth_fill(image, mask, 4) - image).abs().max() < missed / 3


def test_smooth_fill_where_nothing_is_known_is_grey():
    assert torch.equal(
        smooth_fill(torch.rand(1, 3, 8, 8), torch.ones(1, 1, 8, 8), 3), torch.full((1, 3, 8, 8), 0.5)
    )

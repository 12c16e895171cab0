import pytest
import torch

from inpaintlab.layers import ConvBlock, hide, known_mean


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

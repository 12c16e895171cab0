import numpy as np
import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, strategies as st
from skimage.metrics import structural_similarity
from torchmetrics.functional.image import (
    multiscale_structural_similarity_index_measure,
    structural_similarity_index_measure,
)

from inpaintlab.losses import similarity_map
from inpaintlab.metrics import hole_ms_ssim, hole_ssim, ms_ssim, scales, ssim
from inpaintlab.metrics.similarity import WEIGHTS, blur, similarity_maps


def pair(height=32, width=32, count=2, noise=0.2, seed=0):
    generator = torch.Generator().manual_seed(seed)
    truth = F.interpolate(torch.rand(count, 3, 8, 8, generator=generator), (height, width))
    filled = truth + noise * torch.randn(truth.shape, generator=generator)
    return filled.clamp(0, 1), truth


def hole(height, width, count=2):
    mask = torch.zeros(count, 1, height, width)
    mask[..., 8:20, 6:22] = 1
    return mask


@pytest.mark.parametrize("size", [(24, 40), (64, 64), (11, 17)])
def test_ssim_is_torchmetrics(size):
    filled, truth = pair(*size)
    expected = structural_similarity_index_measure(filled, truth, reduction="none", data_range=1.0)
    found = ssim(filled, truth, torch.ones(2, 1, *size))
    assert torch.allclose(found, expected, atol=1e-5)


def test_maps_are_scikit_images_inside():
    """At its border scikit-image mirrors the images in another way, and leaves it out of its mean."""
    filled, truth = pair(40, 48)
    similarity, _ = similarity_maps(filled, truth)
    for index in range(2):
        arrays = [x[index].permute(1, 2, 0).double().numpy() for x in (truth, filled)]
        _, expected = structural_similarity(
            *arrays,
            channel_axis=2,
            data_range=1,
            gaussian_weights=True,
            use_sample_covariance=False,
            full=True,
        )
        inner = similarity[index, :, 5:-5, 5:-5].permute(1, 2, 0)
        assert np.allclose(inner, expected[5:-5, 5:-5], atol=1e-4)
        mask = torch.zeros(1, 1, 40, 48)
        mask[..., 10:25, 12:30] = 1
        found = float(hole_ssim(filled[index : index + 1], truth[index : index + 1], mask))
        assert found == pytest.approx(expected[10:25, 12:30].mean(), abs=1e-4)


@pytest.mark.parametrize("size", [(8, 9), (7, 7), (16, 24), (33, 20)])
def test_maps_are_those_of_the_loss(size):
    """As far as float32 goes: ours are nearer to those of float64."""
    filled, truth = pair(*size)
    assert torch.allclose(similarity_maps(filled, truth)[0], similarity_map(filled, truth), atol=1e-4)


@pytest.mark.parametrize("size", [(176, 200), (180, 256)])
def test_five_scales_are_torchmetrics(size):
    """It refuses sides up to 160; from there to 176 its last window is larger than the image."""
    filled, truth = pair(*size, count=2)
    expected = multiscale_structural_similarity_index_measure(
        filled, truth, reduction="none", data_range=1.0
    )
    found = ms_ssim(filled, truth, torch.ones(2, 1, *size))
    assert torch.allclose(found, expected, atol=2e-4)


@pytest.mark.parametrize(("size", "count"), [(22, 2), (64, 3), (88, 4)])
def test_fewer_scales_are_torchmetrics_with_their_weights(size, count):
    assert scales(size, size) == count
    filled, truth = pair(size, size)
    weights = tuple(weight / sum(WEIGHTS[:count]) for weight in WEIGHTS[:count])
    # It refuses sides of (count - 1)² · 10 and less.
    if size > 10 * (count - 1) ** 2:
        expected = multiscale_structural_similarity_index_measure(
            filled, truth, reduction="none", data_range=1.0, betas=weights
        )
        assert torch.allclose(ms_ssim(filled, truth, torch.ones(2, 1, size, size)), expected, atol=2e-4)


@pytest.mark.parametrize(("function", "single"), [(ms_ssim, ssim), (hole_ms_ssim, hole_ssim)])
def test_one_scale_is_plain_similarity(function, single):
    filled, truth = pair(21, 30)
    mask = hole(21, 30)
    assert scales(21, 30) == 1
    assert torch.allclose(function(filled, truth, mask), single(filled, truth, mask), atol=1e-6)


def test_closed_form_of_a_shift_of_two_flat_images():
    """Without structure only luminance counts: (2·x·y + c) / (x² + y² + c)."""
    truth = torch.full((1, 3, 64, 64), 0.5)
    expected = (2 * 0.5 * 0.7 + 1e-4) / (0.25 + 0.49 + 1e-4)
    mask = torch.ones(1, 1, 64, 64)
    assert float(ssim(truth + 0.2, truth, mask)) == pytest.approx(expected, abs=1e-3)
    # At several scales the luminance is that of the coarsest alone.
    last = WEIGHTS[2] / sum(WEIGHTS[:3])
    for function in (ms_ssim, hole_ms_ssim):
        assert float(function(truth + 0.2, truth, mask)) == pytest.approx(expected**last, abs=1e-3)


@pytest.mark.parametrize("function", [hole_ssim, hole_ms_ssim])
def test_what_is_far_from_the_hole_does_not_matter(function):
    filled, truth = pair(128, 128)
    mask = hole(128, 128)
    other = filled.clone()
    other[..., 100:, 100:] = 1 - other[..., 100:, 100:]
    # 40 pixels are as far as the window of the fourth scale reaches.
    assert torch.allclose(function(filled, truth, mask), function(other, truth, mask), atol=1e-6)


def test_the_size_of_the_rest_of_the_image_does_not_matter_for_the_hole():
    """The similarity of the whole nears 1 as the hole's share of it falls; that of the hole does not."""
    values = []
    for size in (48, 96):
        truth = pair(48, 48, noise=0.0)[1]
        truth = F.pad(truth, (0, size - 48, 0, size - 48), mode="replicate")
        mask = hole(size, size)
        noise = torch.zeros_like(truth)
        noise[..., :48, :48] = torch.randn(2, 3, 48, 48, generator=torch.Generator().manual_seed(1))
        filled = (truth + 0.2 * noise * mask).clamp(0, 1)
        values.append((hole_ssim(filled, truth, mask), ssim(filled, truth, mask)))
    assert torch.allclose(values[0][0], values[1][0], atol=1e-5)
    assert bool((values[1][1] > values[0][1] + 0.02).all())


@pytest.mark.parametrize("size", [4, 7, 10, 11, 24])
def test_ssim_at_small_sizes(size):
    truth = torch.rand(2, 3, size, size)
    mask = torch.ones(2, 1, size, size)
    for function in (ssim, hole_ssim, ms_ssim, hole_ms_ssim):
        assert torch.allclose(function(truth, truth, mask), torch.ones(2))
        assert bool((function(1 - truth, truth, mask) < 0.9).all())


def test_parts_of_a_batch_are_put_together_in_order():
    """At 200 pixels a side some images are worked on at a time."""
    filled, truth = pair(200, 200, count=7)
    mask = hole(200, 200, 7)
    whole = ssim(filled, truth, mask)
    assert torch.allclose(whole[5:6], ssim(filled[5:6], truth[5:6], mask[5:6]))
    assert len(set(whole.tolist())) == 7


@given(height=st.integers(1, 40), width=st.integers(1, 40), seed=st.integers(0, 100))
def test_blur_keeps_means_in_bounds(height, width, seed):
    image = torch.rand(2, 3, height, width, generator=torch.Generator().manual_seed(seed))
    blurred = blur(image)
    assert blurred.shape == image.shape
    assert bool((blurred <= image.amax((2, 3), keepdim=True) + 1e-5).all())
    assert torch.allclose(blur(torch.ones_like(image)), torch.ones_like(image), atol=1e-6)


@given(seed=st.integers(0, 100))
def test_similarity_is_symmetric(seed):
    filled, truth = pair(24, 24, seed=seed)
    mask = hole(24, 24)
    assert torch.allclose(ssim(filled, truth, mask), ssim(truth, filled, mask), atol=1e-5)

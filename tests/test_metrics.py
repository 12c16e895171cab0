import math

import numpy as np
import pytest
import torch

from inpaintlab.metrics import METRICS, hole_psnr, l1_percent, psnr, ssim


def pair(offset, size=32):
    """A truth, the truth with an offset in its hole, and the hole: a quarter of it."""
    truth = torch.rand(3, 3, size, size) * 0.5
    mask = torch.zeros(3, 1, size, size)
    mask[..., : size // 2, : size // 2] = 1
    return truth + offset * mask, truth, mask


def test_closed_forms():
    filled, truth, mask = pair(0.1)
    assert torch.allclose(hole_psnr(filled, truth, mask), torch.tensor(20.0), atol=1e-3)
    assert torch.allclose(psnr(filled, truth, mask), torch.tensor(20.0 + 10 * math.log10(4)), atol=1e-3)
    assert torch.allclose(l1_percent(filled, truth, mask), torch.tensor(2.5), atol=1e-4)


@pytest.mark.parametrize("name", METRICS)
def test_identical_pictures(name):
    _, truth, mask = pair(0.0)
    best = {"hole_psnr": 100.0, "psnr": 100.0, "ssim": 1.0, "l1_percent": 0.0}[name]
    assert torch.allclose(METRICS[name](truth, truth, mask), torch.full((3,), best))


@pytest.mark.parametrize("name", METRICS)
def test_worse_with_more_noise_and_one_value_a_picture(name):
    torch.manual_seed(0)
    _, truth, mask = pair(0.0)
    noise = torch.randn_like(truth) * mask
    values = torch.stack(
        [METRICS[name]((truth + s * noise).clamp(0, 1), truth, mask) for s in (0.02, 0.1, 0.3)]
    )
    assert values.shape == (3, 3)
    steps = values.diff(dim=0)
    assert bool((steps > 0).all() if name == "l1_percent" else (steps < 0).all())


@pytest.mark.parametrize("size", [4, 7, 10, 11, 24])
def test_ssim_at_small_sizes(size):
    truth = torch.rand(2, 3, size, size)
    mask = torch.ones(2, 1, size, size)
    assert torch.allclose(ssim(truth, truth, mask), torch.ones(2))
    assert bool((ssim(1 - truth, truth, mask) < 0.9).all())


def test_mean_of_a_batch_is_not_mixed():
    filled, truth, mask = pair(0.1)
    alone = [float(hole_psnr(filled[i : i + 1], truth[i : i + 1], mask[i : i + 1])) for i in range(3)]
    assert np.allclose(alone, hole_psnr(filled, truth, mask).numpy())

import math

import numpy as np
import pytest
import torch
from skimage.metrics import peak_signal_noise_ratio

from inpaintlab.metrics import (
    colour_difference,
    colour_offset,
    hole_l1_percent,
    hole_psnr,
    l1_percent,
    psnr,
    seam,
    seam_offset,
)


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
    assert torch.allclose(hole_l1_percent(filled, truth, mask), torch.tensor(10.0), atol=1e-4)


def test_psnr_is_scikit_images():
    filled, truth = torch.rand(2, 3, 3, 24, 20)
    mask = (torch.rand(3, 1, 24, 20) < 0.4).float()
    filled = torch.where(mask > 0, filled, truth)
    arrays = [x.permute(0, 2, 3, 1).double().numpy() for x in (truth, filled)]
    whole = [peak_signal_noise_ratio(*pair, data_range=1) for pair in zip(*arrays, strict=True)]
    assert np.allclose(psnr(filled, truth, mask), whole, atol=1e-4)
    holes = mask[:, 0].bool().numpy()
    inside = [
        peak_signal_noise_ratio(x[hole], y[hole], data_range=1)
        for x, y, hole in zip(*arrays, holes, strict=True)
    ]
    assert np.allclose(hole_psnr(filled, truth, mask), inside, atol=1e-4)
    apart = [np.abs(x[hole] - y[hole]).mean() for x, y, hole in zip(*arrays, holes, strict=True)]
    assert np.allclose(hole_l1_percent(filled, truth, mask), 100 * np.array(apart), atol=1e-4)


def test_mean_of_a_batch_is_not_mixed():
    filled, truth, mask = pair(0.1)
    alone = [float(hole_psnr(filled[i : i + 1], truth[i : i + 1], mask[i : i + 1])) for i in range(3)]
    assert np.allclose(alone, hole_psnr(filled, truth, mask).numpy())


def square(size=16):
    mask = torch.zeros(2, 1, size, size)
    mask[..., 4:12, 5:11] = 1
    return mask


@pytest.mark.parametrize("shift", [(0.1, 0.1, 0.1), (0.2, -0.1, 0.0)])
def test_colour_of_a_fill_and_its_sign(shift):
    truth, mask = torch.rand(2, 3, 16, 16) * 0.5 + 0.25, square()
    filled = truth + torch.tensor(shift).view(1, 3, 1, 1) * mask
    assert torch.allclose(colour_difference(filled, truth, mask), torch.tensor([shift] * 2), atol=1e-5)
    expected = torch.full((2,), sum(abs(x) for x in shift) / 3)
    assert torch.allclose(colour_offset(filled, truth, mask), expected, atol=1e-5)
    # Detail that is wrong, of the right mean, is no shift.
    noise = torch.randn_like(truth)
    noise = noise - (noise * mask).sum((2, 3), keepdim=True) / mask.sum((2, 3), keepdim=True)
    assert torch.allclose(colour_offset(truth + noise * mask, truth, mask), torch.zeros(2), atol=1e-5)


def test_a_seam_is_the_step_across_the_edge_that_the_truth_has_not():
    truth, mask = torch.full((2, 3, 16, 16), 0.5), square()
    assert torch.allclose(seam(truth + 0.2 * mask, truth, mask), torch.full((2,), 0.2))
    assert torch.equal(seam(truth, truth, mask), torch.zeros(2))
    # An edge of the image itself that runs along the hole's is none.
    edged = truth + 0.2 * mask
    assert torch.equal(seam(edged, edged, mask), torch.zeros(2))
    assert torch.allclose(seam(truth, edged, mask), torch.full((2,), -0.2))
    assert torch.allclose(seam_offset(truth, edged, mask), torch.full((2,), 0.2))
    # Whatever is wrong deep in the hole does not matter.
    inner = torch.zeros_like(mask)
    inner[..., 6:10, 7:9] = 1
    assert torch.equal(seam(truth + 0.4 * inner, truth, mask), torch.zeros(2))


@pytest.mark.parametrize("hole", [0.0, 1.0])
def test_colour_and_seam_without_an_edge_are_nothing(hole):
    truth = torch.rand(2, 3, 8, 8)
    mask = torch.full((2, 1, 8, 8), hole)
    assert torch.equal(seam(1 - truth, truth, mask), torch.zeros(2))
    assert bool(colour_offset(1 - truth, truth, mask).isfinite().all())

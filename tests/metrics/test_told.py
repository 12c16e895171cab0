import numpy as np
import pytest
import torch

from inpaintlab.metrics import FIGURES, RealOrFilled, told

MANY = np.arange(120)


@pytest.fixture(autouse=True)
def _small_batches(monkeypatch):
    monkeypatch.setattr(told, "PAIRS", 8)


def images(count=120, size=32, seed=0):
    """Fine noise on a slow change of colour, and a hole."""
    random = torch.Generator().manual_seed(seed)
    coarse = torch.rand(count, 3, 3, 3, generator=random)
    truth = torch.nn.functional.interpolate(coarse, (size, size), mode="bilinear") * 0.6 + 0.2
    mask = torch.zeros(count, 1, size, size)
    mask[..., 8:24, 8:24] = 1
    return truth + 0.05 * torch.randn(truth.shape, generator=random), mask


def judged(filled, truth, mask, clusters=MANY, **arguments):
    judge = RealOrFilled(**{"steps": 150, **arguments})
    for part in (slice(0, 50), slice(50, None)):
        judge.add({"ours": filled[part]}, truth[part], mask[part])
    return judge.told("ours", clusters)


def test_a_fill_without_detail_is_told():
    truth, mask = images()
    flat = torch.where(mask > 0, truth.mean((2, 3), keepdim=True), truth)
    found = judged(flat, truth, mask)
    assert found.shape == (120,)
    assert set(found) <= {0, 50, 100}
    assert found.mean() > 90
    assert FIGURES[RealOrFilled.figure].score(found.mean()) < FIGURES[RealOrFilled.figure].score(50.0)


def test_other_real_detail_is_not_told():
    """What is filled in is drawn as the truth is: only chance is left."""
    truth, mask = images(count=240)
    found = judged(truth[120:], truth[:120], mask[:120])
    assert found.mean() == pytest.approx(50, abs=4 * found.std() / 120**0.5)


def test_the_truth_itself_is_never_told():
    truth, mask = images()
    assert judged(truth, truth, mask, steps=5).tolist() == [50] * 120


def test_what_8_bits_do_not_show_is_not_seen():
    truth, mask = images()
    truth = (truth.clamp(0.1, 0.9) * 255).round() / 255
    hidden = truth + mask * 0.3 / 255 * (-1) ** torch.arange(32)
    # Crops are as large as the images here, and are enlarged in the same way.
    assert judged(hidden, truth, mask, steps=60).mean() < 60


def test_images_stay_on_one_side(monkeypatch):
    """No image is asked about that the same classifier has learnt from, whatever its hole."""
    clusters = np.repeat(np.arange(30), 4)
    truth = torch.from_numpy(clusters / 30).float().view(-1, 1, 1, 1).expand(-1, 3, 16, 16)
    asked = []
    monkeypatch.setattr(told, "_trained", lambda pairs, seed, steps: set(pairs[:, 1, 0, 0, 0].tolist()))

    def answers(learnt, crops):
        asked.extend(found := crops[:, 0, 0, 0].tolist())
        assert not learnt & set(found)
        return torch.ones(len(crops))

    monkeypatch.setattr(told, "_answers", answers)
    assert judged(truth, truth, torch.ones(120, 1, 16, 16), clusters).tolist() == [50] * 120
    assert len(asked) == 2 * 120


def test_the_same_again_and_nobody_elses_random_numbers_change():
    truth, mask = images()
    blurred = torch.where(mask > 0, torch.nn.functional.avg_pool2d(truth, 3, 1, 1), truth)
    torch.manual_seed(1)
    first = judged(blurred, truth, mask, steps=60)
    after = torch.rand(1)
    torch.manual_seed(1)
    assert torch.equal(torch.rand(1), after)
    with torch.inference_mode():
        assert np.array_equal(judged(blurred, truth, mask, steps=60), first)
    assert not np.array_equal(judged(blurred, truth, mask, steps=60, seed=1), first)

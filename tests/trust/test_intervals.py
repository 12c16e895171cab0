import pytest
import torch

from inpaintlab.errors import SettingError
from inpaintlab.trust import Intervals
from inpaintlab.trust.intervals import DEPTHS, FEWEST, RATIOS, bins
from inpaintlab.trust.seen import depth


def holes(count, size=64, seed=0):
    """Squares that take 2 to 60 % of the image."""
    random = torch.Generator().manual_seed(seed)
    mask = torch.zeros(count, 1, size, size)
    for one in mask:
        side = int(torch.randint(size // 7, size * 3 // 4, (1,), generator=random))
        top, left = torch.randint(size - side + 1, (2,), generator=random).tolist()
        one[:, top : top + side, left : left + side] = 1
    return mask


def laplace(mask, seed=0):
    """Errors over scales that are too small deep in a hole, and in large ones."""
    random = torch.Generator().manual_seed(seed)
    uniform = torch.rand(len(mask), 3, *mask.shape[-2:], generator=random)
    return -uniform.log() * (1 + 8 * depth(mask) + 2 * mask.mean((1, 2, 3), keepdim=True))


@pytest.mark.parametrize("coverage", [0.5, 0.9, 0.95])
def test_intervals_hold_as_many_values_as_they_say_in_every_bin(coverage):
    intervals = Intervals(coverage)
    intervals.fit((laplace(mask, seed), mask) for seed in range(20) for mask in [holes(64, 32, seed)])
    mask = holes(300, 32, 99)
    inside = (laplace(mask, 99) <= intervals(mask)).float().mean(1, keepdim=True)
    ratio, deep = bins(mask)
    assert float(inside[mask > 0].mean()) == pytest.approx(coverage, abs=0.01)
    for row in range(len(RATIOS) + 1):
        for column in range(len(DEPTHS) + 1):
            where = (mask > 0) & (ratio == row) & (deep == column)
            if int(where.sum()) > 1000:
                assert float(inside[where].mean()) == pytest.approx(coverage, abs=0.03)


def test_one_factor_for_all_would_not_hold_in_every_bin():
    """The bins are there for a reason: deep in a hole one factor holds too little."""
    intervals, mask = Intervals(), holes(800, 32)
    errors = laplace(mask)
    intervals.fit([(errors, mask)])
    pooled = errors.permute(0, 2, 3, 1)[mask[:, 0] > 0].quantile(0.9)
    deep = depth(mask).expand_as(errors) > DEPTHS[-1]
    assert float((errors[deep] <= pooled).float().mean()) < 0.8
    assert float((errors <= intervals(mask))[deep].float().mean()) > 0.87


def test_a_bin_of_few_images_takes_the_factor_of_the_nearest_depth_or_that_of_all():
    intervals = Intervals()
    small = torch.zeros(FEWEST, 1, 64, 64)
    small[..., 10:20, 10:20] = 1
    intervals.fit([(laplace(small), small)])
    found, others = intervals.factors[0], intervals.factors[1:]
    assert len(found.unique()) == 3  # its pixels lie in three bins
    assert found[2] == found[3] == found[4]
    assert len(others.unique()) == 1
    assert found[0] < others[0, 0] < found[2]


def test_nothing_is_calibrated_without_a_hole():
    with pytest.raises(SettingError, match="no mask has a hole"):
        Intervals().fit([(torch.rand(2, 3, 8, 8), torch.zeros(2, 1, 8, 8))])


@pytest.mark.parametrize("coverage", [0.0, 1.0, 90.0])
def test_coverage_is_a_share(coverage):
    with pytest.raises(SettingError, match="above 0 and below 1"):
        Intervals(coverage)


@pytest.mark.parametrize("shape", [(8, 8), (5, 17)])
def test_depth_is_zero_outside_holes_and_one_for_a_hole_without_end(shape):
    mask = torch.zeros(2, 1, *shape)
    mask[1] = 1
    assert depth(mask)[0].sum() == 0
    assert (depth(mask)[1] == 1).all()

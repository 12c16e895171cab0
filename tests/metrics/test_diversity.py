from itertools import pairwise

import pytest
import torch
from hypothesis import given, strategies as st

from inpaintlab.errors import SettingError
from inpaintlab.metrics import best_hole_psnr, diversity, hole_psnr, relative_diversity

seeds = st.integers(0, 10_000)


def drawn(seed, fills=4, count=3, size=12):
    random = torch.Generator().manual_seed(seed)
    several = torch.rand(fills, count, 3, size, size, generator=random)
    truth = torch.rand(count, 3, size, size, generator=random)
    mask = (torch.rand(count, 1, size, size, generator=random) < 0.4).float()
    return several, truth, mask


@given(seed=seeds, scale=st.floats(0, 1))
def test_diversity_grows_with_what_differs(seed, scale):
    fills, _, mask = drawn(seed)
    nearer = fills[:1] + scale * (fills - fills[:1])
    assert torch.allclose(diversity(nearer, mask), scale * diversity(fills, mask), atol=1e-5)


@given(seed=seeds)
def test_the_order_of_fills_and_known_pixels_do_not_matter(seed):
    fills, truth, mask = drawn(seed)
    elsewhere = fills + (1 - mask) * torch.rand(fills.shape)
    for other in (fills.flip(0), list(fills), elsewhere):
        assert torch.allclose(diversity(other, mask), diversity(fills, mask), atol=1e-5)
        assert torch.allclose(best_hole_psnr(other, truth, mask), best_hole_psnr(fills, truth, mask))


@given(seed=seeds)
def test_the_best_of_more_is_no_worse_and_is_one_of_them(seed):
    fills, truth, mask = drawn(seed)
    each = torch.stack([hole_psnr(of, truth, mask) for of in fills])
    best = [best_hole_psnr(fills[:count], truth, mask) for count in range(1, 5)]
    assert torch.equal(best[0], each[0])
    assert torch.equal(best[3], each.amax(0))
    assert all(bool((more >= fewer).all()) for fewer, more in pairwise(best))


@pytest.mark.parametrize("level", [0.0, 0.3])
def test_fills_that_are_the_same_have_no_diversity(level):
    _, truth, mask = drawn(0)
    fills = [truth + level] * 3
    assert diversity(fills, mask).tolist() == [0, 0, 0]
    assert relative_diversity(fills, truth, mask).tolist() == [0, 0, 0]


def test_fills_that_are_other_images_are_as_diverse_as_images():
    """Each image's fills are all other images' truths, so that their distances are the scale itself."""
    random = torch.Generator().manual_seed(0)
    truth, mask = torch.rand(80, 3, 8, 8, generator=random), torch.ones(80, 1, 8, 8)
    fills = torch.rand(6, 80, 3, 8, 8, generator=random)
    assert relative_diversity(fills, truth, mask).mean() == pytest.approx(1, abs=0.03)


def test_where_images_are_alike_it_is_the_diversity_itself():
    """As in a white margin: the images of the other holes are still told."""
    fills, truth, mask = drawn(0)
    truth[..., :6] = 1
    mask[0], mask[0, ..., :6] = 0, 1
    found = relative_diversity(fills, truth, mask)
    assert found[0] == diversity(fills, mask)[0] > 0
    assert (found[1:] > diversity(fills, mask)[1:]).all()


@given(seed=seeds, count=st.integers(2, 6))
def test_part_of_a_batch_beside_the_rest_is_as_in_the_whole(seed, count):
    fills, truth, mask = drawn(seed, count=count)
    whole = relative_diversity(fills, truth, mask)
    others = [truth.roll(by, 0)[:1] for by in range(1, count)]
    assert torch.allclose(relative_diversity(fills[:, :1], truth[:1], mask[:1], others), whole[:1])


def test_an_image_without_a_hole_has_no_diversity():
    fills, truth, mask = drawn(0)
    mask[0] = 0
    assert float(relative_diversity(fills, truth, mask)[0]) == 0
    assert float(best_hole_psnr(fills, truth, mask)[0]) == 100


def test_what_cannot_be_told_is_said():
    fills, truth, mask = drawn(0, count=1)
    with pytest.raises(SettingError, match="two fills or more, got 1"):
        diversity(fills[:1], mask)
    with pytest.raises(SettingError, match="give two different ones or more"):
        relative_diversity(fills, truth, mask, others=[])
    for same in (truth, truth.expand(2, -1, -1, -1)):
        with pytest.raises(SettingError, match="give two different ones or more"):
            relative_diversity(
                fills.expand(-1, len(same), -1, -1, -1), same, mask.expand(len(same), -1, -1, -1)
            )

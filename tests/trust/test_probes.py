import pytest
import torch
from hypothesis import given, settings, strategies as st
from torch import nn

from inpaintlab.trust.probes import PROBES, move
from tests.trust.test_intervals import holes

CHANGES = [(name, amount) for name, of in PROBES.items() for amount in of.amounts]
#: Probes that change values by at most their amount.
BOUNDED = ("noise", "gradient")


def some(count=3, size=24, seed=0):
    """Images of 8 bits, and their masks."""
    values = torch.randint(256, (count, 3, size, size), generator=torch.Generator().manual_seed(seed))
    return values / 255, holes(count, size, seed)


def generator():
    return torch.Generator().manual_seed(0)


@pytest.fixture(scope="module")
def network():
    """A convolution over image and mask, which has a gradient."""
    torch.manual_seed(0)
    layer = nn.Conv2d(4, 3, 7, padding=3)
    return lambda image, mask: layer(torch.cat([image, mask], 1)).sigmoid()


def without_gradient(network):
    return lambda image, mask: network(image.detach(), mask).detach()


def mean_colour(image, mask):
    """The mean of the known pixels."""
    known = 1 - mask
    mean = (image * known).sum((2, 3), keepdim=True) / known.sum((2, 3), keepdim=True)
    return torch.where(mask > 0, mean, image)


@pytest.mark.parametrize(("name", "amount"), CHANGES)
def test_a_changed_image_is_one_of_8_bits_and_the_same_each_time(name, amount, network):
    image, mask = some()
    before = image.clone(), mask.clone()
    moved = move(name, amount, network, image, mask, generator())
    assert torch.allclose(255 * moved.image, (255 * moved.image).round(), atol=1e-3)
    assert 0 <= float(moved.image.min()) <= float(moved.image.max()) <= 1
    assert set(moved.mask.unique().tolist()) <= {0, 1}
    again = move(name, amount, network, image, mask, generator())
    assert torch.equal(moved.after, again.after)
    assert torch.equal(image, before[0])
    assert torch.equal(mask, before[1])


@pytest.mark.parametrize(("name", "amount"), [of for of in CHANGES if of[0] in BOUNDED])
@pytest.mark.parametrize("kind", [lambda network: network, without_gradient])
def test_known_values_change_by_no_more_than_the_amount(name, amount, kind, network):
    image, mask = some()
    moved = move(name, amount, kind(network), image, mask, generator())
    change = (moved.image - image).abs()
    assert float((change * mask).max()) == 0
    assert 255 * float(change.max()) == pytest.approx(amount, abs=0.01)
    assert torch.equal(moved.mask, mask)


@given(seed=st.integers(0, 100), amount=st.sampled_from((1, 10, 100, 1000)))
@settings(max_examples=20)
def test_so_many_bits_of_known_values_flip(seed, amount):
    image, mask = some(2, 24, seed)
    moved = move("bits", amount, mean_colour, image, mask, torch.Generator().manual_seed(seed))
    old, new = ((255 * x).round().to(torch.uint8) for x in (image, moved.image))
    flipped = (old ^ new).unsqueeze(-1).bitwise_and(2 ** torch.arange(8, dtype=torch.uint8)) > 0
    there = 8 * 3 * (1 - mask).sum((1, 2, 3))
    assert flipped.sum((1, 2, 3, 4)).tolist() == there.clamp(max=amount).tolist()
    assert not (flipped.any(-1) & (mask > 0)).any()


def test_one_pixel_near_the_hole_changes(network):
    image, mask = some(size=40)
    moved = move("pixel", 1, network, image, mask, generator())
    changed = (moved.image != image).any(1, keepdim=True)
    assert (changed.sum((1, 2, 3)) == 1).all()
    assert not (changed & (mask > 0)).any()


def test_a_search_finds_more_than_noise_and_a_gradient_more_than_both(network):
    image, mask = some(8)
    noise = move("noise", 4, network, image, mask, generator()).distance
    searched = move("gradient", 4, without_gradient(network), image, mask, generator()).distance
    climbed = move("gradient", 4, network, image, mask, generator()).distance
    assert float(noise.mean()) < float(searched.mean()) < float(climbed.mean())


def test_the_worst_change_of_a_mean_is_one_direction():
    """Values that all go the same way move the mean by the whole amount: no change moves it more."""
    grey, mask = torch.full((2, 3, 24, 24), 128 / 255), holes(2, 24)
    for method in (mean_colour, without_gradient(mean_colour)):
        moved = move("gradient", 8, method, grey, mask, generator())
        assert moved.distance.max() <= 8 / 255 + 1e-6
    assert move("gradient", 8, mean_colour, grey, mask, generator()).distance.min() > 7.9 / 255


@pytest.mark.parametrize("kind", [lambda network: network, without_gradient])
def test_what_looks_at_nothing_is_not_moved(kind):
    black = kind(lambda image, mask: image * 0)
    image, mask = some()
    for name, amount in CHANGES:
        assert float(move(name, amount, black, image, mask, generator()).distance.max()) == 0


def test_a_method_that_moves_along_is_not_moved_by_a_shift():
    """What is put out lies where it was before, so that a fill that follows the image is the same."""
    image, mask = some(size=32)
    follows = nn.Conv2d(3, 3, 3, padding=1, padding_mode="replicate")
    moved = move("shift", 1, lambda image, mask: follows(image).sigmoid(), image, mask, generator())
    inner = moved.where.clone()
    inner[..., [0, -1, -2]] = 0
    assert float(((moved.after - moved.before).abs() * inner).max()) < 1e-6
    assert float(moved.where[..., -1].max()) == 0


def test_holes_grow_and_shrink_by_a_pixel():
    mask = torch.zeros(2, 1, 12, 12)
    mask[0, :, 4:8, 4:8] = 1
    mask[1, :, 5, 5] = 1  # nothing would be left of this one
    image = torch.zeros(2, 3, 12, 12)
    grown, shrunk = (move(name, 1, mean_colour, image, mask, generator()) for name in ("grow", "shrink"))
    assert grown.mask.sum((1, 2, 3)).tolist() == [36, 9]
    assert shrunk.mask.sum((1, 2, 3)).tolist() == [4, 1]
    assert torch.equal(grown.where, mask)
    assert torch.equal(shrunk.where, shrunk.mask)

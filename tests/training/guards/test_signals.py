import pytest
import torch
from torch import nn

from inpaintlab.training.guards.detectors import HARDLY
from inpaintlab.training.guards.signals import Follower, errors_of, variances


def batch(count=6, size=16, seed=0):
    random = torch.Generator().manual_seed(seed)
    truth = torch.rand(count, 3, size, size, generator=random)
    hole = torch.zeros(count, 1, size, size)
    hole[..., 3:12, 4:13] = 1
    return truth, hole


@pytest.mark.parametrize("seed", range(3))
def test_the_truth_varies_as_the_truth_does(seed):
    truth, hole = batch(seed=seed)
    found = variances(truth, truth, hole)
    assert {name: round(float(value), 5) for name, value in found.items()} == {
        "contrast": 1.0,
        "spread": 1.0,
        "saturated": 0.0,
    }


@pytest.mark.parametrize(
    ("fill", "contrast", "spread"),
    [
        (lambda truth: torch.zeros_like(truth), 0, 0),
        (lambda truth: truth.new_tensor([1.0, 0, 0]).view(1, 3, 1, 1).expand_as(truth), 0, 0),
        (lambda truth: truth[:1].expand_as(truth), 1, 0),
    ],
    ids=["black", "red", "the same image for all"],
)
def test_collapsed_fills_vary_less(fill, contrast, spread):
    truth, hole = batch()
    found = variances(fill(truth), truth, hole)
    assert float(found["contrast"]) == pytest.approx(contrast, abs=0.1)
    assert float(found["spread"]) == pytest.approx(spread, abs=1e-3)


def test_the_same_difference_from_the_mean_colour_is_the_same_for_every_image():
    truth, hole = batch()
    truth = truth * torch.linspace(0.2, 1, 6).view(6, 1, 1, 1)
    known = 1 - hole
    middle = (truth * known).sum((2, 3), keepdim=True) / known.sum((2, 3), keepdim=True)
    found = variances(middle + 0.1 * torch.sin(torch.arange(16.0)), truth, hole)
    assert float(found["spread"]) < 1e-3
    assert float(found["contrast"]) > 0.1


def test_what_is_outside_the_hole_does_not_matter():
    truth, hole = batch()
    output, _ = batch(seed=1)
    elsewhere = torch.where(hole > 0, output, 0.3)
    for name, value in variances(output, truth, hole).items():
        assert float(value) == pytest.approx(float(variances(elsewhere, truth, hole)[name]), abs=1e-6)


def test_black_fills_are_saturated():
    truth, hole = batch()
    assert float(variances(torch.zeros_like(truth), truth, hole)["saturated"]) > 0.9


def test_the_follower_measures_the_change_of_one_layer_after_another():
    network = nn.Sequential(nn.Linear(3, 4), nn.Linear(4, 2))
    follower = Follower(network)
    for step in range(4):
        follower.before(step)
        with torch.no_grad():
            network[step % 2].weight.mul_(1.25)
        assert float(follower.update()) == pytest.approx(0.2, rel=1e-5)
        follower.before(step)
        assert float(follower.update()) == 0


def test_layers_without_a_gradient_are_counted():
    network = nn.Sequential(nn.Linear(3, 4), nn.ReLU(), nn.Linear(4, 2))
    with torch.no_grad():
        network[0].bias.fill_(-100)
    network(torch.rand(5, 3)).sum().backward()
    assert float(Follower(network).still()) == 1.0  # no feature comes through: the last has none either


@pytest.mark.parametrize("size", [8, 15, 16])
def test_noise_is_hardly_painted_by_one_colour_but_a_wrong_wall_behind_what_is_painted_is(size):
    truth, _ = batch(size=size)
    errors, shares = errors_of(truth.mean((2, 3), keepdim=True).expand_as(truth), truth)
    assert (shares > HARDLY).all()
    assert (errors > 0.2).all()
    output = 0.5 * truth
    output[..., :4] = 1.0  # the wall, output in quite another colour
    truth = 0.5 * truth
    truth[..., :4] = 0.0
    errors, shares = errors_of(output, truth)
    assert (errors > 0.15).all()
    assert (shares < 0.5).all()


def test_what_is_painted_rightly_has_no_error():
    truth, _ = batch()
    errors, shares = errors_of(truth, truth)
    assert not errors.any()
    assert not shares.any()

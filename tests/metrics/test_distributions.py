import numpy as np
import pytest
import torch
from torch import nn

from inpaintlab.features import VectorNetwork
from inpaintlab.metrics import (
    Distributions,
    Unavailable,
    common_size,
    discrimination,
    frechet_distance,
    kernel_distance,
)


class Colours(nn.Module):
    """The mean colour of each half: 6 numbers."""

    def forward(self, image):
        return torch.cat([half.mean((2, 3)) for half in image.chunk(2, dim=3)], dim=1)


def network():
    return VectorNetwork(Colours(), dimension=6, min_size=2)


def filled_sets(count=60, batch=25):
    """Three batches of images and what two methods made of them; the rows of all three."""
    generator = torch.Generator().manual_seed(0)
    truth = torch.rand(count, 3, 8, 8, generator=generator)
    noise = torch.randn(truth.shape, generator=generator)
    methods = {"bad": (truth + 0.5 * noise).clamp(0, 1), "good": (truth + 0.05 * noise).clamp(0, 1)}
    sets = Distributions(network(), "-colours")
    for start in range(0, count, batch):
        part = slice(start, start + batch)
        filled = {name: of[part] for name, of in methods.items()}
        sets.add(filled, truth[part], torch.ones_like(truth[part, :1]))
    rows = {name: network()(of).numpy() for name, of in methods.items()}
    return sets, rows, network()(truth).numpy()


def test_scores_are_those_of_the_rows():
    sets, rows, truth = filled_sets()
    for method in ("bad", "good"):
        scores = sets.scores(method)
        assert list(scores) == list(sets.figures)
        expected = [
            frechet_distance(rows[method], truth),
            *kernel_distance(rows[method], truth)[:2],
            *discrimination(rows[method], truth),
        ]
        assert list(scores.values()) == pytest.approx(expected, rel=1e-4, abs=1e-7)
    bad, good = sets.scores("bad"), sets.scores("good")
    assert good["fd-colours"] < bad["fd-colours"]
    assert good["kd-colours"] < bad["kd-colours"]


def test_a_selection_is_its_rows():
    sets, rows, truth = filled_sets()
    chosen = np.arange(60) % 2 == 0
    found = sets.scores("bad", chosen)["fd-colours"]
    assert found == pytest.approx(frechet_distance(rows["bad"][chosen], truth[chosen]), rel=1e-4)


def test_few_images_are_refused_with_how_many_it_needs():
    sets, _, _ = filled_sets()
    assert sets.least == 7
    scores = sets.scores("bad", np.arange(60) < 6)
    reason = "needs at least 7 images, there are 6"
    for name in ("fd-colours", "p_ds-colours", "u_ds-colours"):
        assert scores[name] == Unavailable(name, reason)
    assert scores["kd-colours"].reason == "needs at least 20 images, there are 6"
    some = sets.scores("bad", np.arange(60) < 7)
    assert isinstance(some["fd-colours"], float)
    assert isinstance(some["kd-colours"], Unavailable)


def test_at_equal_n_the_distance_is_of_some_of_them_the_same_for_all_methods():
    sets, _, _ = filled_sets()
    chosen = np.arange(60) < 50
    all_of_them = sets.scores("bad", chosen)
    found = sets.scores("bad", chosen, count=20)
    assert found == sets.scores("bad", chosen, count=20)
    assert found["fd-colours"] != all_of_them["fd-colours"]
    assert found["kd-colours"] == all_of_them["kd-colours"]
    assert sets.scores("bad", chosen, count=50) == all_of_them
    assert sets.scores("bad", chosen, count=6)["fd-colours"].reason.endswith("7 images, there are 6")


def test_common_size_passes_over_what_is_too_small():
    sizes = [np.arange(100) < count for count in (100, 3, 30)]
    assert common_size(sizes, least=7) == 30
    assert common_size(sizes, least=2) == 3
    assert common_size(sizes[1:2], least=7) == 0


def test_names_of_the_standard_are_for_its_network_alone():
    assert list(Distributions(network()).figures) == ["fid", "kid", "kid_std", "p_ids", "u_ids"]
    assert not set(Distributions(network(), "-colours").figures) & set(Distributions(network()).figures)


def test_images_that_are_identical():
    truth = torch.rand(30, 3, 8, 8)
    sets = Distributions(network(), "-colours")
    sets.add({"ours": truth}, truth, torch.ones(30, 1, 8, 8))
    scores = sets.scores("ours")
    assert scores["fd-colours"] == pytest.approx(0, abs=1e-6)
    assert scores["kd-colours"] == pytest.approx(0, abs=1e-6)
    assert scores["u_ds-colours"] == 0.5


def test_what_is_cut_out_is_all_that_the_network_sees():
    def left_half(images, mask):
        assert mask.shape == (30, 1, 8, 8)
        return images[..., :4]

    truth = torch.rand(30, 3, 8, 8)
    spoilt = torch.cat([truth[..., :4], 1 - truth[..., 4:]], dim=3)
    for cut, alike in ((None, False), (left_half, True)):
        sets = Distributions(network(), "-colours", cut)
        sets.add({"ours": spoilt}, truth, torch.ones(30, 1, 8, 8))
        assert (sets.scores("ours")["kd-colours"] == pytest.approx(0, abs=1e-6)) == alike

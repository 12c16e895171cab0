import numpy as np
import pytest
import torch
from torch import nn

from inpaintlab.evaluation.evaluate import whole_sets
from inpaintlab.evaluation.rows import FACTS, Rows
from inpaintlab.features import VectorNetwork
from inpaintlab.metrics import Available, Distributions, Unavailable


class Colour(VectorNetwork):
    def forward(self, image):
        return image.mean((2, 3))


def measured(sizes):
    """Rows in bins of these sizes, and a collector of the colours of what two methods filled."""
    random = torch.Generator().manual_seed(0)
    bins = [name for name, size in sizes.items() for _ in range(size)]
    facts = {name: [str(row) for row in range(len(bins))] for name in FACTS} | {"bin": bins}
    values = {"hole_psnr": np.zeros(len(bins))}
    collector = Distributions(Colour(nn.Identity(), dimension=3, min_size=1), "-colour")
    truth = torch.rand(len(bins), 3, 4, 4, generator=random)
    collector.add({"bad": truth * 0.5, "ours": truth * 0.98}, truth, torch.ones_like(truth[:, :1]))
    offered = Available({}, [collector], [Unavailable("fid", "no weights")])
    return Rows(facts, {"bad": values, "ours": values}), offered


def test_bins_are_compared_at_equal_n():
    rows, offered = measured({"0–10 %": 80, "10–20 %": 40})
    found, missing = whole_sets(rows, ["bad", "ours"], offered)
    assert [of.name for of in missing] == ["fid"]
    assert found.equal_n == {"fd-colour": 40}
    assert [of.n for of in found.bins.values()] == [80, 40]
    collector = offered.sets[0]
    chosen = rows.where("bin", "0–10 %")
    expected = collector.scores("ours", chosen, count=40)["fd-colour"]
    assert found.bins["0–10 %"].methods["ours"]["fd-colour"] == pytest.approx(expected)
    for of in (found.overall, *found.bins.values()):
        for name in ("fd-colour", "kd-colour"):
            assert of.methods["ours"][name] < of.methods["bad"][name]


def test_a_bin_with_too_few_has_no_frechet_distance():
    rows, offered = measured({"0–10 %": 80, "10–20 %": 3})
    found, _ = whole_sets(rows, ["bad", "ours"], offered)
    assert "fd-colour" in found.bins["0–10 %"].methods["ours"]
    assert "fd-colour" not in found.bins["10–20 %"].methods["ours"]
    assert found.equal_n == {"fd-colour": 80}


def test_one_bin_needs_no_table_of_its_own():
    rows, offered = measured({"0–10 %": 30})
    assert whole_sets(rows, ["bad", "ours"], offered)[0].bins == {}


def test_nothing_measured_is_nothing():
    rows, offered = measured({"0–10 %": 2})
    found, missing = whole_sets(rows, ["bad", "ours"], offered)
    assert found is None
    assert {"fid", "fd-colour", "kd-colour"} <= {of.name for of in missing}

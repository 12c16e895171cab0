"""Memory, activations and speed."""

import numpy as np
import pytest
import torch
import yaml
from torch import nn

from inpaintlab import networks
from inpaintlab.data import samples
from inpaintlab.diagnosis.network import EXPLODED, VANISHED, activations, memory, speed
from inpaintlab.tensors import to_tensor
from inpaintlab.training import train
from inpaintlab.training.build import build_trainer, create_network, rehearse
from tests.conftest import small_settings
from tests.diagnosis.conftest import check_settings, session_of


def batch(size):
    mask = torch.zeros(2, 1, size, size)
    mask[..., size // 4 : size // 2, size // 4 : size // 2] = 1
    return to_tensor(np.stack([samples.draw(number, size) for number in range(2)])), mask


@pytest.mark.parametrize("name", networks.NETWORKS)
def test_every_network_is_well_within_the_bounds_of_activations(name):
    torch.manual_seed(0)
    network = networks.create(name)
    side = max(network.multiple_of * -(-32 // network.multiple_of), network.min_size)
    verdict = activations(network, network, *batch(side), changed=False)
    assert verdict.word == "ok"
    found = [line["after"] for line in verdict.figures["layers"]]
    assert min(found) > 30 * VANISHED
    assert max(found) < EXPLODED / 30


@pytest.mark.parametrize(("factor", "how"), [(1e-3, "vanish"), (1e3, "explode")])
def test_vanishing_and_exploding_are_found_by_layer(factor, how):
    torch.manual_seed(0)
    network, broken = (networks.create("unet", width=8, depth=1, norm="none") for _ in range(2))
    layer = next(part for part in broken.modules() if isinstance(part, nn.Conv2d))
    layer.weight.data *= factor
    layer.bias.data *= factor
    verdict = activations(network, broken, *batch(32), changed=False)
    assert (verdict.word, f"signals {how}" in verdict.text) == ("finding", True)
    assert "lsuv" in verdict.advice
    changed = activations(network, broken, *batch(32), changed=True)
    assert changed.advice == "leave initialise out"
    assert "the network's own weights" in changed.text


@pytest.mark.parametrize("scheme", ["kaiming", "xavier", "orthogonal", "lsuv"])
def test_initial_weights_by_a_scheme_are_those_of_the_seed(tmp_path, scheme):
    settings = check_settings(initialise=scheme)
    one, same = (rehearse(settings, tmp_path).network.state_dict() for _ in range(2))
    own = create_network(settings).state_dict()
    assert all(torch.equal(one[key], same[key]) for key in one)
    assert any(not torch.equal(one[key], own[key]) for key in one)


def test_initial_weights_stand_in_the_recipe(tmp_path):
    run = train(small_settings(initialise="lsuv", output=tmp_path / "run")).folder
    recipe = yaml.safe_load((run / "recipe.yaml").read_text())
    assert recipe["initialise"] == {"name": "lsuv", "activation": "silu"}


def test_memory_says_what_fits(tmp_path):
    trainer = build_trainer(check_settings(batch_size=32, output=None))
    enough = memory(trainer, 10**10)
    assert enough.word == "ok"
    tight = memory(trainer, int(1.1 * enough.figures["needed"]))
    assert (tight.word, "--batch-size" in tight.advice) == ("note", True)
    short = memory(trainer, enough.figures["needed"] - 10**6)
    assert (short.word, "fits with --batch-size" in short.advice) == ("finding", True)
    assert short.figures["largest_batch"] < 32 <= enough.figures["largest_batch"]


@pytest.mark.parametrize(
    ("changes", "images", "word", "text"),
    [
        ({"minutes": 1}, 100, "ok", "1 minutes make"),
        ({"steps": 50}, 100, "ok", "50 steps take"),
        ({"steps": 2}, 1000, "note", "2 steps take"),
        ({"minutes": None}, 10, "ok", "10 minutes make"),
    ],
)
def test_speed(tmp_path, changes, images, word, text):
    trainer, settings = session_of(tmp_path, **changes)
    before = [value.clone() for value in trainer.network.parameters()]
    verdict = speed(trainer, settings, images)
    assert (verdict.word, text in verdict.text) == (word, True)
    assert verdict.figures["images_per_second"] > 0
    after = trainer.network.parameters()
    assert all(torch.equal(a, b) for a, b in zip(before, after, strict=True))

"""Objectives: their equations and phases, the polarity of what is adversarial, what they refuse."""

import copy
import math
from functools import partial

import pytest
import torch
from lightning_fabric import Fabric
from torch import nn
from torch.nn.utils.parametrizations import spectral_norm

from inpaintlab import features, losses, networks
from inpaintlab.errors import SettingError
from inpaintlab.losses import ADVERSARIAL, patch_mask
from inpaintlab.runs import read_log
from inpaintlab.settings import TrainSettings
from inpaintlab.tensors import composite
from inpaintlab.training import resume, train, trainer
from inpaintlab.training.build import resolve as resolve_settings
from inpaintlab.training.objectives import (
    OBJECTIVES,
    REAL_NOISE,
    REAL_WEIGHT,
    Optimisation,
    create,
    resolve,
)
from inpaintlab.training.objectives.adversarial import Turns
from inpaintlab.training.objectives.base import Learner
from inpaintlab.training.objectives.partial_conv import PartialConv
from tests.conftest import small_settings
from tests.training.test_trainer import _StopAfter
from tests.weights import tiny_features

PARTIAL = {"name": "partial-unet", "width": 8, "depth": 2}
DISCRIMINATOR = {"discriminator_width": 8, "discriminator_layers": 2}


@pytest.fixture(autouse=True)
def _tiny(monkeypatch):
    """A feature network without trained weights, in the place of every other."""
    for name in ("vgg16", "efficientnet-lite0"):
        monkeypatch.setitem(features.FEATURES, name, tiny_features)


def batch(seed=0, size=16, count=4):
    draw = partial(torch.rand, generator=torch.Generator().manual_seed(seed))
    image, mask = draw(count, 3, size, size), torch.zeros(count, 1, size, size)
    for place in range(count):
        mask[place, :, 4 : 9 + place, 5:11] = 1
    return image, mask


def attached(name, network=None, **arguments):
    torch.manual_seed(0)
    objective = create(name, **arguments)
    given = network or {"name": "unet", "width": 8, "depth": 1, "dilations": [1]}
    network = networks.create(given["name"], **{k: v for k, v in given.items() if k != "name"})
    objective.attach(Fabric(accelerator="cpu"), network, Optimisation())
    return objective


def small(name):
    return {} if name in ("reconstruction", "partial-conv", "partial-conv-lite") else DISCRIMINATOR


@pytest.mark.parametrize("name", OBJECTIVES)
def test_every_objective_takes_steps_that_lower_its_own_validation(name):
    network = {"name": "deepfill", "width": 8} if name == "deepfill" else None
    objective = attached(name, network, **small(name))
    objective.check(objective.generator.network, 16)
    image, mask = batch()
    generator = objective.generator.network
    before = objective.scalars(generator(image, mask), image, mask)
    steps = [objective.step(image, mask, 1e-3, progress) for progress in (0.0, 0.02, 0.1, 0.3, 0.6, 1.0)]
    after = objective.scalars(generator(image, mask), image, mask)
    assert after["loss"] < before["loss"]
    assert {"loss", "hole_l1", "known_l1", "gradient_norm"} <= set(steps[0].scalars)
    assert {"loss", "hole_l1", "known_l1"} <= set(after)
    assert not [key for key in after if "discriminator" in key or key == "adversarial"]
    assert all(math.isfinite(value) and not value.requires_grad for value in steps[-1].scalars.values())
    assert all(not network.training or network in objective.extras() for network in objective.extras())


@pytest.mark.parametrize(
    ("name", "arguments", "words"),
    [
        ("adverserial", {}, "did you mean 'adversarial'"),
        ("adversarial", {"loss": "hing"}, "did you mean 'hinge'"),
        ("adversarial", {"penalty": "r2"}, "unknown objective.penalty"),
        ("adversarial", {"discriminator": "patsh"}, "did you mean 'patch'"),
        ("adversarial", {"penalty": "gradient", "discriminator": "patch"}, "without batch norms"),
        ("adversarial", {"penalty": "gradient", "discriminator": "features"}, "penalty=both"),
        ("adversarial", {"loss": "wasserstein"}, "penalty=gradient gives them"),
        ("adversarial", {"warmup": 0.8, "ramp": 0.3}, "shares of the run"),
        ("adversarial", {"betas": [0.9]}, r"two numbers in \[0, 1\), got \[0.9\]"),
        ("adversarial", {"adversarial_betas": [1.0, 0.9]}, r"adversarial_betas are two .* got \[1.0"),
        ("adversarial", {"adversarial_weight": -1}, "adversarial_weight must be 0 or more, got -1"),
        ("adversarial", {"variety": -1}, "variety must be 0 or more, got -1"),
        ("adversarial", {"variety": 1.5}, "variety is from 0 to 1, .* got 1.5"),
        ("adversarial", {"discriminator_layers": 0}, "layers must be at least 1"),
        ("lama", {"perceptual_weight": 0}, "are both 0"),
        ("partial-conv", {"features": "vgg"}, "unknown features 'vgg'"),
        ("partial-conv", {"second_phase": 1}, r"second_phase must be in \[0, 1\)"),
        ("partial-conv", {"second_rate": 0}, "second_rate must be above 0"),
        ("partial-conv", {"style_weight": -2}, "style_weight must be 0 or more, got -2"),
        ("partial-conv", dict.fromkeys((f"{n}_weight" for n in ("valid", "hole", "perceptual", "style",
         "variation")), 0), "at least must be above 0"),
    ],
)  # fmt: skip
def test_what_cannot_be_is_refused(name, arguments, words):
    with pytest.raises(SettingError, match=words):
        create(name, **arguments)


class Nameless(networks.Network):
    """A network with batch norms that does not say where its encoder is."""

    multiple_of, min_size = 1, 1

    def __init__(self):
        super().__init__()
        self.norm = nn.BatchNorm2d(3)


@pytest.mark.parametrize(
    ("name", "arguments", "network", "size", "words"),
    [
        ("partial-conv", {}, Nameless, 16, "second_phase=0 leaves it out"),
        ("partial-conv", {}, None, 2, "too small for objective.features vgg16: at least 4"),
        ("deepfill", {}, None, 16, "coarse_weight is for networks with two stages"),
        ("lama", {}, None, 2, "too small for the discriminator: at least 4"),
    ],
)
def test_what_does_not_fit_a_network_or_a_size_is_refused(name, arguments, network, size, words):
    network = network() if network else networks.create("unet", width=8, depth=1)
    with pytest.raises(SettingError, match=words):
        create(name, **arguments).check(network, size)


def test_the_recipe_of_a_preset_holds_every_number():
    found = resolve("lama", {})
    assert found.keys() == resolve("adversarial", {}).keys()
    assert (found["penalty_weight"], found["known_weight"], found["betas"]) == (
        0.002,
        10.0,
        [0.9, 0.999],
    )


def test_partial_conv_is_equation_7():
    """Each term as the paper writes it, by hand."""
    image, mask = batch()
    output = image + 0.1 * mask + 0.3 * (1 - mask)
    objective = create("partial-conv")
    found = objective.scalars(output, image, mask)
    network, filled = tiny_features(), composite(image, output, mask)
    truth, raw, whole = network(image), network(output), network(filled)
    terms = {
        "valid": 0.3 * float((1 - mask).mean()),
        "hole": 0.1 * float(mask.mean()),
        "perceptual": float(losses.perceptual(raw, truth) + losses.perceptual(whole, truth)),
        "style": float(losses.style(raw, truth) + losses.style(whole, truth)),
        "variation": float(losses.total_variation(filled, mask)),
    }
    for name, value in terms.items():
        assert float(found[name]) == pytest.approx(value, rel=1e-4), name
    weights = {"valid": 1, "hole": 6, "perceptual": 0.05, "style": 120, "variation": 0.1}
    loss = sum(weights[name] * value for name, value in terms.items())
    assert float(found["loss"]) == pytest.approx(loss, rel=1e-4)


def norms(network):
    """Statistics, counters and affine parameters of an encoder's batch norms."""
    state = network.down.state_dict()
    return {key: value.clone() for key, value in state.items() if ".norm." in key}


def moved(one, other):
    return [key for key in one if not torch.equal(one[key], other[key])]


def test_second_phase_freezes_the_encoders_norms_through_validation_and_resume(tmp_path, monkeypatch):
    """Steps 5 to 8 are the second phase; the run is stopped after step 6 and goes on."""
    seen, rates, step = [], [], PartialConv.step

    def watched(self, *arguments):
        self.generator.network.train()  # as whoever has evaluated it would
        taken = step(self, *arguments)
        seen.append(norms(self.generator.network))
        rates.append(self.generator.optimiser.param_groups[0]["lr"] / arguments[2])
        return taken

    monkeypatch.setattr(PartialConv, "step", watched)
    settings = small_settings(
        output=tmp_path / "run",
        steps=8,
        validate_every=2,
        size=16,
        network=PARTIAL,
        objective={"name": "partial-conv", "second_phase": 0.5},
    )
    with monkeypatch.context() as patch:
        patch.setattr(trainer, "StopSignal", _StopAfter)
        _StopAfter.left = 6
        assert train(settings).steps == 6
    assert resume(tmp_path / "run", {}).steps == 8
    assert len(seen) == 8
    assert rates == [1, 1, 1, 1, 0.25, 0.25, 0.25, 0.25]
    assert len(moved(seen[2], seen[3])) == len(seen[0])
    for later in seen[4:]:
        assert moved(seen[3], later) == []


def test_a_run_that_goes_back_before_the_second_phase_learns_norms_again():
    objective = attached("partial-conv", PARTIAL)
    image, mask = batch(size=16)
    objective.step(image, mask, 1e-3, 0.95)
    before = norms(objective.generator.network)
    assert objective.generator.frozen
    objective.step(image, mask, 1e-3, 0.5)
    assert len(moved(before, norms(objective.generator.network))) == len(before)


@pytest.mark.parametrize("name", networks.NETWORKS)
def test_encoders_name_modules_before_the_bottleneck(name):
    network = networks.create(name)
    modules = [network.get_submodule(part) for part in network.encoder]
    inside = {p for module in modules for p in module.parameters()}
    assert not set(getattr(network, "leave", nn.Identity()).parameters()) & inside
    has_norms = any(isinstance(module, nn.BatchNorm2d) for module in network.modules())
    assert bool(modules) or not has_norms


def judged(name, **arguments):
    """An adversarial objective, and images with fills that are noise, to be told from smooth ones."""
    penalty = {"penalty": "gradient", "penalty_weight": 0.1} if name == "wasserstein" else {}
    objective = attached("adversarial", loss=name, **DISCRIMINATOR, **penalty, **arguments)
    image, mask = batch(1)
    image = 0.3 + 0.2 * nn.functional.avg_pool2d(image, 5, 1, 2)
    filled = composite(image, torch.rand(image.shape, generator=torch.Generator().manual_seed(2)), mask)
    return objective, filled, image, mask


def errors(objective, filled, image, mask):
    """The discriminator's own cost, and the generator's, without anything being moved."""
    with torch.no_grad(), objective.judge.unmoved() as discriminator:
        real, fake = discriminator(image, mask)[0], discriminator(filled, mask)[0]
        where = patch_mask(mask, fake)
        loss = objective.loss
        return float(loss.discriminator(real, fake, where)), float(loss.generator(fake, where, real))


@pytest.mark.parametrize("name", ADVERSARIAL)
def test_polarity(name):
    """Steps of the discriminator lower its error; steps of the generator's side raise it."""
    objective, filled, image, mask = judged(name)
    start, _ = errors(objective, filled, image, mask)
    for _ in range(20):
        objective.teach([filled], [image], mask, 1e-3)
    taught, cost = errors(objective, filled, image, mask)
    assert taught < start - 0.01
    output = filled.clone().requires_grad_()
    for _ in range(5):
        found = objective.judged([composite(image, output, mask)], [image], mask)["adversarial"]
        (gradient,) = torch.autograd.grad(found, output)
        assert not (gradient * (1 - mask)).any()
        output = (output - 0.3 * gradient / gradient.norm()).detach().requires_grad_()
    fooled, lower = errors(objective, output.detach(), image, mask)
    assert fooled > taught
    assert lower < cost


@pytest.mark.parametrize("name", ADVERSARIAL)
def test_polarity_of_whole_steps(name):
    """With little but the adversarial weight, the network's steps raise the discriminator's error."""
    objective, _, image, mask = judged(
        name, hole_weight=1e-6, known_weight=0, adversarial_weight=1, warmup=0, ramp=0
    )
    network = objective.generator.network
    fill = lambda: composite(image, network(image, mask).detach(), mask)  # noqa: E731
    for _ in range(30):
        objective.teach([fill()], [image], mask, 1e-3)
    taught, cost = errors(objective, fill(), image, mask)
    objective.teach = lambda *_: {}
    for _ in range(10):
        objective.step(image, mask, 1e-3, 0.5)
    fooled, lower = errors(objective, fill(), image, mask)
    assert fooled > taught
    assert lower < cost


def test_phases_of_a_run():
    objective = attached("adversarial", warmup=0.2, ramp=0.4, **DISCRIMINATOR)
    shares = [objective.share(progress) for progress in (0, 0.19, 0.2, 0.4, 0.6, 1)]
    assert shares == pytest.approx([0, 0, 0, 0.5, 1, 1])
    image, mask = batch()
    found = {p: objective.step(image, mask, 1e-3, p).scalars for p in (0.05, 0.19, 0.2, 0.4, 0.8)}
    assert [progress for progress in found if "discriminator_accuracy" in found[progress]] == [
        0.2, 0.4, 0.8,
    ]  # fmt: skip
    assert [progress for progress in found if "adversarial" in found[progress]] == [0.4, 0.8]
    added = found[0.4]["loss"] - found[0.4]["reconstruction"]
    assert torch.isclose(added, 0.5 * 0.1 * found[0.4]["adversarial"], atol=1e-5)


def test_moments_change_with_the_phase_and_back():
    """A run that guards take back to before the discriminator has the moments of then."""
    objective = attached("adversarial", adversarial_betas=[0, 0.99], warmup=0.5, **DISCRIMINATOR)
    image, mask = batch()
    found = []
    for progress in (0.4, 0.6, 0.4):
        objective.step(image, mask, 1e-3, progress)
        found.append(objective.generator.optimiser.param_groups[0]["betas"])
    assert found == [(0.9, 0.999), (0.0, 0.99), (0.9, 0.999)]
    assert objective.discriminator.optimiser.param_groups[0]["betas"] == (0.0, 0.99)


NOISY = {"name": "unet", "width": 8, "depth": 1, "dilations": [1], "noise": 3}


@pytest.mark.parametrize("count", [1, 2, 3, 4, 5, 8, 32])
def test_images_are_filled_twice_with_noise_and_others_once_without(count):
    objective = attached("adversarial", NOISY, warmup=0.5, **DISCRIMINATOR)
    seen = []
    objective.generator.network.register_forward_pre_hook(lambda _, given: seen.append(given))
    image, mask = batch(count=count)
    before, after = (objective.step(image, mask, 1e-3, progress) for progress in (0.4, 0.6))
    assert before.places is None
    assert len(before.output) == count
    assert len(after.output) == len(after.places) == max(2, count)  # as many holes as before
    noise = seen[-1][2]
    drawn = noise.abs().sum(1) > 0
    assert torch.allclose(noise[drawn].norm(dim=1), torch.tensor(3**0.5))
    varied, once = after.places[drawn].tolist(), after.places[~drawn].tolist()
    pairs = max(1, count // 4)
    assert varied == 2 * list(range(pairs))
    assert once == list(range(pairs, max(pairs, count - pairs)))
    assert not torch.equal(*after.output[drawn].chunk(2))
    for found in (before, after):
        assert all(value.isfinite() for value in found.scalars.values())


@pytest.mark.parametrize("count", [1, 2, 3, 4, 5, 8, 32])
def test_each_image_is_judged_once(count):
    turns = Turns.of(count)
    judged = turns.places[turns.judged].tolist()
    assert len(judged) == len(set(judged)) == (len(turns.places) + 1) // 2
    varied = torch.zeros(len(turns.places), dtype=torch.bool)
    varied[turns.twice] = True
    assert int(varied[turns.judged].sum()) == max(1, count // 4)


def test_the_error_counts_where_fills_do_not_vary_and_the_energy_score_where_they_do():
    objective = attached("adversarial", NOISY, warmup=0.0, hole_weight=2.0, **DISCRIMINATOR)
    image, mask = batch(count=8)
    turns = Turns.of(8)
    image, mask = image[turns.places], mask[turns.places]
    output = torch.rand_like(image)
    scalars = objective.scalars(output, image, mask)
    found = objective._varied(output, image, mask, turns.twice, scalars)["loss"]
    first, second = output[2:4], output[4:6]
    energy = losses.energy_score(first, second, image[2:4], mask[2:4])
    once = losses.l1(output[[0, 1, 6, 7]], image[[0, 1, 6, 7]], mask[[0, 1, 6, 7]])
    assert found.isclose(energy + once + scalars["known_l1"])  # 2 × the mean of both halves


def test_what_noise_moves_begins_with_fresh_moments():
    """Moments of zeros, as after a long first phase, would make its first step ten times too long."""
    objective = attached("adversarial", NOISY, warmup=0.5, **DISCRIMINATOR)
    image, mask = batch()
    weight = objective.generator.network.vary[0].linear.weight
    start = weight.detach().clone()
    for _ in range(3):
        objective.step(image, mask, 1e-3, 0.4)
    assert torch.equal(weight, start)
    assert weight not in objective.generator.optimiser.state
    objective.step(image, mask, 1e-3, 0.6)
    assert 0 < (weight - start).abs().max() < 2e-3


@pytest.mark.parametrize("variety", [0.0, 1.0])
def test_variety_keeps_fills_apart(variety):
    """Truths are black or white, and nothing that is known tells which."""
    objective = attached("adversarial", NOISY, warmup=0.0, adversarial_weight=0.0, variety=variety,
                         **DISCRIMINATOR)  # fmt: skip
    mask = torch.zeros(8, 1, 16, 16)
    mask[..., 4:12, 4:12] = 1
    for _ in range(150):
        colour = torch.randint(2, (8, 1, 1, 1)).float()
        image = composite(torch.full((8, 3, 16, 16), 0.5), colour.expand(8, 3, 16, 16), mask)
        objective.step(image, mask, 1e-2, 1.0)
    network = objective.generator.network.eval()
    noise = torch.randn(8, 3)
    with torch.no_grad():
        fills = network(image, mask, noise)[:, :, 5:11, 5:11].mean((1, 2, 3))
    assert (fills.max() - fills.min() > 0.5) == (variety == 1)


@pytest.mark.parametrize("arguments", [{}, {"feature_matching_weight": 1.0}])
@pytest.mark.parametrize("penalty", ["none", "r1", "both", "gradient"])
def test_the_generators_step_leaves_the_discriminator_alone(penalty, arguments):
    objective = attached(
        "adversarial", penalty=penalty, penalty_weight=1.0, **DISCRIMINATOR, **arguments
    )
    image, mask = batch()
    before = {key: value.clone() for key, value in objective.judge.state_dict().items()}
    taught = []
    objective.teach = lambda *_: taught.append(1) or {}
    objective.step(image, mask, 1e-3, 0.5)
    assert taught == [1]
    assert all(parameter.grad is None for parameter in objective.judge.parameters())
    assert all(parameter.requires_grad for parameter in objective.judge.parameters())
    assert moved(before, objective.judge.state_dict()) == []
    assert all(module.training for module in objective.judge.modules())


@pytest.mark.parametrize("penalty", ["none", "r1", "both", "gradient"])
def test_one_power_iteration_a_step(penalty, monkeypatch):
    objective = attached("adversarial", penalty=penalty, penalty_weight=1.0, **DISCRIMINATOR)
    norm = objective.judge.discriminator.leave.parametrizations.weight[0]
    calls, power = [], norm._power_method
    monkeypatch.setattr(norm, "_power_method", lambda *a: calls.append(1) or power(*a))
    image, mask = batch()
    objective.step(image, mask, 1e-3, 0.5)
    assert calls == [1]


def test_a_penalty_of_every_so_many_steps_counts_as_many_times():
    objective = attached(
        "adversarial", penalty="both", penalty_every=3, discriminator="pyramid", discriminator_layers=2
    )
    image, mask = batch()
    filled = composite(image, 1 - image, mask)
    found = [float(objective.judge([image], [filled], mask)[2].detach()) for _ in range(6)]
    every, once = copy.deepcopy(objective.judge), copy.deepcopy(objective.judge)
    every.every = 1
    assert found == pytest.approx([found[0], 0, 0, found[0], 0, 0])
    assert found[0] == pytest.approx(3 * float(every([image], [filled], mask)[2].detach()))
    assert int(once.calls) == 6
    objective.load_state_dict(copy.deepcopy(objective.state_dict()))
    assert int(objective.judge.calls) == 6


@pytest.mark.parametrize("penalty", ["r1", "both", "gradient"])
def test_penalties_are_exact_in_half_precision(penalty):
    """What the network gives is of 16 bits then, and a gradient of a gradient is not to be."""
    objective = attached("adversarial", penalty=penalty, warmup=0, ramp=0, **DISCRIMINATOR)
    image, mask = batch()
    filled = composite(image, 1 - image, mask)
    torch.manual_seed(0)
    exact = objective.judge([image], [filled], mask)[2]
    torch.manual_seed(0)
    with torch.autocast("cpu", torch.bfloat16):
        mixed = objective.judge([image], [filled.bfloat16()], mask)[2]
    assert torch.isclose(exact, mixed, rtol=0.05)


@pytest.mark.parametrize("window", [0.0, 1.5])
@pytest.mark.parametrize("discriminator", ["pyramid", "features"])
def test_what_is_shown_is_the_hole_with_its_surroundings(discriminator, window):
    objective = attached("adversarial", discriminator=discriminator, discriminator_window=window)
    image, mask = torch.rand(2, 3, 64, 80), torch.zeros(2, 1, 64, 80)
    mask[0, :, 50:60, 70:72] = 1
    mask[1, :, 0:20, 30:50] = 1
    filled = composite(image, 1 - image, mask).requires_grad_()
    fake, real, hole = objective.shown(filled, image, mask)
    assert hole.shape[-2:] == ((32, 32) if window else (64, 80))
    assert hole.sum() == mask.sum()
    assert not any(of.requires_grad for of in real)
    (gradient,) = torch.autograd.grad(sum(of.sum() for of in fake), filled)
    around = ((slice(32, 64), slice(48, 80)), (slice(0, 32), slice(24, 56)))
    for one, (rows, columns) in zip(gradient, around, strict=True):
        seen = one.abs().sum(0) > 0
        assert seen[rows, columns].any()
        seen[rows, columns] = False
        assert not (window and seen.any())


def test_a_frozen_network_is_neither_learnt_nor_saved_nor_begun_anew():
    objective = attached("adversarial", discriminator="features", warmup=0, ramp=0)
    (frozen,) = objective.judge.discriminator.frozen
    before = {key: value.clone() for key, value in frozen.state_dict().items()}
    image, mask = batch(size=32)
    objective.step(image, mask, 1e-3, 0.5)
    objective.discriminator.restart()
    assert moved(before, frozen.state_dict()) == []
    assert not [key for key in objective.judge.state_dict() if "frozen" in key]


def test_what_a_relativistic_loss_compares():
    """Patches that are alike in both tell nothing, and cost what a guess costs."""
    loss = ADVERSARIAL.create("relativistic")
    real, fake = torch.tensor([2.0, 9.0]).view(1, 1, 1, 2), torch.tensor([-1.0, 9.0]).view(1, 1, 1, 2)
    here, there = torch.tensor([[1.0, 0.0], [0.0, 1.0]]).view(2, 1, 1, 1, 2)
    assert float(loss.discriminator(real, fake, here)) == pytest.approx(math.log(1 + math.exp(-3)))
    assert float(loss.generator(fake, here, real)) == pytest.approx(math.log(1 + math.exp(3)))
    assert float(loss.discriminator(real, fake, there)) == pytest.approx(math.log(2))
    assert [float(loss.accuracy(real, fake, where)) for where in (here, there)] == [1, 0]
    with pytest.raises(SettingError, match="needs real_scores"):
        loss.generator(fake, here)


@pytest.mark.parametrize(
    ("name", "progress", "kept"),
    [
        ("reconstruction", 0.9, False),
        ("adversarial", 0.15, False),
        ("adversarial", 0.9, True),
    ],
)
def test_once_the_discriminator_counts_the_newest_weights_are_kept(name, progress, kept):
    """Its work lowers the PSNR: by that alone none of it would be in the model."""
    objective = attached(name, **({"warmup": 0.2, **DISCRIMINATOR} if name == "adversarial" else {}))
    assert objective.improves(22.0, 23.0, progress) == kept
    assert objective.improves(23.0, 23.0, progress)


@pytest.mark.parametrize(
    ("look", "size", "weight"),
    [
        ("real", 64, REAL_WEIGHT),
        (0.5, 64, REAL_WEIGHT / 2),
        (1, 32, REAL_WEIGHT),
        ("real", 128, REAL_WEIGHT / 2),
    ],
)
def test_a_look_is_an_objective(look, size, weight):
    found = resolve_settings(TrainSettings(data="samples:40", size=size, look=look))
    assert found.objective.name == "real"
    assert found.objective.arguments["adversarial_weight"] == weight
    again = resolve_settings(found)  # as the recipe of a run is
    assert (again.objective, again.look) == (found.objective, None)


@pytest.mark.parametrize("look", ["faithful", 0, None])
def test_a_faithful_look_is_reconstruction(look):
    found = resolve_settings(TrainSettings(data="samples:40", size=64, look=look))
    assert found.objective.name == "reconstruction"
    assert found.network.arguments["noise"] == 0


@pytest.mark.parametrize(
    ("network", "noise"),
    [("swift", REAL_NOISE), ("unet", REAL_NOISE), ({"name": "swift", "noise": 2}, 2),
     ({"name": "swift", "noise": 0}, 0), ("lama", None)],
)  # fmt: skip
def test_a_real_look_has_noise_where_the_network_takes_any(network, noise):
    found = resolve_settings(TrainSettings(data="samples:40", size=64, look="real", network=network))
    assert found.network.arguments.get("noise") == noise


def test_verdicts_of_the_discriminator():
    objective = attached("adversarial", loss="least-squares", **DISCRIMINATOR)
    real, fake = torch.tensor([0.9, 0.2]).view(1, 1, 1, 2), torch.tensor([0.1, 3.0]).view(1, 1, 1, 2)
    where = torch.tensor([1.0, 0.0]).view(1, 1, 1, 2)
    found = objective._verdicts(real, fake, where)
    assert {key: pytest.approx(float(value)) for key, value in found.items()} == {
        "discriminator_accuracy": 0.75,
        "discriminator_spread": float(torch.tensor([0.9, 0.2, 0.1, 3.0]).std()),
        "real_score": 0.55,
        "fake_score": 0.1,
    }
    nowhere = objective._verdicts(real, fake, 0 * where)
    assert all(math.isfinite(value) for value in nowhere.values())


def test_a_spectral_norm_begins_again_with_other_weights_of_norm_1():
    class Small(nn.Module):
        def __init__(self):
            super().__init__()
            self.layer = spectral_norm(nn.Conv2d(4, 8, 3))

    network = Small()
    learner = Learner(Fabric(accelerator="cpu"), network, Optimisation())
    with torch.no_grad():
        network.layer.weight = 1e3 * torch.ones_like(network.layer.weight)
        network.layer.bias.fill_(7)
    learner.restart()
    weight = network.layer.parametrizations.weight.original
    assert weight.abs().max() <= 1 / 6
    assert weight.std() > 0.05
    assert network.layer.bias.abs().max() <= 1 / 6
    norm = torch.linalg.matrix_norm(network.layer.weight.detach().flatten(1), 2)
    assert float(norm) == pytest.approx(1, abs=0.02)


def test_a_run_logs_what_the_guards_read(tmp_path):
    objective = {"name": "adversarial", "warmup": 0.1, "ramp": 0.1, **DISCRIMINATOR}
    train(small_settings(output=tmp_path / "run", steps=20, objective=objective))
    _, second = read_log(tmp_path / "run" / "log.jsonl", "train")
    assert {"discriminator_accuracy", "discriminator_spread", "reconstruction", "hole_l1"} <= set(second)
    validation = read_log(tmp_path / "run" / "log.jsonl", "validation")[-1]
    assert not [key for key in validation if "discriminator" in key]

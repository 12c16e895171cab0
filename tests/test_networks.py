"""The battery that every network in the table must pass; a new network is a new line in SMALL."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from inpaintlab import networks
from inpaintlab.checkpoints import ModelCard, load_model, save_model
from inpaintlab.errors import SettingError, SizeError

#: Arguments that make each network small enough for the tests.
SMALL = {
    "deepfill": {"width": 8},
    "unet": {"width": 8, "depth": 2, "dilations": (1, 2)},
}
VARIANTS = [
    *SMALL.items(),
    ("unet", {"width": 8, "depth": 1, "stem": 1, "blocks": 0, "dilations": ()}),
    ("unet", {"width": 4, "depth": 3, "skips": (True, False, True), "max_width": 16}),
    ("unet", {"width": 12, "depth": 1, "stem": 4}),
    ("deepfill", {"width": 16, "attention": False}),
    ("deepfill", {"width": 8, "gate": "separable"}),
    ("deepfill", {"width": 8, "gate": "single"}),
]
#: Networks that see and paint differences from the mean colour.
RELATIVE = {"unet"}
every_variant = pytest.mark.parametrize(("name", "arguments"), VARIANTS)


def create(name, arguments, seed=0):
    torch.manual_seed(seed)
    return networks.create(name, **arguments)


def batch(network, count=2, height=None, width=None):
    """Seeded pictures with a rectangle of hole each."""
    height, width = height or 2 * network.min_size, width or network.min_size
    generator = torch.Generator().manual_seed(1)
    image = torch.rand(count, 3, height, width, generator=generator)
    mask = torch.zeros(count, 1, height, width)
    mask[..., height // 4 : height // 2, width // 4 : width // 2] = 1
    return image, mask


def test_every_network_of_the_table_is_tested():
    assert set(SMALL) == set(networks.NETWORKS)


@every_variant
@given(data=st.data())
@settings(max_examples=10)
def test_every_allowed_size(name, arguments, data):
    network = create(name, arguments)
    fits = st.integers(-(-network.min_size // network.multiple_of), 12).map(
        lambda n: n * network.multiple_of
    )
    image, mask = batch(network, 1, data.draw(fits), data.draw(fits))
    assert network(image, mask).shape == image.shape


@every_variant
def test_other_sizes_are_refused_with_the_next_ones(name, arguments):
    network = create(name, arguments)
    side = 5 * network.multiple_of + 1
    if network.multiple_of > 1:
        with pytest.raises(SizeError, match=f"nearest: {side - 1} or {side - 1 + network.multiple_of}"):
            network(*batch(network, 1, side, side))
    small = network.min_size - network.multiple_of
    if small > 0:
        with pytest.raises(SizeError, match=f"nearest: {network.min_size}"):
            network(*batch(network, 1, small, small))


@every_variant
@pytest.mark.parametrize("training", [True, False])
@pytest.mark.parametrize("hidden", [0.0, 1.0, 1e9, float("nan"), float("inf")])
def test_nothing_leaks_from_under_the_hole(name, arguments, training, hidden):
    network = create(name, arguments).train(training)
    image, mask = batch(network)
    other = torch.where(mask > 0, torch.full_like(image, hidden), image)
    assert torch.equal(network(image, mask), network(other, mask))


@every_variant
def test_pictures_of_a_batch_do_not_mix(name, arguments):
    network = create(name, arguments).eval()
    image, mask = batch(network)
    together = network(image, mask)[:1]
    other = torch.cat([image[:1], torch.rand_like(image[1:])])
    assert torch.allclose(network(other, mask)[:1], together, atol=1e-5)
    assert torch.allclose(network(image[:1], mask[:1]), together, atol=1e-5)


@every_variant
def test_every_parameter_gets_a_gradient(name, arguments):
    network = create(name, arguments).train()
    image, mask = batch(network)
    (network(image, mask) - image).square().mean().backward()
    without = [
        key for key, p in network.named_parameters() if p.grad is None or not p.grad.abs().sum() > 0
    ]
    assert without == []


@every_variant
def test_output_cannot_die(name, arguments):
    """Pushed far below black, a network in training still gets a gradient to come back."""
    network = create(name, arguments).train()
    last = list(network.parameters())[-1]
    with torch.no_grad():
        last.sub_(100)
    image, mask = batch(network)
    painted = network(image, mask)
    assert painted.mean() < -1
    (painted - image).abs().mean().backward()
    assert last.grad.abs().sum() > 0
    assert network.eval()(image, mask).aminmax() == (0, 0)


@every_variant
def test_same_seed_same_output(name, arguments):
    first, second = create(name, arguments).eval(), create(name, arguments).eval()
    assert torch.equal(first(*batch(first)), second(*batch(second)))
    third = create(name, arguments, seed=1).eval()
    assert not torch.equal(first(*batch(first)), third(*batch(third)))


@every_variant
def test_save_and_load_bit_by_bit(name, arguments, tmp_path):
    network = create(name, arguments).eval()
    card = ModelCard(name, networks.resolve(name, arguments), 32, {"step": 3})
    save_model(tmp_path / "m.safetensors", network.state_dict(), card)
    loaded, loaded_card = load_model(tmp_path / "m.safetensors")
    assert loaded_card == card
    assert not loaded.training
    assert torch.equal(loaded(*batch(network)), network(*batch(network)))


@every_variant
@pytest.mark.parametrize("share", [0.0, 1.0])
def test_empty_and_full_hole_are_defined(name, arguments, share):
    network = create(name, arguments).eval()
    image, mask = batch(network)
    assert torch.isfinite(network(image, torch.full_like(mask, share))).all()


# Only what works with differences cannot see how bright a picture is; for others it is one more feature.
@pytest.mark.parametrize(("name", "arguments"), [v for v in VARIANTS if v[0] in RELATIVE])
def test_shifting_all_colours_shifts_what_is_painted(name, arguments):
    network = create(name, arguments).train()
    image, mask = batch(network)
    image = image / 2
    assert torch.allclose(network(image + 0.25, mask), network(image, mask) + 0.25, atol=1e-4)


@pytest.mark.parametrize(
    ("name", "count", "value"), [("deepfill", 116_058, 0.51788867), ("unet", 46_812, 0.49108126)]
)
def test_golden(name, count, value):
    """Guards published weights: a changed network must get a new name or a new argument.

    The values are what the two lines below printed when the network was made.
    """
    network = create(name, SMALL[name]).eval()
    assert sum(p.numel() for p in network.parameters()) == count
    painted = network(*batch(network)).detach()
    assert float(painted.double().mean()) == pytest.approx(value, abs=1e-5)


@pytest.mark.parametrize(
    ("name", "arguments", "words"),
    [
        ("une", {}, "unknown network 'une', did you mean 'unet'"),
        ("unet", {"widht": 3}, "has no setting 'widht', did you mean 'width'"),
        ("unet", {"width": 6}, "width must be a multiple of 4"),
        ("unet", {"depth": 0}, "depth must be at least 1"),
        ("unet", {"stem": 0}, "stem must be at least 1"),
        ("unet", {"skips": (True,), "depth": 2}, "has 2 skips"),
        ("unet", {"width": "wide"}, "network 'unet': "),
        ("deepfill", {"width": 12}, "width must be a multiple of 8, got 12"),
        ("deepfill", {"gate": "half"}, "a gate is one of full, separable, single, got 'half'"),
    ],
)
def test_bad_arguments(name, arguments, words):
    with pytest.raises(SettingError, match=words):
        networks.create(name, **arguments)


@pytest.mark.parametrize(
    ("name", "arguments", "steps", "rate"),
    [
        ("unet", {"width": 32, "depth": 2, "dilations": (1, 2)}, 300, 1e-3),
        ("deepfill", {"width": 16}, 200, 2e-3),
    ],
)
def test_learns_one_batch_of_portraits(name, arguments, steps, rate):
    """Eight pictures can be learnt by heart: what cannot do that cannot learn at all."""
    from inpaintlab.data import samples
    from inpaintlab.losses import l1
    from inpaintlab.metrics import hole_psnr
    from inpaintlab.tensors import to_tensor

    network = create(name, arguments)
    image = torch.cat([to_tensor(samples.draw(index, 32)) for index in range(8)])
    mask = torch.zeros(8, 1, 32, 32)
    mask[..., 8:20, 4:16] = 1
    optimiser = torch.optim.Adam(network.parameters(), rate)
    for step in range(steps):
        optimiser.param_groups[0]["lr"] = rate * (1 - step / steps)
        optimiser.zero_grad()
        l1(network(image, mask), image, mask).backward()
        optimiser.step()
    assert hole_psnr(network.eval()(image, mask), image, mask).mean() > 25


def test_both_stages_can_be_supervised():
    """The coarse picture is within reach, and the refined one is what `forward` returns."""
    network = create("deepfill", SMALL["deepfill"]).train()
    image, mask = batch(network)
    coarse, refined = network.stages(image, mask)
    assert coarse.shape == image.shape
    assert torch.equal(refined, network(image, mask))
    parameters = dict(network.named_parameters())
    gradients = torch.autograd.grad(coarse.square().mean(), parameters.values(), allow_unused=True)
    reached = {
        name for name, gradient in zip(parameters, gradients, strict=True) if gradient is not None
    }
    assert reached == {name for name in parameters if name.startswith("coarse.")}


def test_default_deepfill_has_the_weights_of_the_paper():
    with torch.device("meta"):
        network = networks.create("deepfill")
    assert round(sum(p.numel() for p in network.parameters()) / 1e6, 1) == 4.1

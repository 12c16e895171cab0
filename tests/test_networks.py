"""The battery that every network in the table must pass; a new network is a new line in SMALL."""

from pathlib import Path

import pytest
import torch
from hypothesis import given, settings, strategies as st

from inpaintlab import networks
from inpaintlab.checkpoints import ModelCard, load_model, save_model
from inpaintlab.errors import ImageError, MaskError, NetworkError, SettingError, SizeError

BENCHMARKS = Path(__file__).parents[1] / "benchmarks"

#: Arguments that make each network small enough for the tests.
SMALL = {
    "autoencoder": {"width": 8, "depth": 2, "bottleneck_size": 16},
    "partial-unet": {"width": 8, "depth": 3},
    "deepfill": {"width": 8},
    "unet": {"width": 8, "depth": 2, "dilations": (1, 2)},
    "lama": {"width": 8, "depth": 2, "blocks": 2},
    "swift": {"width": 8, "side": 32},
}
VARIANTS = [
    *SMALL.items(),
    ("unet", {"width": 8, "depth": 1, "stem": 1, "blocks": 0, "dilations": ()}),
    ("unet", {"width": 4, "depth": 3, "skips": (True, False, True), "max_width": 16}),
    ("unet", {"width": 12, "depth": 1, "stem": 4}),
    ("unet", {"width": 8, "depth": 1, "norm": "batch", "gates": True, "attention": 0}),
    ("swift", {"width": 8, "stem": 1, "side": 8}),
    ("swift", {"width": 8, "stem": 4, "side": 80, "max_width": 16}),
    ("swift", {"width": 8, "stem": 1, "side": 8, "start": "smooth"}),
    ("swift", {"width": 8, "side": 32, "start": "smooth"}),
    ("swift", {"width": 8, "side": 32, "noise": 3}),
    ("unet", {"width": 8, "depth": 1, "noise": 3}),
    ("autoencoder", {"width": 8, "depth": 2, "bottleneck": "linear", "bottleneck_size": 6, "side": 16}),
    ("partial-unet", {"width": 4, "depth": 1}),
    ("lama", {"width": 4, "depth": 3, "blocks": 1, "max_width": 16}),
    ("lama", {"width": 4, "depth": 1, "blocks": 1, "ratio": 0.0}),
    ("lama", {"width": 4, "depth": 1, "blocks": 1, "ratio": 1.0}),
    ("deepfill", {"width": 16, "attention": False}),
    ("deepfill", {"width": 8, "gate": "separable"}),
    ("deepfill", {"width": 8, "gate": "single"}),
]
every_variant = pytest.mark.parametrize(("name", "arguments"), VARIANTS)

#: Networks whose output is not bound in training. The others end in a sigmoid or the like, as their
#: papers and published weights have it: its gradient fades far from the middle.
UNBOUND = {"autoencoder", "deepfill", "partial-unet", "swift", "unet"}
#: Networks that see and predict differences from the mean colour. The others see colours as they are.
MEAN_COLOUR = {"autoencoder", "swift", "unet"}


def variants_of(names):
    return pytest.mark.parametrize(
        ("name", "arguments"), [variant for variant in VARIANTS if variant[0] in names]
    )


def create(name, arguments, seed=0):
    torch.manual_seed(seed)
    return networks.create(name, **arguments)


def batch(network, count=2, height=None, width=None):
    """Seeded images with a rectangle of hole each."""
    height, width = height or 2 * network.min_size, width or network.min_size
    generator = torch.Generator().manual_seed(1)
    image = torch.rand(count, 3, height, width, generator=generator)
    mask = torch.zeros(count, 1, height, width)
    mask[..., height // 4 : height // 2, width // 4 : width // 2] = 1
    return image, mask


#: Taken down before any test registers a network of its own.
OURS = set(networks.NETWORKS)


def test_every_network_of_the_table_is_tested():
    assert set(SMALL) == OURS


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
def test_images_of_a_batch_do_not_mix(name, arguments):
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
    noise = networks.draw_noise(network, image)
    (network(image, mask, *noise) - image).square().mean().backward()
    without = [
        key for key, p in network.named_parameters() if p.grad is None or not p.grad.abs().sum() > 0
    ]
    assert without == []


@every_variant
def test_output_is_in_range_outside_training(name, arguments):
    network = create(name, arguments).eval()
    image, mask = batch(network)
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.mul_(5)
        low, high = network(image, mask).aminmax()
    assert 0 <= low < high <= 1


@variants_of(UNBOUND)
def test_output_cannot_die(name, arguments):
    """Pushed far below black, a network in training still gets a gradient to come back."""
    network = create(name, arguments).train()
    last = list(network.parameters())[-1]
    with torch.no_grad():
        last.sub_(100)
    image, mask = batch(network)
    output = network(image, mask)
    assert output.mean() < -1
    (output - image).abs().mean().backward()
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


@variants_of(MEAN_COLOUR)
def test_shifting_all_colours_shifts_the_output(name, arguments):
    network = create(name, arguments).train()
    image, mask = batch(network)
    image = image / 2
    assert torch.allclose(network(image + 0.25, mask), network(image, mask) + 0.25, atol=1e-4)


@pytest.mark.parametrize(
    ("name", "count", "value"),
    [
        ("autoencoder", 12_827, 0.49622641),
        ("deepfill", 116_058, 0.51788867),
        ("lama", 35_731, 0.50574014),
        ("partial-unet", 26_268, 0.51979303),
        ("swift", 72_061, 0.60642916),
        ("unet", 46_812, 0.49108126),
    ],
)
def test_golden(name, count, value):
    """Guards published weights: a changed network must get a new name or a new argument.

    The values are what the two lines below printed when the network was made.
    """
    network = create(name, SMALL[name]).eval()
    assert sum(p.numel() for p in network.parameters()) == count
    output = network(*batch(network)).detach()
    assert float(output.double().mean()) == pytest.approx(value, abs=1e-5)


@pytest.mark.parametrize(
    ("name", "arguments", "words"),
    [
        ("une", {}, "unknown network 'une', did you mean 'unet'"),
        ("unet", {"widht": 3}, "has no setting 'widht', did you mean 'width'"),
        ("unet", {"width": 6}, "width must be a multiple of 4"),
        ("unet", {"depth": 0}, "depth must be at least 1"),
        ("unet", {"stem": 0}, "stem must be at least 1"),
        ("unet", {"skips": (True,), "depth": 2}, "has 2 skips"),
        ("swift", {"side": 8}, "side must be at least 16 with a stem of 2, got 8"),
        ("swift", {"width": 0}, "width must be at least 1"),
        ("swift", {"start": "smoth"}, "start"),
        ("unet", {"attention": 3}, "attention is at a level 0 to 2, got 3"),
        ("unet", {"norm": "bach"}, "unknown normalisation 'bach', did you mean 'batch'"),
        ("partial-unet", {"depth": 0}, "depth must be at least 1, got 0"),
        ("autoencoder", {"bottleneck": "line"}, "unknown bottleneck 'line', did you mean 'linear'"),
        ("autoencoder", {"bottleneck_size": 0}, "bottleneck_size must be at least 1"),
        ("unet", {"width": "wide"}, "network 'unet': "),
        ("lama", {"width": 2}, "width must be at least 4, got 2"),
        ("lama", {"blocks": 0}, "blocks must be at least 1"),
        ("lama", {"depth": 0}, "depth must be at least 1"),
        ("lama", {"max_width": 32}, "max_width must be at least 64"),
        ("lama", {"ratio": 1.5}, "ratio must lie between 0 and 1, got 1.5"),
        ("lama", {"ratio": float("nan")}, "ratio must be a finite number"),
        ("deepfill", {"width": 12}, "width must be a multiple of 8, got 12"),
        ("deepfill", {"gate": "half"}, "a gate is one of full, separable, single, got 'half'"),
    ],
)
def test_bad_arguments(name, arguments, words):
    with pytest.raises(SettingError, match=words):
        networks.create(name, **arguments)


@every_variant
@pytest.mark.parametrize(
    ("change", "error", "message"),
    [
        (lambda image, mask: (image[:, :1], mask), ImageError, "an image is .* got "),
        (lambda image, mask: (image[0], mask), ImageError, "an image is .* got "),
        (lambda image, mask: ((image * 255).byte(), mask), ImageError, "divide by 255"),
        (lambda image, mask: (image, mask[..., 1:]), MaskError, "the mask must be .* got "),
        (lambda image, mask: (image, mask[:1]), MaskError, "the mask must be .* got "),
        (lambda image, mask: (image, mask.expand(-1, 3, -1, -1)), MaskError, "the mask must be"),
        (lambda image, mask: (image, mask / 2), MaskError, "exactly 0 or 1, got values from 0 to 0.5"),
    ],
)
def test_bad_inputs(name, arguments, change, error, message):
    network = create(name, arguments).eval()
    with pytest.raises(error, match=message):
        network(*change(*batch(network)))


@pytest.mark.parametrize("side", [32, 48, 64, 128, 256])
@pytest.mark.parametrize("name", networks.NETWORKS)
def test_every_network_can_be_made_for_the_usual_sizes(name, side):
    networks.check_size(networks.create(name, size=side), side, side)


#: Arguments and steps with which each network learns eight faces of 32 px by heart in seconds.
QUICK = {
    "autoencoder": ({"width": 16, "depth": 3, "max_width": 128}, 200),
    "deepfill": ({"width": 16}, 190),
    "partial-unet": ({"depth": 3, "width": 16, "max_width": 64}, 140),
    "swift": ({"side": 32}, 120),
    "unet": ({"depth": 2, "dilations": (1, 2)}, 220),
}


@pytest.mark.parametrize("name", sorted(QUICK))
def test_learns_eight_real_faces_by_heart(name, real_faces, monkeypatch):
    """What cannot do that cannot learn at all. `benchmarks/overfit.py` does it at 64 px, for all."""
    monkeypatch.syspath_prepend(BENCHMARKS)
    import overfit

    arguments, steps = QUICK[name]
    network = create(name, arguments)
    assert overfit.overfit(network, *overfit.batch(real_faces, 32), steps=steps) >= 30


def varied(name="unet"):
    """A network with three numbers of noise, to which its fresh weights listen."""
    network = create(name, {**SMALL[name], "noise": 3}).eval()
    for part in network.vary:
        part.linear.weight.data.mul_(10)
    return network


@pytest.mark.parametrize("name", ["swift", "unet"])
def test_fills_vary_with_noise_and_without_they_are_the_middle(name):
    network, image, mask = varied(name), torch.rand(2, 3, 32, 32), torch.zeros(2, 1, 32, 32)
    mask[..., 8:20, 8:20] = 1
    noise = torch.tensor([[2.0, 0, -1], [0, 0, 0]])
    with torch.no_grad():
        middle, other = network(image, mask), network(image, mask, noise)
    assert torch.allclose(middle[1], other[1])
    assert not torch.allclose(middle[0], other[0], atol=1e-3)


@pytest.mark.parametrize("name", ["swift", "unet"])
def test_weights_of_before_noise_still_fit(name):
    plain, noisy = create(name, SMALL[name]), create(name, {**SMALL[name], "noise": 3})
    more = set(noisy.state_dict()) - set(plain.state_dict())
    assert all(key.startswith("vary.") for key in more)
    assert more
    assert not [key for key in plain.state_dict() if key.startswith("vary.")]


@pytest.mark.parametrize(
    ("arguments", "shape", "words"),
    [
        ({}, (2, 3), "UNet takes no noise: it fills a hole in one way alone"),
        ({"noise": 3}, (2, 4), r"takes noise \[2, 3\] with these images, got \[2, 4\]"),
        ({"noise": 3}, (1, 3), r"takes noise \[2, 3\] with these images, got \[1, 3\]"),
    ],
)
def test_noise_that_does_not_fit_is_refused(arguments, shape, words):
    network = create("unet", {**SMALL["unet"], **arguments})
    with pytest.raises(NetworkError, match=words):
        network(torch.rand(2, 3, 32, 32), torch.zeros(2, 1, 32, 32), torch.zeros(shape))


@pytest.mark.parametrize("name", ["swift", "unet"])
def test_noise_is_0_or_more(name):
    with pytest.raises(SettingError, match="noise must be at least 0, got -1"):
        networks.create(name, noise=-1)


def test_a_module_of_a_user_says_how_much_noise_it_takes():
    class Mine(torch.nn.Module):
        noise = 5

    assert networks.noise_of(Mine()) == 5
    assert networks.noise_of(torch.nn.Identity()) == 0

import pytest
import torch
from torch import nn

from inpaintlab import networks
from inpaintlab.errors import SettingError
from inpaintlab.layers import initialise
from inpaintlab.layers.initialise import ACTIVATIONS, SCHEMES, gain


def plain_stack(activation, depth, width=64):
    """A deep network without normalisation: variances shrink or grow at every layer."""
    layers = []
    for _ in range(depth):
        layers += [nn.Conv2d(width, width, 3, padding=1, padding_mode="circular"), activation()]
    return nn.Sequential(*layers)


@pytest.mark.parametrize("activation", ACTIVATIONS)
def test_gain_keeps_the_mean_square(activation):
    x = gain(activation) * ACTIVATIONS[activation](
        torch.randn(1_000_000, generator=torch.Generator().manual_seed(0))
    )
    assert x.square().mean() == pytest.approx(1, abs=0.01)


@pytest.mark.parametrize(
    ("activation", "module", "depth"),
    [
        ("relu", nn.ReLU, 30),
        ("leaky-relu", lambda: nn.LeakyReLU(0.2), 30),
        # Not homogeneous: an error of the first layers grows, so only fewer layers stay near 1.
        ("elu", nn.ELU, 8),
        ("silu", nn.SiLU, 8),
    ],
)
@pytest.mark.parametrize("scheme", ["kaiming", "orthogonal"])
def test_variance_neither_dies_nor_explodes(scheme, activation, module, depth):
    torch.manual_seed(0)
    network = plain_stack(module, depth)
    report = initialise(network, scheme, activation, [torch.randn(2, 64, 8, 8)])
    assert len(report) == depth
    assert report[-1].before < 0.02
    assert 0.1 < report[-1].after < 10


@pytest.mark.parametrize("name", ["unet", "autoencoder", "partial-unet"])
def test_lsuv_brings_every_layer_to_unit_variance(name):
    torch.manual_seed(0)
    arguments = {"width": 8, "depth": 2}
    network = networks.create(name, **arguments)
    image, mask = torch.rand(4, 3, 32, 32), torch.zeros(4, 1, 32, 32)
    mask[..., 8:20, 8:20] = 1
    buffers = {key: value.clone() for key, value in network.named_buffers()}
    report = initialise(network, "lsuv", "silu", [image, mask])
    layers = [key for key, part in network.named_modules() if isinstance(part, nn.Conv2d | nn.Linear)]
    assert sorted(line.name for line in report) == sorted(layers)
    assert all(line.after == pytest.approx(1, abs=0.05) for line in report)
    assert any(abs(line.before - 1) > 0.5 for line in report)
    assert network.training
    for key, value in network.named_buffers():
        assert torch.equal(value, buffers[key]), "looking moved a running average"


def test_lsuv_leaves_a_layer_that_gets_nothing():
    network = nn.Sequential(nn.Conv2d(1, 1, 1, bias=False))
    (line,) = initialise(network, "lsuv", batch=[torch.zeros(1, 1, 4, 4)])
    assert (line.before, line.after) == (0, 0)
    assert torch.isfinite(network[0].weight).all()


@pytest.mark.parametrize("scheme", sorted(set(SCHEMES) - {"lsuv"}))
def test_same_seed_same_weights_and_biases_are_zero(scheme):
    weights = []
    for _ in range(2):
        network = nn.Sequential(nn.Conv2d(3, 4, 3), nn.ConvTranspose2d(4, 2, 2), nn.Linear(3, 3))
        torch.manual_seed(1)
        assert initialise(network, scheme) == []
        assert all(part.bias.abs().sum() == 0 for part in network)
        weights.append(network[0].weight)
    assert torch.equal(*weights)


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("kaimig",), "unknown scheme 'kaimig', did you mean 'kaiming'"),
        (("xavier", "relo"), "unknown activation 'relo', did you mean 'relu'"),
        (("lsuv",), "needs a batch"),
    ],
)
def test_bad_words(words, message):
    with pytest.raises(SettingError, match=message):
        initialise(nn.Conv2d(1, 1, 1), *words)

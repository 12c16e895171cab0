"""Modules that are not ours: what they may leave unsaid, and how they are checked."""

from copy import deepcopy

import pytest
import torch
from torch import nn

from inpaintlab import networks
from inpaintlab.errors import NetworkError, SettingError, SizeError
from inpaintlab.networks import Needs
from inpaintlab.networks.calls import saved_per_image
from inpaintlab.networks.summary import summarise
from inpaintlab.registry import load_plugins


class Foreign(nn.Module):
    """What a researcher brings: a module without a word about itself."""

    def __init__(self, width=8):
        super().__init__()
        self.layers = nn.Sequential(nn.Conv2d(4, width, 3, padding=1), nn.Conv2d(width, 3, 3, padding=1))

    def forward(self, image, mask):
        return self.layers(torch.cat([image, mask], 1))


class MadeForSize(Foreign):
    learning_rate = 1e-4
    multiple_of = 4

    def __init__(self, side: int, width: int = 8):
        super().__init__(width)
        self.min_size = side // 2


def giving(output):
    module = Foreign()
    module.forward = lambda image, mask: output(image)
    return module


@pytest.fixture
def table():
    """The table of networks, with what a test adds taken out again."""
    before = dict(networks.NETWORKS)
    yield networks.NETWORKS
    networks.NETWORKS.clear()
    networks.NETWORKS.update(before)


def test_a_module_that_says_nothing_takes_all_sizes():
    module = Foreign()
    assert networks.needs(module) == (1, 1)
    assert networks.learning_rate_of(module) == networks.Network.learning_rate
    assert networks.encoder_of(module) == ()
    assert networks.bottleneck_of(module) is None
    networks.check_network(module, 7, 13)


def test_what_it_says_counts():
    module = MadeForSize(16)
    assert networks.needs(module) == (4, 8)
    assert networks.learning_rate_of(module) == 1e-4
    with pytest.raises(SizeError, match=r"MadeForSize cannot take 6×8: .* of 4, at least 8; nearest: 8"):
        networks.check_size(module, 6, 8)


def test_modules_called_encoder_and_bottleneck():
    module = Foreign()
    module.encoder = module.bottleneck = nn.Identity()
    assert networks.encoder_of(module) == ("encoder",)
    assert networks.bottleneck_of(module) is None


@pytest.mark.parametrize("value", [0, -8, 1.5, "8"])
def test_needs_must_make_sense(value):
    module = Foreign()
    module.multiple_of = value
    with pytest.raises(NetworkError, match=r"Foreign\.multiple_of must be a whole number above 0, got"):
        networks.needs(module)


@pytest.mark.parametrize(("side", "found"), [(1, [32]), (32, [32, 48]), (33, [32, 48]), (47, [32, 48])])
def test_nearest_sides(side, found):
    assert Needs(16, 32).nearest(side) == found
    assert Needs(16, 32).next_side(side) == (32 if side <= 32 else 48)
    assert Needs(16, 32).takes(side) == (side == 32)


@pytest.mark.parametrize(
    ("output", "seen"),
    [
        (lambda image: image[:, :1], r"floating point \[2, 3, 8, 8\]; it gives \[2, 1, 8, 8\]"),
        (lambda image: image[..., 1:], r"it gives \[2, 3, 8, 7\]"),
        (lambda image: image.byte(), r"it gives torch\.uint8"),
        (lambda image: (image, image), "it gives a tuple"),
        (lambda image: {"image": image}, "it gives a dict"),
        (lambda image: None, "it gives a NoneType"),
    ],
)
def test_an_output_that_is_no_image(output, seen):
    with pytest.raises(NetworkError, match=seen):
        networks.check_network(giving(output), 8)


def test_a_module_that_cannot_be_called():
    with pytest.raises(NetworkError, match=r"Conv2d cannot be called as network\(image, mask\) .* "):
        networks.check_network(nn.Conv2d(4, 3, 1), 8)
    with pytest.raises(SizeError):  # our own words stay
        networks.check_network(networks.create("unet", width=8, depth=1), 9)


def test_a_check_leaves_no_trace():
    module = nn.Sequential()
    module.forward = lambda image, mask: nn.functional.dropout(image, 0.5, True)
    module.append(nn.BatchNorm2d(3).eval())
    before = deepcopy(module.state_dict())
    random = torch.get_rng_state()
    networks.check_network(module, 8)
    assert module.training
    assert not module[0].training
    assert torch.equal(torch.get_rng_state(), random)
    assert all(torch.equal(value, before[key]) for key, value in module.state_dict().items())


def test_what_is_under_the_hole_is_hidden():
    torch.manual_seed(0)
    module = networks.adopt(networks.adopt(Foreign()))
    assert len(module._forward_pre_hooks) == 1
    image, mask = torch.rand(2, 3, 8, 8), torch.zeros(2, 1, 8, 8)
    mask[..., 2:5, 2:5] = 1
    other = torch.where(mask > 0, torch.nan, image)
    assert torch.equal(module(image, mask), module(other, mask))
    assert torch.equal(deepcopy(module)(other, mask), module(image, mask))
    ours = networks.create("unet", width=8, depth=1)
    assert not ours._forward_pre_hooks


def test_a_registered_network_is_used_by_name(table):
    networks.register_network("mine", MadeForSize)
    module = networks.create("mine", size=32)
    assert (type(module), networks.needs(module)) == (MadeForSize, (4, 16))
    assert networks.resolve("mine", {"side": 8}) == {"side": 8, "width": 8}
    assert networks.made_for(64, "mine", {"width": 4}) == {"width": 4, "side": 64}
    assert networks.learning_rate_of("mine") == 1e-4
    with pytest.raises(SettingError, match="network 'mine' needs the setting 'side'"):
        networks.create("mine")
    with pytest.raises(SettingError, match="did you mean 'mine'"):
        networks.create("mime")


def test_a_size_of_its_own_is_not_taken_away(table):
    @networks.register_network("sized")
    def sized(size="small"):
        return Foreign({"small": 4, "large": 16}[size])

    assert networks.create("sized", size="large").layers[0].out_channels == 16
    assert networks.create("sized").layers[0].out_channels == 4
    assert networks.create("swift", size=32, width=8).multiple_of == 8
    assert networks.create("swift", size=32, side=16, width=8).multiple_of == 4


PLUGIN = """
import torch
from torch import nn

import inpaintlab as il


@il.register_network("plugged")
class Plugged(nn.Module):
    learning_rate = 2e-3

    def __init__(self, width: int = 8):
        super().__init__()
        self.layer = nn.Conv2d(4, 3, 3, padding=1)
        self.width = width

    def forward(self, image, mask):
        return self.layer(torch.cat([image, mask], 1))
"""


def test_a_plugin_brings_a_network(table, tmp_path):
    (tmp_path / "parts.py").write_text(PLUGIN)
    load_plugins([str(tmp_path / "parts.py")])
    module = networks.create("plugged", size=24, width=12)
    networks.check_network(module, 24, 40)
    assert (module.width, networks.learning_rate_of("plugged")) == (12, 2e-3)
    assert summarise("plugged").networks[0].receptive_field == (3, 3)


class Values(Foreign):
    """A module that looks at values, which the meta device has none of."""

    def forward(self, image, mask):
        return super().forward(image / float(image.amax().clamp(min=1)), mask)


def test_memory_of_a_module_that_needs_values_is_counted_for_real():
    plain, values = saved_per_image(Foreign(), 16), saved_per_image(Values(), 16)
    assert plain == 16 * 16 * 4 * (4 + 8)
    assert plain <= values <= 1.5 * plain
    with pytest.raises(NetworkError, match="Foreign cannot be run in training with images of 16 px"):
        saved_per_image(giving(lambda image: image.view(5)), 16)

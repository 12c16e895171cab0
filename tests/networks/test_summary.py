"""Figures of the summary against what real networks do, and its warnings."""

import json
from copy import deepcopy

import psutil
import pytest
import torch
import torch.nn.functional as F
from hypothesis import assume, given, settings, strategies as st
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from inpaintlab import networks
from inpaintlab.errors import SettingError, SizeError
from inpaintlab.networks import Network
from inpaintlab.networks.calls import record, saved_bytes
from inpaintlab.networks.summary import Summary, describe, folded, summarise
from inpaintlab.settings import Part
from tests.networks.fields import followed, positive, support
from tests.test_networks import VARIANTS


class Plain(Network):
    """A network of some layers one after the other, on the image alone."""

    multiple_of, min_size = 1, 1

    def __init__(self, *layers, bottleneck=None):
        super().__init__()
        self.body = nn.Sequential(*layers)
        self.bottleneck = bottleneck

    def forward(self, image, mask):
        return self.body(torch.where(mask > 0, 0, image))


class Partial(nn.Conv2d):
    """What the summary must know of a partial convolution: how its mask is updated."""

    updates_mask = True

    def forward(self, x, valid):
        y = super().forward(x * valid)
        ones = torch.ones(1, valid.shape[1], *self.kernel_size, device=x.device)
        with torch.no_grad():
            seen = F.conv2d(valid, ones, None, self.stride, self.padding, self.dilation) > 0
        return y, seen.to(x.dtype)


class PartialNet(Network):
    """Three partial convolutions down, one up, with a skip."""

    multiple_of, min_size = 4, 8

    def __init__(self):
        super().__init__()
        self.down = nn.ModuleList([Partial(3, 3, 7, 2, 3), Partial(3, 3, 3, 2, 1)])
        self.up = Partial(6, 3, 3, padding=1)

    def forward(self, image, mask):
        first, first_valid = self.down[0](image * (1 - mask), 1 - mask)
        x, valid = self.down[1](first, first_valid)
        x, valid = (F.interpolate(tensor, scale_factor=2) for tensor in (x, valid))
        valid = torch.cat([valid.expand(-1, 3, -1, -1), first_valid.expand(-1, 3, -1, -1)], 1)
        return F.interpolate(self.up(torch.cat([x, first], 1), valid)[0], scale_factor=2)


def meta(network, size=32, hole=8, share=0.1):
    return describe(network.to("meta"), size, 1, hole, share)


def kinds(summary):
    return [warning.kind for warning in summary.warnings]


@pytest.mark.parametrize(("name", "arguments"), VARIANTS)
def test_totals_are_those_of_the_real_network(name, arguments):
    network = networks.create(name, **arguments)
    size = 2 * network.min_size
    (summary,) = summarise(Part(name, **arguments), size=size, batch_size=3).networks
    assert summary.parameters == sum(p.numel() for p in network.parameters())
    image, mask = torch.rand(3, 3, size, size), torch.zeros(3, 1, size, size)
    assert summary.training_bytes == saved_bytes(network.train(), image, mask)
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        network.eval()(image, mask)
    assert 3 * summary.flops >= counter.get_total_flops()
    for total in ("parameters", "flops", "training_bytes"):
        assert sum(getattr(row, total) for row in summary.layers) == getattr(summary, total)


@pytest.mark.parametrize(("name", "arguments"), VARIANTS)
def test_no_field_is_too_small(name, arguments):
    """Of every network; whether it is exact depends on the data where a maximum or an attention is."""
    network = positive(networks.create(name, **arguments)).float()
    size = network.multiple_of * max(2, 192 // network.multiple_of)
    image, mask = torch.rand(1, 3, size, size), torch.zeros(1, 1, size, size)
    seen = support(lambda image: network(image.float(), mask), image, size // 2, size // 2)
    field = record(network.to("meta"), size, 1, 8)[-1].field
    for (low, high), most in zip(seen, field, strict=True):
        assert high - low + 1 <= most


@pytest.mark.parametrize(
    "arguments",
    [
        {"width": 4, "depth": 1, "dilations": (1,)},
        {"width": 4, "depth": 2, "stem": 1, "dilations": (3,)},
        {"width": 4, "depth": 1, "stem": 4, "blocks": 0},
        {"width": 4, "depth": 2, "blocks": 0, "skips": (True, False)},
    ],
)
def test_fields_of_the_unet_are_exact(arguments):
    network, size = positive(networks.create("unet", **arguments)), 192
    image, mask = torch.rand(1, 3, size, size), torch.zeros(1, 1, size, size, dtype=torch.float64)
    on_meta = deepcopy(network).to("meta").float()
    unknown = torch.zeros(3, 1, size, size, device="meta")
    for place in (size // 2, size // 2 + 3):
        expected, _ = followed(lambda image: on_meta(image, unknown), image.float(), place, place)
        assert support(lambda image: network(image, mask), image, place, place) == expected


@pytest.mark.parametrize(("name", "arguments"), VARIANTS)
def test_a_huge_image_costs_no_memory(name, arguments):
    # Attention goes through its chunks one by one: thousands, the larger the more.
    attends = arguments.get("attention", name == "deepfill") is not False
    size, devices = 1024 if attends else 4096, set()

    def watch(module, args, output):
        found = output if isinstance(output, tuple | list) else (output,)
        devices.update(tensor.device.type for tensor in found)

    handle = nn.modules.module.register_module_forward_hook(watch)
    before = psutil.Process().memory_info().rss
    try:
        summary = summarise(Part(name, **arguments), size=size)
    finally:
        handle.remove()
    assert devices == {"meta"}
    assert psutil.Process().memory_info().rss - before < 250e6  # one map of four channels has 268e6
    assert summary.networks[0].forward_bytes > size**2 * 4 * 4


def test_memory_by_hand():
    network = Plain(nn.Conv2d(3, 8, 1), nn.ReLU(), nn.Conv2d(8, 3, 1))
    summary = meta(network, size=10)
    pixels = 10 * 10 * 4
    # The image and its mask (4) stay; layers hold their input beside their output.
    wide, relu, narrow = (row.forward_bytes / pixels for row in summary.layers)
    assert (wide, relu, narrow) == (7 + 3 + 8, 7 + 3 + 8 + 8, 7 + 3 + 8 + 3)
    # Saved: the input of the first layer, and the output of the ReLU, once for it and its successor.
    assert [row.training_bytes / pixels for row in summary.layers] == [3, 8, 0]
    assert [row.flops for row in summary.layers] == [2 * 3 * 8 * 100, 0, 2 * 3 * 8 * 100]


def test_weights_are_no_saved_features():
    rows = meta(Plain(nn.Flatten(), nn.Linear(12, 5), nn.Linear(5, 12)), size=2, hole=1).layers
    assert [row.training_bytes for row in rows] == [0, 12 * 4, 5 * 4]


def test_a_layer_used_twice_has_its_parameters_once():
    shared = nn.Conv2d(3, 3, 3, padding=1)
    rows = meta(Plain(shared, nn.ReLU(), shared)).layers
    assert [row.parameters for row in rows] == [84, 0, 0]
    assert [row.receptive_field for row in rows] == [(3, 3), (3, 3), (5, 5)]


def test_a_normalised_weight_belongs_to_its_layer():
    layer = nn.utils.parametrizations.spectral_norm(nn.Conv2d(3, 3, 3, padding=1))
    (row,) = meta(Plain(layer)).layers
    assert (row.layer, row.parameters) == ("body.0", 84)


class Gated(nn.Module):
    """A module that works on what the one layer inside it makes."""

    def __init__(self):
        super().__init__()
        self.inner = nn.Conv2d(3, 6, 3, padding=1)

    def forward(self, x):
        features, gate = self.inner(x).chunk(2, 1)
        return features * torch.sigmoid(gate)


class Fourier(nn.Module):
    def forward(self, x):
        return torch.fft.irfft2(torch.fft.rfft2(x), s=x.shape[-2:])


class Attention(nn.Module):
    def forward(self, x):
        tokens = x.flatten(2)
        weights = F.softmax(tokens.transpose(1, 2) @ tokens, -1)
        return (tokens @ weights).view_as(x)


class Gate(nn.Module):
    def forward(self, x):
        return x * torch.sigmoid(x.mean((2, 3), keepdim=True)) - F.adaptive_avg_pool2d(x, 1)


class ChannelsLast(nn.Module):
    def __init__(self):
        super().__init__()
        self.norm, self.linear = nn.LayerNorm(3), nn.Linear(3, 3)

    def forward(self, x):
        return self.linear(self.norm(x.permute(0, 2, 3, 1))).permute(0, 3, 1, 2)


class Patches(nn.Module):
    """Compares the image with pieces of itself: the kernel comes from the image."""

    def forward(self, x):
        return F.conv2d(x, x[:, :, :3, :3].expand(3, -1, -1, -1), padding=1)


@pytest.mark.parametrize(
    ("layer", "field"),
    [
        (Fourier(), "whole"),
        (Attention(), "whole"),
        (Patches(), "whole"),
        (
            nn.Sequential(nn.Flatten(), nn.Linear(3 * 16**2, 3 * 16**2), nn.Unflatten(1, (3, 16, 16))),
            "whole",
        ),
        (nn.Softmax(-1), "whole"),
        (nn.Softmax(1), (3, 3)),
        (Gate(), (3, 3)),
        (nn.InstanceNorm2d(3), (3, 3)),
        (ChannelsLast(), (3, 3)),
        (nn.ChannelShuffle(3), (3, 3)),
        (nn.Sequential(nn.ReflectionPad2d(2), nn.Conv2d(3, 3, 5)), (7, 7)),
        (nn.Conv2d(3, 3, (1, 5), padding=(0, 2), padding_mode="reflect"), (3, 7)),
        (nn.Conv2d(3, 3, 3, padding="same", dilation=2), (7, 7)),
        (nn.MaxPool2d(3, 1, 1), (5, 5)),
    ],
)
def test_what_counts_as_seeing(layer, field):
    summary = meta(Plain(nn.Conv2d(3, 3, 3, padding=1), layer), size=16, hole=2)
    assert summary.receptive_field == field
    assert summary.warnings == ()


def test_fourier_transforms_are_counted():
    (row,) = meta(Plain(Fourier()), size=16).layers
    assert row.flops == 2 * 3 * 5 * 16**2 * 8  # there and back, 3 channels, log2(256) = 8


class Alone(nn.Module):
    """One layer that updates a mask, on the mask alone."""

    def __init__(self, layer):
        super().__init__()
        self.layer = layer

    def forward(self, image, mask):
        return self.layer(1 - mask, 1 - mask)[0]


@given(
    side=st.integers(8, 40),
    hole=st.integers(1, 30),
    kernel=st.tuples(st.integers(1, 7), st.integers(1, 7)),
    stride=st.integers(1, 3),
    padding=st.integers(0, 3),
    dilation=st.integers(1, 2),
)
@settings(max_examples=100, deadline=None)
def test_a_hole_shrinks_as_in_a_real_mask(side, hole, kernel, stride, padding, dilation):
    layer = Partial(1, 1, kernel, stride, padding, dilation)
    reaches = [dilation * (k - 1) for k in kernel]
    # Otherwise no output is left, or some read nothing but padding.
    assume(max(reaches) < side + 2 * padding and hole <= side and padding <= min(reaches))
    start = (side - hole) // 2
    valid = torch.ones(1, 1, side, side)
    valid[..., start : start + hole, start : start + hole] = 0
    new = layer(valid, valid)[1][0, 0]
    expected = tuple(int((new == 0).any(1 - axis).sum()) for axis in (0, 1))
    (row,) = meta(Alone(layer), size=side, hole=hole).layers
    assert row.hole == (expected if all(expected) else row.hole)
    assert all(row.hole) == bool(all(expected))


def test_a_hole_is_followed_level_by_level():
    summary = meta(PartialNet(), size=64, hole=32)
    assert summary.holes == [("down.0", (13, 13)), ("down.1", (5, 5)), ("up", (8, 8))]
    assert "open hole" in kinds(summary)
    closed = meta(PartialNet(), size=64, hole=8)
    assert [sides for _, sides in closed.holes] == [(1, 1), (0, 0), (0, 0)]
    assert "open hole" not in kinds(closed)


def test_missing_padding_is_found():
    summary = meta(Plain(nn.Conv2d(3, 3, 3), nn.Conv2d(3, 3, 4, 2), nn.Conv2d(3, 3, 3, padding=1)))
    assert kinds(summary)[0] == "shrinks"
    assert "body.0 32 to 30, body.1 30 to 14" in summary.warnings[0].text
    assert kinds(meta(Plain(nn.Conv2d(3, 3, 2, 2), nn.Conv2d(3, 3, 16)), hole=1)) == []


@pytest.mark.parametrize(
    ("hole", "found"), [(4, []), (5, ["receptive field"]), (6, ["receptive field"])]
)
def test_a_field_must_reach_beyond_the_hole(hole, found):
    assert kinds(meta(Plain(nn.Conv2d(3, 3, 5, padding=2)), hole=hole)) == found


@pytest.mark.parametrize(("numbers", "found"), [(19, ["bottleneck"]), (20, [])])
def test_a_bottleneck_must_hold_a_share_of_the_hole(numbers, found):
    squeeze = nn.Sequential(nn.Flatten(), nn.Linear(3 * 16**2, numbers))
    widen = nn.Sequential(nn.Linear(numbers, 3 * 16**2), nn.Unflatten(1, (3, 16, 16)))
    summary = meta(Plain(squeeze, widen, bottleneck="body.0"), size=16, hole=8)
    assert summary.bottleneck.numbers == numbers
    assert kinds(summary) == found


def test_a_unet_without_skips_names_its_bottleneck():
    part = {"name": "unet", "depth": 2, "skips": [False, False], "max_width": 32}
    assert summarise(Part(**part)).networks[0].bottleneck.output == (32, 8, 8)
    assert summarise("swift").networks[0].bottleneck is None
    with pytest.raises(ValueError, match=r"nothing that runs: 'body\.7'"):
        meta(Plain(nn.ReLU(), bottleneck="body.7"))


def test_pointwise_layers_are_folded_into_the_row_before():
    layers = [nn.Conv2d(3, 4, 1), nn.GroupNorm(2, 4), nn.ReLU(), nn.Conv2d(4, 4, 1), nn.MaxPool2d(2)]
    rows = folded(meta(Plain(*layers)).layers)
    assert [row.kind for row in rows] == ["Conv2d norm ReLU", "Conv2d", "MaxPool2d"]
    assert [row.parameters for row in rows] == [16 + 8, 20, 0]


def test_a_module_is_folded_with_the_one_layer_inside_it():
    gated = nn.Sequential(nn.Conv2d(3, 6, 3, padding=1), nn.GLU(1))
    rows = folded(meta(Plain(Gated(), gated)).layers)
    assert [(row.layer, row.kind, row.output[0]) for row in rows] == [
        ("body.0", "Gated", 3),
        ("body.1.0", "Conv2d", 6),
        ("body.1.1", "GLU", 3),
    ]
    assert [row.kernel for row in rows] == [(3, 3), (3, 3), None]


def test_size_is_the_next_that_can_be_taken():
    large = {"name": "unet", "depth": 6, "width": 4}
    summary = summarise(Part(**large), "unet")
    assert summary.size == 256
    assert "the least" in summary.note
    assert summarise("swift").note == ""
    with pytest.raises(SizeError, match="nearest: 56 or 64"):
        summarise("swift", size=60)
    with pytest.raises(SettingError, match="did you mean 'unet'"):
        summarise("unit")


def test_a_summary_goes_through_json_and_draws_itself():
    summary = summarise(Part("autoencoder", width=8, depth=2, bottleneck_size=1), "swift", Bare())
    assert Summary.from_dict(json.loads(json.dumps(summary.as_dict()))) == summary
    assert [of.network for of in summary.networks] == ["autoencoder", "swift", "Bare"]
    assert "expect a blurred filling" in summary._repr_html_()


class Bare(nn.Module):
    """A module of somebody else, that cannot run without values."""

    def __init__(self):
        super().__init__()
        self.encoder = nn.Conv2d(4, 8, 3, 2, 1)
        self.decoder = nn.ConvTranspose2d(8, 3, 4, 2, 1)

    def forward(self, image, mask):
        hidden = torch.where(mask > 0, 0, image)
        assert float(hidden.sum()) >= 0
        return F.pad(self.decoder(self.encoder(torch.cat([hidden, mask], 1)))[..., 1:, 1:], (1, 0, 1, 0))


def test_a_foreign_module_is_summed_up_where_its_weights_are():
    module = Bare()
    before = module.encoder.weight.clone()
    (facts,) = summarise(module, size=32).networks
    assert facts.parameters == sum(p.numel() for p in module.parameters())
    assert [row.receptive_field for row in facts.layers] == [(3, 3), (5, 5)]
    assert facts.receptive_field == (5, 5)
    assert module.training
    assert torch.equal(module.encoder.weight, before)


def test_a_module_that_takes_one_size_alone():
    side = 32
    module = nn.Module()
    module.layer = nn.Conv2d(3, 3, 3, padding=1)
    module.place = nn.Parameter(torch.zeros(3, side, side))
    module.forward = lambda image, mask: module.layer(image) + module.place
    (facts,) = summarise(module, size=side).networks
    assert facts.receptive_field == (3, 3)

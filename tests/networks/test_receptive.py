"""Receptive fields by arithmetic are those that gradients show."""

from copy import deepcopy

import pytest
import torch
import torch.nn.functional as F
from hypothesis import assume, given, settings, strategies as st
from torch import nn

from tests.networks.fields import followed, positive, support

SIZE = 96
small = st.integers(1, 3)


class Function(nn.Module):
    """A module of a plain function."""

    def __init__(self, function, name=""):
        super().__init__()
        self.function, self.name = function, name

    def extra_repr(self):
        return self.name

    def forward(self, features):
        return self.function(features)


def resized(mode, factor):
    return Function(lambda x: F.interpolate(x, scale_factor=factor, mode=mode), f"{mode} {factor}")


def even(features):
    height, width = features.shape[-2:]
    return features[..., : height // 2 * 2, : width // 2 * 2]


@st.composite
def convolutions(draw):
    kernel, dilation = (draw(st.integers(1, 5)), draw(st.integers(1, 4))), draw(small)
    padding = draw(st.integers(0, 3))
    return nn.Conv2d(4, 4, kernel, draw(small), padding, dilation, bias=False)


@st.composite
def transposed_convolutions(draw):
    stride = draw(small)
    kernel, padding = draw(st.integers(stride, 5)), draw(st.integers(0, 1))
    return nn.ConvTranspose2d(4, 4, kernel, stride, min(padding, kernel - 1), bias=False)


MODES = ["nearest", "nearest-exact", "bilinear", "bicubic", "area"]
LAYERS = [
    convolutions(),
    transposed_convolutions(),
    st.builds(lambda kernel, stride: nn.AvgPool2d(kernel, stride), st.integers(1, 4), small),
    st.builds(resized, st.sampled_from(MODES), st.sampled_from([0.5, 1.5, 2.0, 3.0])),
    *(
        st.just(Function(function, name))
        for name, function in {
            "shuffle": lambda x: F.pixel_shuffle(torch.cat([x] * 4, 1), 2),
            "unshuffle": lambda x: F.pixel_unshuffle(even(x), 2).unflatten(1, (4, 4)).sum(2),
            "pad": lambda x: F.pad(x, (3, 1, 2, 0), mode="reflect"),
            "slice": lambda x: x[..., 3:-2, 1::2],
            "branches": lambda x: x + F.avg_pool2d(x, (1, 5), 1, (0, 2)),
            "turn": lambda x: x.permute(0, 2, 3, 1).mul(2).movedim(-1, 1),
            "statistics": lambda x: F.group_norm(x, 2) - x.mean((2, 3), keepdim=True),
        }.items()
    ),
]


@given(chain=st.lists(st.one_of(LAYERS), min_size=1, max_size=4), data=st.data())
@settings(max_examples=60, deadline=None)
def test_any_chain_sees_what_its_gradient_shows(chain, data):
    network = positive(nn.Sequential(*chain))
    image = torch.rand(1, 4, SIZE, SIZE)
    try:
        with torch.no_grad():
            shape = network(image.double()).shape
    except RuntimeError:  # such a chain leaves nothing
        assume(False)
    assume(min(shape[-2:]) >= 8 and max(shape[-2:]) < 400)
    place = [side // 2 + data.draw(st.integers(-2, 2)) for side in shape[-2:]]
    found, _ = followed(deepcopy(network).to("meta"), image.double(), *place)
    # At the border, padding stands in for some of the pixels.
    assume(all(low >= 8 and high < SIZE - 8 for low, high in found))
    assert support(network, image, *place) == found


@pytest.mark.parametrize(
    "layer",
    [
        nn.Upsample(scale_factor=2, mode="bilinear", align_corners=True),
        nn.Upsample(size=(41, 67), mode="bilinear"),
        nn.Upsample(size=(41, 67), mode="bicubic", align_corners=True),
        Function(lambda x: F.interpolate(x, (41, 67), mode="bilinear", antialias=True)),
        Function(lambda x: F.interpolate(x, scale_factor=0.7, mode="bilinear")),
        Function(lambda x: F.interpolate(x, scale_factor=0.7, mode="bicubic", antialias=True)),
        Function(lambda x: F.interpolate(x, (40, 30), mode="nearest")),
        nn.AdaptiveAvgPool2d((24, 10)),
        nn.MaxPool2d(3, 2, 1, dilation=2, ceil_mode=True),
        nn.AvgPool2d(3, 2, 1, ceil_mode=True),
        nn.ConvTranspose2d(4, 4, 3, 3, output_padding=1, dilation=2),
        nn.Conv2d(4, 4, 3, padding="same", dilation=3),
        nn.Conv2d(4, 4, 3, padding="valid"),
        Function(lambda x: x[..., 1:, 1:] + F.pad(x, (-1, 0, -1, 0))),
    ],
)  # fmt: skip
def test_resampling_and_its_kind(layer):
    image = torch.rand(1, 4, SIZE, SIZE).double()
    network = positive(layer)
    place = [side // 2 for side in network(image).shape[-2:]]
    found, _ = followed(deepcopy(network).to("meta"), image, *place)
    if isinstance(layer, nn.MaxPool2d):  # of a maximum only the largest has a gradient
        assert [high - low for low, high in found] == [4, 4]
    else:
        assert support(network, image, *place) == found

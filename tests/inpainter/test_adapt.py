import itertools
import math
from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given, settings, strategies as st
from torch import nn

from inpaintlab import networks
from inpaintlab.errors import NetworkError, SettingError
from inpaintlab.images import from_array
from inpaintlab.inpainter import adapt as adapting
from inpaintlab.inpainter.adapt import Lessons, SelfTest, adapt, gained
from inpaintlab.inpainter.crops import plan
from inpaintlab.networks import Network
from inpaintlab.randomness import generator_for
from tests.inpainter.holes import White, some_hole

SIZE = 16


class Plain(Network):
    """Paints one colour, which it can learn."""

    multiple_of, min_size = 1, 1

    def __init__(self, colour=0.5):
        super().__init__()
        self.colour = nn.Parameter(torch.tensor(colour))

    def forward(self, image, mask):
        return self.colour.expand_as(image)


def photo(height=60, width=70):
    """Noise around a grey of 0.51, in float32."""
    noise = np.random.default_rng(0).random((height, width, 3), np.float32)
    return from_array(0.51 + 0.01 * (noise - 0.5))


def hole_of(height=60, width=70):
    hole = np.zeros((height, width), np.uint8)
    hole[25:35, 30:42] = 1
    return hole


def run(network, image, hole, steps=24, size=SIZE, **options):
    """Adapt by a clock that counts, so that a second is a step."""
    return adapt(network, image, hole, size, seconds=steps, clock=itertools.count().__next__, **options)


@pytest.fixture
def swift():
    torch.manual_seed(0)
    return networks.create("swift", width=8, side=SIZE).eval()


@pytest.fixture
def always(monkeypatch):
    """Let every self-test count as better than what was before."""
    monkeypatch.setattr(adapting, "MARGIN", -math.inf)


def test_what_the_image_teaches_is_learnt_and_told():
    network = Plain(0.5)
    # At a size at which nothing is made smaller: blending would mend a wrong colour by itself.
    found = run(network, photo(), hole_of(), steps=60, size=64)
    assert 0.5 < found.network.colour.item() < 0.52
    assert found.gain > adapting.MARGIN
    assert found.steps == 60
    assert f"{found.gain:.1f} dB better" in str(found)
    assert network.colour.item() == 0.5  # the network itself stays


def test_a_network_that_gains_nothing_comes_back_itself():
    network = Plain(0.51)
    found = run(network, photo(), hole_of(), size=64)
    assert found.network is network
    assert found.gain == 0
    assert found.steps == 24
    assert "fills as it was" in str(found)


def test_an_image_without_room_for_a_self_test_teaches_nothing():
    network, hole = Plain(), np.ones((8, 8), np.uint8)
    hole[0, 0] = 0
    found = run(network, photo(8, 8), hole)
    assert (found.network, found.steps) == (network, 0)
    assert "no room" in str(found)


@pytest.mark.usefixtures("always")
def test_the_seed_and_the_steps_decide(swift):
    def weights(seed):
        return run(swift, photo(), hole_of(), steps=3, seed=seed).network.state_dict()

    first, again, other = weights(1), weights(1), weights(2)
    assert all(torch.equal(first[name], again[name]) for name in first)
    assert any(not torch.equal(first[name], other[name]) for name in first)


@pytest.mark.usefixtures("always")
def test_what_lies_under_the_hole_changes_nothing(swift):
    hole, image = hole_of(), photo()
    white = replace(image, pixels=np.where(hole[..., None] > 0, np.float32(1), image.pixels))
    one, other = (run(swift, of, hole, steps=3).network.state_dict() for of in (image, white))
    assert all(torch.equal(one[name], other[name]) for name in one)


@pytest.mark.usefixtures("always")
def test_batch_norm_keeps_its_statistics_and_the_weights_move(swift):
    before = {name: of.clone() for name, of in swift.state_dict().items()}
    after = run(swift, photo(), hole_of(), steps=3).network
    assert not after.training
    for name, buffer in after.named_buffers():
        assert torch.equal(buffer, before[name]), name
    assert any(not torch.equal(weight, before[name]) for name, weight in after.named_parameters())
    assert all(torch.equal(of, before[name]) for name, of in swift.state_dict().items())


@pytest.mark.parametrize(
    "pixels",
    [
        np.full((40, 50), 130, np.uint8),
        np.full((40, 50, 4), 130, np.uint8),
        np.full((40, 50, 3), 33_000, np.uint16),
        np.full((40, 50, 3), 0.51, np.float16),
    ],
    ids=["grey", "alpha", "16 bits", "half"],
)
@pytest.mark.usefixtures("always")
def test_images_of_any_kind_teach(pixels):
    hole = np.zeros((40, 50), np.uint8)
    hole[10:18, 20:30] = 1
    assert run(Plain(0.5), from_array(pixels), hole).network.colour.item() > 0.5


@given(height=st.integers(1, 90), width=st.integers(1, 90), seed=st.integers(0, 10**6))
@settings(max_examples=30)
def test_pieces_kept_apart_are_known_and_not_learnt_from(height, width, seed):
    hole, size = some_hole(height, width, seed), 16
    grey = from_array(np.full((height, width, 3), 0.5, np.float32))
    crops = plan(hole, size, "auto")
    test = SelfTest(grey, hole, crops, size, generator_for(seed))
    assert not test.kept[hole > 0].any()
    # What is hidden is white, and would be seen as such in a mean with a single pixel of it.
    white = replace(grey, pixels=np.where(test.hidden[..., None] > 0, np.float32(1), grey.pixels))
    lessons = Lessons(white, test.hidden, crops, size, generator_for(seed))
    images, masks, counted = lessons.batch()
    assert float(images.max()) <= 0.5 + 1e-6
    assert bool((masks[counted == 0] == 1).all())
    assert bool((images.amax(1, keepdim=True)[counted == 1] > 0.49).all())


@given(height=st.integers(1, 60), width=st.integers(1, 60), seed=st.integers(0, 10**6))
@settings(max_examples=20)
def test_any_image_and_hole_give_an_answer(height, width, seed):
    found = run(Plain(0.5), photo(height, width), some_hole(height, width, seed), steps=2)
    assert found.steps in (0, 2)
    assert math.isfinite(found.gain)
    assert str(found)


def test_a_gain_that_rests_on_one_piece_is_none():
    before = np.array([1.0, 1.0, 8.0])
    gain, least = gained(before, np.array([1.0, 1.0, 1.0]))
    assert gain > 5
    assert least == pytest.approx(0)
    assert gained(before, before / 2)[1] == pytest.approx(gained(before, before / 2)[0])
    assert gained(np.zeros(3), np.zeros(3)) == (0, 0)


@pytest.mark.parametrize("seconds", [0, -1])
def test_no_time_is_refused(seconds):
    with pytest.raises(SettingError, match="some seconds"):
        adapt(Plain(), photo(), hole_of(), SIZE, seconds=seconds)


def test_a_network_without_weights_is_refused():
    with pytest.raises(NetworkError, match="White has no weights"):
        run(White(), photo(), hole_of())

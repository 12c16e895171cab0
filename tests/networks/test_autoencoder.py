import pytest
import torch

from inpaintlab import networks
from inpaintlab.errors import SizeError
from inpaintlab.networks.summary import summarise
from inpaintlab.settings import Part


def test_linear_bottleneck_is_made_for_one_size_and_takes_others():
    network = networks.create(
        "autoencoder", width=8, depth=2, bottleneck="linear", bottleneck_size=4, side=32
    ).eval()
    for height, width in ((32, 32), (16, 48)):
        image, mask = torch.rand(1, 3, height, width), torch.zeros(1, 1, height, width)
        assert network(image, mask).shape == image.shape


def test_all_but_the_mean_colour_goes_through_the_bottleneck():
    network = networks.create("autoencoder", width=8, depth=2, bottleneck_size=3).eval()
    sizes = []
    network.squeeze.register_forward_hook(lambda _, __, output: sizes.append(tuple(output.shape)))
    image, mask = torch.rand(1, 3, 16, 16), torch.zeros(1, 1, 16, 16)
    before = network(image, mask)
    assert sizes == [(1, 3, 4, 4)]
    network.squeeze.register_forward_hook(lambda _, __, output: torch.zeros_like(output))
    mean = image.mean((2, 3), keepdim=True)
    assert not torch.equal(network(image, mask), before)
    torch.testing.assert_close(
        network(image, mask) - mean, network(image.flip(3), mask) - mean, atol=1e-5, rtol=0
    )


def test_a_side_that_the_levels_cannot_halve_is_refused():
    with pytest.raises(SizeError, match="cannot take 40×40"):
        networks.create("autoencoder", depth=4, bottleneck="linear", side=40)


@pytest.mark.parametrize(("numbers", "steps", "learns"), [(64, 300, True), (1, 400, False)])
def test_a_small_linear_bottleneck_cannot_learn_eight_faces_and_summary_says_so(
    numbers, steps, learns, real_faces, monkeypatch
):
    """The same narrow network learns them through 64 numbers, and not through one."""
    from tests.test_networks import BENCHMARKS

    monkeypatch.syspath_prepend(BENCHMARKS)
    import overfit

    small = {"width": 8, "depth": 3, "max_width": 16, "bottleneck": "linear"}
    arguments = small | {"bottleneck_size": numbers}
    torch.manual_seed(0)
    network = networks.create("autoencoder", **arguments)
    reached = overfit.overfit(network, *overfit.batch(real_faces, 64), steps=steps)
    assert (reached >= 30) is learns
    (facts,) = summarise(Part("autoencoder", **arguments), size=64).networks
    assert "bottleneck" in [warning.kind for warning in facts.warnings]

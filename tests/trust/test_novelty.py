from concurrent.futures import ThreadPoolExecutor

import pytest
import torch
from torch import nn

from inpaintlab import networks
from inpaintlab.checkpoints import Limits
from inpaintlab.errors import RunError
from inpaintlab.trust import Trust, novelty as novelty_module, trust as module
from inpaintlab.trust.novelty import Encoder, Novelty, cells
from tests.trust.test_intervals import holes


def faces(count, seed=0):
    """Bright above, dark below, each with a hue of its own."""
    random = torch.Generator().manual_seed(seed)
    rows = torch.linspace(0.8, 0.2, 32).view(1, 1, 32, 1)
    return (rows + 0.1 * torch.randn(count, 3, 1, 32, generator=random)).clamp(0, 1)


def examples(count, seed):
    for number in range(count):
        yield faces(32, seed + number), holes(32, 32, seed + number)


def colours(image, mask):
    """A source of features that needs no network."""
    known = 1 - mask
    local = nn.functional.avg_pool2d(image * known, 4) / nn.functional.avg_pool2d(known, 4).clamp(
        min=0.1
    )
    return [local, local**2]


@pytest.fixture(scope="module")
def novelty():
    return Novelty.fit(colours, 4, examples(12, 0), examples(6, 100))


def test_nearly_all_images_of_the_kind_pass(novelty):
    image, mask = faces(400, 7), holes(400, 32, 7)
    assert 0.9 <= float((novelty(colours, image, mask) <= 1).float().mean()) <= 1


@pytest.mark.parametrize("change", [
    lambda image: image.flip(2),
    lambda image: image.rot90(1, (2, 3)),
    lambda image: 1 - image,
    torch.rand_like,
], ids=["upside down", "quarter turn", "inverted", "noise"])  # fmt: skip
def test_foreign_images_do_not_pass(novelty, change):
    image, mask = change(faces(100, 8)), holes(100, 32, 8)
    assert float((novelty(colours, image, mask) > 1).float().mean()) > 0.95


def test_place_and_size_of_the_hole_decide_nothing(novelty):
    """The same images with other holes: what is said of them hardly changes with the hole."""
    image = faces(200, 9)
    found = [novelty(colours, image, holes(200, 32, seed)) for seed in (1, 2)]
    large = torch.cat([holes(200, 32, seed).mean((1, 2, 3)) for seed in (1, 2)])
    together = torch.stack([large, torch.cat(found)])
    assert abs(float(torch.corrcoef(together)[0, 1])) < 0.25
    assert all(float((of <= 1).float().mean()) >= 0.9 for of in found)


def test_what_is_under_the_hole_is_not_looked_at(novelty):
    image, mask = faces(20), holes(20, 32)
    other = torch.where(mask > 0, torch.rand_like(image), image)
    assert torch.equal(novelty(colours, image, mask), novelty(colours, other, mask))


def test_a_cell_under_the_hole_weighs_nothing():
    image, mask = faces(2), torch.zeros(2, 1, 32, 32)
    mask[..., :8, :8] = 1
    features, known = cells(colours(image, mask), mask, 4)
    assert features.shape == (2, 16, 6)
    assert known[0].tolist() == [0.0] + 15 * [1.0]


def test_an_encoder_gives_its_maps_and_keeps_no_hook():
    network = networks.create("swift", width=8, side=32).eval()
    source = Encoder(network)
    maps = source(faces(2), holes(2, 32))
    assert [one.shape[-1] for one in maps] == [16, 8, 4]
    assert not any(part._forward_hooks for part in network.modules())


def test_threads_do_not_get_the_maps_of_each_other():
    source = Encoder(networks.create("swift", width=8, side=32).eval())
    with ThreadPoolExecutor(4) as pool:
        found = list(pool.map(lambda count: source(faces(count), holes(count, 32)), range(2, 18)))
    assert [[len(one) for one in maps] for maps in found] == [3 * [count] for count in range(2, 18)]


def test_what_hardly_varies_is_no_number_too_large():
    def constant(image, mask):
        (local, _) = colours(image, mask)
        return [local, torch.full_like(local, 0.5)]

    found = Novelty.fit(constant, 4, examples(12, 0), examples(6, 100))
    assert float(found.statistics.scaled.abs().max()) < torch.finfo(torch.float16).max


@pytest.fixture(scope="module")
def network():
    return networks.create("swift", width=8, side=32).eval()


@pytest.fixture(scope="module")
def trust(network):
    """Without the features that an extra brings, so that it is the same everywhere."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "sources_of", lambda method: {"encoder": Encoder(network)})
        return Trust.fit(network, examples(10, 0), examples(4, 50), steps=20)


def test_limits_are_read_as_they_were_written(trust, network):
    again = Trust.read(trust.limits())
    image, mask = faces(8), holes(8, 32)
    one, two = (of.novelty["encoder"](Encoder(network), image, mask) for of in (trust, again))
    assert torch.allclose(one, two, rtol=0.02, atol=0.02)  # larger arrays have 16 bits
    assert sum(of.nbytes for of in trust.limits().tensors.values()) < 2**20


@pytest.mark.parametrize("version", [None, 0, 3, "1"])
def test_limits_of_another_version_are_refused(trust, version):
    with pytest.raises(RunError, match="is read in version 2, got"):
        Trust.read(Limits(trust.limits().tensors, {"version": version}))


@pytest.mark.parametrize("change", [
    lambda tensors: tensors.popitem(),
    lambda tensors: tensors.update({"trust/more": torch.zeros(3)}),
    lambda tensors: tensors.update({"trust/_novelty.encoder.statistics.scaled": torch.zeros(3)}),
    lambda tensors: tensors.update({"trust/uncertainty.line": torch.zeros(7)}),
    lambda tensors: tensors.update({"trust/_novelty.encoder.statistics.scaled": torch.zeros(10**6, 1)}),
])  # fmt: skip
def test_limits_that_do_not_fit_are_refused(trust, change):
    tensors, facts = trust.limits()
    change(tensors)
    with pytest.raises(RunError, match="cannot be read"):
        Trust.read(Limits(tensors, facts))


def test_limits_are_taken_from_images_that_nothing_is_fitted_to(network):
    """Learning sees the first examples alone, and calibration changes thresholds and factors alone."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "sources_of", lambda method: {"encoder": Encoder(network)})
        one, two = (Trust.fit(network, examples(4, 0), examples(4, seed), steps=10) for seed in (50, 90))
    differing = {
        name.rpartition(".")[2]
        for (name, of), other in zip(one.state_dict().items(), two.state_dict().values(), strict=True)
        if not torch.equal(of, other)
    }
    assert differing <= {"usual", "limit", "factors", "line"}
    assert differing


def test_without_a_source_nothing_is_said_of_novelty(trust):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "sources_of", lambda method: {})
        assert trust.novelty_of(None, faces(3), holes(3, 32)).isnan().all()


def test_of_the_first_version_the_intervals_are_kept(trust):
    limits = trust.limits()
    found = Trust.read(Limits(limits.tensors, {"version": 1}))
    assert not found.novelty
    factors, kept = (of.uncertainty.intervals.factors for of in (trust, found))
    assert torch.allclose(factors, kept)


def maps_of(image, mask):
    """Features that vary in a few directions over images, and in all of them over noise."""
    cell = nn.functional.unfold(image, 4, stride=4)  # [B, 48, 64]
    return [cell.view(len(image), 48, 8, 8)]


def test_what_lies_outside_of_what_images_have_in_common_is_foreign():
    """Smooth images need few components; noise is near to them in those, and far in all others."""

    def smooth(count, seed):
        random = torch.Generator().manual_seed(seed)
        small = torch.rand(count, 3, 4, 4, generator=random)
        return nn.functional.interpolate(small, (32, 32), mode="bicubic").clamp(0, 1)

    def some(count, first):
        for seed in range(first, first + count):
            yield smooth(32, seed), holes(32, 32, seed)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(novelty_module, "COMPONENTS", 6)
        found = Novelty.fit(maps_of, 8, some(12, 0), some(8, 50))
    mask = holes(64, 32, 99)
    noise = 0.5 + 0.1 * torch.randn(64, 3, 32, 32, generator=torch.Generator().manual_seed(0))
    assert float((found(maps_of, smooth(64, 99), mask) <= 1).float().mean()) > 0.85
    assert float((found(maps_of, noise.clamp(0, 1), mask) > 1).float().mean()) > 0.95

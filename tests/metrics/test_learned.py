import pytest
import torch
from torchmetrics.functional.image.lpips import _LPIPS

from inpaintlab import features
from inpaintlab.errors import FeaturesError
from inpaintlab.metrics import FeatureDistance, hole_crops, hole_distance_efficientnet, lpips

#: Ours -> name in torchmetrics, and the file of the backbone.
BACKBONES = {"alexnet": ("alex", "alexnet"), "vgg16": ("vgg", "vgg16-relu")}


def pair(count=2, size=48):
    generator = torch.Generator().manual_seed(0)
    truth = torch.rand(count, 3, size, size, generator=generator)
    mask = torch.zeros(count, 1, size, size)
    mask[..., 10:30, 8:30] = 1
    return torch.where(mask > 0, 1 - truth, truth), truth, mask


@pytest.fixture(params=["alexnet", "vgg16", "efficientnet"])
def distance(request, trusted) -> FeatureDistance:
    if request.param == "efficientnet":
        pytest.importorskip("efficientnet_lite_pytorch")
        return hole_distance_efficientnet()
    return lpips(request.param, trusted / f"{BACKBONES[request.param][1]}.pth")


@pytest.mark.parametrize("backbone", BACKBONES)
def test_lpips_is_torchmetrics(backbone, trusted):
    """Its own class and its own file of heads, on the same backbone."""
    short, file = BACKBONES[backbone]
    own = _LPIPS(pretrained=False, net=short, pnet_rand=True, use_dropout=True)
    heads = torch.load(features.find(f"lpips-{backbone}"), weights_only=True, map_location="cpu")
    own.load_state_dict(heads, strict=False)
    saved = torch.load(trusted / f"{file}.pth", weights_only=True)
    weights = {
        name: saved["features." + name.split(".", 2)[2]]
        for name in own.state_dict()
        if name.startswith("net.")
    }
    own.load_state_dict(weights, strict=False)
    filled, truth, mask = pair()
    with torch.no_grad():
        expected = own(filled, truth, normalize=True).flatten()
    found = lpips(backbone, trusted / f"{file}.pth")(filled, truth, mask)
    assert torch.allclose(found, expected, rtol=1e-4, atol=1e-7)
    assert float(found.min()) > 0


def test_identical_images_are_at_no_distance(distance):
    _, truth, mask = pair()
    assert torch.equal(distance(truth, truth, mask), torch.zeros(2))


def test_farther_with_more_noise(distance):
    _, truth, mask = pair()
    noise = torch.randn(truth.shape, generator=torch.Generator().manual_seed(1)) * mask
    values = [distance((truth + s * noise).clamp(0, 1), truth, mask) for s in (0.02, 0.1, 0.5)]
    assert bool((torch.stack(values).diff(dim=0) > 0).all())


def test_an_image_does_not_see_its_batch(distance):
    filled, truth, mask = pair(18)
    whole = distance(filled, truth, mask)
    assert whole.shape == (18,)
    alone = distance(filled[17:], truth[17:], mask[17:])
    assert torch.allclose(whole[17:], alone, rtol=1e-3)


def test_nothing_of_it_learns(distance):
    assert not any(parameter.requires_grad for parameter in distance.parameters())


def test_distance_of_efficientnet_is_one_less_the_cosine():
    pytest.importorskip("efficientnet_lite_pytorch")
    filled, truth, mask = pair()
    network = features.create("efficientnet-lite0")
    with torch.no_grad():
        cosines = [
            torch.cosine_similarity(x, y, dim=1).mean((1, 2))
            for x, y in zip(*(network(hole_crops(of, mask)) for of in (filled, truth)), strict=True)
        ]
    expected = 1 - torch.stack(cosines).mean(0)
    assert torch.allclose(hole_distance_efficientnet()(filled, truth, mask), expected, atol=1e-5)


@pytest.mark.parametrize(
    ("box", "expected"),
    [
        ((30, 50, 40, 80), (10, 70, 30, 90)),  # 40 wide, so 60
        ((0, 10, 0, 10), (0, 32, 0, 32)),  # no less than 32, and not beyond the border
        ((90, 100, 110, 120), (68, 100, 88, 120)),
        ((0, 100, 0, 120), (0, 100, 10, 110)),  # no more than the image
    ],
)
def test_crops_hold_the_hole_and_what_is_around_it(box, expected):
    y, x = torch.meshgrid(torch.arange(100.0), torch.arange(120.0), indexing="ij")
    image, mask = torch.stack([y, x, y])[None], torch.zeros(1, 1, 100, 120)
    mask[..., box[0] : box[1], box[2] : box[3]] = 1
    crop = hole_crops(image, mask)
    assert crop.shape == (1, 3, 100, 100)
    top, bottom, left, right = expected
    for channel, (first, last) in enumerate([(top, bottom), (left, right)]):
        # Enlarging begins and ends half a pixel inside.
        assert float(crop[0, channel].min()) == pytest.approx(first, abs=0.6)
        assert float(crop[0, channel].max()) == pytest.approx(last - 1, abs=0.6)


@pytest.mark.parametrize("shape", [(20, 40), (300, 400)])
def test_crops_of_all_images_have_one_side(shape):
    masks = torch.zeros(3, 1, *shape)
    masks[0, 0, 3:9, 4:20] = masks[1, 0, -1:, -1:] = 1  # and one without a hole
    assert hole_crops(torch.rand(3, 3, *shape), masks).shape == (3, 3, *[min(*shape, 224)] * 2)


def test_heads_of_another_release_are_refused(trusted, monkeypatch):
    from dataclasses import replace

    source = replace(features.SOURCES["lpips-alexnet"], sha256="0" * 64)
    monkeypatch.setitem(features.SOURCES, "lpips-alexnet", source)
    with pytest.raises(FeaturesError, match=r"alex\.pth is damaged, or not the weights"):
        lpips("alexnet", trusted / "alexnet.pth")

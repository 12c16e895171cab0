from dataclasses import dataclass

import numpy as np
import pytest
import torch
from hypothesis import given, settings, strategies as st
from torchvision.transforms.v2 import InterpolationMode, functional as v2

from inpaintlab import masks
from inpaintlab.data import augment, samples
from inpaintlab.data.augment import (
    AUGMENTATIONS,
    PARAMETERS,
    Augmentation,
    Sample,
    register_augmentation,
)
from inpaintlab.data.loading import Images
from inpaintlab.data.sampling import TrainingSamples, check_variants
from inpaintlab.data.sheets import preview_sheet
from inpaintlab.data.sources import open_dataset
from inpaintlab.errors import DataError, SettingError
from inpaintlab.randomness import generator_for

FACTORS = torch.tensor([0.0, 0.6, 1.0, 1.3, 1.7])


def portraits(side=32):
    """Five portraits, the last with plain grey, black and white parts, where a hue is undefined."""
    images = torch.stack([torch.from_numpy(samples.draw(index, side)) for index in range(5)])
    images = images.permute(0, 3, 1, 2).float() / 255
    images[4, :, :8], images[4, :, 8:16], images[4, :, 16:20] = 0.5, 0.0, 1.0
    return images


def draws(preset="strong", count=12, size=16, seed=0, kind="rectangles", **changes):
    augmentation = AUGMENTATIONS.create(preset, **changes)
    stored = augmentation.stored_size(size)
    images = Images(open_dataset(f"samples:{count}"), range(count), size, "training", stored=stored)
    return TrainingSamples(images, masks.make([{"name": kind}]), seed, augmentation)


@pytest.mark.parametrize("name", ["brightness", "contrast", "saturation", "hue"])
def test_colours_as_in_torchvision(name):
    images, values = portraits(), FACTORS
    if name == "hue":
        values = torch.tensor([-0.5, -0.13, 0.0, 0.02, 0.5])
    theirs = getattr(v2, f"adjust_{name}")
    expected = [theirs(image, value) for image, value in zip(images, values.tolist(), strict=True)]
    ours = getattr(augment, f"adjust_{name}")(images.clone(), values)
    assert torch.allclose(ours, torch.stack(expected), atol=2e-5)


def test_blur_as_in_torchvision():
    images, sigmas = portraits(), torch.tensor([0.1, 0.4, 0.9, 1.3, 2.0])
    expected = [v2.gaussian_blur(i, [7, 7], [s]) for i, s in zip(images, sigmas.tolist(), strict=True)]
    assert torch.allclose(augment.gaussian_blur(images, sigmas, 7), torch.stack(expected), atol=1e-5)


# Its JPEG codec is to move to another package; ours is OpenCV's.
@pytest.mark.filterwarnings("ignore:The image decoding and encoding:DeprecationWarning")
def test_jpeg_as_in_torchvision():
    images, qualities = portraits(), [10, 40, 75, 90, 100]
    stored = [(image * 255).round().to(torch.uint8) for image in images]
    expected = torch.stack([v2.jpeg(i, q) for i, q in zip(stored, qualities, strict=True)])
    assert torch.equal((augment.compress(images, qualities) * 255).round().to(torch.uint8), expected)


def test_rotation_as_in_torchvision():
    images, angles = portraits(), torch.tensor([-20.0, -3.0, 0.0, 7.0, 45.0])
    middle = torch.full((5, 2), 16.0)
    ours = augment.cut_turned(images, angles, torch.full((5,), 32.0), middle, 32)
    for image, angle, result in zip(images, angles.tolist(), ours, strict=True):
        options = {"translate": [0, 0], "scale": 1.0, "shear": [0.0, 0.0]}
        expected = v2.affine(image, angle, **options, interpolation=InterpolationMode.BILINEAR)
        inside = v2.affine(torch.ones(1, 32, 32), angle, **options)[0] > 0
        inside[[0, -1]] = inside[:, [0, -1]] = False
        inside = -torch.nn.functional.max_pool2d(-inside[None].float(), 5, 1, 2)[0] > 0
        assert inside.sum() > 200
        assert torch.allclose(result[:, inside], expected[:, inside], atol=1e-4)


def test_zoom_as_in_torchvision():
    """Crops of whole pixels: the same as a crop that is resized bilinearly."""
    images, sides = portraits(48), torch.tensor([32.0, 36, 40, 44, 48])
    corners = torch.tensor([[0, 0], [12, 3], [8, 8], [1, 4], [0, 0]])
    centres = corners + sides[:, None] / 2
    ours = augment.cut_turned(images, torch.zeros(5), sides, centres, 32)
    for image, side, (left, top), result in zip(images, sides.int(), corners, ours, strict=True):
        box = [int(top), int(left), int(side), int(side)]
        expected = v2.resized_crop(image, *box, [32, 32], antialias=False)
        assert torch.allclose(result, expected, atol=1e-5)


def test_mirror_as_in_torchvision():
    whole, half = draws("none", count=4), draws("flip", count=4)
    pairs = [(whole.collate([whole[d]])[0][0], half.collate([half[d]])[0][0]) for d in range(40)]
    mirrored = [torch.equal(v2.horizontal_flip(before), after) for before, after in pairs]
    same = [torch.equal(before, after) for before, after in pairs]
    assert all(a != b for a, b in zip(mirrored, same, strict=True))
    assert 10 < sum(mirrored) < 30


@pytest.mark.parametrize("name", list(AUGMENTATIONS))
def test_samples_of_a_batch_share_nothing(name):
    """What a sample becomes does not depend on the others in its batch."""
    source = draws(name)
    taken = [source[draw] for draw in range(8)]
    images, holes, _ = source.collate(taken)
    assert images.shape == (8, 3, 16, 16)
    assert 0 <= images.min() <= images.max() <= 1
    assert images.is_contiguous(memory_format=torch.channels_last)
    for number, sample in enumerate(taken):
        image, hole, _ = source.collate([sample])
        assert torch.allclose(image[0], images[number], atol=1 / 255 + 1e-6)
        assert torch.equal(hole[0], holes[number])


@pytest.mark.parametrize("name", list(AUGMENTATIONS))
@pytest.mark.parametrize("kind", ["rectangles", "strokes"])
def test_the_self_test_is_content_with_every_preset(name, kind):
    check_variants(draws(name, kind=kind))


class Reseeded(TrainingSamples):
    """The classic mistake: one seed, and every sample begins with it."""

    def generator(self, draw):
        return generator_for(self.seed)


@pytest.mark.parametrize("name", ["flip", "light", "strong"])
def test_the_self_test_finds_a_generator_seeded_for_every_sample(name):
    sound = draws(name)
    broken = Reseeded(sound.images, sound.masks, 0, sound.augmentation)
    with pytest.raises(DataError, match="64 samples of one image came out in 1 variants"):
        check_variants(broken)
    with pytest.raises(DataError, match="one and the same mask"):
        check_variants(Reseeded(sound.images, sound.masks, 0, AUGMENTATIONS.create("none")))


class ByWorker(TrainingSamples):
    """Another classic: each of four workers goes through the same parameters."""

    def generator(self, draw):
        return generator_for(self.seed, 1, draw // 4)


def test_the_self_test_finds_workers_that_repeat_one_another():
    sound = draws("medium")
    with pytest.raises(DataError, match="64 samples of one image came out in 16 variants"):
        check_variants(ByWorker(sound.images, sound.masks, 0, sound.augmentation))


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"flip": 1.1}, r"augment\.flip must be 0 to 1, got 1\.1"),
        ({"zoom": 0.9}, r"augment\.zoom must be 1 to 4, got 0\.9"),
        ({"hue": 0.6}, r"augment\.hue must be 0 to 0\.5, got 0\.6"),
        ({"rotate": float("nan")}, "rotate must be a finite number, got nan"),
        ({"jpeg": "low"}, "jpeg must be a whole number, got 'low'"),
        ({"rotat": 3}, "augmentation 'medium' has no setting 'rotat', did you mean 'rotate'"),
    ],
)
def test_what_is_refused(changes, words):
    with pytest.raises(SettingError, match=words):
        AUGMENTATIONS.create("medium", **changes)


def test_presets():
    with pytest.raises(SettingError, match="unknown augmentation 'strnog', did you mean 'strong'"):
        AUGMENTATIONS.resolve("strnog", {})
    assert AUGMENTATIONS.create("none") == Augmentation()
    assert AUGMENTATIONS.create("flip") == Augmentation(flip=0.5)
    strengths = [AUGMENTATIONS.create(name).rotate for name in ("light", "medium", "strong")]
    assert strengths == sorted(set(strengths))


@dataclass(frozen=True)
class Grain(Augmentation):
    """An augmentation of somebody else: noise after all that there is."""

    grain: float = 0.1
    kind: str = "normal"

    def vary(self, images, generator):
        return images + self.grain * torch.randn(images.shape, generator=generator)


def test_one_of_your_own_is_registered_and_repeats_itself():
    register_augmentation("grain", Grain)
    own = AUGMENTATIONS.create("grain", grain=0.2, flip=0.0)
    assert AUGMENTATIONS.resolve("grain", {})["kind"] == "normal"
    rng = np.random.default_rng(0)
    window = np.full((16, 16, 3), 128, np.uint8)
    samples = [
        Sample(window, 16, window[..., 0], rng.random(len(PARAMETERS), np.float32)) for _ in range(4)
    ]
    once, again, others = own.apply(samples, 16), own.apply(samples, 16), own.apply(samples[1:], 16)
    assert torch.equal(once, again)
    assert once.std() > 0.1
    assert not torch.equal(once[1:], others)  # a batch of its own varies on its own
    assert 0 <= once.min() <= once.max() <= 1


parameters = st.lists(
    st.integers(0, 999).map(lambda n: n / 1000), min_size=len(PARAMETERS), max_size=len(PARAMETERS)
)


@settings(max_examples=40, deadline=None)
@given(parameters, st.integers(16, 24), st.sampled_from(list(AUGMENTATIONS)))
def test_any_numbers_give_an_image_without_borders(draw, side, name):
    """On a white image nothing but brightness can darken: no corner is ever empty."""
    augmentation = AUGMENTATIONS.create(name, brightness=0.0)
    stored = augmentation.stored_size(16)
    image = np.full((side, side + 5, 3), 255, np.uint8)
    photo = np.asarray(draw, np.float32)
    window, own = augment.window_of(image, stored, photo)
    assert window.shape == (stored, stored, 3)
    assert own == min(side, stored)
    result = augmentation.apply([Sample(window, own, image[:16, :16, 0], photo)], 16)
    assert result.shape == (1, 3, 16, 16)
    assert bool((result > 0.98).all())


def test_a_small_image_is_never_enlarged():
    """An image at the training size in a larger window is cut at exactly its own size."""
    image = samples.draw(3, 16)
    parameters = np.full(len(PARAMETERS), 0.7, np.float32)
    window, side = augment.window_of(image, 24, parameters)
    result = Augmentation(zoom=1.5).apply([Sample(window, side, image[..., 0], parameters)], 16)
    assert torch.allclose(result[0].permute(1, 2, 0) * 255, torch.from_numpy(image).float(), atol=0.01)


def test_masks_turn_apart_from_images():
    source, plain = draws("none", turn_masks=True, count=1), draws("none", count=1)
    pairs = [(source[draw], plain[draw]) for draw in range(64)]
    assert all(np.array_equal(a.window, b.window) for a, b in pairs)
    assert all(a.mask.sum() == b.mask.sum() for a, b in pairs)
    turned = [not np.array_equal(a.mask, b.mask) for a, b in pairs]
    assert 40 < sum(turned) < 64
    corner = np.zeros((4, 4), np.uint8)
    corner[0, 1] = 1
    kinds = {
        source.augmentation.turned(corner, np.random.default_rng(n).random(16, np.float32)).tobytes()
        for n in range(100)
    }
    assert len(kinds) == 8


def test_preview_sheet():
    sheet = preview_sheet(draws("strong"), 5)
    assert sheet.shape == (2 * 18 + 2, 3 * 18 + 2, 3)
    assert sheet.dtype == np.uint8
    assert (sheet[0] == 255).all()
    reddish = (sheet[..., 0].astype(int) - sheet[..., 1]) > 60
    assert 0.02 < reddish.mean() < 0.6


@pytest.mark.parametrize("name", list(augment.AUGMENTATIONS))
def test_white_stays_in_range(name):
    """Weights that sum to a rounding error above one must not: the loop refuses such an image."""
    made = draws(name, kind="rectangles")
    white = np.full((made.images.stored, made.images.stored, 3), 255, np.uint8)
    for first in range(0, 128, 32):
        images, *_ = made.collate([made.sample(white, draw) for draw in range(first, first + 32)])
        assert float(images.min()) >= 0
        assert float(images.max()) <= 1

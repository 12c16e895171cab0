"""What every figure of an image must be, over the whole table."""

import pytest
import torch
from hypothesis import given, strategies as st

from inpaintlab.errors import SettingError
from inpaintlab.metrics import FIGURES, METRICS, OCTAVES, measure, register_metric, sharpness

#: Name -> value of identical images.
BEST = {"hole_psnr": 100.0, "psnr": 100.0} | dict.fromkeys(
    ("ssim", "hole_ssim", "ms_ssim", "hole_ms_ssim", "sharpness", "sharpness_2_4", "sharpness_4_8"), 1.0
)
every = pytest.mark.parametrize("name", METRICS)


def images(height=32, width=40, count=3, seed=0):
    """Truth and a hole in a quarter of it."""
    generator = torch.Generator().manual_seed(seed)
    # Not white noise: neighbours are alike, as in images.
    coarse = torch.rand(count, 3, 4, 4, generator=generator)
    truth = torch.nn.functional.interpolate(coarse, (height, width), mode="bilinear") * 0.6 + 0.2
    mask = torch.zeros(count, 1, height, width)
    mask[..., height // 4 : -(height // 4), width // 4 : -(width // 4)] = 1
    return truth, mask


def noisy(truth, mask, scale, seed=1):
    noise = torch.randn(truth.shape, generator=torch.Generator().manual_seed(seed))
    return (truth + scale * noise * mask).clamp(0, 1)


@every
@pytest.mark.parametrize("size", [8, 32, 64, 176])
def test_identical_images(name, size):
    truth, mask = images(size, size)
    best = torch.full((3,), BEST.get(name, 0.0))
    assert torch.allclose(METRICS[name](truth, truth, mask), best, atol=1e-6)


@every
def test_worse_with_more_noise_and_one_value_an_image(name):
    truth, mask = images()
    metric = METRICS[name]
    # Of images as smooth as these, twice the sharpness is reached soon.
    scales = (0.001, 0.002, 0.003) if name.startswith("sharpness") else (0.02, 0.1, 0.3)
    fills = [noisy(truth, mask, scale) for scale in scales]
    values = torch.stack([metric(filled, truth, mask) for filled in fills])
    assert values.shape == (3, 3)
    assert bool((FIGURES[name].score(values).diff(dim=0) < 0).all())


@every
@given(seed=st.integers(0, 1000), flip=st.sampled_from([(2,), (3,), (2, 3)]))
def test_turned_round_all_together_nothing_changes(name, seed, flip):
    truth, mask = images(24, 32, seed=seed)
    filled = noisy(truth, mask, 0.2, seed)
    value = METRICS[name](filled, truth, mask)
    turned = METRICS[name](*(x.flip(flip) for x in (filled, truth, mask)))
    assert torch.allclose(value, turned, rtol=1e-4, atol=1e-5)


@every
def test_an_image_does_not_see_its_batch(name):
    truth, mask = images(count=5)
    filled = noisy(truth, mask, 0.2)
    whole = METRICS[name](filled, truth, mask)
    alone = [METRICS[name](*(x[i : i + 1] for x in (filled, truth, mask))) for i in range(5)]
    assert torch.allclose(whole, torch.cat(alone), rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("name", [name for name in METRICS if name.startswith("hole")])
def test_a_figure_of_the_hole_is_that_of_an_image_which_is_all_hole(name):
    truth, mask = images()
    everywhere = torch.ones_like(mask)
    filled = noisy(truth, everywhere, 0.1)
    values = measure(filled, truth, everywhere)
    whole = METRICS[name.removeprefix("hole_")](filled, truth, everywhere)
    # The several scales of the whole leave out windows that reach over the border.
    assert torch.allclose(values[name], whole, atol=0.05 if "ms" in name else 1e-5)


@pytest.mark.parametrize("name", [name for name in METRICS if name.startswith("hole")])
def test_an_image_without_a_hole_is_as_good_as_can_be(name):
    truth, mask = images()
    value = METRICS[name](truth, truth, torch.zeros_like(mask))
    assert torch.allclose(value, torch.full((3,), BEST.get(name, 0.0)))


def test_all_at_once_are_the_same_as_each_by_itself():
    truth, mask = images()
    filled = noisy(truth, mask, 0.2)
    values = measure(filled, truth, mask)
    assert list(values) == list(METRICS)
    for name, metric in METRICS.items():
        assert torch.equal(values[name], metric(filled, truth, mask))


def textured(height=64, width=64, hole=slice(16, 48), contrast=0.1):
    """Noise of some contrast, as the fine structure of images, and a square hole."""
    noise = torch.randn(4, 3, height, width, generator=torch.Generator().manual_seed(0))
    mask = torch.zeros(4, 1, height, width)
    mask[..., hole, hole] = 1
    return (0.5 + contrast * noise).clamp(0, 1), mask


@given(contrast=st.floats(0.02, 0.15), share=st.floats(0.1, 1.9))
def test_sharpness_is_the_share_of_the_contrast(contrast, share):
    truth, mask = textured(contrast=contrast)
    filled = torch.where(mask > 0, 0.5 + share * (truth - 0.5), truth)
    assert torch.allclose(METRICS["sharpness"](filled, truth, mask), torch.tensor(share), atol=0.1)


@pytest.mark.parametrize("hole", [slice(16, 48), slice(20, 21), slice(0, 64), slice(0, 2)])
def test_a_grey_fill_has_no_sharpness_though_it_has_a_seam(hole):
    truth, mask = textured(hole=hole)
    grey = torch.where(mask > 0, 0.9, truth)
    few = 0.2 if hole in (slice(16, 48), slice(0, 64)) else 2.1  # a thin hole is nothing but seam
    assert float(METRICS["sharpness"](grey, truth, mask).max()) < few


def test_sharpness_of_noise_on_one_colour_is_bounded():
    truth, mask = textured(contrast=0.0)
    noise = torch.rand(truth.shape, generator=torch.Generator().manual_seed(1))
    assert METRICS["sharpness"](torch.where(mask > 0, noise, truth), truth, mask).tolist() == [2] * 4
    # A pixel in ten that is one grey level off, as rounding makes them, is hardly a structure.
    step = truth + mask * (noise > 0.9) / 255
    assert float(METRICS["sharpness"](step, truth, mask).max()) < 1.6


def waves(length, size=128):
    """Stripes of a wave length in pixels, down and across, and a hole in the middle."""
    angle = 2 * torch.pi * torch.arange(size) / length
    truth = (0.5 + 0.1 * torch.sin(angle)[:, None] + 0.1 * torch.sin(angle)).expand(1, 3, size, size)
    mask = torch.zeros(1, 1, size, size)
    mask[..., 32:-32, 32:-32] = 1
    return truth, mask


@pytest.mark.parametrize("octave", range(len(OCTAVES)))
def test_an_octave_is_nearly_blind_to_the_others(octave):
    """Lost detail of one size lowers the sharpness of that size most: a bump is half a wave."""
    mask = waves(1)[1]
    lengths = [2 * (low * high) ** 0.5 for low, high in OCTAVES]
    all_sizes = sum(waves(length)[0] - 0.5 for length in lengths) / 2 + 0.5
    without = all_sizes - (waves(lengths[octave])[0] - 0.5) / 2 * mask
    found = [float(sharpness(without, all_sizes, mask, of)) for of in range(len(OCTAVES))]
    assert found[octave] == min(found) < 0.65
    assert all(of > 0.65 for place, of in enumerate(found) if place != octave)


@pytest.mark.parametrize("octave", range(len(OCTAVES)))
def test_a_seam_is_no_sharpness_of_any_octave_and_a_gradient_none(octave):
    truth, mask = textured(size := 64, size, slice(16, 48))
    black = torch.where(mask > 0, 0, truth)
    slope = torch.where(mask > 0, torch.linspace(0, 1, size), truth)
    for fill in (black, slope):
        assert float(sharpness(fill, truth, mask, octave).max()) < 0.1
    assert torch.equal(sharpness(truth, truth, mask, octave), torch.ones(4))


@given(octave=st.integers(0, 2), noise=st.floats(0.3, 0.45))
def test_rounding_alone_is_the_floor_of_every_octave(octave, noise):
    """Noise of rounding on one colour doubles the energy of a floor that it makes up."""
    grey, mask = torch.full((1, 3, 64, 64), 0.5), torch.ones(1, 1, 64, 64)
    fine = torch.rand(grey.shape, generator=torch.Generator().manual_seed(int(noise * 1e6))) - 0.5
    assert float(sharpness(grey + fine / 255, grey, mask, octave)) == pytest.approx(2**0.5, abs=0.15)


@every
def test_arrow_of_the_heading_and_format(name):
    metric = FIGURES[name]
    arrow = "↑" if metric.higher_is_better else "↓"
    assert metric.heading.endswith(arrow if metric.ideal is None else f"→ {metric.ideal:g}")
    assert float(format(0.5, metric.spec)) == 0.5


def test_methods_are_ranked_by_the_hole():
    assert next(iter(METRICS)) == "hole_psnr"


def test_a_metric_of_a_user_is_measured_with_the_others(monkeypatch):
    for table in (METRICS, FIGURES):
        for name in ("bright", "broken"):
            monkeypatch.setitem(table, name, None)
            del table[name]  # what is registered now is taken out again afterwards

    @register_metric("bright", heading="brightness ↑", spec=".1f", higher_is_better=True)
    def bright(filled, truth, mask):
        return filled.mean((1, 2, 3))

    truth, mask = images()
    assert torch.equal(measure(truth, truth, mask)["bright"], truth.mean((1, 2, 3)))
    assert FIGURES["bright"].heading == "brightness ↑"
    with pytest.raises(SettingError, match="there is a metric 'psnr' already"):
        register_metric("psnr", bright, higher_is_better=True)
    with pytest.raises(SettingError, match="holds no slash"):
        register_metric("a/b", bright, higher_is_better=True)
    register_metric("broken", lambda filled, truth, mask: filled.mean(), higher_is_better=True)
    with pytest.raises(SettingError, match=r"metric 'broken' gives \[\], expected a tensor \[3\]"):
        measure(truth, truth, mask)

"""Ways to fill: known pixels stay, nothing of the hole is seen, and each does what it says."""

import re

import numpy as np
import pytest
import torch
from hypothesis import given, settings, strategies as st

import inpaintlab
from inpaintlab.baselines import BASELINES
from inpaintlab.data.leaves import draw
from inpaintlab.errors import SettingError
from inpaintlab.images import from_array
from inpaintlab.inpainter import Inpainter
from inpaintlab.inpainter.ways import AUTO, DETAIL, MODEL, check_method
from inpaintlab.networks import Network, create
from tests.inpainter.holes import some_hole

SIZE = 16
METHODS = (MODEL, DETAIL, AUTO, *(name for name in BASELINES if name != "mean-colour"))


@pytest.fixture(scope="module")
def inpainter():
    torch.manual_seed(0)
    return Inpainter(create("unet", width=8, depth=1, dilations=(1,)), size=SIZE)


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("kind", [np.uint8, np.uint16])
@given(height=st.integers(2, 90), width=st.integers(2, 90), seed=st.integers(0, 10**6))
@settings(max_examples=8)
def test_known_pixels_stay_and_nothing_of_the_hole_is_seen(inpainter, method, kind, height, width, seed):
    random = np.random.default_rng(seed)
    image = random.integers(0, np.iinfo(kind).max, (height, width, 4)).astype(kind)
    hole = some_hole(height, width, seed)
    filled = inpainter.fill(image, hole, method=method)
    assert np.array_equal(image[hole == 0], filled[hole == 0])
    other = np.where(hole[..., None] > 0, np.iinfo(kind).max - image, image)
    other[..., 3] = image[..., 3]
    assert np.array_equal(inpainter.fill(other, hole, method=method), filled)


class Grey(Network):
    """Fills everything with grey."""

    multiple_of, min_size = 1, 1

    def forward(self, image, mask):
        return torch.full_like(image, 0.5)


def scratched(thick=2):
    """A smooth image with a scratch across it."""
    y, x = np.mgrid[0:150, 0:200] / 200
    image = np.stack([x, y, (x + y) / 2], axis=2)
    hole = np.zeros((150, 200), np.uint8)
    hole[20 : 20 + thick, 10:190] = 1
    return (image * 255).astype(np.uint8), hole


@pytest.mark.parametrize(
    ("size", "thick", "who"),
    [
        (64, 8, "thin holes by the default model"),
        (64, 9, "large holes by model"),
        (150, 2, "thin holes by the default model"),  # it sees the image as large as it is
        (150, 3, "large holes by model"),
    ],
)
def test_what_is_thin_is_filled_by_the_model_of_the_package(size, thick, who):
    image, hole = scratched(thick)
    filled, told = Inpainter(Grey(), size=size).fill_image(from_array(image), hole, method=AUTO)
    assert told.startswith(f"{who}: ")
    assert ";" not in told
    errors = np.abs(filled.pixels[hole > 0].astype(float) - image[hole > 0])
    assert (errors.max() < 10) == ("default" in who)


def test_large_and_thin_holes_are_filled_each_in_its_way():
    image, hole = scratched()
    thin = hole.copy()
    hole[90:140, 60:120] = 1
    inpainter = Inpainter(Grey(), size=64)
    filled, told = inpainter.fill_image(from_array(image), hole, method=AUTO)
    assert re.fullmatch(
        "thin holes by the default model: .* crops.*; large holes by model: one crop.*", told
    )
    alone = inpainter.fill(image, thin, method=AUTO)
    assert np.array_equal(filled.pixels[thin > 0], alone[thin > 0])
    square = hole > thin
    assert np.array_equal(filled.pixels[square], inpainter.fill(image, hole, method=MODEL)[square])


def test_the_model_of_the_package_adds_detail_to_large_holes():
    image, hole = scratched()
    hole[60:110, 60:120] = 1
    _, told = inpaintlab.load("default").fill_image(from_array(image), hole)
    assert re.fullmatch("thin holes by the default model: .*; large holes by model.detail: .*", told)


def test_in_a_small_image_too_the_model_of_the_package_fills_what_is_thin():
    image, hole = scratched(6)
    _, told = inpaintlab.load("default").fill_image(from_array(image[:50, :60]), hole[:50, :60])
    assert told.startswith("thin holes by the default model: ")
    assert ";" not in told


def test_a_network_given_as_an_object_fills_alone_and_what_is_loaded_by_thickness(tmp_path):
    loaded = inpaintlab.load("default")
    loaded.save(tmp_path / "same.safetensors")
    assert inpaintlab.load(tmp_path / "same.safetensors").method == loaded.method == AUTO
    assert Inpainter(loaded.network, size=64).method == MODEL


def test_a_scratch_is_seen_at_full_size_where_that_is_better():
    """The default model knows no scale; what it is shown of a whole image is too small for a scratch."""
    default = Inpainter.load("default")
    gains = []
    for index in range(60_000, 60_006):
        image, hole = draw(index, 256), np.zeros((256, 256), np.uint8)
        for row in range(200):
            hole[30 + row : 33 + row, 20 + row] = 1
        crop, pieces, auto = (
            np.square(default.fill(image, hole, method=MODEL, strategy=how).astype(float) - image).mean()
            for how in ("crop", "pieces", "auto")
        )
        assert auto in (crop, pieces)
        gains.append(10 * np.log10(crop / auto))
    assert np.mean(gains) > 0


def test_detail_is_sharper_than_the_model_alone():
    image, hole = draw(70_000, 160), np.zeros((160, 160), np.uint8)
    hole[50:100, 60:110] = 1
    default = Inpainter.load("default")
    smooth, detailed = (
        np.abs(
            np.diff(default.fill(image, hole, method=name).astype(float)[50:100, 60:110], axis=0)
        ).mean()
        for name in (MODEL, DETAIL)
    )
    assert detailed > smooth


def test_detail_is_a_mixture_of_what_the_model_says_and_of_patches():
    image, hole = np.full((90, 120, 3), 200, np.uint8), np.zeros((90, 120), np.uint8)
    hole[30:60, 40:90] = 1
    filled = Inpainter(Grey(), size=32).fill(image, hole, method=DETAIL, blend="none")
    assert np.abs(filled[hole > 0] - (0.3 * 127.5 + 0.7 * 200)).max() <= 1


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("modle", "did you mean 'model'"),
        ("biharmonc", "did you mean 'biharmonic'"),
        ("", "unknown method"),
    ],
)
def test_unknown_methods_are_named(name, words):
    with pytest.raises(SettingError, match=words):
        check_method(name)

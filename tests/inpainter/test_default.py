"""The model that comes with the package: it fills where nobody has trained anything."""

import numpy as np
import pytest
from PIL import Image

import inpaintlab
from inpaintlab import runs
from inpaintlab.baselines import telea
from inpaintlab.data.leaves import draw
from inpaintlab.errors import RunError, SettingError
from inpaintlab.inpainter import fill_files
from inpaintlab.inpainter.weights import find_weights
from inpaintlab.serving import work
from inpaintlab.settings import FillSettings


def test_it_is_small_and_says_what_it_is():
    assert find_weights("default").stat().st_size < 3_000_000
    card = inpaintlab.load("default").card
    assert (card.network, card.size) == ("swift", 64)
    assert card.provenance["data"].startswith("samples:leaves:")


def test_the_server_takes_it_too():
    inpainter, about = work._load(runs.run_or_default(None))
    assert (about.name, about.size, inpainter.method) == ("default", 64, "auto")


def test_a_folder_of_that_name_comes_first(tmp_path):
    (tmp_path / "default").mkdir()
    with pytest.raises(RunError, match="default is not a run folder"):
        find_weights("default")


def test_it_fills_better_than_telea():
    """On drawn images that it has not learnt from."""
    default, better = inpaintlab.load("default"), []
    for index in range(50_000, 50_012):
        image, hole = draw(index, 128), np.zeros((128, 128), np.uint8)
        hole[40:75, 50:90] = 1
        errors = [
            np.square(fill(image, hole)[hole > 0] / 255 - image[hole > 0] / 255).mean()
            for fill in (default.fill, telea)
        ]
        better.append(10 * np.log10(errors[1] / errors[0]))
    assert np.mean(better) > 0.5


@pytest.fixture
def photo(tmp_path):
    Image.fromarray(draw(0, 96)).save("photo.png")
    hole = np.zeros((96, 96), np.uint8)
    hole[30:50, 40:70] = 255
    Image.fromarray(hole).save("mask.png")
    return FillSettings(image="photo.png", mask="mask.png", output="out.png")


def test_a_photo_is_filled_without_a_run(photo):
    said = str(fill_files(photo).answer().headline)
    assert said == "out.png (filled by the model that comes with inpaintlab)"
    before, after = (np.asarray(Image.open(name)) for name in ("photo.png", "out.png"))
    hole = np.asarray(Image.open("mask.png")) > 0
    assert np.array_equal(before[~hole], after[~hole])
    assert (before[hole] != after[hole]).any()


@pytest.mark.parametrize("method", ["telea", "navier-stokes", "biharmonic"])
def test_a_classical_method_is_taken_by_its_name(photo, method):
    assert "comes with" not in str(
        fill_files(photo.model_copy(update={"method": method})).answer().headline
    )
    image, hole = (np.asarray(Image.open(name)) for name in ("photo.png", "mask.png"))
    expected = inpaintlab.load("default").fill(image, hole, method=method)
    assert np.array_equal(np.asarray(Image.open("out.png")), expected)


def test_unknown_methods_are_refused_before_anything_is_read(photo):
    with pytest.raises(SettingError, match="unknown method 'tela', did you mean 'telea'"):
        fill_files(photo.model_copy(update={"method": "tela", "image": "photo.png"}))

"""What is said of a fill, from Python and on the command line."""

import json

import numpy as np
import pytest
import torch
from PIL import Image

from inpaintlab.checkpoints import ModelCard, load_model, read_limits
from inpaintlab.data import samples
from inpaintlab.errors import ImageError, RunError, TrustError
from inpaintlab.images import encode_png, from_array
from inpaintlab.inpainter import Inpainter, assessment
from inpaintlab.inpainter.assessment import is_better
from inpaintlab.serving.jobs import Job, Options
from inpaintlab.serving.work import answer
from inpaintlab.trust import heat_map

SIDE = 32
ARGUMENTS = {"width": 8, "depth": 1, "dilations": (1,)}


@pytest.fixture
def inpainter(knowing):
    return knowing


@pytest.fixture
def network(knowing):
    return knowing.network


@pytest.fixture
def weights(tmp_path, inpainter):
    inpainter.save(tmp_path / "model.safetensors")
    return tmp_path / "model.safetensors"


@pytest.fixture
def hole():
    hole = np.zeros((SIDE, SIDE), np.uint8)
    hole[6:20, 8:24] = 1
    return hole


@pytest.fixture
def portrait():
    return samples.draw(5, SIDE)


@pytest.fixture
def noise():
    return np.random.default_rng(0).integers(0, 256, (SIDE, SIDE, 3), np.uint8)


@pytest.mark.parametrize("size", [(32, 32), (90, 140)])
@pytest.mark.parametrize("kind", [np.asarray, Image.fromarray])
def test_an_assessment_has_the_fill_and_what_is_known_of_it(inpainter, size, kind):
    image = np.resize(samples.draw(5, size[1]), (*size, 3)).copy()
    hole = np.zeros(size, np.uint8)
    hole[5:20, 9:20] = hole[-6:-2, -9:-3] = 1
    found = inpainter.assess(kind(image), hole)
    assert np.array_equal(np.asarray(found.image), inpainter.fill(image, hole, method="model"))
    assert type(found.image) is type(kind(image))
    assert found.uncertainty.shape == size
    assert (found.uncertainty[hole == 0] == 0).all()
    assert (found.uncertainty[hole > 0] > 0).all()
    assert found.uncertainty.max() <= 1
    assert 0 < found.expected_error.psnr < 60
    assert found.trusted == (not found.reasons) == (found.novelty <= 1)


def test_every_hole_has_its_uncertainty_however_many_there_are(inpainter, monkeypatch):
    monkeypatch.setattr(assessment, "MOST_CROPS", 1)
    hole = np.zeros((300, 300), np.uint8)
    hole[20:40:3, 20:40] = hole[200:212, 230:240] = hole[250:254, 30:40] = 1
    found = inpainter.assess(np.resize(samples.draw(5, 300), (300, 300, 3)), hole)
    assert ((found.uncertainty > 0) == (hole > 0)).all()


def test_what_is_foreign_is_said_to_be(inpainter, portrait, noise, hole):
    assert inpainter.assess(portrait, hole).trusted
    found = inpainter.assess(noise, hole)
    assert found.novelty > 1
    assert "unlike those the model was trained on" in found.reasons[0]


def test_what_is_under_the_hole_changes_nothing(inpainter, portrait, noise, hole):
    other = np.where(hole[..., None] > 0, noise, portrait)
    one, two = inpainter.assess(portrait, hole), inpainter.assess(other, hole)
    assert one.novelty == two.novelty
    assert np.array_equal(one.uncertainty, two.uncertainty)


def test_a_model_that_knows_no_limits_is_tested_on_hidden_squares(network, portrait, hole):
    found = Inpainter(network, size=SIDE).assess(portrait, hole)
    assert found.uncertainty is found.expected_error is found.novelty is None
    assert found.better_method == "telea"  # it has learnt nothing
    assert not found.trusted


@pytest.mark.parametrize(
    ("gain", "novelty", "better"),
    [(-1, None, True), (1, None, False), (-1, 1.5, True), (1, 1.5, False), (-1, 0.5, False)],
)
def test_a_classical_method_is_better_only_of_what_is_foreign(gain, novelty, better):
    assert is_better(gain, novelty) == better


def test_one_image_at_a_time_is_assessed(inpainter):
    with pytest.raises(ImageError, match="one image is assessed at a time"):
        inpainter.assess(torch.rand(2, 3, 32, 32), torch.ones(2, 1, 32, 32))


def test_limits_travel_with_the_weights(inpainter, weights, portrait, hole):
    loaded = Inpainter.load(weights)
    one, two = (of.assess(portrait, hole) for of in (inpainter, loaded))
    assert one.novelty == pytest.approx(two.novelty, abs=0.02)
    assert np.allclose(one.uncertainty, two.uncertainty, atol=1e-3)
    network, _ = load_model(weights)
    assert not any(name.startswith("trust") for name in network.state_dict())
    again = weights.with_name("again.safetensors")
    loaded.save(again)
    assert again.read_bytes() == weights.read_bytes()


def test_weights_without_limits_have_none(tmp_path, network):
    Inpainter(network, ModelCard("unet", ARGUMENTS, SIDE)).save(tmp_path / "plain.safetensors")
    assert read_limits(tmp_path / "plain.safetensors") is None
    assert Inpainter.load(tmp_path / "plain.safetensors").trust is None


def test_damaged_limits_are_refused(weights):
    data = weights.read_bytes()
    weights.write_bytes(data.replace(b'\\"version\\": 2', b'\\"version\\": 7'))
    assert weights.read_bytes() != data
    with pytest.raises(RunError, match="version 2, got 7"):
        Inpainter.load(weights)


def test_a_fallback_fills_what_is_foreign(inpainter, noise, portrait, hole):
    for image, method in ((noise, "telea"), (portrait, "auto")):
        found, doubts, _ = inpainter.heeded(from_array(image), hole, method="auto", fallback="auto")
        assert found == method
        assert bool(doubts) == (image is noise)


def test_nothing_is_judged_where_that_is_not_wanted(inpainter, noise, hole, monkeypatch):
    monkeypatch.setattr(inpainter, "judge_image", None)
    assert inpainter.heeded(from_array(noise), hole, judged=False) == (None, [], None)


@pytest.mark.parametrize("method", ["telea", "patchmatch"])
def test_a_baseline_is_not_doubted(inpainter, noise, hole, method):
    assert inpainter.heeded(from_array(noise), hole, method=method, strict=True) == (method, [], None)


def test_what_the_model_of_the_package_fills_is_not_doubted(inpainter, noise):
    """With `auto` that is what is thin, whatever the image."""
    thin, both = np.zeros((2, SIDE, SIDE), np.uint8)
    thin[5] = both[5] = 1
    both[12:24, 12:24] = 1
    image = from_array(noise)
    assert inpainter.heeded(image, thin, method="auto", strict=True) == ("auto", [], None)
    for hole, method in ((thin, "model"), (both, "auto")):
        assert inpainter.heeded(image, hole, method=method).doubts


def test_strict_refuses(inpainter, noise, portrait, hole):
    assert inpainter.heeded(from_array(portrait), hole, strict=True)[:2] == (None, [])
    with pytest.raises(TrustError, match="not filled: this image is unlike"):
        inpainter.heeded(from_array(noise), hole, strict=True)


@pytest.fixture
def fill(tmp_path, weights, noise, portrait, hole, inpaint, inpainter):
    """Run `inpaint fill` on a folder with a portrait and noise, or on one file."""
    del inpainter  # holds the patch
    folder = tmp_path / "images"
    folder.mkdir()
    for name, image in (("face", portrait), ("noise", noise)):
        Image.fromarray(image).save(folder / f"{name}.png")
    Image.fromarray(255 * hole).save(tmp_path / "mask.png")

    def run(image, output, *words):
        files = (str(tmp_path / image), str(tmp_path / "mask.png"), "-o", str(tmp_path / output))
        return inpaint(["fill", *files, "--run", str(weights), *words])

    return run


def test_the_command_warns_and_fills(fill, tmp_path):
    code, out, err = fill("images/noise.png", "out.png")
    assert code == 0
    assert "unlike those the model was trained on" in out + err
    assert (tmp_path / "out.png").is_file()
    assert "unlike" not in "".join(fill("images/face.png", "face.png")[1:])


def test_strict_writes_no_file_and_ends_with_1(fill, tmp_path):
    code, out, err = fill("images/noise.png", "out.png", "--strict")
    assert code == 1
    assert not (tmp_path / "out.png").exists()
    assert "unlike those the model was trained on" in out + err


def test_strict_leaves_foreign_images_of_a_folder_out(fill, tmp_path):
    code, out, _ = fill("images", "out", "--strict", "--json")
    assert code == 1
    assert [path.name for path in sorted((tmp_path / "out").glob("*.png"))] == ["face.png"]
    found = json.loads(out)
    assert (found["filled"], found["failed"]) == (1, 1)
    assert "unlike" in found["failures"][0]["error"]


def test_a_server_says_it_in_its_notes(inpainter, noise, portrait, hole):
    mask = encode_png(np.repeat(255 * hole[..., None], 3, 2))
    found = [answer(inpainter, Job(encode_png(of), mask, Options())) for of in (noise, portrait)]
    assert [reply.error for reply in found] == [None, None]
    assert "unlike those the model was trained on" in found[0].notes[0]
    assert found[1].notes == ()


def test_the_command_writes_how_far_values_may_be_off(fill, weights, portrait, hole, tmp_path):
    code, out, err = fill("images/face.png", "out.png", "--uncertainty", str(tmp_path / "map.png"))
    assert code == 0, err
    wanted = Inpainter.load(weights).assess(portrait, hole)
    assert f"expected hole PSNR {wanted.expected_error}" in out
    with Image.open(tmp_path / "map.png") as image:
        assert np.array_equal(np.asarray(image), heat_map(wanted.uncertainty, portrait))


@pytest.mark.parametrize("words", [["--variants", "3"], ["-o", "/proc/nowhere/out.png"]])
def test_a_fill_that_fails_leaves_no_map(fill, tmp_path, words):
    code, _, _ = fill("images/face.png", "out.png", "--uncertainty", str(tmp_path / "map.png"), *words)
    assert code == 2
    assert not (tmp_path / "map.png").exists()


def test_a_refused_image_names_what_an_earlier_run_wrote(fill, tmp_path):
    fill("images/noise.png", "out.png")
    code, out, _ = fill("images/noise.png", "out.png", "--strict")
    assert code == 1
    assert "out.png is what an earlier run wrote" in " ".join(out.split())
    fill("images", "filled")
    code, out, _ = fill("images", "filled", "--strict", "--json")
    (failure,) = json.loads(out)["failures"]
    assert "noise.png is what an earlier run wrote" in failure["error"]


def test_what_a_fallback_fills_has_no_map(fill, tmp_path):
    path = tmp_path / "map.png"
    words = ("--fallback", "auto", "--uncertainty", str(path))
    code, out, _ = fill("images/noise.png", "out.png", *words)
    assert code == 0
    assert "is not written: what fills this image does not say how wrong it may be" in out
    assert not path.exists()


@pytest.mark.parametrize(
    ("image", "words", "message"),
    [
        ("images/face.png", ["--uncertainty", "map.gif"], "cannot write '.gif'"),
        ("images/face.png", ["--uncertainty", "out.png"], "give the map of uncertainty another name"),
        (
            "images/face.png",
            ["--uncertainty", "images/../out.png"],
            "give the map of uncertainty another",
        ),
        ("images/face.png", ["--uncertainty", "images/face.png"], "is an input"),
        ("images/face.png", ["--uncertainty", "map.png", "--method", "telea"], "telea does not say"),
        ("images", ["--uncertainty", "map.png"], "is of one image"),
    ],
)
def test_maps_that_cannot_be_had(fill, tmp_path, monkeypatch, image, words, message):
    before = (tmp_path / "images/face.png").read_bytes()
    code, out, err = fill(
        image,
        "out.png" if image != "images" else "out",
        *(str(tmp_path / word) if word.endswith(("png", "gif")) else word for word in words),
    )
    assert (code, out) == (2, "")
    assert message in err
    assert (tmp_path / "images/face.png").read_bytes() == before
    assert not (tmp_path / "map.png").exists()


def test_a_model_that_knows_nothing_of_its_errors_has_no_map(inpaint, trained_run, fill, tmp_path):
    words = ["fill", "images/face.png", "mask.png", "-o", "out.png", "--uncertainty", "map.png"]
    code, _, err = inpaint([*words, "--run", str(trained_run)])
    assert code == 2
    assert "has not learnt how wrong it may be" in err
    assert not (tmp_path / "out.png").exists()

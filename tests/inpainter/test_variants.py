"""Several fills of one hole, from Python, by the command, and from an ONNX file."""

import json
from functools import partial
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings, strategies as st
from PIL import Image

from inpaintlab import FillSettings, Inpainter, fill_files, networks
from inpaintlab.checkpoints import ModelCard
from inpaintlab.data import samples
from inpaintlab.errors import NetworkError, OutputError, RunError, SettingError
from inpaintlab.inpainter import batch
from inpaintlab.inpainter.export import to_onnx
from inpaintlab.inpainter.onnx import Facts, OnnxNetwork
from inpaintlab.inpainter.variants import by_typicality, draws
from inpaintlab.settings.filling import MOST_VARIANTS

SIDE = 32
ARGUMENTS = {"width": 8, "depth": 1, "dilations": (1,), "noise": 3}


class Noisy(torch.nn.Module):
    """All that `draws` asks of a network."""

    noise = 3


NETWORK = Noisy()


def varied(**changes):
    """A network with noise, to which its fresh weights listen."""
    torch.manual_seed(0)
    network = networks.create("unet", **ARGUMENTS | changes).eval()
    for part in network.vary if network.noise else ():
        part.linear.weight.data.mul_(10)
    return network


@pytest.fixture(scope="module")
def inpainter():
    return Inpainter(varied(), ModelCard("unet", ARGUMENTS, SIDE))


@pytest.fixture(scope="module")
def portrait():
    return samples.draw(3, SIDE)


@pytest.fixture(scope="module")
def hole():
    hole = np.zeros((SIDE, SIDE), np.uint8)
    hole[6:20, 8:24] = 1
    return hole


def tensor(pixels):
    return torch.from_numpy(pixels.copy()).permute(2, 0, 1).float() / 255


@pytest.mark.parametrize(
    "kind", [np.asarray, Image.fromarray, tensor, lambda p: torch.stack([tensor(p), tensor(p[::-1])])]
)
def test_fills_differ_in_the_hole_alone_and_come_back_in_kind(inpainter, portrait, hole, kind):
    image = kind(portrait)
    mask = hole if not isinstance(image, torch.Tensor) or image.ndim == 3 else np.stack([hole, hole])
    fills = inpainter.variants(image, mask, 3)
    assert [type(of) for of in fills] == 3 * [type(image)]
    arrays = [np.asarray(of) for of in fills]
    before, where = np.asarray(image), hole > 0
    for array in arrays:
        same = array == before
        assert (same[..., ~where] if isinstance(image, torch.Tensor) else same[~where]).all()
    assert not np.array_equal(arrays[0], arrays[1])
    assert not np.array_equal(arrays[1], arrays[2])


def test_a_seed_gives_the_same_again_and_the_usual_fill_is_among_them(inpainter, portrait, hole):
    fills = inpainter.variants(portrait, hole, 4, seed=3)
    again, other = (inpainter.variants(portrait, hole, 4, seed=seed) for seed in (3, 4))
    assert np.array_equal(fills, again)
    assert not np.array_equal(fills, other)
    usual = inpainter.fill(portrait, hole)
    for of in (fills, other):
        assert any(np.array_equal(fill, usual) for fill in of)
    # More of a seed are those, and more.
    more = inpainter.variants(portrait, hole, 6, seed=3)
    assert all(any(np.array_equal(fill, one) for one in more) for fill in fills)


@given(counts=st.tuples(*2 * [st.integers(1, MOST_VARIANTS)]), seed=st.integers(0, 2**63 - 1))
@settings(max_examples=30)
def test_the_draws_of_a_seed_begin_with_the_middle_and_go_on_the_same(counts, seed):
    fewer, more = ([one.drawn for one in draws(NETWORK, count, seed)] for count in sorted(counts))
    assert not fewer[0].any()
    assert all(torch.equal(one, other) for one, other in zip(fewer, more, strict=False))
    assert len({tuple(one.tolist()) for one in more}) == len(more) == max(counts)


@pytest.mark.parametrize("network", [{}, {"noise": 0}])
@pytest.mark.parametrize("method", [None, "telea"])
def test_one_variant_is_the_usual_fill_of_whatever_fills(portrait, hole, network, method):
    inpainter = Inpainter(varied(**network), size=SIDE)
    (fill,) = inpainter.variants(portrait, hole, 1, method=method)
    assert np.array_equal(fill, inpainter.fill(portrait, hole, method=method))


@pytest.mark.parametrize(
    "change",
    [
        lambda pixels: np.uint16(pixels) * 257,
        lambda pixels: pixels[..., 0],
        lambda pixels: np.dstack([pixels, np.full(pixels.shape[:2], 77, np.uint8)]),
        lambda pixels: np.float64(pixels) / 255,
        lambda pixels: np.tile(pixels, (3, 2, 1)),
    ],
    ids=["16 bits", "grey", "transparent", "floating point", "larger than in training"],
)
def test_arrays_of_every_kind_come_back_in_kind_with_fills_that_differ(
    inpainter, portrait, hole, change
):
    image = change(portrait)
    mask = np.zeros(image.shape[:2], np.uint8)
    mask[:SIDE, :SIDE] = hole
    fills = inpainter.variants(image, mask, 3)
    assert all((fill.shape, fill.dtype) == (image.shape, image.dtype) for fill in fills)
    assert all(np.array_equal(fill[mask == 0], image[mask == 0]) for fill in fills)
    assert len({fill.tobytes() for fill in fills}) == 3


def test_detail_is_mixed_into_every_variant(inpainter, portrait, hole):
    pytest.importorskip("patchmatch")
    fills = inpainter.variants(portrait, hole, 3, method="model+detail")
    usual = inpainter.fill(portrait, hole, method="model+detail")
    assert len({fill.tobytes() for fill in fills}) == 3
    assert any(np.array_equal(fill, usual) for fill in fills)


def test_each_image_of_a_batch_is_filled_as_alone(inpainter, portrait, hole):
    images = torch.stack([tensor(portrait), tensor(portrait[:, ::-1])])
    masks = torch.from_numpy(np.stack([hole, hole[::-1].copy()]))[:, None]
    together = inpainter.variants(images, masks, 3)
    for place, (image, mask) in enumerate(zip(images, masks, strict=True)):
        alone = inpainter.variants(image, mask, 3)
        assert all(torch.equal(b[place], one) for b, one in zip(together, alone, strict=True))


@pytest.mark.parametrize("seed", [0, 1])
def test_fills_of_a_larger_spread_are_farther_apart(inpainter, portrait, hole, seed):
    apart = []
    for spread in (0.25, 0.75, 1.5):
        fills = inpainter.variants(portrait, hole, 4, seed=seed, spread=spread)
        first, *others = (np.float32(fill) for fill in fills)
        apart.append(sum(np.abs(first - other).mean() for other in others))
    assert apart == sorted(apart)
    lengths = [one.network.drawn.norm().item() for one in inpainter.drawn(4, seed, 0.5)]
    assert lengths == pytest.approx([0, *[0.5 * 3**0.5] * 3])


@given(values=st.lists(st.integers(0, 255), min_size=1, max_size=8), colours=st.booleans())
@settings(max_examples=50)
def test_the_first_is_the_nearest_to_the_mean_of_all(values, colours):
    hole = np.zeros((4, 5), np.uint8)
    hole[1:3, 1:4] = 1
    fills = [np.full((4, 5, 3) if colours else (4, 5), value, np.uint8) for value in values]
    places = by_typicality(fills, hole)
    assert sorted(places) == list(range(len(values)))
    apart = [abs(values[place] - np.mean(values)) for place in places]
    assert all(one <= other + 1e-9 for one, other in pairwise(apart))


@pytest.mark.parametrize(
    ("network", "how", "words"),
    [
        ({}, {"count": 0}, f"variants are 1 to {MOST_VARIANTS}, got 0"),
        ({}, {"count": 33}, f"variants are 1 to {MOST_VARIANTS}, got 33"),
        ({}, {"seed": -1}, "a seed is 0 to 9223372036854775807, got -1"),
        ({}, {"seed": 2**64}, "a seed is 0 to 9223372036854775807, got 18446744073709551616"),
        ({}, {"spread": 0.0}, "spread is above 0 and at most 1.5, got 0"),
        ({}, {"spread": 2.0}, "spread is above 0 and at most 1.5, got 2"),
        ({}, {"method": "telea"}, "telea fills a hole in one way: variants are of the model"),
        ({"noise": 0}, {}, "UNet has learnt one fill for each hole: .* --look real"),
    ],
)
def test_what_cannot_vary_is_refused(portrait, hole, network, how, words):
    inpainter = Inpainter(varied(**network), size=SIDE)
    with pytest.raises(SettingError, match=words):
        inpainter.variants(portrait, hole, **how)


@pytest.fixture
def weights(tmp_path, inpainter):
    path = tmp_path / "varied.safetensors"
    inpainter.save(path)
    return path


@pytest.fixture
def fill(tmp_path, weights, portrait, hole):
    """Fill `photo.png` and its like in `images`, with changed settings."""
    (tmp_path / "images").mkdir()
    Image.fromarray(portrait).save("images/photo.png")
    Image.fromarray(255 * hole).save("mask.png")

    def run(**changes):
        usual = {"image": "images", "mask": "mask.png", "output": "out", "run": weights, "variants": 3}
        return fill_files(FillSettings.model_validate(usual | changes))

    return run


def names(folder):
    return sorted(path.name for path in Path(folder).glob("*.png"))


@pytest.mark.parametrize("alone", [True, False])
def test_the_command_writes_the_most_typical_under_the_name(fill, inpainter, portrait, hole, alone):
    given = {"image": "images/photo.png", "output": "out/photo.png"} if alone else {}
    Path("out").mkdir()
    result = fill(**given)
    assert names("out") == ["photo-2.png", "photo-3.png", "photo.png"]
    fills = inpainter.variants(portrait, hole, 3)
    for name, wanted in zip(("photo.png", "photo-2.png", "photo-3.png"), fills, strict=True):
        assert np.array_equal(np.asarray(Image.open(f"out/{name}")), wanted)
    text = str(result.answer().headline)
    assert ("photo-3.png, the most typical first" if alone else "1 filled in 3 ways each") in text


@pytest.mark.parametrize(
    ("changes", "filled"), [({}, 0), ({"seed": 1}, 1), ({"variants": 2}, 1), ({"variants": 1}, 1)]
)
def test_a_folder_goes_on_unless_other_fills_are_asked_for(fill, changes, filled):
    assert fill().filled == 1
    assert fill(**changes).filled == filled


def test_a_variant_that_is_gone_is_made_again(fill):
    fill()
    Path("out/photo-2.png").unlink()
    assert fill().filled == 1
    assert len(names("out")) == 3


def test_shards_fill_every_image_in_several_ways(fill, portrait):
    for name in ("b", "c"):
        Image.fromarray(portrait).save(f"images/{name}.png")
    assert [fill(shard=f"{number}/2").filled for number in (1, 2)] == [2, 1]
    wanted = [f"{name}{end}.png" for name in ("b", "c", "photo") for end in ("", "-2", "-3")]
    assert names("out") == sorted(wanted)
    assert fill().filled == 0


def test_a_list_with_outputs_names_the_variants(fill):
    Path("list.csv").write_text("image,mask,output\nimages/photo.png,mask.png,below/face.webp\n")
    assert fill(image="list.csv", mask=None).filled == 1
    assert sorted(path.name for path in Path("out/below").glob("*.webp")) == [
        "face-2.webp",
        "face-3.webp",
        "face.webp",
    ]


def test_an_interruption_between_variants_fills_again(fill, monkeypatch):
    """The file that the log tells of is written last."""
    real = batch.save

    def full(path, image):
        if path.name == "photo-2.png":
            raise OutputError(f"cannot write {path}: No space left on device")
        return real(path, image)

    monkeypatch.setattr(batch, "save", full)
    with pytest.raises(OutputError, match="No space left"):
        fill()
    assert names("out") == ["photo-3.png"]
    monkeypatch.setattr(batch, "save", real)
    assert fill().filled == 1
    assert len(names("out")) == 3


@pytest.mark.parametrize("alone", [True, False])
def test_what_lies_where_a_variant_goes_is_not_written_over(fill, alone):
    given = {"image": "images/photo.png", "output": "out/photo.png"} if alone else {}
    Path("out").mkdir()
    Path("out/photo-2.png").write_bytes(b"mine")
    with pytest.raises(OutputError, match=r"photo-2.png is there and is no result of fill"):
        fill(**given)
    assert Path("out/photo-2.png").read_bytes() == b"mine"
    assert names("out") == ["photo-2.png"]


def test_variants_that_would_have_one_name_are_refused(fill, portrait):
    Image.fromarray(portrait).save("images/photo-2.jpg")  # its result is a PNG
    with pytest.raises(OutputError, match=r"would both be written to out/photo-2.png: .*--variants, or"):
        fill()
    assert not Path("out").exists()
    assert fill(variants=1).filled == 2


@pytest.mark.parametrize("alone", [True, False])
def test_an_input_is_not_written_over(fill, alone):
    Image.open("images/photo.png").save("photo.png")
    Image.open("mask.png").save("out-2.png")
    where = {"image": "photo.png", "mask": "out-2.png", "output": "out.png"}
    with pytest.raises(OutputError, match=r"is an input|is there and is no result"):
        fill(**where if alone else {**where, "image": "images", "output": "images"})


@pytest.fixture
def command(fill, weights, inpaint):
    """Run `inpaint fill`, the usual files filled by the usual model unless others are named."""

    def run(words, image="images/photo.png", model=weights):
        return inpaint(f"fill {image} mask.png --run {model} {words}")

    return run


def test_the_command_line(command, inpainter, portrait, hole):
    code, out, err = command("-o out.png --variants 3 -s seed=5")
    assert (code, err) == (0, "")
    assert out.startswith("out.png to out-3.png, the most typical first (filled by ")
    fills = inpainter.variants(portrait, hole, 3, seed=5)
    for name, wanted in zip(("out.png", "out-2.png", "out-3.png"), fills, strict=True):
        assert np.array_equal(np.asarray(Image.open(name)), wanted)
    code, out, _ = command("-o out.png --variants 2 --json")  # its own results it writes over
    assert (code, json.loads(out)["variants"]) == (0, 2)
    code, out, _ = command("-o out --variants 2", image="images")
    assert (code, names("out")) == (0, ["photo-2.png", "photo.png"])
    assert "1 filled in 2 ways each" in out
    assert "1 were there already" in command("-o out --variants 2", image="images")[1]


@pytest.mark.parametrize("image", ["images/photo.png", "images"])
@pytest.mark.parametrize(
    ("words", "noise", "reason"),
    [
        ("--variants 3", 0, "UNet has learnt one fill for each hole"),
        ("--variants 3 --method telea", 3, "telea fills a hole in one way: variants are of the model"),
        ("--variants 33", 3, "variants: must be at most 32"),
        ("--variants 0", 3, "variants: must be at least 1"),
        (f"--variants 3 -s seed={2**64}", 3, f"seed: must be at most {2**63 - 1}"),
    ],
)
def test_what_cannot_vary_is_one_line_and_nothing_is_written(
    command, tmp_path, image, words, noise, reason
):
    plain = tmp_path / "model.safetensors"
    Inpainter(varied(noise=noise), ModelCard("unet", ARGUMENTS | {"noise": noise}, SIDE)).save(plain)
    before = sorted(tmp_path.rglob("*"))
    output = "out" if image == "images" else "out.png"
    code, out, err = command(f"-o {output} {words}", image, plain)
    assert (code, out) == (2, "")
    assert err.startswith(f"inpaint: {reason}")
    assert err.count("\n") == 1
    assert sorted(tmp_path.rglob("*")) == before


def test_an_onnx_file_takes_noise(inpainter, tmp_path, portrait, hole):
    pytest.importorskip("onnxscript")
    card = ModelCard("unet", ARGUMENTS, SIDE)
    network = OnnxNetwork(to_onnx(inpainter.network, card, "ab" * 32), "varied.onnx")
    image, mask = torch.rand(2, 3, SIDE, SIDE + 4), torch.zeros(2, 1, SIDE, SIDE + 4)
    mask[..., 4:20, 4:20] = 1
    noise = torch.randn(2, 3)
    with torch.inference_mode():
        assert torch.allclose(
            network(image, mask, noise), inpainter.network(image, mask, noise), atol=1e-4
        )
        assert torch.allclose(network(image, mask), inpainter.network(image, mask), atol=1e-4)
    with pytest.raises(NetworkError, match=r"takes noise \[2, 3\]"):
        network(image, mask, noise[:, :2])
    own, theirs = (of.variants(portrait, hole, 3) for of in (inpainter, Inpainter(network, card)))
    assert np.abs(np.int16(own) - np.int16(theirs)).max() <= 1


@pytest.mark.parametrize(("given", "noise"), [(None, 0), ("0", 0), ("7", 7)])
def test_files_of_before_noise_say_nothing_of_it(given, noise):
    metadata = Facts(ModelCard("unet", {}, 16), "ab" * 32, 4, 8, True).as_metadata()
    metadata |= {"noise": given}
    assert Facts.read({k: v for k, v in metadata.items() if v is not None}, "a.onnx").noise == noise


@pytest.mark.parametrize("given", ["-1", "5000", "many"])
def test_noise_that_no_file_of_ours_asks_for_is_refused(given):
    metadata = Facts(ModelCard("unet", {}, 16), "ab" * 32, 4, 8, True).as_metadata()
    with pytest.raises(RunError, match=r"random numbers: at most|was not written by inpaintlab"):
        Facts.read(metadata | {"noise": given}, "a.onnx")


def test_an_evaluation_tells_how_far_fills_are_apart(inpainter):
    from inpaintlab import evaluate

    photos = [samples.draw(index, SIDE) for index in range(12)]
    measured = partial(evaluate, images=photos, size=SIDE, learned=False, baselines=[])
    found = measured({"varied": inpainter, "plain": varied(noise=0)}).overall.methods
    assert found["varied"]["diversity"].mean > 0
    assert found["varied"]["best_hole_psnr"].mean >= found["varied"]["hole_psnr"].mean
    assert "diversity" not in found["plain"]
    without = measured({"varied": inpainter}, variants=0)
    assert "diversity" not in without.overall.methods["varied"]
    assert json.loads(json.dumps(without.as_dict()))


def test_thin_holes_vary_as_well_where_the_model_of_the_package_would_fill_them(weights, portrait):
    loaded, scratch = Inpainter.load(weights), np.zeros((SIDE, SIDE), np.uint8)
    scratch[8:24, 15:17] = 1
    assert loaded.method == "auto"
    first, *others = loaded.variants(portrait, scratch, 3)
    assert not any(np.array_equal(first, other) for other in others)


def test_fills_of_two_seeds_are_not_taken_for_those_of_one(fill):
    """As where a batch is ended between two files: the first is of the old seed, another of the new."""
    assert fill().filled == 1
    old = {name: Path("out", name).read_bytes() for name in names("out")}
    assert fill(seed=1, output="other").filled == 1
    Path("out/photo-2.png").write_bytes(Path("other/photo-2.png").read_bytes())
    assert len(old["photo-2.png"]) != len(Path("out/photo-2.png").read_bytes())
    assert fill().filled == 1
    assert {name: Path("out", name).read_bytes() for name in names("out")} == old

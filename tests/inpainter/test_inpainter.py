from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
import torch
from hypothesis import given, settings, strategies as st
from PIL import Image

import inpaintlab
from inpaintlab import networks
from inpaintlab.checkpoints import ModelCard
from inpaintlab.data import samples
from inpaintlab.errors import ImageError, MaskError, NetworkError, OutputError, RunError, SettingError
from inpaintlab.images import from_array, load, save
from inpaintlab.inpainter import BLENDS, STRATEGIES, Inpainter, fill_files, filling
from inpaintlab.settings import FillSettings
from tests.inpainter.holes import some_hole, white_inpainter

SIZE = 16


@pytest.fixture(scope="module")
def inpainter() -> Inpainter:
    torch.manual_seed(0)
    arguments = {"width": 8, "depth": 1, "dilations": (1,)}
    return Inpainter(networks.create("unet", **arguments), ModelCard("unet", arguments, SIZE))


KINDS = {
    "L": lambda r, h, w: Image.fromarray(r.integers(0, 256, (h, w), np.uint8)),
    "LA": lambda r, h, w: Image.fromarray(r.integers(0, 256, (h, w, 2), np.uint8)),
    "RGB": lambda r, h, w: Image.fromarray(r.integers(0, 256, (h, w, 3), np.uint8)),
    "RGBA": lambda r, h, w: Image.fromarray(r.integers(0, 256, (h, w, 4), np.uint8)),
    "I;16": lambda r, h, w: Image.fromarray(r.integers(0, 2**16, (h, w)).astype(np.uint16)),
    "CMYK": lambda r, h, w: Image.frombytes("CMYK", (w, h), r.bytes(4 * h * w)),
    "uint8": lambda r, h, w: r.integers(0, 256, (h, w, 3), np.uint8),
    "uint16": lambda r, h, w: r.integers(0, 2**16, (h, w, 4)).astype(np.uint16),
    "float32": lambda r, h, w: r.random((h, w, 3), np.float32),
    "float64": lambda r, h, w: r.random((h, w)),
    "torch": lambda r, h, w: torch.from_numpy(r.random((3, h, w), np.float32)),
    "double": lambda r, h, w: torch.from_numpy(r.random((3, h, w))),
    "half": lambda r, h, w: torch.from_numpy(r.random((3, h, w), np.float32)).half(),
}


def as_array(image):
    if isinstance(image, torch.Tensor):
        return np.moveaxis(image.numpy(), 0, -1)
    return np.asarray(image)


@pytest.mark.parametrize(
    ("strategy", "blend"),
    [(strategy, blend) for strategy in STRATEGIES for blend in BLENDS],
)
@given(height=st.integers(1, 120), width=st.integers(2, 120), seed=st.integers(0, 10**6))
@settings(max_examples=25)
def test_known_pixels_come_back_whatever_the_strategy(inpainter, strategy, blend, height, width, seed):
    image = KINDS["uint8"](np.random.default_rng(seed), height, width)
    hole = some_hole(height, width, seed)
    filled = inpainter.fill(image, hole, strategy=strategy, blend=blend)
    assert np.array_equal(image[hole == 0], filled[hole == 0])


@pytest.mark.parametrize("kind", KINDS)
@given(height=st.integers(2, 70), width=st.integers(2, 70), seed=st.integers(0, 10**6))
@settings(max_examples=25)
def test_known_pixels_come_back_bit_by_bit_and_in_kind(inpainter, kind, height, width, seed):
    image = KINDS[kind](np.random.default_rng(seed), height, width)
    hole = some_hole(height, width, seed)
    filled = inpainter.fill(image, hole.astype(bool))
    assert type(filled) is type(image)
    before, after = as_array(image), as_array(filled)
    assert after.dtype == before.dtype
    assert after.shape == before.shape
    assert np.array_equal(before[hole == 0], after[hole == 0])
    if kind in ("LA", "RGBA", "uint16"):
        assert np.array_equal(before[..., -1], after[..., -1])


@pytest.mark.parametrize("strategy", STRATEGIES)
@pytest.mark.parametrize("kind", ["RGB", "uint8", "torch"])
def test_nothing_of_the_hole_gets_in_and_all_of_it_is_filled(inpainter, kind, strategy):
    hole = some_hole(90, 120, 3)
    random = np.random.default_rng(0)
    image = KINDS["uint8"](random, 90, 120)
    other = np.where(hole[..., None] > 0, 255 - image, image)
    convert = {
        "RGB": Image.fromarray,
        "uint8": lambda a: a,
        "torch": lambda a: torch.from_numpy(a).permute(2, 0, 1) / 255,
    }[kind]
    first, second = (
        as_array(inpainter.fill(convert(one), hole, strategy=strategy)) for one in (image, other)
    )
    assert np.array_equal(first, second)
    assert (first[hole > 0] != as_array(convert(image))[hole > 0]).any(axis=-1).mean() > 0.9


def test_torch_batches(inpainter):
    image = torch.rand(2, 3, 20, 24)
    mask = torch.zeros(2, 1, 20, 24)
    mask[0, :, 5:9, 5:9] = 1
    mask[1, :, 2:9, 12:20] = 1
    filled = inpainter.fill(image, mask)
    assert torch.equal(filled[0], inpainter.fill(image[0], mask[0]))
    assert torch.equal(filled[1], inpainter.fill(image[1], mask[1, 0]))
    with pytest.raises(MaskError, match="2 images need as many masks"):
        inpainter.fill(image, mask[:1])


def test_cost_follows_the_hole(inpainter, monkeypatch):
    sizes = []
    predict = filling.predict
    monkeypatch.setattr(
        filling, "predict", lambda p, x, m: sizes.append(tuple(x.shape)) or predict(p, x, m)
    )
    hole = np.zeros((800, 1000), np.uint8)
    hole[100:180, 200:250] = 1
    hole[700:703, 900:903] = 1
    inpainter.fill(np.zeros((800, 1000, 3), np.uint8), hole)
    assert sizes == [(2, 3, SIZE, SIZE)]


def test_several_threads_fill_at_once(inpainter):
    random = np.random.default_rng(0)
    photos = [random.integers(0, 256, (80 + i, 90, 3), np.uint8) for i in range(12)]
    holes = [some_hole(*photo.shape[:2], seed) for seed, photo in enumerate(photos)]
    alone = [inpainter.fill(photo, hole) for photo, hole in zip(photos, holes, strict=True)]
    with ThreadPoolExecutor(4) as threads:
        together = list(threads.map(inpainter.fill, photos, holes))
    assert all(np.array_equal(a, b) for a, b in zip(alone, together, strict=True))


def test_one_colour_around_the_hole_has_no_seam_from_shrinking():
    """Pixels under the hole must not darken what is beside it when a crop is made smaller."""

    class Copy(networks.Network):
        multiple_of, min_size = 1, 1

        def forward(self, image, mask):
            self.seen = image[(1 - mask).expand_as(image) > 0]
            return image

    copy = Copy()
    image = np.full((200, 200, 3), 200, np.uint8)
    hole = np.zeros((200, 200), np.uint8)
    hole[51:99, 51:99] = 1
    image[hole > 0] = 0
    Inpainter(copy, ModelCard("copy", {}, SIZE)).fill(image, hole)
    assert torch.allclose(copy.seen, torch.tensor(200 / 255))


@pytest.mark.parametrize(
    ("how", "words"),
    [
        ({"strategy": "hole"}, "unknown strategy 'hole', did you mean 'whole'"),
        ({"blend": "gradients"}, "unknown blend 'gradients', did you mean 'gradient'"),
    ],
)
def test_unknown_ways_of_filling_are_named(inpainter, how, words):
    with pytest.raises(SettingError, match=words):
        inpainter.fill(np.zeros((8, 8, 3), np.uint8), np.eye(8), **how)


@pytest.mark.parametrize(
    ("image", "mask", "error", "words"),
    [
        (np.zeros((8, 8, 3), np.uint8), np.zeros((8, 8)), MaskError, "marks no hole"),
        (np.zeros((8, 8, 3), np.uint8), np.ones((8, 8)), MaskError, "marks 100% of the image"),
        (np.zeros((8, 8, 3), np.uint8), np.eye(9), MaskError, "9×9, but the image is 8×8"),
        (np.zeros((8, 8, 2), np.uint8), np.eye(8), ImageError, r"got \[8, 8, 2\]"),
        (np.zeros((8, 8, 3), np.int64), np.eye(8), ImageError, "got int64"),
        (np.full((8, 8, 3), 255.0), np.eye(8), ImageError, "divide by 255"),
        (torch.full((3, 8, 8), 255.0), torch.eye(8), ImageError, "divide by 255"),
        (torch.zeros(3, 8, 8), torch.full((8, 8), 0.3), MaskError, "marks no hole"),
        (torch.zeros(1, 8, 8), torch.eye(8), ImageError, r"got \[1, 1, 8, 8\]"),
        ("photo.png", np.eye(8), ImageError, "PIL, numpy or torch, got str"),
        (np.zeros((8, 8, 3), np.uint8), np.zeros((8, 8, 5)), MaskError, r"\[height, width\]"),
    ],
)
def test_bad_input(inpainter, image, mask, error, words):
    with pytest.raises(error, match=words):
        inpainter.fill(image, mask)


def files(tmp_path, image, hole):
    Image.fromarray(image).save(tmp_path / "photo.png")
    Image.fromarray(hole * 255).save(tmp_path / "mask.png")
    return tmp_path / "photo.png", tmp_path / "mask.png"


def test_files(inpainter, tmp_path, photo):
    hole = some_hole(*photo.shape[:2], 1)
    paths = files(tmp_path, photo, hole)
    before = [path.read_bytes() for path in paths]
    assert inpainter.fill_file(*paths, tmp_path / "out" / "filled.png") == []
    filled = load(tmp_path / "out" / "filled.png").pixels
    assert np.array_equal(filled[hole == 0], photo[hole == 0])
    assert not np.array_equal(filled, photo)
    assert [path.read_bytes() for path in paths] == before
    with pytest.raises(OutputError, match="is an input"):
        inpainter.fill_file(*paths, paths[0])


def test_inverted_mask_files(inpainter, tmp_path, photo):
    hole = np.zeros(photo.shape[:2], np.uint8)
    hole[20:50, 20:55] = 1
    paths = files(tmp_path, photo, 1 - hole)
    (note,) = inpainter.fill_file(*paths, tmp_path / "wrong.png")
    assert "mask.png looks inverted" in note
    assert "--invert-mask" in note
    assert inpainter.fill_file(*paths, tmp_path / "right.png", invert_mask=True) == []
    assert np.array_equal(load(tmp_path / "right.png").pixels[hole == 0], photo[hole == 0])


def test_load(trained_run, tmp_path):
    from_run, from_file = Inpainter.load(trained_run), Inpainter.load(trained_run / "model.safetensors")
    image, mask = torch.rand(3, 40, 40), torch.zeros(40, 40)
    mask[10:20, 10:30] = 1
    assert torch.equal(from_run.fill(image, mask), from_file.fill(image, mask))
    with pytest.raises(RunError, match="does not exist"):
        Inpainter.load(tmp_path / "none")


class Mine(torch.nn.Module):
    """A network of somebody else's, without anything that we ask of ours."""

    def __init__(self, shade=0.5):
        super().__init__()
        self.shade = torch.nn.Parameter(torch.tensor(shade))
        self.seen = []

    def forward(self, image, mask):
        self.seen.append(float(image[mask.expand_as(image) > 0].max()))
        return image * 0 + self.shade


def test_a_module_of_one_s_own():
    image, hole = np.full((50, 60, 3), 200, np.uint8), np.zeros((50, 60), bool)
    hole[10:20, 10:20] = True
    mine = Mine(0.4)
    filled = Inpainter(mine, size=16).fill(image, hole, blend="none")
    assert (filled[hole] == 102).all()
    assert (filled[~hole] == 200).all()
    assert mine.seen == [0.0]
    with pytest.raises(SettingError, match=r"at which image size .* Say size=64"):
        Inpainter(mine)


def test_weights_of_a_module_of_one_s_own(tmp_path):
    image, hole = np.full((50, 60, 3), 200, np.uint8), np.zeros((50, 60), bool)
    hole[10:20, 10:20] = True
    before = Inpainter(Mine(0.4), size=16)
    before.save(tmp_path / "mine.safetensors")
    after = inpaintlab.load(tmp_path / "mine.safetensors", network=Mine())
    assert after.card.size == 16
    assert np.array_equal(after.fill(image, hole), before.fill(image, hole))
    with pytest.raises(RunError, match="Mine"):
        inpaintlab.load(tmp_path / "mine.safetensors")


def test_what_gives_no_image_back():
    class Halves(Mine):
        def forward(self, image, mask):
            return image[..., ::2]

    with pytest.raises(NetworkError, match=r"Halves must give images back"):
        Inpainter(Halves(), size=16).fill(np.zeros((20, 20, 3), np.uint8), np.eye(20))


def test_a_run_by_what_stands_for_its_folder(trained_run):
    class Stands:
        def __fspath__(self):
            return str(trained_run)

    assert inpaintlab.load(Stands()).sha256 == Inpainter.load(trained_run).sha256


@pytest.mark.parametrize("wrong", [float("nan"), float("inf")])
def test_what_is_not_finite_is_neither_returned_nor_written(inpaint, monkeypatch, tmp_path, wrong):
    class Spoilt(Mine):
        def forward(self, image, mask):
            return torch.where(mask > 0, wrong, image)

    spoilt = Inpainter(Spoilt(), size=16)
    image, hole = samples.draw(0, 40), np.zeros((40, 40), np.uint8)
    hole[10:30, 12:28] = 1
    for blend in BLENDS:
        with pytest.raises(NetworkError, match="Spoilt paints values that are no finite numbers"):
            spoilt.fill(image, hole, blend=blend)
    save(tmp_path / "a.png", from_array(image))
    save(tmp_path / "a_mask.png", from_array(hole * 255))
    monkeypatch.setattr(Inpainter, "load", lambda *_, **__: spoilt)
    code, _, err = inpaint("fill a.png -o b.png --run any")
    assert code == 2
    assert err.count("\n") == 1
    assert not (tmp_path / "b.png").exists()


@pytest.mark.parametrize(
    ("name", "words"), [("o.webp", "at most 16,383 pixels"), ("o.xyz", "the suffix must be one of")]
)
def test_what_cannot_be_written_is_refused_before_anything_is_filled(tmp_path, monkeypatch, name, words):
    hole = np.zeros((2, 17_000), np.uint8)
    hole[:, 50:60] = 255
    Image.fromarray(hole).save(tmp_path / "a_mask.png")
    Image.fromarray(hole).save(tmp_path / "a.png")
    monkeypatch.setattr(Inpainter, "fill_image", lambda *_, **__: pytest.fail("it was filled"))
    inpainter = white_inpainter()
    with pytest.raises(ImageError, match=words):
        inpainter.fill_file(tmp_path / "a.png", tmp_path / "a_mask.png", tmp_path / name)
    if name == "o.webp":
        monkeypatch.setattr(Inpainter, "load", lambda *_, **__: inpainter)
        (tmp_path / "w.safetensors").touch()
        given = {"image": tmp_path, "output": tmp_path / "out", "run": tmp_path / "w.safetensors"}
        (failure,) = fill_files(FillSettings(**given, format="webp")).failures
        assert words in failure.error


def test_weights_of_16_bits_take_half_the_room_and_fill_alike(inpainter, tmp_path):
    image, hole = KINDS["uint8"](np.random.default_rng(1), 60, 80), some_hole(60, 80, 1)
    whole, half = tmp_path / "whole.safetensors", tmp_path / "half.safetensors"
    inpainter.save(whole)
    inpainter.save(half, half=True)
    loaded = inpaintlab.load(half)
    assert half.stat().st_size < 0.6 * whole.stat().st_size
    assert {weight.dtype for weight in loaded.network.parameters()} == {torch.float32}
    difference = loaded.fill(image, hole, method="model").astype(int) - inpainter.fill(image, hole)
    assert np.abs(difference).max() <= 1

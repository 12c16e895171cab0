import json
import signal
from pathlib import Path

import cv2
import numpy as np
import pytest
from hypothesis import given, strategies as st
from PIL import Image

from inpaintlab import FillSettings, Inpainter, fill_files
from inpaintlab.data import samples
from inpaintlab.errors import ImageError, MaskError, OutputError, SettingError
from inpaintlab.images import load
from inpaintlab.inpainter import batch
from inpaintlab.inpainter.batch import Filled
from tests import processes

SIDE = 32


def some_hole(index=0):
    hole = np.zeros((SIDE, SIDE), np.uint8)
    hole[4 + index : 12 + index, 6:20] = 255
    return hole


def make_folder(root, count=3, suffix=".png", size=SIDE):
    """Portraits `0.png` … in `images`, each with a mask in `masks`."""
    for name in ("images", "masks"):
        (root / name).mkdir(exist_ok=True)
    for index in range(count):
        Image.fromarray(samples.draw(index, size)).save(root / "images" / f"{index}{suffix}")
        Image.fromarray(some_hole(index)).save(root / "masks" / f"{index}.png")
    return root


@pytest.fixture
def fill(tmp_path, trained_run):
    """Fill what is in `images` with `masks` into `out`, with changed settings."""

    def run(**changes):
        defaults = {"image": "images", "mask": "masks", "output": "out", "run": trained_run}
        return fill_files(FillSettings.model_validate(defaults | changes))

    make_folder(tmp_path)
    return run


def lines(log="out/fill.jsonl"):
    return [json.loads(line) for line in Path(log).read_text().splitlines()]


def test_a_folder_is_filled_as_one_after_another(fill, trained_run, tmp_path):
    before = {path: path.read_bytes() for path in tmp_path.rglob("*.png")}
    result = fill(workers=3)
    assert (result.filled, result.skipped, result.failed, result.findings) == (3, 0, 0, [])
    assert result.rule == "NAME.png in masks for NAME.png"
    alone = Inpainter.load(trained_run)
    for index in range(3):
        alone.fill_file(Path(f"images/{index}.png"), Path(f"masks/{index}.png"), Path("alone.png"))
        assert Path("alone.png").read_bytes() == Path(f"out/{index}.png").read_bytes()
    assert all(path.read_bytes() == data for path, data in before.items())


def test_what_is_there_is_skipped_and_what_changed_is_filled_again(fill, tmp_path):
    fill()
    assert fill().skipped == 3
    Image.fromarray(some_hole(7)).save("masks/1.png")
    assert (fill().filled, fill().filled) == (1, 0)
    Path("out/2.png").unlink()
    Path("out/0.png").write_bytes(b"cut short")
    assert fill().filled == 2
    assert fill(invert_mask=False).filled == 0
    assert len(lines()) == 6


def test_a_file_that_no_batch_has_written_is_not_replaced(fill, tmp_path):
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "1.png").write_bytes(b"a photo of somebody")
    with pytest.raises(OutputError, match=r"out/1\.png is there and is no result of fill: give another"):
        fill()
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["1.png"]
    (tmp_path / "out" / "1.png").unlink()
    assert fill().filled == 3
    (tmp_path / "out" / "fill.jsonl").unlink()  # without its log a result is still known as one
    assert fill().filled == 3


def test_other_weights_fill_again(fill, tmp_path, trained_run):
    fill()
    weights = tmp_path / "other.safetensors"
    weights.write_bytes((trained_run / "model.safetensors").read_bytes())
    assert fill(run=weights).filled == 0
    Inpainter.load(trained_run / "last.safetensors").save(weights)
    assert fill(run=weights).filled == 3


@pytest.mark.parametrize("change", [{"strategy": "whole"}, {"blend": "none"}])
def test_another_way_fills_again(fill, change):
    fill()
    assert (fill(**change).filled, fill(**change).filled) == (3, 0)


def test_verbose_says_how_each_is_filled(fill, capsys):
    fill(verbose=True, strategy="whole")
    lines = [
        line for line in capsys.readouterr().err.splitlines() if "large holes by model: one crop" in line
    ]
    assert [line.split(":")[0] for line in lines] == ["0.png", "1.png", "2.png"]


def test_the_rest_goes_on_after_a_failure(fill, tmp_path):
    make_folder(tmp_path, 6)
    Path("images/1.png").write_bytes(Path("images/1.png").read_bytes()[:200])
    Image.new("L", (SIDE, SIDE)).save("masks/3.png")
    Image.new("L", (8, 8), 255).save("masks/4.png")
    result = fill()
    assert (result.filled, result.failed) == (3, 3)
    reasons = {one.image.name: one.error for one in result.failures}
    assert "1.png is damaged" in reasons["1.png"]
    assert "3.png marks no hole" in reasons["3.png"]
    assert "4.png is 8×8, but the image is 32×32" in reasons["4.png"]
    (finding,) = result.findings
    assert finding.startswith("3 of 6 failed, the first: 1.png")
    assert "fill.jsonl" in finding
    assert sum("error" in line for line in lines()) == 3
    make_folder(tmp_path, 6)
    assert fill().failed == 0


def test_a_bug_in_one_image_is_named_and_the_rest_goes_on(fill, monkeypatch):
    real = batch.save

    def odd(path, image):
        if path.name == "1.png":
            raise ZeroDivisionError("of no use")
        return real(path, image)

    monkeypatch.setattr(batch, "save", odd)
    result = fill()
    assert result.filled == 2
    assert result.failures[0].error == "ZeroDivisionError: of no use"


def test_a_full_disk_ends_the_batch(fill, monkeypatch):
    def full(path, image):
        raise OutputError(f"cannot write {path}: No space left on device")

    monkeypatch.setattr(batch, "save", full)
    with pytest.raises(OutputError, match="No space left"):
        fill()


def test_an_interruption_keeps_what_was_written(fill, tmp_path, monkeypatch, capsys):
    make_folder(tmp_path, 8)
    real, calls = Inpainter.fill_image, []

    def stopped(self, *arguments, **options):
        calls.append(arguments)
        if len(calls) == 5:
            raise KeyboardInterrupt
        return real(self, *arguments, **options)

    monkeypatch.setattr(Inpainter, "fill_image", stopped)
    with pytest.raises(KeyboardInterrupt):
        fill(workers=1)
    assert "the same command goes on" in capsys.readouterr().err
    names = {line["output"] for line in lines()}
    assert 1 <= len(names) <= 4
    assert {path.name for path in Path("out").glob("*.png")} >= names
    assert not list(Path("out").glob("*.tmp"))
    result = fill()
    assert (result.filled, result.skipped) == (8 - len(names), len(names))
    assert len(list(Path("out").glob("*.png"))) == 8


def test_ctrl_c_ends_with_130_and_the_same_command_goes_on(fill, tmp_path, trained_run):
    """A real process and a real signal, sent when the fourth image is about to be filled."""
    make_folder(tmp_path, 6)
    code = (
        "import os, signal\n"
        "signal.signal(signal.SIGINT, signal.default_int_handler)\n"  # a background job ignores it
        "from inpaintlab import cli\n"
        "from inpaintlab.inpainter import Inpainter\n"
        "real, calls = Inpainter.fill_image, []\n"
        "def fill(self, *arguments, **options):\n"
        "    calls.append(1)\n"
        "    if len(calls) == 4: os.kill(os.getpid(), signal.SIGINT)\n"
        "    return real(self, *arguments, **options)\n"
        "Inpainter.fill_image = fill\n"
        "cli.main()\n"
    )
    words = ["fill", "images", "masks", "-o", "out", "--run", str(trained_run)]
    done = processes.run(code, words, tmp_path)
    assert done.returncode == 128 + signal.SIGINT, done.stderr
    assert "Traceback" not in done.stderr
    assert "the same command goes on" in done.stderr
    result = fill()
    assert result.filled + result.skipped == 6
    assert result.skipped >= 1
    assert len(list(Path("out").glob("*.png"))) == 6


def test_a_torn_line_of_the_log_costs_one_image(fill):
    fill()
    log = Path("out/fill.jsonl")
    log.write_bytes(log.read_bytes()[:-20])
    assert (fill().filled, fill().filled) == (1, 0)


@given(count=st.integers(1, 40), shards=st.integers(1, 12))
def test_shards_are_all_and_share_nothing(count, shards):
    everything = list(range(count))
    parts = []
    for number in range(1, shards + 1):
        first, step = FillSettings(image="a", shard=f"{number}/{shards}").part
        parts += everything[first - 1 :: step]
    assert sorted(parts) == everything


def test_shards_into_one_folder(fill, tmp_path):
    make_folder(tmp_path, 5)
    assert [fill(shard=f"{number}/2").filled for number in (1, 2)] == [3, 2]
    assert {path.name for path in Path("out").glob("*.jsonl")} == {
        "fill-1-of-2.jsonl",
        "fill-2-of-2.jsonl",
    }
    assert fill().skipped == 5


@pytest.mark.parametrize("shard", ["0/2", "3/2", "1", "a/b", "1/2/3", "-1/2"])
def test_bad_shards(shard):
    with pytest.raises(ValueError, match="a shard is i/n"):
        FillSettings(image="a", shard=shard)


def invert(folder, names):
    for name in names:
        path = Path(folder, f"{name}.png")
        Image.fromarray(255 - np.asarray(Image.open(path))).save(path)


def test_masks_that_look_inverted_are_refused_before_anything_is_filled(fill):
    invert("masks", range(2))
    with pytest.raises(MaskError, match=r"2 of 3 masks .* --invert-mask .* --no-invert-mask"):
        fill()
    assert not Path("out").exists()
    invert("masks", [2])
    assert fill(invert_mask=True).filled == 3


def test_a_few_masks_that_look_inverted_are_counted(fill):
    wide = np.full((SIDE, SIDE), 255, np.uint8)
    wide[8:20, 8:28] = 0
    Image.fromarray(wide).save("masks/1.png")
    result = fill()
    assert result.notes == [
        "a mask looks inverted, its hole is all round the border: "
        "if so, add --invert-mask, or else --no-invert-mask"
    ]
    assert fill(invert_mask=False, output="other").notes == []


def test_all_masks_that_look_inverted_may_be_right(fill):
    wide = np.full((SIDE, SIDE), 255, np.uint8)
    wide[8:20, 8:28] = 0
    for index in range(3):
        Image.fromarray(wide).save(f"masks/{index}.png")
    assert fill(invert_mask=False).filled == 3


def test_what_has_no_partner_is_a_finding_or_a_remark(fill, capsys):
    Path("masks/0.png").rename("masks/other.png")
    result = fill()
    assert result.findings == ["1 image (0.png) without a mask"]
    assert (result.filled, result.without_mask) == (2, [Path("images/0.png")])
    assert result.without_image == [Path("masks/other.png")]
    assert "1 mask (other.png) without an image" in capsys.readouterr().err


@pytest.mark.parametrize("kind", ["sheet of several", "one"])
def test_preview_shows_holes_and_fills_nothing(fill, kind):
    if kind == "one":
        result = fill(image="images/0.png", mask="masks/0.png", output="out/a.png", preview=True)
        assert result.preview == Path("out/a_preview.png")
    else:
        Image.new("L", (8, 8), 255).save("masks/1.png")
        result = fill(preview=True)
        assert result.preview == Path("out/preview.png")
    assert [path.name for path in Path("out").glob("[!.]*")] == [Path(result.preview).name]
    sheet = np.asarray(Image.open(result.preview)).astype(int)
    assert sheet.shape[1] >= 1280
    # The outline of the first hole: rows 4 to 11 and columns 6 to 19 of 32.
    tile = 1280 if kind == "one" else 1280 // 3
    outlined = (sheet[:tile, : tile + 8] == (255, 230, 0)).all(axis=2)
    rows, columns = np.nonzero(outlined)
    edges = [rows.min(), rows.max(), columns.min(), columns.max()]
    assert np.allclose(edges, [8 + share / 32 * tile for share in (4, 12, 6, 20)], atol=tile / 32)
    turned = fill(
        preview=True, invert_mask=True, image="images/0.png", mask="masks/0.png", output="b.png"
    )
    assert Path(turned.preview).name == "b_preview.png"


def test_the_preview_never_takes_the_place_of_a_result(fill):
    Path("images/0.png").rename("images/preview.png")
    Path("masks/0.png").rename("masks/preview.png")
    with pytest.raises(OutputError, match="would both be written"):
        fill(preview=True)
    assert fill().filled == 3


@pytest.mark.parametrize(
    ("changes", "error", "words"),
    [
        ({"output": None}, SettingError, "where should the result go"),
        ({"output": "images"}, OutputError, "is an input"),
        ({"output": "out.png"}, OutputError, "name a folder"),
        (
            {"image": "images/0.png", "mask": "masks/0.png", "output": "a.png", "format": "png"},
            SettingError,
            "leave --format out",
        ),
    ],
)
def test_refusals(fill, changes, error, words):
    with pytest.raises(error, match=words):
        fill(**changes)


def test_one_image_by_its_name_alone_or_into_a_folder(fill):
    Path("masks/0.png").rename("images/0_mask.png")
    assert fill(image="images/0.png", mask=None, output="a.png").output == Path("a.png")
    Path("out").mkdir()
    assert fill(image="images/0.png", mask=None).output == Path("out/0.png")
    assert Path("a.png").read_bytes() == Path("out/0.png").read_bytes()


def noise(*shape, dtype=np.uint8):
    top = np.iinfo(dtype).max + 1
    return np.random.default_rng(0).integers(0, top, (SIDE, SIDE, *shape)).astype(dtype)


def pillow(pixels, mode, **options):
    image = Image.frombytes(mode, (SIDE, SIDE), pixels.tobytes())
    return lambda path: image.save(path, **options)


def turned(path):
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.fromarray(noise(3)).save(path, exif=exif)


KINDS = {
    "rgb.png": pillow(noise(3), "RGB"),
    "rgba.png": pillow(noise(4), "RGBA"),
    "la.png": pillow(noise(2), "LA"),
    "grey.png": pillow(noise(), "L"),
    "palette.png": lambda path: Image.fromarray(noise(3)).quantize(16).save(path, transparency=3),
    "grey16.png": lambda path: cv2.imwrite(str(path), noise(dtype=np.uint16)),
    "rgb16.png": lambda path: cv2.imwrite(str(path), noise(3, dtype=np.uint16)),
    "rgba16.tif": lambda path: cv2.imwrite(str(path), noise(4, dtype=np.uint16)),
    "turned.png": turned,
    "turned.tif": turned,
    "rgb.tif": pillow(noise(3), "RGB", compression="tiff_lzw"),
    "cmyk.tif": pillow(noise(4), "CMYK"),
    "pages.tif": pillow(noise(3), "RGB", save_all=True, append_images=[Image.new("RGB", (9, 9))]),
    "rgb.webp": pillow(noise(3), "RGB", quality=80),
    "rgba.webp": pillow(noise(4), "RGBA", lossless=True, exact=True),
    "rgb.bmp": pillow(noise(3), "RGB"),
    "grey.jpg": pillow(noise(), "L"),
    "rgb.jpg": pillow(noise(3), "RGB"),
    "cmyk.jpg": pillow(noise(4), "CMYK"),
    "turned.jpg": turned,
    "palette.gif": lambda path: Image.fromarray(noise(3)).quantize(16).save(path),
}


def test_known_pixels_of_every_kind_come_back_bit_by_bit(fill):
    """A folder of everything: pixels, depth, mode and alpha are kept, lossy formats become lossless."""
    for name, write in KINDS.items():
        folder = Path("all", name.replace(".", "-"))
        folder.mkdir(parents=True)
        write(folder / name)
    Image.fromarray(some_hole()).save("mask.png")
    result = fill(image="all", mask="mask.png")
    assert result.failures == []
    assert result.notes == ["an image has 2 frames: the first one is used"]
    known = some_hole() == 0
    for name in KINDS:
        (source,) = Path("all", name.replace(".", "-")).iterdir()
        (filled,) = Path("out", name.replace(".", "-")).iterdir()
        before, after = load(source), load(filled)
        assert (after.mode, after.pixels.dtype) == (before.mode, before.pixels.dtype), name
        assert np.array_equal(after.pixels[known], before.pixels[known]), name
        assert not np.array_equal(after.pixels[~known], before.pixels[~known]), name
        if before.mode in ("LA", "RGBA"):
            assert np.array_equal(after.pixels[..., -1], before.pixels[..., -1]), name
        kept = source.suffix if source.suffix not in (".jpg", ".gif") else ".png"
        assert filled.suffix == (".tif" if name == "cmyk.jpg" else kept)


def test_formats_on_request(fill, tmp_path, capsys):
    make_folder(tmp_path, 3, ".jpg")
    for path in Path("images").glob("*.png"):
        path.unlink()
    fill()
    assert ".jpg becomes .png" in capsys.readouterr().err
    assert "JPEG is lossy" in fill(format="same").notes[0]
    fill(format="webp")
    assert {path.suffix for path in Path("out").glob("[!.]*")} == {".png", ".jpg", ".webp", ".jsonl"}


def test_the_log_of_another_program_is_no_trouble(fill):
    Path("out").mkdir()
    Path("out/fill.jsonl").write_text('[1]\n{"a": 1}\nnonsense\n')
    assert (fill().filled, fill().skipped) == (3, 3)


def test_a_result_goes_to_json_and_back(fill):
    Path("masks/0.png").rename("masks/other.png")
    Image.new("L", (8, 8), 255).save("masks/1.png")
    result = fill()
    assert Filled.from_dict(json.loads(json.dumps(result.as_dict()))) == result
    assert "1 filled, 1 failed" in result._repr_html_()


@pytest.mark.parametrize("preview", [False, True])
@pytest.mark.parametrize("output", ["o1", "results/", "below/o1"])
def test_an_output_without_suffix_is_told_what_is_meant(fill, monkeypatch, output, preview):
    monkeypatch.setattr(Inpainter, "load", lambda *_, **__: pytest.fail("it was loaded"))
    name = output.rstrip("/")
    with pytest.raises(ImageError, match=f"{name} is no folder .* as {name}.png, or make the folder"):
        fill(image="images/0.png", mask="masks/0.png", output=output, preview=preview)
    with pytest.raises(ImageError, match=r"cannot write a.gif: the suffix must be one of \.bmp"):
        fill(image="images/0.png", mask="masks/0.png", output="a.gif", preview=preview)


def test_a_preview_says_how_many_it_shows(fill, tmp_path):
    assert "shows the holes in red" in fill(preview=True).answer().headline
    make_folder(tmp_path, 11)
    assert "the holes of the first 8 of 11 images in red" in fill(preview=True).answer().headline

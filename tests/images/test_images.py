import io
import struct
import zlib

import cv2
import numpy as np
import pytest
import torch
from hypothesis import given, strategies as st
from PIL import Image, ImageOps

from inpaintlab import images
from inpaintlab.errors import ImageError
from inpaintlab.images import DecodedImage, load, load_rgb, save
from inpaintlab.tensors import check_image, composite, pad_to_multiple

sides = st.integers(1, 40)


def saved(path, mode="RGB", size=(20, 14), **options):
    """Write an image with noise in a Pillow mode."""
    random = np.random.default_rng(0)
    bands = len(Image.new(mode, (1, 1)).getbands())
    pixels = random.integers(0, 256, (size[1], size[0], bands), np.uint8)
    image = Image.frombytes(mode, size, pixels.tobytes()) if mode != "1" else Image.new("1", size, 1)
    image.save(path, **options)
    return image


def decoded(path):
    with Image.open(path) as image:
        return np.asarray(image)


@pytest.mark.parametrize(
    ("name", "mode"),
    [
        ("a.png", "RGB"),
        ("a.png", "RGBA"),
        ("a.png", "L"),
        ("a.png", "LA"),
        ("a.bmp", "RGB"),
        ("a.bmp", "L"),
        ("a.tif", "RGB"),
        ("a.tif", "CMYK"),
        ("a.tif", "RGBA"),
        ("a.webp", "RGB"),
        ("a.webp", "RGBA"),
    ],
)
def test_lossless_round_trip(tmp_path, name, mode):
    options = {"lossless": True, "exact": True} if name.endswith("webp") else {}
    saved(tmp_path / name, mode, **options)
    image = load(tmp_path / name)
    assert image.mode == mode
    assert save(tmp_path / f"copy-{name}", image) == []
    again = load(tmp_path / f"copy-{name}")
    assert again.mode == mode
    assert np.array_equal(again.pixels, image.pixels)
    assert np.array_equal(image.pixels, decoded(tmp_path / name))


@pytest.mark.parametrize("suffix", ["png", "tif"])
@pytest.mark.parametrize("shape", [(14, 20), (14, 20, 3), (14, 20, 4)])
def test_sixteen_bits_are_kept(tmp_path, suffix, shape):
    pixels = np.random.default_rng(0).integers(0, 65536, shape).astype(np.uint16)
    path = tmp_path / f"deep.{suffix}"
    stored = pixels if len(shape) == 2 else pixels[..., [2, 1, 0, 3][: shape[2]]]
    cv2.imwrite(str(path), stored)
    image = load(path)
    assert image.pixels.dtype == np.uint16
    assert np.array_equal(image.pixels, pixels)
    assert save(tmp_path / f"copy.{suffix}", image) == []
    assert np.array_equal(load(tmp_path / f"copy.{suffix}").pixels, pixels)


@pytest.mark.parametrize("orientation", range(1, 9))
def test_exif_rotation_is_undone(tmp_path, orientation):
    exif = Image.Exif()
    exif[0x0112] = orientation
    image = saved(tmp_path / "turned.png", exif=exif)
    with Image.open(tmp_path / "turned.png") as stored:
        upright = np.asarray(ImageOps.exif_transpose(stored))
    photo = load(tmp_path / "turned.png")
    assert np.array_equal(photo.pixels, upright)
    assert np.array_equal(load_rgb(tmp_path / "turned.png", 14), upright)
    save(tmp_path / "out.png", photo)
    with Image.open(tmp_path / "out.png") as out:
        assert out.getexif().get(0x0112, 1) == 1
    assert image.size in (upright.shape[1::-1], upright.shape[:2])


def test_profile_is_kept(tmp_path):
    saved(tmp_path / "a.png", icc_profile=b"a profile")
    save(tmp_path / "b.png", load(tmp_path / "a.png"))
    with Image.open(tmp_path / "b.png") as out:
        assert out.info["icc_profile"] == b"a profile"


@pytest.mark.parametrize(
    ("mode", "goal"), [("P", "RGB"), ("1", "L"), ("YCbCr", "RGB"), ("HSV", "RGB"), ("LAB", "RGB")]
)
def test_other_modes_become_the_nearest_known(mode, goal):
    image = Image.new("RGB", (5, 4), (10, 200, 30)).convert("L" if mode == "1" else "RGB")
    image = image.convert("RGB").convert("LAB") if mode == "LAB" else image.convert(mode)
    assert images.from_pillow(image).mode == goal


def test_palette_with_transparency_becomes_rgba(tmp_path):
    image = Image.new("RGB", (5, 4), (10, 200, 30)).quantize(4)
    image.save(tmp_path / "p.png", transparency=0)
    assert load(tmp_path / "p.png").mode == "RGBA"


def png_with_key(bits, values, key, channels=1):
    """A PNG of `[H, W, channels]` values with so many bits each, one colour of it transparent."""
    height, width = values.shape[:2]
    ones = (values.reshape(height, -1, 1) >> np.arange(bits - 1, -1, -1)) & 1
    rows = np.packbits(ones.reshape(height, -1).astype(np.uint8), axis=1)
    data = b"".join(b"\0" + row.tobytes() for row in rows)
    header = struct.pack(">IIBBBBB", width, height, bits, 0 if channels == 1 else 2, 0, 0, 0)
    parts = (
        (b"IHDR", header),
        (b"tRNS", struct.pack(f">{channels}H", *key)),
        (b"IDAT", zlib.compress(data)),
    )
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body))
        for name, body in (*parts, (b"IEND", b""))
    )


@pytest.mark.parametrize(
    ("bits", "channels", "mode"),
    [
        (1, 1, "LA"),
        (2, 1, "LA"),
        (4, 1, "LA"),
        (8, 1, "LA"),
        (16, 1, "RGBA"),
        (8, 3, "RGBA"),
        (16, 3, "RGBA"),
    ],
)
def test_a_transparent_colour_becomes_an_alpha_channel(tmp_path, bits, channels, mode):
    values = np.random.default_rng(0).integers(0, 2**bits, (9, 12, channels))
    values[2:5, 3:7] = key = values[0, 0]
    (tmp_path / "a.png").write_bytes(png_with_key(bits, values, key, channels))
    image = load(tmp_path / "a.png")
    is_key = (values == key).all(axis=2)
    assert image.mode == mode
    assert np.array_equal(image.pixels[..., -1] == 0, is_key)
    scale = 65535 if bits == 16 else 255
    assert np.array_equal(image.pixels[..., :channels], values * scale // (2**bits - 1))
    assert (load_rgb(tmp_path / "a.png", 9)[is_key] == 255).all()
    assert (images.load_rgb_whole(tmp_path / "a.png")[0][is_key] == 255).all()
    assert save(tmp_path / "b.png", image) == []
    assert np.array_equal(load(tmp_path / "b.png").pixels, image.pixels)
    if bits == 8:
        assert images.from_pillow(Image.open(tmp_path / "a.png")).mode == mode


def test_sixteen_bits_of_other_formats_are_kept(tmp_path):
    pixels = np.random.default_rng(0).integers(0, 65536, (64, 80, 3)).astype(np.uint16)
    for suffix in (".ppm", ".jp2"):
        cv2.imwrite(
            str(tmp_path / f"a{suffix}"),
            pixels[..., ::-1],
            [cv2.IMWRITE_JPEG2000_COMPRESSION_X1000, 1000],
        )
        image = load(tmp_path / f"a{suffix}")
        assert image.notes == ()
        assert image.pixels.dtype == np.uint16
        assert suffix == ".jp2" or np.array_equal(image.pixels, pixels)
        shallow = load_rgb(tmp_path / f"a{suffix}", 64)
        assert np.abs(shallow.astype(int) - image.pixels // 257).max() <= 1


def write_deep_cmyk(path):
    pixels = np.random.default_rng(0).integers(0, 65536, (14, 20, 4)).astype("<u2").tobytes()
    wide, long = {256: 20, 257: 14, 259: 1, 262: 5, 277: 4, 278: 14}, {279: len(pixels)}
    count = len(wide) + len(long) + 2
    behind = 8 + 2 + 12 * count + 4
    tags = wide | long | {258: behind, 273: behind + 8}
    entries = b"".join(
        struct.pack("<HHII", tag, 3, 4, value) if tag == 258 else struct.pack("<HHII", tag, 4, 1, value)
        for tag, value in sorted(tags.items())
    )
    start = b"II*\0" + struct.pack("<IH", 8, count)
    path.write_bytes(start + entries + bytes(4) + struct.pack("<4H", *[16] * 4) + pixels)


def write_mode(path, mode, **options):
    Image.fromarray(np.zeros((14, 20, 3), np.uint8)).convert(mode).save(path, **options)


@pytest.mark.parametrize(
    ("name", "write", "words"),
    [
        ("a.tif", write_deep_cmyk, "has 16 bits a channel, of which the upper 8 are read"),
        (
            "a.ppm",
            lambda path: path.write_bytes(b"P6 20 14 1023 " + bytes(1680)),
            "has 10 bits a channel",
        ),
        ("a.tif", lambda path: write_mode(path, "LAB"), "is LAB: its colours are converted to RGB"),
        ("a.tif", lambda path: write_mode(path, "YCbCr"), "is YCbCr: its colours"),
        ("a.tif", lambda path: write_mode(path, "RGBX"), "has channels beyond RGB that are no alpha"),
    ],
)
def test_notes_on_what_reading_loses(tmp_path, name, write, words):
    write(tmp_path / name)
    (note,) = load(tmp_path / name).notes
    assert note.startswith(f"{name} {words}")
    assert load_rgb(tmp_path / name, 14).shape == (14, 20, 3)


def test_first_frame_of_an_animation_with_a_note(tmp_path):
    frames = [Image.new("RGB", (6, 5), colour) for colour in ("red", "blue")]
    frames[0].save(tmp_path / "a.gif", save_all=True, append_images=frames[1:])
    image = load(tmp_path / "a.gif")
    assert image.pixels[0, 0, 0] > 200
    assert image.notes == ("a.gif has 2 frames: the first one is used",)


@pytest.mark.parametrize(
    ("mode", "suffix", "words"),
    [
        ("RGB", ".jpg", "lossy"),
        ("RGBA", ".jpg", "cannot hold RGBA"),
        ("CMYK", ".png", "cannot hold CMYK"),
        ("LA", ".bmp", "cannot hold LA"),
        ("LA", ".webp", None),
        ("L", ".webp", None),
        ("CMYK", ".jpg", "lossy"),
    ],
)
def test_notes_on_what_a_format_loses(tmp_path, mode, suffix, words):
    saved(tmp_path / "a.tif", mode)
    notes = save(tmp_path / f"b{suffix}", load(tmp_path / "a.tif"))
    assert (words is None) == (notes == [])
    assert words is None or any(words in note for note in notes)
    assert load(tmp_path / f"b{suffix}").size == (14, 20)


def test_sixteen_bits_into_eight(tmp_path):
    notes = save(tmp_path / "a.webp", DecodedImage(np.full((4, 5, 3), 65535, np.uint16), "RGB"))
    assert any("16-bit image was rounded" in note for note in notes)
    assert load(tmp_path / "a.webp").pixels.min() == 255


def test_unknown_suffix(tmp_path):
    with pytest.raises(ImageError, match=r"suffix must be one of .*\.png"):
        save(tmp_path / "a.xyz", DecodedImage(np.zeros((4, 4), np.uint8), "L"))


@pytest.mark.parametrize(
    ("suffix", "limit"), [(".webp", 16_383), (".jpg", 65_500), (".jpeg", 65_500), (".JPG", 65_500)]
)
def test_a_side_beyond_the_format_is_refused_with_the_limit(tmp_path, suffix, limit):
    for mode, channels in (("L", ()), ("RGB", (3,)), ("CMYK", (4,))):
        longest = DecodedImage(np.zeros((1, limit, *channels), np.uint8), mode)
        save(tmp_path / f"a{suffix}", longest)
        assert load(tmp_path / f"a{suffix}").size == (1, limit)
        longer = DecodedImage(np.zeros((limit + 1, 1, *channels), np.uint8), mode)
        with pytest.raises(ImageError, match=rf"is 1×{limit + 1}, but .* {limit:,} pixels: take png"):
            save(tmp_path / f"b{suffix}", longer)
        for without_limit in (".png", ".tif"):
            save(tmp_path / f"b{without_limit}", longer)
    assert not (tmp_path / f"b{suffix}").exists()


def jpeg_bytes():
    buffer = io.BytesIO()
    Image.effect_noise((200, 200), 50).convert("RGB").save(buffer, "JPEG")
    return buffer.getvalue()


def png_header(side):
    """A PNG that claims a size and holds nothing."""
    chunk = b"IHDR" + side.to_bytes(4) * 2 + b"\x08\x02\0\0\0"
    body = b"IDAT" + b"x" * 8
    chunks = [(13, chunk), (8, body)]
    parts = [n.to_bytes(4) + c + zlib.crc32(c).to_bytes(4) for n, c in chunks]
    return b"\x89PNG\r\n\x1a\n" + b"".join(parts)


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "not an image"),
        (b"hello, I am a text", "not an image"),
        (jpeg_bytes()[:3000], "damaged or cut short"),
        (png_header(60_000), "limit against decompression bombs"),
    ],
    ids=["empty", "text", "truncated", "bomb"],
)
def test_broken_files_are_named(tmp_path, content, words):
    path = tmp_path / "odd.jpg"
    path.write_bytes(content)
    for read in (load, lambda p: load_rgb(p, 8)):
        with pytest.raises(ImageError, match=r"odd\.jpg") as refused:
            read(path)
        assert words in str(refused.value)


def test_missing_file(tmp_path):
    with pytest.raises(ImageError, match="there is no file"):
        load(tmp_path / "none.png")


@pytest.mark.parametrize("mode", ["F", "I"])
def test_values_without_a_white_are_refused(mode):
    with pytest.raises(ImageError, match="8 or 16 bits"):
        images.from_pillow(Image.new(mode, (4, 4), 100_000))


def test_small_images_are_refused_for_training(tmp_path):
    saved(tmp_path / "a.png", size=(20, 14))
    assert load_rgb(tmp_path / "a.png", 14).shape == (14, 20, 3)
    with pytest.raises(ImageError, match=r"a\.png is 20×14, less than --size 16"):
        load_rgb(tmp_path / "a.png", 16)


@pytest.mark.parametrize("mode", ["L", "LA", "RGB", "RGBA", "CMYK"])
def test_training_reads_every_mode(tmp_path, mode):
    saved(tmp_path / "a.tif", mode, size=(40, 28))
    assert load_rgb(tmp_path / "a.tif", 14).shape == (14, 20, 3)


def test_transparent_images_stand_on_white(tmp_path):
    Image.new("RGBA", (8, 8), (0, 0, 0, 0)).save(tmp_path / "a.png")
    assert load_rgb(tmp_path / "a.png", 8).min() == 255


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.float32])
@pytest.mark.parametrize("mode", ["L", "LA", "RGB", "RGBA"])
def test_colours_there_and_back(dtype, mode):
    channels = {"L": (), "LA": (2,), "RGB": (3,), "RGBA": (4,)}[mode]
    values = np.random.default_rng(0).random((6, 5, *channels))
    white = 1 if dtype == np.float32 else np.iinfo(dtype).max
    image = DecodedImage((values * white).astype(dtype), mode)
    back = images.from_rgb(images.to_rgb(image), like=image)
    assert back.dtype == dtype
    assert np.allclose(back.astype(float), image.pixels.astype(float), atol=1 if white > 1 else 1e-6)


@pytest.mark.parametrize(
    ("image", "words"),
    [
        (torch.rand(1, 3, 4, 4) * 255, "divide by 255 if they have 8 bits"),
        (torch.rand(1, 3, 4, 4) * 9, "else by the largest value there can be"),
        (torch.rand(1, 3, 4, 4) - 0.5, "shift and scale"),
        (torch.full((1, 3, 4, 4), float("nan")), "NaN"),
        (torch.full((1, 3, 4, 4), float("inf")), "run from inf to inf"),
        (torch.zeros(1, 3, 4, 4, dtype=torch.uint8), "got torch.uint8"),
        (torch.rand(3, 4, 4), r"got \[3, 4, 4\]"),
        (torch.rand(1, 4, 4, 3), r"got \[1, 4, 4, 3\]"),
        (torch.rand(0, 3, 4, 4), "at least one pixel"),
    ],
)
def test_what_is_no_image_is_refused(image, words):
    with pytest.raises(ImageError, match=words):
        check_image(image)


@given(height=sides, width=sides, multiple=st.integers(1, 16), minimum=st.integers(1, 40))
def test_padding_is_undone_by_slicing(height, width, multiple, minimum):
    image = torch.rand(1, 3, height, width)
    padded = pad_to_multiple(image, multiple, minimum)
    assert torch.equal(padded[..., :height, :width], image)
    for side, before in zip(padded.shape[-2:], (height, width), strict=True):
        assert side % multiple == 0
        assert side >= minimum
        assert side < max(before, minimum) + multiple


@given(seed=st.integers(0, 1000), dtype=st.sampled_from(["uint8", "uint16", "float32", "bool"]))
def test_composite_keeps_known_pixels_bit_by_bit(seed, dtype):
    random = np.random.default_rng(seed)
    known = random.integers(0, 2**16, (5, 6, 3)).astype(dtype)
    filled, hole = random.integers(0, 2**16, (5, 6, 3)).astype(dtype), random.random((5, 6, 1)) < 0.4
    result = composite(known, filled, hole)
    where = np.broadcast_to(hole, known.shape)
    assert result.dtype == known.dtype
    assert np.array_equal(result[~where], known[~where])
    assert np.array_equal(result[where], filled[where])


def test_composite_of_tensors_does_not_touch_odd_values():
    known = torch.tensor([float("nan"), -0.0, 1e-45, 1.0]).view(1, 1, 1, 4)
    mask = torch.tensor([0.0, 0, 0, 1]).view(1, 1, 1, 4)
    result = composite(known, torch.full_like(known, 0.5), mask)
    assert result[..., 3] == 0.5
    assert torch.equal(result[..., :3].view(torch.int32), known[..., :3].view(torch.int32))

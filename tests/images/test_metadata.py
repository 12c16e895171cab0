"""What stands beside the pixels goes from file to file, for every format that has a place for it."""

import io
import struct

import cv2
import numpy as np
import pytest
from PIL import Image, ImageCms, ImageOps

from inpaintlab.images import DecodedImage, load, load_rgb, lossless_suffix, metadata, save

SIZE = (20, 14)
XMP = b'<x:xmpmeta xmlns:x="adobe:ns:meta/"><a tiff:Orientation="1">here</a></x:xmpmeta>'
SRGB = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
COPYRIGHT, MODEL, EXIF_FOLDER, EXPOSURE, GPS_FOLDER = 0x8298, 0x0110, 0x8769, 0x829A, 0x8825


def some_exif(**tags):
    exif = Image.Exif()
    exif[COPYRIGHT], exif[MODEL] = "me", "a camera"
    exif.get_ifd(EXIF_FOLDER)[EXPOSURE] = 0.25
    exif.get_ifd(GPS_FOLDER)[1] = "N"
    for tag, value in tags.items():
        exif[int(tag[1:])] = value
    return exif


def some_pixels(mode, depth=8, size=SIZE):
    channels = {"L": (), "LA": (2,), "RGB": (3,), "RGBA": (4,), "CMYK": (4,)}[mode]
    shape = (size[1], size[0], *channels)
    kind = np.uint8 if depth == 8 else np.uint16
    return np.random.default_rng(0).integers(0, 2**depth, shape).astype(kind)


def full(mode="RGB", depth=8, profile=SRGB):
    """An image with everything beside its pixels."""
    return DecodedImage(
        some_pixels(mode, depth), mode, profile, some_exif().tobytes(), xmp=XMP, dpi=(300.0, 150.0)
    )


KEEPS = [
    *[(".png", mode, depth) for mode in ("L", "RGB", "RGBA") for depth in (8, 16)],
    (".png", "LA", 8),
    *[(".tif", mode, depth) for mode in ("L", "RGB", "RGBA") for depth in (8, 16)],
    *[(".tif", mode, 8) for mode in ("LA", "CMYK")],
    *[(".webp", mode, 8) for mode in ("RGB", "RGBA")],
    *[(".jpg", mode, 8) for mode in ("L", "RGB", "CMYK")],
]


@pytest.mark.parametrize(("suffix", "mode", "depth"), KEEPS)
def test_everything_is_kept(tmp_path, suffix, mode, depth):
    image = full(mode, depth, profile=b"of no known space")
    notes = save(tmp_path / f"a{suffix}", image)
    assert notes == [] or "lossy" in notes[0]
    again = load(tmp_path / f"a{suffix}")
    if suffix != ".jpg":
        assert again.pixels.dtype == image.pixels.dtype
        assert np.array_equal(again.pixels, image.pixels)
    assert again.icc_profile == image.icc_profile
    assert again.xmp == XMP
    assert again.dpi is None if suffix == ".webp" else np.allclose(again.dpi, (300, 150), atol=0.02)
    exif = Image.Exif()
    exif.load(again.exif)
    assert (exif[COPYRIGHT], exif[MODEL]) == ("me", "a camera")
    assert float(exif.get_ifd(EXIF_FOLDER)[EXPOSURE]) == 0.25
    assert exif.get_ifd(GPS_FOLDER)[1] == "N"


@pytest.mark.parametrize("suffix", [".png", ".tif"])
def test_deep_files_are_read_by_others(tmp_path, suffix):
    """The tags and chunks that are put in leave a file that OpenCV reads, too."""
    save(tmp_path / f"a{suffix}", full("RGBA", 16))
    pixels = cv2.imread(str(tmp_path / f"a{suffix}"), cv2.IMREAD_UNCHANGED)
    assert np.array_equal(pixels[..., [2, 1, 0, 3]], some_pixels("RGBA", 16))
    with Image.open(tmp_path / f"a{suffix}") as image:
        image.load()
        assert image.info["icc_profile"] == SRGB


@pytest.mark.parametrize("suffix", [".png", ".tif"])
def test_large_deep_files_have_many_strips(tmp_path, suffix):
    image = DecodedImage(some_pixels("RGB", 16, size=(900, 700)), "RGB", SRGB)
    save(tmp_path / f"a{suffix}", image)
    assert np.array_equal(load(tmp_path / f"a{suffix}").pixels, image.pixels)


def test_bitmap_has_no_place_and_says_so(tmp_path):
    (note,) = save(tmp_path / "a.bmp", full())
    profile, exif = f"a colour profile of {len(SRGB)} bytes", f"EXIF of {len(full().exif)} bytes"
    assert note == f".bmp has no place for {profile}, {exif}, XMP of {len(XMP)} bytes: left out"
    assert np.allclose(load(tmp_path / "a.bmp").dpi, (300, 150), atol=0.1)


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("suffix", [".jpg", ".tif", ".png", ".webp"])
def test_orientation_is_applied_once_everywhere(tmp_path, suffix, orientation):
    xmp = XMP.replace(b'Orientation="1"', b'Orientation="%d"' % orientation)
    image = Image.fromarray(some_pixels("RGB"))
    more = {} if suffix in (".png", ".webp") else {"dpi": (300, 150)}
    exif = some_exif(_274=orientation)
    if suffix in (".jpg", ".webp"):
        more["xmp"] = xmp
    image.save(tmp_path / f"a{suffix}", exif=exif, **more)
    with Image.open(tmp_path / f"a{suffix}") as stored:
        upright = np.asarray(ImageOps.exif_transpose(stored))
    photo = load(tmp_path / f"a{suffix}")
    assert np.array_equal(photo.pixels, upright)
    assert np.array_equal(load_rgb(tmp_path / f"a{suffix}", 14), upright)
    save(tmp_path / "b.png", photo)
    with Image.open(tmp_path / "b.png") as out:
        assert np.array_equal(np.asarray(ImageOps.exif_transpose(out)), upright)
        assert b'Orientation="1"' in out.info.get("xmp", b'Orientation="1"')
    if more.get("dpi"):
        assert np.allclose(photo.dpi, (150, 300) if orientation > 4 else (300, 150), atol=0.1)


@pytest.mark.parametrize(
    "options",
    [
        {"compression": "tiff_lzw"},
        {"compression": "tiff_adobe_deflate"},
        {"compression": "packbits"},
        {"compression": None},
    ],
    ids=lambda options: str(options["compression"]),
)
@pytest.mark.parametrize("mode", ["1", "L", "P", "RGB", "RGBA", "CMYK", "LAB"])
def test_tags_of_one_tiff_do_not_get_into_the_next(tmp_path, mode, options):
    """Tags such as colour map, planes and rows in a strip belong to the file that was read."""
    image = Image.fromarray(some_pixels("RGB")).convert(mode)
    image.save(tmp_path / "a.tif", exif=some_exif(), **{k: v for k, v in options.items() if v})
    photo = load(tmp_path / "a.tif")
    for suffix in (".tif", ".png"):
        if photo.mode != "CMYK" or suffix == ".tif":
            assert save(tmp_path / f"b{suffix}", photo) == []
            assert np.array_equal(load(tmp_path / f"b{suffix}").pixels, photo.pixels)
    assert load(tmp_path / "b.tif").dpi is None
    with Image.open(tmp_path / "b.tif") as out:
        assert out.getexif()[COPYRIGHT] == "me"


def test_planes_and_white_is_zero(tmp_path):
    image = Image.fromarray(some_pixels("L"))
    image.save(tmp_path / "a.tif", tiffinfo={262: 0})
    photo = load(tmp_path / "a.tif")
    save(tmp_path / "b.tif", photo)
    assert np.array_equal(load(tmp_path / "b.tif").pixels, photo.pixels)


def test_thumbnails_do_not_tell_what_was_under_the_hole(tmp_path):
    """An EXIF thumbnail shows the image as it was; it is not carried on."""
    secret = io.BytesIO()
    Image.new("RGB", (16, 16), "red").save(secret, "JPEG")
    exif = some_exif()
    first = exif.get_ifd(1)
    first[0x0103], first[0x0201], first[0x0202] = 6, 0, len(secret.getvalue())
    data = exif.tobytes() + secret.getvalue()
    Image.fromarray(some_pixels("RGB")).save(tmp_path / "a.jpg", exif=data)
    assert secret.getvalue() in (tmp_path / "a.jpg").read_bytes()
    image = load(tmp_path / "a.jpg")
    for suffix in (".jpg", ".png", ".tif", ".webp"):
        save(tmp_path / f"b{suffix}", image)
        assert secret.getvalue() not in (tmp_path / f"b{suffix}").read_bytes()


def header_of_profile(space):
    return bytes(16) + space + bytes(108)


@pytest.mark.parametrize(
    ("mode", "space", "suffix", "kept"),
    [
        ("L", b"GRAY", ".png", True),
        ("L", b"GRAY", ".webp", False),
        ("CMYK", b"CMYK", ".tif", True),
        ("CMYK", b"CMYK", ".png", False),
        ("RGB", b"RGB ", ".webp", True),
    ],
)
def test_a_profile_of_another_space_is_left_out(tmp_path, mode, space, suffix, kept):
    notes = save(tmp_path / f"a{suffix}", full(mode, profile=header_of_profile(space)))
    assert any("colour profile is not one for" in note for note in notes) != kept
    assert (load(tmp_path / f"a{suffix}").icc_profile is not None) == kept


@pytest.mark.parametrize("dpi", [(0, 0), (1, 1), (float("nan"), 72)])
def test_no_resolution_is_none(tmp_path, dpi):
    assert metadata.of_file(Image.Exif(), {"dpi": dpi}, 1)[0]["dpi"] is None


@pytest.mark.parametrize(
    ("name", "mode", "suffix"),
    [
        ("a.png", "RGB", ".png"),
        ("a.TIF", "RGB", ".TIF"),
        ("a.webp", "RGB", ".webp"),
        ("a.bmp", "RGB", ".bmp"),
        ("a.jpg", "RGB", ".png"),
        ("a.jpg", "L", ".png"),
        ("a.jpg", "CMYK", ".tif"),
        ("a.gif", "P", ".png"),
        ("a.ppm", "RGB", ".png"),
    ],
)
def test_suffix_that_loses_nothing(tmp_path, name, mode, suffix):
    kinds = {".jpg": "JPEG", ".ppm": "PPM", ".tif": "TIFF"}
    kind = kinds.get(name[1:].lower(), name[2:].upper())
    Image.new(mode, SIZE).save(tmp_path / name, format=kind)
    assert lossless_suffix(tmp_path / name) == suffix
    image = load(tmp_path / name)
    assert save(tmp_path / f"out{suffix}", image) == []
    assert np.array_equal(load(tmp_path / f"out{suffix}").pixels, image.pixels)


def test_suffix_of_what_is_no_image(tmp_path):
    (tmp_path / "a.jpg").write_text("text")
    assert lossless_suffix(tmp_path / "a.jpg") == ".png"


@pytest.mark.parametrize("suffix", [".png", ".tif"])
@pytest.mark.parametrize("orientation", range(1, 9))
def test_orientation_of_deep_files(tmp_path, suffix, orientation):
    path = tmp_path / f"a{suffix}"
    save(path, DecodedImage(some_pixels("RGB", 16), "RGB", exif=some_exif(_274=orientation).tobytes()))
    with Image.open(path) as stored:
        assert stored.getexif()[274] == orientation
        rounded = np.asarray(ImageOps.exif_transpose(stored))
    image = load(path)
    assert image.pixels.dtype == np.uint16
    assert image.pixels.shape == rounded.shape
    assert np.abs(image.pixels // 256 - rounded.astype(int)).max() <= 1


def long_exif(length=70_000):
    return some_exif(_270="x" * length).tobytes()


LONG_XMP = b"<x:xmpmeta>" + b"y" * 70_000 + b"</x:xmpmeta>"
#: A float where the standard has text: readers pass it on, writers fail.
ODD_EXIF = b"Exif\0\0II*\0\x08\0\0\0" + struct.pack("<HHHIfI", 1, 0x0131, 11, 1, 1.5, 0)


@pytest.mark.parametrize(
    ("suffix", "beside", "word"),
    [
        (".jpg", {"exif": long_exif()}, "EXIF"),
        (".jpeg", {"xmp": LONG_XMP}, "XMP"),
        (".jpg", {"icc_profile": b"\0" * 17_000_000}, "colour profile"),
        (".jpg", {"exif": long_exif(), "xmp": LONG_XMP, "icc_profile": SRGB}, "EXIF"),
        (".tif", {"exif": b"no EXIF at all"}, "EXIF"),
        *[(suffix, {"exif": long_exif()}, None) for suffix in (".png", ".webp", ".tif")],
        *[(suffix, {"xmp": LONG_XMP}, None) for suffix in (".png", ".webp", ".tif")],
    ],
)
def test_what_does_not_fit_beside_the_pixels_is_left_out_with_a_note(tmp_path, suffix, beside, word):
    image = DecodedImage(some_pixels("RGB"), "RGB", **beside)
    notes = [note for note in save(tmp_path / f"a{suffix}", image) if "lossy" not in note]
    again = load(tmp_path / f"a{suffix}")
    assert again.size == image.size
    assert (again.icc_profile is not None) == ("icc_profile" in beside and word != "colour profile")
    if word is None:
        assert notes == []
        assert all(getattr(again, name) for name in beside)
    else:
        assert word in notes[0]
        assert notes[0].startswith(f"{suffix} has no place for ")

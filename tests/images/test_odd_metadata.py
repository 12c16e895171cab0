"""Metadata that cannot be read cost nothing but themselves: the pixels are read at every door."""

import io

import numpy as np
import pytest
from fastapi.testclient import TestClient
from PIL import Image, ImageCms

from inpaintlab.data.prepare import prepare
from inpaintlab.errors import ImageError
from inpaintlab.images import Encoded, encode, load, load_rgb, load_rgb_whole
from inpaintlab.settings import PrepareSettings
from tests.images.odd import FLOAT_FOR_TEXT, ODD, chunk, encoded, entries, in_jpeg
from tests.inpainter.holes import white_inpainter

#: Flat colours of a grey, which JPEG keeps; the two sides differ.
PIXELS = np.full((32, 40, 3), 60, np.uint8)
PIXELS[:, 16:] = 180


def seen(pixels):
    """Eight bits of what was decoded."""
    return (pixels // 257 if pixels.dtype == np.uint16 else pixels).astype(np.uint8)


@pytest.mark.parametrize("name", ODD)
def test_pixels_are_read_and_written(name):
    file = Encoded("a.xyz", ODD[name](PIXELS))
    image = load(file)
    assert np.array_equal(seen(image.pixels), PIXELS)
    assert np.array_equal(load_rgb_whole(file)[0], PIXELS)
    assert np.array_equal(load_rgb(file, 32), PIXELS)
    for suffix in (".png", ".tif", ".webp", ".jpg"):
        again = load(Encoded("b", encode(image, suffix)[0]))
        assert np.array_equal(seen(again.pixels), PIXELS)


@pytest.mark.parametrize("name", [name for name in ODD if "over 1 MB" in name or "software" in name])
def test_it_is_said_what_is_left_out(name):
    (note,) = load(Encoded("a.xyz", ODD[name](PIXELS))).notes
    assert note.endswith("of a.xyz cannot be read: left out")


@pytest.mark.parametrize("name", ODD)
def test_rest_reads_them(name):
    from inpaintlab.serving.app import create_app
    from tests.serving.conftest import HerePool

    mask = np.zeros(PIXELS.shape[:2], np.uint8)
    mask[4:8, 4:8] = 255
    files = {"image": ODD[name](PIXELS), "mask": encoded(mask)}
    reply = TestClient(create_app(HerePool(white_inpainter()))).post("/v1/fill", files=files)
    assert reply.status_code == 200
    filled = np.asarray(Image.open(io.BytesIO(reply.content)))
    assert np.array_equal(filled[mask == 0], PIXELS[mask == 0])


def test_prepare_takes_them(tmp_path):
    (tmp_path / "images").mkdir()
    for index, make in enumerate(ODD.values()):
        random = np.random.default_rng(index)
        flat = random.integers(0, 2, (4, 5, 1)).repeat(3, 2).astype(np.uint8) * 120 + 60
        data = make(flat.repeat(8, 0).repeat(8, 1))
        suffix = {b"\x89P": "png", b"\xff\xd8": "jpg", b"RI": "webp", b"II": "tif"}[data[:2]]
        (tmp_path / "images" / f"{index}.{suffix}").write_bytes(data)
    report = prepare(PrepareSettings(sources=[str(tmp_path / "images")], output=tmp_path / "d.dataset"))
    assert "damaged" not in str(report.as_dict())
    assert "unreadable" not in str(report.as_dict())


def test_what_is_sound_beside_it_is_kept():
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    exif = Image.Exif()
    exif[0x0112], exif[0x8298] = 6, "me"
    data = encoded(PIXELS, icc_profile=profile, exif=exif, dpi=(300, 300))
    image = load(Encoded("a.png", data[:33] + chunk(b"pHYs", b"") + data[33:]))
    assert np.array_equal(image.pixels, np.rot90(PIXELS, 3))
    assert image.icc_profile == profile
    assert b"me" in image.exif


def test_orientation_beside_an_odd_entry_counts():
    exif = entries((0x0112, 3, 1, b"\6\0\0\0"), FLOAT_FOR_TEXT, (0x8298, 2, 3, b"me\0\0"))
    file = Encoded("a.jpg", in_jpeg(exif)(PIXELS))
    image = load(file)
    assert np.array_equal(image.pixels, np.rot90(PIXELS, 3))
    assert b"me" in image.exif
    for pixels in (load_rgb(file, 32), load_rgb_whole(file)[0]):
        assert np.array_equal(pixels, np.rot90(PIXELS, 3))


@pytest.mark.parametrize("name", [name for name in ODD if "text over" in name])
@pytest.mark.parametrize("cut", [50, 100])
def test_damaged_pixels_are_refused_all_the_same(name, cut):
    data = ODD[name](np.random.default_rng(0).integers(0, 256, (32, 40, 3), np.uint8))
    place = data.index(b"IDAT")
    for read in (load, load_rgb_whole, lambda file: load_rgb(file, 32)):
        with pytest.raises(ImageError):
            read(Encoded("a.png", data[: place + cut]))

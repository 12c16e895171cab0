"""Reading images for training: the quick way for JPEG gives what the slow way gives."""

import io

import cv2
import numpy as np
import pytest
from PIL import Image, ImageOps

from inpaintlab.data import samples
from inpaintlab.errors import ImageError
from inpaintlab.images import Encoded, load_rgb, shrink


def jpeg(pixels, **options):
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "JPEG", quality=90, **options)
    return buffer.getvalue()


def psnr(a, b):
    error = np.mean((a.astype(float) - b) ** 2)
    return 100 if error == 0 else 10 * np.log10(255**2 / error)


def oblong(side=120):
    """An image in which no two sides look alike."""
    return samples.draw(4, side)[: side - 35]


@pytest.mark.parametrize("options", [{}, {"progressive": True}, {"subsampling": 0}, {"comment": b"hi"}])
@pytest.mark.parametrize("size", [85, 60, 30])
def test_jpeg_as_pillow_decodes_it(options, size):
    data = jpeg(oblong(), **options)
    expected = shrink(np.asarray(Image.open(io.BytesIO(data))), size)
    assert np.array_equal(load_rgb(Encoded("a.jpg", data), size), expected)


@pytest.mark.parametrize("orientation", range(1, 9))
def test_jpeg_is_set_upright(orientation):
    exif = Image.Exif()
    exif[0x0112] = orientation
    data = jpeg(oblong(), exif=exif.tobytes())
    upright = np.asarray(ImageOps.exif_transpose(Image.open(io.BytesIO(data))))
    assert np.array_equal(load_rgb(Encoded("a.jpg", data), 85), upright)


def test_grey_and_cmyk_jpeg():
    grey = oblong()[..., 1]
    assert np.array_equal(*(load_rgb(Encoded("g.jpg", jpeg(grey)), 85)[..., n] for n in (0, 2)))
    buffer = io.BytesIO()
    Image.fromarray(oblong()).convert("CMYK").save(buffer, "JPEG", quality=95)
    assert psnr(load_rgb(Encoded("c.jpg", buffer.getvalue()), 85), oblong()) > 25


@pytest.mark.parametrize("share", [0.3, 0.6, 0.9, 0.99])
def test_a_jpeg_cut_short_is_refused(share):
    data = jpeg(oblong())
    with pytest.raises(ImageError, match=r"a\.jpg") as caught:
        load_rgb(Encoded("a.jpg", data[: int(share * len(data))]), 30)
    assert caught.value.finding in ("damaged", "unreadable")


@pytest.mark.parametrize("data", [b"", b"\xff\xd8\xff\xd9", b"\xff\xd8" + b"\xff" * 40 + b"\xff\xd9"])
def test_what_only_begins_like_a_jpeg(data):
    with pytest.raises(ImageError, match=r"a\.jpg"):
        load_rgb(Encoded("a.jpg", data), 8)


def test_too_small_says_so_in_one_word():
    with pytest.raises(ImageError, match=r"a\.jpg is 120×85, less than --size 86") as caught:
        load_rgb(Encoded("a.jpg", jpeg(oblong())), 86)
    assert caught.value.finding == "small"


@pytest.mark.parametrize("side", [210, 400, 900])
def test_a_large_jpeg_is_decoded_reduced_and_looks_the_same(side):
    pixels = cv2.GaussianBlur(samples.draw(7, side), (0, 0), 1)
    ours = load_rgb(Encoded("a.jpg", jpeg(pixels)), 50)
    assert ours.shape == (50, 50, 3)
    expected = Image.fromarray(pixels).resize((50, 50), Image.Resampling.BILINEAR)
    assert psnr(ours, np.asarray(expected)) > 35


@pytest.mark.parametrize("shape", [(200, 200), (201, 303), (64, 640), (333, 101)])
def test_shrinking_in_steps_keeps_shape_and_content(shape):
    pixels = cv2.resize(samples.draw(2, 200), shape[::-1])
    scale = 50 / min(shape)
    small = shrink(pixels, 50)
    assert small.shape == (round(shape[0] * scale), round(shape[1] * scale), 3)
    direct = cv2.resize(pixels, small.shape[1::-1], interpolation=cv2.INTER_AREA)
    assert psnr(small, direct) > 30

import numpy as np
import pytest
from PIL import Image

from inpaintlab.data import samples
from inpaintlab.errors import ImageError
from inpaintlab.images import load
from inpaintlab.serving.page import photos
from inpaintlab.serving.page.holes import rectangle
from inpaintlab.serving.page.session import MAX_RESULTS, Session
from tests.serving.page.conftest import paint_all_over

_ORIENTATION = 0x0112


@pytest.fixture
def session(tmp_path):
    return Session.start(tmp_path)


def read(file):
    """An image of Pillow's that needs its file no more."""
    with Image.open(file) as image:
        image.load()
        return image


def pillow_of(mode):
    """An image of an odd size in some mode of Pillow."""
    rgb = Image.fromarray(samples.draw(5, 75)[:61])
    if mode == "I;16":
        return Image.fromarray(np.asarray(rgb.convert("L")).astype(np.uint16) * 257)
    image = rgb.convert(mode)
    if mode in ("LA", "RGBA"):
        image.putalpha(Image.fromarray(np.arange(61 * 75).reshape(61, 75).astype(np.uint8)))
    return image


@pytest.mark.parametrize(
    ("mode", "suffix", "notes"),
    [
        ("RGB", "png", 0),
        ("RGB", "jpg", 0),
        ("RGB", "webp", 0),
        ("RGBA", "png", 0),
        ("L", "png", 0),
        ("LA", "png", 0),
        ("1", "png", 0),
        ("P", "gif", 0),
        ("CMYK", "jpg", 1),
        ("I;16", "png", 1),
    ],
)
def test_known_pixels_come_back_bit_by_bit(session, tmp_path, mode, suffix, notes):
    file = tmp_path / f"a.{suffix}"
    pillow_of(mode).save(file)
    photo = session.open(file)
    assert len(photo.notes) == notes
    hole = rectangle(photo.size, 0.4, 0.3, 0.6)
    result = load(session.fill(paint_all_over, hole).file)
    before = photos.read(file)
    assert result.mode == before.mode
    assert np.array_equal(result.pixels[~hole], before.pixels[~hole])
    assert (result.pixels[hole] != before.pixels[hole]).any(axis=-1).mean() > 0.5
    if mode == "RGB":
        assert np.array_equal(before.pixels, np.asarray(read(file).convert("RGB")))


def test_colours_under_transparency_stay(session, tmp_path):
    pixels = np.zeros((20, 20, 4), np.uint8)
    pixels[..., 0] = 200
    Image.fromarray(pixels).save(tmp_path / "a.png")
    session.open(tmp_path / "a.png")
    hole = rectangle((20, 20), 0.5, 0, 0)
    result = np.asarray(read(session.fill(paint_all_over, hole).file))
    assert np.array_equal(result[~hole], pixels[~hole])


def test_photos_are_set_upright(session, tmp_path):
    exif = Image.Exif()
    exif[_ORIENTATION] = 6
    pillow_of("RGB").save(tmp_path / "a.png", exif=exif)
    photo = session.open(tmp_path / "a.png")
    assert photo.size == (75, 61)
    result = read(session.fill(paint_all_over, rectangle(photo.size, 0.1, 0, 0)).file)
    assert result.size == (61, 75)
    assert result.getexif().get(_ORIENTATION, 1) == 1
    assert np.array_equal(np.asarray(result)[40:], np.rot90(np.asarray(pillow_of("RGB")), 3)[40:])


def test_colour_profiles_stay(session, tmp_path):
    pillow_of("RGB").save(tmp_path / "a.png", icc_profile=b"a profile")
    photo = session.open(tmp_path / "a.png")
    result = session.fill(paint_all_over, rectangle(photo.size, 0.1, 0, 0))
    assert read(result.file).info["icc_profile"] == b"a profile"


@pytest.mark.parametrize(("size", "shown"), [(64, 512), (600, 600), (2000, 1280)])
def test_the_copy_to_paint_on_has_a_handy_size(session, tmp_path, size, shown):
    Image.new("L", (size, size // 2)).save(tmp_path / "a.png")
    photo = session.open(tmp_path / "a.png")
    assert photo.size == (size // 2, size)
    assert photo.shown_size == (shown // 2, shown)
    assert read(photo.shown).size == (shown, shown // 2)


def test_what_cannot_be_opened_changes_nothing(session, tmp_path, monkeypatch):
    pillow_of("RGB").save(tmp_path / "a.png")
    photo = session.open(tmp_path / "a.png")
    (tmp_path / "b.png").write_text("no image")
    with pytest.raises(ImageError, match="not an image"):
        session.open(tmp_path / "b.png")
    monkeypatch.setattr(photos, "MAX_PIXELS", 1000)
    with pytest.raises(ImageError, match="make it smaller"):
        session.open(tmp_path / "a.png")
    assert session.photo == photo
    assert photo.file.exists()


def test_a_fill_of_another_size_is_refused(session, tmp_path):
    pillow_of("RGB").save(tmp_path / "a.png")
    photo = session.open(tmp_path / "a.png")
    with pytest.raises(ImageError, match="is 9×9, not 75×61"):
        session.fill(lambda image, hole: image.resize((9, 9)), rectangle(photo.size, 0.1, 0, 0))
    assert session.results == []


def test_results_are_kept_picked_and_gone_on_from(session, tmp_path):
    pillow_of("RGB").save(tmp_path / "me & you.png")
    photo = session.open(tmp_path / "me & you.png")
    for number in range(MAX_RESULTS + 2):
        session.fill(paint_all_over, rectangle(photo.size, 0.1, number / 20, 0))
    names = [result.file.name for result in session.results]
    assert names == [f"me-you-filled-{number}.png" for number in range(3, MAX_RESULTS + 3)]
    assert session.results[session.chosen].number == MAX_RESULTS + 2
    session.chosen = 4
    result = np.asarray(read(session.results[4].file))
    second = session.proceed()
    assert np.array_equal(np.asarray(read(second.file)), result)
    assert not photo.file.exists()
    # Going on and on does not make the name longer and longer.
    again = session.fill(paint_all_over, rectangle(photo.size, 0.1, 0, 0))
    assert again.file.name == f"me-you-filled-{MAX_RESULTS + 3}.png"


def test_closing_leaves_nothing(session, tmp_path):
    pillow_of("RGB").save(tmp_path / "a.png")
    session.open(tmp_path / "a.png")
    other = Session.start(tmp_path)
    session.close()
    assert not session.folder.exists()
    assert other.folder.exists()

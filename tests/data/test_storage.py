from pathlib import Path

import numpy as np
import psutil
import pytest
from PIL import Image

from inpaintlab.data import samples, storage
from inpaintlab.data.loading import Images
from inpaintlab.data.sources import open_dataset
from inpaintlab.data.storage import Bad, Cache, CachedImages, open_cache, write_cache
from inpaintlab.errors import DataError, OutputError
from tests.conftest import save_portraits


def odd_images(count=7):
    """Images of different shapes, with a bad one among them."""
    results = [samples.draw(index, 20)[: 8 + index] for index in range(count)]
    results[3] = Bad("three.png", "three.png is damaged")
    return results


def open_images(images, *, size=16, indices=None, **cache):
    source = open_dataset(str(images))
    indices = range(len(source.names)) if indices is None else indices
    return Images(source, indices, size, "training", cache=Cache(**cache))


def test_what_is_written_comes_back(tmp_path):
    results = odd_images()
    write_cache(tmp_path / "deep" / "a.images", results)
    kept = open_cache(tmp_path / "deep" / "a.images")
    assert kept.kept == [0, 1, 2, 4, 5, 6]
    assert kept.bad == [(3, "three.png is damaged")]
    assert len(kept) == 6
    assert all(np.array_equal(kept[n], results[place]) for n, place in enumerate(kept.kept))
    assert [path.name for path in (tmp_path / "deep").iterdir()] == ["a.images"]


def test_nothing_usable(tmp_path):
    write_cache(tmp_path / "a", [Bad("x", "broken")])
    assert len(CachedImages(tmp_path / "a")) == 0


@pytest.mark.parametrize("damage", ["cut", "pixel", "table", "empty", "version"])
def test_a_damaged_file_is_not_used(tmp_path, damage, capsys):
    path = tmp_path / "a.images"
    write_cache(path, odd_images())
    data = bytearray(path.read_bytes())
    if damage in ("pixel", "table"):
        data[100 if damage == "pixel" else -60] ^= 1
    elif damage == "version":
        data[-1] += 1
    path.write_bytes({"cut": data[:-5], "empty": b""}.get(damage, data))
    assert open_cache(path) is None
    assert "written anew" in capsys.readouterr().err
    assert open_cache(tmp_path / "none") is None


def test_the_next_run_finds_the_file(portraits, tmp_path, monkeypatch):
    first = open_images(portraits, kind="disk", folder=tmp_path / "cache")
    in_memory = open_images(portraits, kind="memory")
    (file,) = (tmp_path / "cache").iterdir()
    for path in portraits.iterdir():  # the same images by other names, in the same order
        path.rename(path.with_name(f"a{path.name}"))
    monkeypatch.setattr(Images, "_read_all", lambda *_: pytest.fail("read again"))
    again = open_images(portraits, kind="disk", folder=tmp_path / "cache")
    assert first.storage == "in a memory-mapped file"
    assert first.indices == again.indices == in_memory.indices
    assert all(np.array_equal(again[n], in_memory[n]) for n in range(len(again)))
    assert list((tmp_path / "cache").iterdir()) == [file]


def test_another_size_or_choice_is_another_file(portraits, tmp_path):
    folder = tmp_path / "cache"
    open_images(portraits, kind="disk", folder=folder)
    open_images(portraits, kind="disk", folder=folder, size=20)
    open_images(portraits, kind="disk", folder=folder, indices=[3, 5])
    (portraits / "000.png").write_bytes((portraits / "001.png").read_bytes())
    open_images(portraits, kind="disk", folder=folder)
    assert len(list(folder.iterdir())) == 4


def test_a_damaged_cache_is_written_anew(portraits, tmp_path):
    before = open_images(portraits, kind="disk", folder=tmp_path / "cache")
    expected = [image.copy() for image in before]
    (file,) = (tmp_path / "cache").iterdir()
    data = bytearray(file.read_bytes())
    data[7] ^= 255
    del before
    file.unlink()
    file.write_bytes(data)
    after = open_images(portraits, kind="disk", folder=tmp_path / "cache")
    assert all(np.array_equal(a, b) for a, b in zip(after, expected, strict=True))


def test_bad_images_are_remembered(portraits, tmp_path):
    (portraits / "004.png").write_bytes((portraits / "004.png").read_bytes()[:300])
    for _ in range(2):
        images = open_images(portraits, kind="disk", folder=tmp_path / "cache")
        assert [bad.name for bad in images.bad] == ["004.png"]
        assert "cut short" in images.bad[0].reason
        assert 4 not in images.indices


def test_what_fits_is_chosen(portraits, tmp_path, monkeypatch):
    folder = tmp_path / "cache"
    assert open_images(portraits, folder=folder).storage == "in memory"
    monkeypatch.setattr(storage, "MEMORY_SHARE", 0.0)
    assert open_images(portraits, folder=folder).storage == "in a memory-mapped file"
    monkeypatch.setattr(storage, "DISK_SHARE", 0.0)
    images = open_images(portraits, folder=folder)
    assert images.storage == "read from files each time"
    assert not images.cached
    assert np.array_equal(images[3], open_images(portraits, kind="memory")[3])
    with pytest.raises(DataError, match=r"40 images take up to .* GB.*name a cache_dir"):
        open_images(portraits, kind="disk", folder=folder)


def test_never_more_than_half_of_the_free_disk(tmp_path, monkeypatch):
    """Long images can take more than was foreseen: the file is given up, and nothing is left."""
    monkeypatch.setattr(storage, "DISK_SHARE", 1e-9)
    with pytest.raises(OutputError, match="more than half of the disk's free space; name another"):
        write_cache(tmp_path / "c" / "a", [np.zeros((100, 900, 3), np.uint8)] * 9)
    assert list((tmp_path / "c").iterdir()) == []


def test_where_files_go(monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", "/somewhere")
    assert Cache().path == Path("/somewhere/inpaintlab")
    monkeypatch.delenv("XDG_CACHE_HOME")
    assert Cache().path == Path.home() / ".cache" / "inpaintlab"
    assert Cache(folder=Path("~/here")).path == Path.home() / "here"


def test_checked_images_are_not_read_up_front(portraits, monkeypatch):
    source = open_dataset(str(portraits))
    source.checked = True
    monkeypatch.setattr(source, "read", lambda *_: pytest.fail("read"))
    images = Images(source, range(40), 16, "training", cache=Cache("off"))
    assert len(images) == 40
    monkeypatch.undo()
    assert images[2].shape == (16, 16, 3)


def test_an_image_that_vanishes_later_is_replaced(portraits, capsys):
    images = open_images(portraits, kind="off")
    (portraits / "007.png").unlink()
    (portraits / "008.png").write_bytes(b"no image")
    for _ in range(3):
        assert np.array_equal(images.any_near(7)[1], images[9])
    said = capsys.readouterr().err
    assert said.count("another image takes its place") == 2
    for path in portraits.iterdir():
        path.unlink()
    with pytest.raises(DataError, match="can no longer be read: there is no file"):
        images.any_near(0)


def test_an_image_too_small_for_zooming_is_kept_at_the_training_size(tmp_path):
    folder = save_portraits(tmp_path / "p", 2, size=40)
    Image.fromarray(samples.draw(2, 20)).save(folder / "small.png")
    Image.fromarray(samples.draw(3, 12)).save(folder / "tiny.png")
    images = Images(open_dataset(str(folder)), range(4), 16, "training", stored=24)
    assert [image.shape[0] for image in images] == [24, 24, 16]
    assert [bad.name for bad in images.bad] == ["tiny.png"]
    assert "less than --size 16" in images.bad[0].reason
    assert all(images.square(n).shape == (16, 16, 3) for n in range(3))


def test_memory_that_is_free_is_asked_for(monkeypatch):
    free = psutil.virtual_memory().available
    fits = int(free * storage.MEMORY_SHARE / 6 / 64**2)
    assert Cache().place(fits // 2, 64) == "memory"
    assert Cache().place(10**12, 64) == "off"

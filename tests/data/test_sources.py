import numpy as np
import pytest
from PIL import Image

from inpaintlab.data import samples
from inpaintlab.data.folders import FolderDataset
from inpaintlab.data.sources import open_dataset
from inpaintlab.errors import DataError, ImageError, SettingError
from tests.conftest import save_portraits


def test_folder_is_searched_recursively_and_in_order(tmp_path):
    save_portraits(tmp_path / "b", 2)
    save_portraits(tmp_path / "a" / "deep", 1)
    save_portraits(tmp_path / ".hidden", 1)
    (tmp_path / "notes.txt").write_text("no image")
    source = open_dataset(str(tmp_path))
    assert source.names == ["a/deep/000.png", "b/000.png", "b/001.png"]
    assert np.array_equal(source.read(2, 40), samples.draw(1, 40))
    assert source.content_hash(0) == source.content_hash(1) != source.content_hash(2)


def test_samples():
    source = open_dataset("samples:5")
    assert len(source.names) == 5
    assert len({source.content_hash(index) for index in range(5)}) == 5
    assert np.array_equal(source.read(4, 20), samples.draw(4, 20))


@pytest.mark.parametrize(
    ("data", "words"),
    [
        ("samples:", "a number of images"),
        ("samples:0", "a number of images"),
        ("samples:x", "a number of images"),
        ("nowhere", "nowhere does not exist: give a folder of images, or samples:N"),
    ],
)
def test_what_cannot_be_opened(data, words):
    with pytest.raises(DataError, match=words):
        open_dataset(data)


def test_empty_folder_and_file(tmp_path):
    with pytest.raises(DataError, match=r"no image in .*\.png"):
        open_dataset(str(tmp_path))
    (tmp_path / "a.png").write_bytes(b"")
    with pytest.raises(DataError, match="is a file, not a folder"):
        open_dataset(str(tmp_path / "a.png"))


def test_an_image_that_is_too_small(tmp_path):
    source = FolderDataset(save_portraits(tmp_path / "p", 1, size=20))
    with pytest.raises(ImageError, match="less than --size 32"):
        source.read(0, 32)


def test_folds_of_a_folder_are_by_content(tmp_path):
    folder = save_portraits(tmp_path / "p", 30)
    parts = [open_dataset(folder, fold=fold, folds=3).split for fold in range(3)]
    val = [index for part in parts for index in part.val]
    assert sorted(val) == sorted(parts[0].train + parts[0].val)
    assert len({part.hash for part in parts}) == 1
    assert open_dataset(folder).folds is None
    with pytest.raises(DataError, match="has no folds: say how many"):
        open_dataset(folder, fold=0)
    with pytest.raises(SettingError, match="say with fold which one"):
        open_dataset(str(folder), folds=3)


def test_an_image_is_read_at_its_own_size_where_none_is_asked_for(tmp_path):
    Image.fromarray(samples.draw(0, 50)[:31]).save(tmp_path / "a.png")
    source = open_dataset(str(tmp_path))
    assert source.read(0, None).shape == (31, 50, 3)
    assert source.read(0, 20).shape[0] == 20
    assert open_dataset("samples:3").read(0, None).shape == (256, 256, 3)

from pathlib import Path

import pytest
from PIL import Image, ImageOps

from inpaintlab.data import samples
from inpaintlab.data.leaks import find_leaks
from inpaintlab.data.prepare import prepare
from inpaintlab.errors import DataError
from inpaintlab.settings import PrepareSettings


def save(path: Path, index: int, **options) -> None:
    path.parent.mkdir(exist_ok=True)
    Image.fromarray(samples.draw(index, 64)).save(path, **options)


@pytest.fixture
def folders(tmp_path):
    for index in range(12):
        save(tmp_path / "ours" / f"{index}.png", index)
    for index in range(20, 32):
        save(tmp_path / "theirs" / f"{index}.png", index)
    save(tmp_path / "theirs" / "same.bmp", 3)
    save(tmp_path / "theirs" / "jpeg.jpg", 5, quality=85)
    ImageOps.mirror(Image.fromarray(samples.draw(7, 64))).save(tmp_path / "theirs" / "mirror.png")
    for folder in ("ours", "theirs"):  # of one colour: alike in nothing that counts
        Image.new("RGB", (64, 64), (9, 9, len(folder))).save(tmp_path / folder / "plain.png")
    return tmp_path / "ours", tmp_path / "theirs"


@pytest.mark.parametrize("as_dataset", [False, True])
def test_images_that_stand_in_both_are_listed(folders, as_dataset, tmp_path):
    ours, theirs = folders
    against = str(theirs)
    if as_dataset:
        against = str(tmp_path / "t.dataset")
        prepare(PrepareSettings(sources=[str(theirs)], output=Path(against)))
    leaks = find_leaks(PrepareSettings(sources=[str(ours)], near_distance=4), against)
    found = {(Path(p.ours).name, Path(p.theirs).name): p.same for p in leaks.pairs}
    assert found == {
        ("3.png", "same.bmp"): True,
        ("5.png", "jpeg.jpg"): False,
        ("7.png", "mirror.png"): False,
    }
    assert (leaks.images, leaks.same, leaks.of) == (3, 1, 13)


def test_nothing_in_common(folders, tmp_path):
    save(tmp_path / "other" / "a.png", 77)
    assert find_leaks(PrepareSettings(sources=[str(folders[0])]), str(tmp_path / "other")).pairs == []


def test_nothing_to_compare_is_no_result(folders):
    with pytest.raises(DataError, match="no image in nothing: name a folder"):
        find_leaks(PrepareSettings(), str(folders[0]))

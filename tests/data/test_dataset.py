"""What holds for every kind of dataset."""

import hashlib
import itertools
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from torch.utils.data import DataLoader, TensorDataset

from inpaintlab import masks
from inpaintlab.data import augment, dataset, folders, samples
from inpaintlab.data.loading import Images, open_training_data
from inpaintlab.data.prepare import prepare
from inpaintlab.data.sampling import BatchSampler, TrainingSamples
from inpaintlab.data.sources import open_dataset
from inpaintlab.data.splits import Split, part_of
from inpaintlab.data.storage import Cache
from inpaintlab.data.streaming import training_batches
from inpaintlab.errors import DataError, ImageError
from inpaintlab.settings import PrepareSettings
from tests.conftest import save_portraits

COUNT, SIDE = 40, 40


def portrait(index: int) -> np.ndarray:
    return samples.draw(index, SIDE)


class Pairs:
    """A map-style dataset of images and labels, as those of torchvision are."""

    def __len__(self):
        return COUNT

    def __getitem__(self, index):
        return Image.fromarray(portrait(index)), 7


class Own:
    """The protocol, as little of it as there can be."""

    def __len__(self):
        return COUNT

    def read(self, index, size=None):
        return samples.draw(index, size or SIDE)


class Named(Own):
    """The protocol with all that it may have."""

    names = [f"photo {index}" for index in range(COUNT)]  # noqa: RUF012
    groups = [index // 2 for index in range(COUNT)]  # noqa: RUF012

    def content_hash(self, index):
        return hashlib.sha256(self.names[index].encode()).hexdigest()


def prepared(folder: Path) -> Path:
    prepare(
        PrepareSettings(
            sources=[str(save_portraits(folder / "images", COUNT))], output=folder / "x.dataset"
        )
    )
    return folder / "x.dataset"


KINDS = {
    "samples": lambda _: f"samples:{COUNT}",
    "folder": lambda path: save_portraits(path / "folder", COUNT),
    "prepared": prepared,
    "arrays": lambda _: [portrait(index) for index in range(COUNT)],
    "one array": lambda _: np.stack([portrait(index) for index in range(COUNT)]),
    "pillow": lambda _: [Image.fromarray(portrait(index)) for index in range(COUNT)],
    "pairs": lambda _: Pairs(),
    "tensors": lambda _: TensorDataset(
        torch.stack([torch.from_numpy(portrait(i)).permute(2, 0, 1) / 255 for i in range(COUNT)]),
        torch.arange(COUNT),
    ),
    "protocol": lambda _: Own(),
    "full protocol": lambda _: Named(),
}


@pytest.fixture(params=KINDS)
def source(request, tmp_path):
    return KINDS[request.param](tmp_path)


def test_parts_are_map_style_datasets_of_images(source):
    data = open_dataset(source)
    assert open_dataset(data) is data
    assert len(data) == len(data.names) == len(set(data.hashes)) == COUNT - data.is_prepared * 4
    for part, indices in ((data.training, data.split.train), (data.validation, data.split.val)):
        assert len(part) == len(indices) > 0
        assert part.names == [data.names[index] for index in indices]
        assert part[0].shape == (SIDE, SIDE, 3) or isinstance(source, str)
        assert (part[0].dtype, part[1:3].names) == (np.uint8, part.names[1:3])
        assert np.array_equal(next(iter(part)), part[-len(part)])
        batch = next(iter(DataLoader(part, batch_size=3)))
        assert batch.dtype == torch.uint8
    assert set(data.split.train).isdisjoint(data.split.val)
    assert len(data.split.train + data.split.val) + data.split.test_count == COUNT


def test_the_test_part_stays_shut(source):
    with pytest.raises(DataError, match=r"sealed.*(split='test'|inpaint prepare)"):
        _ = open_dataset(source).test


def test_folds_partition_what_is_not_test(source):
    data = open_dataset(source)
    if data.is_prepared:
        folds = [open_dataset(source, fold=fold).split for fold in range(5)]
    else:
        folds = [open_dataset(source, fold=fold, folds=3).split for fold in range(3)]
        with pytest.raises(DataError, match="has no folds: say how many"):
            open_dataset(source, fold=0)
    used = sorted(data.split.train + data.split.val)
    assert sorted(itertools.chain(*(fold.val for fold in folds))) == used
    assert all(sorted(fold.train + fold.val) == used for fold in folds)


@pytest.mark.parametrize("workers", [0, 2])
@pytest.mark.parametrize("kind", ["memory", "disk", "off"])
def test_batches_are_the_same_however_they_are_kept(source, kind, workers, tmp_path):
    def batches(cache, workers):
        data = open_training_data(open_dataset(source), 16, 0.1, stored=20, cache=cache)
        augmentation = augment.AUGMENTATIONS.create("light", zoom=1.25)
        training = TrainingSamples(data.train, masks.make([{"name": "rectangles"}]), 0, augmentation)
        return list(itertools.islice(training_batches(training, BatchSampler(6), workers), 4))

    for batch, other in zip(
        batches(Cache("memory"), 0), batches(Cache(kind, tmp_path / "cache"), workers), strict=True
    ):
        assert all(map(torch.equal, batch, other))


@pytest.mark.parametrize("kind", [name for name in KINDS if name not in ("samples", "full protocol")])
def test_lookalikes_stay_together(kind, tmp_path, monkeypatch):
    """Every second image is the one before it, a little brighter; half as many groups as images."""
    plain = samples.draw
    monkeypatch.setattr(
        samples,
        "draw",
        lambda index, size: np.minimum(plain(index // 2, size), 250) + np.uint8(5 * (index % 2)),
    )
    data = open_dataset(KINDS[kind](tmp_path))
    part = dict.fromkeys(data.split.train, "train") | dict.fromkeys(data.split.val, "val")
    assert len(set(data.groups)) < COUNT
    assert all(part.get(index) == part.get(index + 1) for index in range(0, COUNT, 2))


def test_given_groups_are_kept_together():
    data = open_dataset(Named())
    part = dict.fromkeys(data.split.train, "train") | dict.fromkeys(data.split.val, "val")
    assert all(part.get(index) == part.get(index + 1) for index in range(0, COUNT, 2))


def test_what_looks_like_nothing_else_keeps_the_part_of_its_content(portraits):
    before = open_dataset(portraits).hashes
    (portraits / "zz.png").write_bytes((portraits / "000.png").read_bytes())
    bright = np.asarray(Image.open(portraits / "001.png")) // 2 + 60
    Image.fromarray(bright).save(portraits / "zzz.png")
    more = open_dataset(portraits)
    groups = list(more.groups)
    for index, one in enumerate(more.hashes):
        if groups.count(groups[index]) == 1:
            parts = {"train": more.split.train, "val": more.split.val}
            assert index in parts.get(part_of(one), [index])
    assert groups[0] == groups[-2] != groups[1] == groups[-1]
    assert more.hashes[:COUNT] == before


def test_a_second_look_at_a_folder_reads_no_file(portraits, monkeypatch):
    read, glance = [], folders.glance
    monkeypatch.setattr(folders, "glance", lambda place: read.append(place.path) or glance(place))
    first = open_dataset(portraits)
    assert (len(first.hashes), len(read)) == (COUNT, COUNT)
    for _ in range(2):
        again = open_dataset(portraits)
        assert (again.hashes, again.split, list(again.groups)) == (
            first.hashes,
            first.split,
            first.groups,
        )
    assert len(read) == COUNT
    Image.fromarray(samples.draw(99, 40)).save(portraits / "005.png")
    (portraits / "006.png").unlink()
    changed = open_dataset(portraits)
    assert len(changed.hashes) == COUNT - 1
    assert read[COUNT:] == [str(portraits / "005.png")]


def test_a_damaged_manifest_is_made_anew(portraits, monkeypatch, tmp_path):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    first = open_dataset(portraits).hashes
    (manifest,) = (tmp_path / "cache").rglob("manifest.parquet")
    manifest.write_bytes(b"nonsense")
    assert open_dataset(portraits).hashes == first


def test_without_a_cache_it_goes_on_and_says_so_once(portraits, monkeypatch, tmp_path, capsys):
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "file"))
    assert open_dataset(portraits).split == open_dataset(portraits).split
    assert capsys.readouterr().err.count("is not kept, files are read every time") == 1


def test_nothing_is_read_where_images_are_only_named(portraits, monkeypatch):
    monkeypatch.setattr(folders, "glance", None)
    assert len(open_dataset(portraits).names) == COUNT


class Augmenting(Pairs):
    def __getitem__(self, index):
        return np.random.default_rng().integers(0, 256, (8, 8, 3), np.uint8)


class WrongShape(Own):
    def read(self, index, size=None):
        return samples.draw(index, 16).astype(np.float32)


class TooFewNames(Own):
    names = ["one"]  # noqa: RUF012


WRONG = {
    "empty": ([], "empty: give at least 20"),
    "channels last": ([torch.zeros(8, 8, 3)], r"tensor \[8, 8, 3\].*permute"),
    "0 to 255": ([torch.full((3, 8, 8), 200.0)], "from 200 to 200, expected 0 to 1: divide by 255"),
    "paths": (["a.png"], "image-000000 is a str: an image is uint8"),
    "integers": ([np.zeros((8, 8, 3), np.int64)], "got int64"),
    "five channels": ([np.zeros((8, 8, 5), np.uint8)], r"got \[8, 8, 5\]"),
    "dictionary": ({"a": 1}, "got dict"),
    "number": (3, "got int"),
    "augmenting": (Augmenting(), "another image each time"),
    "wrong read": (WrongShape(), r"read\(0, None\) must give uint8 \[H, W, 3\], got float32"),
    "names": (TooFewNames(), "has 40 images, but 1 names"),
    "no folder": ("no/such/folder", "does not exist"),
}


@pytest.mark.parametrize(("wrong", "message"), WRONG.values(), ids=WRONG)
def test_what_cannot_be_a_dataset_is_named_with_its_cure(wrong, message):
    with pytest.raises(DataError, match=message):
        open_dataset(wrong)


def test_broken_items_are_broken_images():
    class Broken(Pairs):
        def __getitem__(self, index):
            if index % 8 == 3:
                raise OSError("the disk is gone")
            return portrait(index) if index % 8 else np.zeros((9, 9, 3), np.uint8)

    data = open_dataset(Broken())
    images = Images(data, range(COUNT), 16, "training")
    assert {one.reason for one in images.bad} == {
        *(f"image-{i:06} cannot be read: OSError: the disk is gone" for i in range(3, COUNT, 8)),
        *(f"image-{i:06} is 9×9, less than --size 16" for i in range(0, COUNT, 8)),
    }
    with pytest.raises(ImageError, match="the disk is gone"):
        data.read(3)


def test_a_split_of_its_own_is_taken():
    own = Own()
    own.predefined_split = Split([0, 1], [2, 3], 36, "mine")
    data = open_dataset(own)
    assert data.split == own.predefined_split
    with pytest.raises(DataError, match="has no folds: leave fold out"):
        open_dataset(own, fold=0, folds=2)


def test_a_sample_keeps_its_parts():
    data = open_dataset("samples:50")
    some = data.sample(20, seed=1)
    chosen = some.dataset.chosen
    assert list(some.names) == [data.names[index] for index in chosen]
    assert some.content_hash(3) == data.content_hash(chosen[3])
    assert np.array_equal(some.read(3, 16), data.read(chosen[3], 16))
    assert {chosen[index] for index in some.split.train} == set(data.split.train) & set(chosen)
    assert {chosen[index] for index in some.split.val} == set(data.split.val) & set(chosen)
    assert data.sample(500, seed=0).dataset.chosen == list(range(50))


def test_most_of_a_folder_alike_is_split_by_content():
    still = np.asarray(samples.draw(0, SIDE))
    data = open_dataset([np.minimum(still, 200) + np.uint8(index) for index in range(COUNT)])
    assert len(set(data.groups)) == 1
    assert data.split == dataset.split(data.hashes)

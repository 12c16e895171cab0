"""Where images come from: a folder, a prepared dataset, or the portraits of `samples`.

A source names its images, hashes them and reads one. Which of them may be read is the split's matter;
a prepared dataset brings its own, and its test part is not even in the source.
"""

import hashlib
from collections.abc import Sequence
from functools import cached_property
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from inpaintlab.data import places, samples
from inpaintlab.data.dataset import ImageDataset, hash_all
from inpaintlab.data.manifest import DatasetFolder, is_dataset, read_used
from inpaintlab.data.places import HUB, Place
from inpaintlab.data.splits import Split, split_fold
from inpaintlab.errors import DataError, SettingError
from inpaintlab.images import SUFFIXES, Encoded, load_rgb


class FolderDataset:
    """The image files of a folder, searched recursively, in the order of their names.

    Hidden files and folders are passed over. Raises `DataError` where there is no such folder, or no
    image in it.
    """

    def __init__(self, folder: Path) -> None:
        if not folder.is_dir():
            what = "is a file, not a folder" if folder.exists() else "does not exist"
            raise DataError(f"{folder} {what}: give a folder of images, or samples:N")
        self.folder = folder
        self.predefined_split: Split | None = None
        self.names = sorted(
            str(path.relative_to(folder)) for path in folder.rglob("*") if self._is_image(path)
        )
        if not self.names:
            kinds = ", ".join(sorted(SUFFIXES))
            raise DataError(f"there is no image in {folder} (looked for {kinds})")

    def content_hash(self, index: int) -> str:
        """SHA-256 of the bytes of the file."""
        try:
            with (self.folder / self.names[index]).open("rb") as file:
                return hashlib.file_digest(file, "sha256").hexdigest()
        except OSError as error:
            raise DataError(f"cannot read {self.names[index]}: {error.strerror}") from None

    def read(self, index: int, size: int | None) -> npt.NDArray[np.uint8]:
        """Decode image `index`; raises `ImageError` for one that cannot be used at this size."""
        return load_rgb(self.folder / self.names[index], size)

    def _is_image(self, path: Path) -> bool:
        hidden = any(part.startswith(".") for part in path.relative_to(self.folder).parts)
        return path.suffix.lower() in SUFFIXES and not hidden and path.is_file()


#: Side of a sample portrait where none is asked for.
OWN_SIZE = 256


class SampleDataset:
    """The first `count` sample portraits, drawn at whatever size is asked for."""

    def __init__(self, count: int) -> None:
        self.names = [f"portrait-{index:06}" for index in range(count)]
        self.predefined_split: Split | None = None

    def content_hash(self, index: int) -> str:
        """SHA-256 of the portrait's name: it stands for what is drawn, at every size."""
        return hashlib.sha256(self.names[index].encode()).hexdigest()

    def read(self, index: int, size: int | None) -> npt.NDArray[np.uint8]:
        """Draw portrait `index`."""
        return samples.draw(index, size or OWN_SIZE)


class PreparedDataset:
    """The usable images of some parts of a prepared dataset; those of other parts are not in it.

    `predefined_split` is its split; with `fold` that fold validates and the other folds train.
    """

    #: Every image was decoded when the dataset was prepared.
    checked = True

    def __init__(
        self, folder: Path, parts: Sequence[str] = ("train", "val"), fold: int | None = None
    ) -> None:
        dataset = DatasetFolder.open(folder)
        self.facts = dataset.read_facts()
        table = read_used(dataset.manifest, parts)
        self._rows = table.select(["path", "offset", "key", "bytes", "file_sha256"]).combine_chunks()
        self.names = [
            f"{path}/{key}" if key else path
            for path, key in zip(table["path"].to_pylist(), table["key"].to_pylist(), strict=True)
        ]
        self.predefined_split: Split | None = self._split(table, fold)
        #: What each image stays together with, as a number.
        self.groups: list[int] = table["group"].to_pylist()

    def content_hash(self, index: int) -> str:
        """SHA-256 of the bytes of the file, as they were when it was prepared."""
        return str(self._rows["file_sha256"][index])

    def read(self, index: int, size: int | None) -> npt.NDArray[np.uint8]:
        """Decode image `index`; raises `ImageError` for one that cannot be used at this size."""
        place = self._place(index)
        file = Path(place.path) if place.offset < 0 else places.encoded(place)
        return load_rgb(file, size)

    @property
    def in_shards(self) -> bool:
        """Tell whether all images stand in tar shards."""
        files = pc.less(self._rows["offset"], 0)
        rows = pc.starts_with(self._rows["path"], HUB)
        return not pc.any(pc.or_(files, rows)).as_py()

    def _place(self, index: int) -> Place:
        path, offset, key, size = (
            self._rows[name][index].as_py() for name in ("path", "offset", "key", "bytes")
        )
        return Place(path, offset, key, size)

    def _split(self, table: pa.Table, fold: int | None) -> Split:
        if fold is None:
            validates = np.asarray(table["split"].to_numpy() == "val")
        else:
            count = self.facts["settings"]["folds"]
            if not 0 <= fold < count:
                raise DataError(f"the dataset has folds 0 to {count - 1}, got fold {fold}")
            validates = table["fold"].to_numpy() == fold
        train, val = (np.flatnonzero(chosen).tolist() for chosen in (~validates, validates))
        return Split(train, val, self.facts["test"], self.facts["hash"])


class ShardedDataset(PreparedDataset):
    """A prepared dataset whose images all stand in tar shards, to be read shard by shard."""

    @cached_property
    def shards(self) -> list[list[int]]:
        """Indices of the images of each shard, in the order in which they stand there."""
        shards: dict[str, list[int]] = {}
        for index, path in enumerate(self._rows["path"].to_pylist()):
            shards.setdefault(path, []).append(index)
        offsets = self._rows["offset"].to_numpy()
        return [sorted(shard, key=offsets.__getitem__) for shard in shards.values()]

    def read_bytes(self, index: int) -> bytes:
        """Return the bytes of image `index`."""
        return places.read(self._place(index))

    def decode(self, index: int, data: bytes, size: int) -> npt.NDArray[np.uint8]:
        """Decode the bytes of image `index`; raises `ImageError` as `read` does."""
        return load_rgb(Encoded(self.names[index], data), size)


def open_source(data: str, fold: int | None = None, folds: int | None = None) -> ImageDataset:
    """Open `samples:N`, a prepared dataset (without its test part) or a folder.

    With `fold`, that fold validates and the others train: of a prepared dataset one of its own, of
    other images one of `folds` by content. Raises `DataError`, and `SettingError` for `folds`
    without `fold`.

    >>> len(open_source("samples:12").names)
    12
    """
    if folds is not None and fold is None:
        raise SettingError("folds says how many there are: say with fold which one validates")
    path = Path(data).expanduser()
    if is_dataset(path):
        own = count_folds(data)
        if folds not in (None, own):
            raise DataError(
                f"{data} has {own} folds, not {folds}: leave folds out, or make another dataset with "
                f"inpaint prepare -s folds={folds}"
            )
        source = PreparedDataset(path, fold=fold)
        return ShardedDataset(path, fold=fold) if source.in_shards else source
    plain = _open_plain(data, path)
    if fold is not None:
        if folds is None:
            raise DataError(
                f"{data} has no folds: say how many there are to be, as -s folds=5, or inpaint prepare "
                f"{data} -o NAME.dataset, which also keeps look-alikes in one fold"
            )
        plain.predefined_split = split_fold(hash_all(plain), fold, folds)
    return plain


def count_folds(data: str) -> int | None:
    """Return how many folds a prepared dataset has; None for other images."""
    path = Path(data).expanduser()
    if not is_dataset(path):
        return None
    return int(DatasetFolder.open(path).read_facts()["settings"]["folds"])


def _open_plain(data: str, path: Path) -> FolderDataset | SampleDataset:
    kind, colon, count = data.partition(":")
    if kind == "samples" and colon:
        if not count.isdigit() or int(count) < 1:
            raise DataError(f"samples:N takes a number of portraits, got {data!r}")
        return SampleDataset(int(count))
    return FolderDataset(path)

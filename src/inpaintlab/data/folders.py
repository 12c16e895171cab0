"""Images of a plain folder and of a prepared dataset: both are read by a manifest.

That of a plain folder lies in the user's cache. It holds, by path, size and time of change, what a
file's content hash is and what its image looks like, so that a file is read for that only once.
"""

import hashlib
import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import cache, cached_property, partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from filelock import FileLock

from inpaintlab.arrays import UInt8
from inpaintlab.data import places
from inpaintlab.data.dataset import at_stored_size
from inpaintlab.data.duplicates import Fingerprints
from inpaintlab.data.lookalikes import SIDE, Appearances, appearance_of_middle, group_lookalikes
from inpaintlab.data.manifest import FACTS, DatasetFolder, read_used
from inpaintlab.data.places import HUB, Place
from inpaintlab.data.reading import Row, empty_row, read_all
from inpaintlab.data.splits import Split
from inpaintlab.errors import DataError, ImageError, OutputError
from inpaintlab.files import cache_folder
from inpaintlab.images import SUFFIXES, Encoded, load_rgb
from inpaintlab.progress import say

#: What the manifest of a plain folder knows of an image: `small` is the small copy of its appearance.
GLANCES = pa.schema(
    [
        *(FACTS.field(name) for name in ("path", "key", "offset", "bytes", "modified")),
        *(FACTS.field(name) for name in ("file_sha256", "phash", "phash_mirror")),
        pa.field("small", pa.binary()),
    ]
)
_GROUP = pa.field("group", pa.int64())
_LISTING = pa.schema([*(GLANCES.field(n) for n in range(5)), pa.field("unreadable", pa.bool_())])
_PLACE = ["path", "offset", "bytes", "modified"]
#: To be raised whenever rows come out in another way.
_VERSION = 1


class _Stored:
    """Images that stand in files and tar shards, as a table of their places says."""

    def __init__(self, table: pa.Table, below: str = "") -> None:
        self._rows = table.select(["path", "offset", "key", "bytes"]).combine_chunks()
        paths, keys = (table[name].to_pylist() for name in ("path", "key"))
        self.names: Sequence[str] = [
            (f"{path}/{key}" if key else path).removeprefix(below)
            for path, key in zip(paths, keys, strict=True)
        ]

    def __len__(self) -> int:
        return len(self.names)

    def read(self, index: int, size: int | None = None) -> UInt8:
        """Decode image `index`; raises `ImageError` for one that cannot be used at this size."""
        place = self._place(index)
        return load_rgb(Path(place.path) if place.offset < 0 else places.encoded(place), size)

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


class FolderDataset(_Stored):
    """The image files of a folder, searched recursively, in the order of their names.

    Hidden files and folders are passed over; images in tar shards count too. Raises `DataError` where
    there is no such folder, or no image in it.
    """

    predefined_split: Split | None = None

    def __init__(self, folder: Path) -> None:
        if not folder.is_dir():
            what = "is a file, not a folder" if folder.exists() else "does not exist"
            raise DataError(f"{folder} {what}: give a folder of images, or samples:N")
        self.folder = folder
        self._places = _listing(folder)
        if not len(self._places):
            kinds = ", ".join(sorted(SUFFIXES))
            raise DataError(f"there is no image in {folder} (looked for {kinds})")
        super().__init__(self._places, f"{folder.expanduser().resolve()}/")

    def content_hash(self, index: int) -> str:
        """SHA-256 of the bytes of the file, of its name where it cannot be read."""
        return self.hashes[index]

    @cached_property
    def hashes(self) -> list[str]:
        """The content hashes of all images."""
        return [
            known or hashlib.sha256(name.encode(errors="surrogateescape")).hexdigest()
            for known, name in zip(self._manifest["file_sha256"].to_pylist(), self.names, strict=True)
        ]

    @property
    def groups(self) -> list[int]:
        """A number for each image, the same one for look-alikes."""
        groups: list[int] = self._manifest["group"].to_pylist()
        return groups

    @cached_property
    def _manifest(self) -> pa.Table:
        return _read_manifest(self.folder.expanduser().resolve(), self._places)


class PreparedDataset(_Stored):
    """The usable images of some parts of a prepared dataset; those of other parts are not in it.

    `predefined_split` is its split; with `fold` that fold validates and the other folds train.
    """

    #: Every image was decoded when the dataset was prepared.
    checked = True

    def __init__(
        self, folder: Path, parts: Sequence[str] = ("train", "val"), fold: int | None = None
    ) -> None:
        #: The folder whose ledger guards the test part.
        self.sealed = DatasetFolder.open(folder)
        self.facts = self.sealed.read_facts()
        table = read_used(self.sealed.manifest, parts)
        super().__init__(table)
        self.hashes: list[str] = table["file_sha256"].to_pylist()
        self.predefined_split: Split | None = self._split(table, fold)
        #: What each image stays together with, as a number.
        self.groups: list[int] = table["group"].to_pylist()

    def content_hash(self, index: int) -> str:
        """SHA-256 of the bytes of the file, as they were when it was prepared."""
        return self.hashes[index]

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

    def decode(self, index: int, data: bytes, size: int) -> UInt8:
        """Decode the bytes of image `index`; raises `ImageError` as `read` does."""
        return load_rgb(Encoded(self.names[index], data), size)


def glance(place: Place) -> Row:
    """Return the row of one file: its content hash, and what its image looks like if it can be read."""
    row = empty_row(place)
    try:
        file = places.encoded(place)
        row["file_sha256"] = hashlib.sha256(file.data).hexdigest()
        appearance = appearance_of_middle(at_stored_size(partial(load_rgb, file), SIDE, None))
    except (ImageError, MemoryError):  # it is told when images are read for training
        return row
    if appearance is not None:
        row["phash"], row["phash_mirror"] = f"{appearance.upright:x}", f"{appearance.mirrored:x}"
        row["small"] = appearance.small.tobytes()
    return row


def _listing(folder: Path) -> pa.Table:
    """Return the places of all images in a folder as a table."""
    rows = [
        {
            **{name: getattr(one, name) for name in ("path", "key", "offset", "bytes", "modified")},
            "unreadable": bool(one.trouble),
        }
        for one in places.find([str(folder)])
    ]
    return pa.Table.from_pylist(rows, schema=_LISTING)


def _places(listing: pa.Table) -> Iterator[Place]:
    for row in listing.to_pylist():
        trouble = f"{row['path']} cannot be read" if row.pop("unreadable") else ""
        yield Place(**row, trouble=trouble)


def _read_manifest(folder: Path, listing: pa.Table) -> pa.Table:
    """Return hashes and groups of the files of a folder, in the order of its listing."""
    name = hashlib.sha256(f"{_VERSION} {folder}".encode(errors="surrogateescape")).hexdigest()[:24]
    kept = DatasetFolder(cache_folder() / "folders" / name)
    try:
        with _locked(kept.folder):
            return _up_to_date(listing, kept)
    except (OSError, OutputError) as error:
        _say_once(f"{error}: what is known of {folder} cannot be kept, files are read every time")
    with TemporaryDirectory(prefix="inpaintlab-") as temporary:
        return _up_to_date(listing, DatasetFolder(Path(temporary)))


@contextmanager
def _locked(folder: Path) -> Iterator[None]:
    """Let one process at a time read a folder for its manifest; the others then find it there."""
    folder.mkdir(parents=True, exist_ok=True)
    with FileLock(folder / "lock"):
        yield


def _up_to_date(listing: pa.Table, kept: DatasetFolder) -> pa.Table:
    """Return the manifest, after reading those files that are new or have changed."""
    manifest = _open(kept.manifest)
    if manifest is None or not _is_of(manifest, listing):
        files, _ = read_all(partial(_places, listing), kept, glance, GLANCES)
        rows = pa.concat_tables(pq.read_table(file) for file in files)
        manifest = rows.append_column(_GROUP, pa.array(_groups(rows), pa.int64()))
        temporary = kept.reading / "manifest.parquet"
        pq.write_table(manifest, temporary, compression="zstd")
        temporary.replace(kept.manifest)
        shutil.rmtree(kept.reading, ignore_errors=True)
    return manifest.select(["file_sha256", "group"])


def _open(path: Path) -> pa.Table | None:
    """Read a manifest without its small copies; None where there is none, or a damaged one."""
    try:
        return pq.read_table(path, columns=[*_PLACE, "file_sha256", "group"])
    except FileNotFoundError:
        return None
    except (pa.ArrowException, OSError):
        path.unlink(missing_ok=True)
        return None


def _is_of(manifest: pa.Table, listing: pa.Table) -> bool:
    """Tell whether a manifest knows just these files, and could read those that can be read now."""
    unread = pc.is_null(manifest["file_sha256"])
    same = manifest.select(_PLACE).equals(listing.select(_PLACE))
    return bool(same and unread.to_pylist() == listing["unreadable"].to_pylist())


def _groups(rows: pa.Table) -> Any:
    """Return a number for each row, the same one for look-alikes."""
    telling = np.asarray(pc.is_valid(rows["small"]).to_numpy())
    upright, mirrored = (
        np.array([int(text or "0", 16) for text in rows[name].to_pylist()], np.uint64)
        for name in ("phash", "phash_mirror")
    )
    blank = bytes(SIDE * SIDE)
    small = np.frombuffer(b"".join(one or blank for one in rows["small"].to_pylist()), np.uint8).reshape(
        -1, SIDE, SIDE
    )
    return group_lookalikes(Appearances(Fingerprints(upright, mirrored), small, telling))


@cache
def _say_once(message: str) -> None:
    say(message)

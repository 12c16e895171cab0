"""Images of a plain folder and of a prepared dataset: both are read by a manifest.

That of a plain folder lies in the user's cache. It holds, by path, size and time of change, what a
file's content hash is and what its image looks like, so that a file is read for that only once.
"""

import hashlib
import shutil
from collections.abc import Sequence
from dataclasses import replace
from functools import cached_property, partial
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from filelock import FileLock

from inpaintlab.arrays import UInt8
from inpaintlab.data import places
from inpaintlab.data.dataset import at_stored_size
from inpaintlab.data.findings import hash_name
from inpaintlab.data.lookalikes import SIDE, Appearance, appearance_of_middle, group_lookalikes
from inpaintlab.data.manifest import FACTS, DatasetFolder
from inpaintlab.data.places import HUB, Place
from inpaintlab.data.reading import Row, read_all
from inpaintlab.data.splits import Split
from inpaintlab.errors import DataError, ImageError, OutputError
from inpaintlab.files import cache_folder, refused, whole
from inpaintlab.images import SUFFIXES, Encoded, load_rgb
from inpaintlab.progress import say_once

_PLACE = ["path", "key", "offset", "bytes", "modified"]
_LISTING = pa.schema([FACTS.field(name) for name in (*_PLACE, "columns", "trouble")])
#: What the manifest of a plain folder knows of an image: `small` is the small copy of its appearance.
GLANCES = pa.schema(
    [FACTS.field(name) for name in (*_PLACE, "file_sha256", "phash", "phash_mirror")]
    + [pa.field("small", pa.binary())]
)
_GROUP = pa.field("group", pa.int64())
#: To be raised whenever rows come out in another way.
_VERSION = 2


class _Stored:
    """Images that stand in files and tar shards, as a table of their places says."""

    hashes: list[str]
    #: What was searched: metadata beside the images says more of them.
    sources: list[str]

    def __init__(self, table: pa.Table, below: str = "") -> None:
        self._rows = table.select(["path", "offset", "key", "bytes", "columns"]).combine_chunks()
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
        by_path = place.offset < 0 and not place.trouble
        return load_rgb(Path(place.path) if by_path else places.encoded(place), size)

    def row(self, index: int) -> Row:
        """Return what tells where image `index` belongs: path, key and columns that came with it."""
        return {name: self._rows[name][index].as_py() for name in ("path", "key", "columns")}

    def content_hash(self, index: int) -> str:
        """SHA-256 of the bytes of the file, of its name where it could not be read."""
        return self.hashes[index]

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
        self.folder, self.sources = folder, [str(folder)]
        found = [one.row() | {"trouble": one.trouble} for one in places.find([str(folder)])]
        self._places = pa.Table.from_pylist(found, schema=_LISTING)
        if not len(self._places):
            kinds = ", ".join(sorted(SUFFIXES))
            raise DataError(f"there is no image in {folder} (looked for {kinds})")
        super().__init__(self._places, f"{folder.expanduser().resolve()}/")

    def _place(self, index: int) -> Place:
        return replace(super()._place(index), trouble=self._places["trouble"][index].as_py())

    @cached_property
    def hashes(self) -> list[str]:  # type: ignore[override]  # worked out when asked for
        """The content hashes of all images."""
        known = self._manifest["file_sha256"].to_pylist()
        return [of or hash_name(name) for of, name in zip(known, self.names, strict=True)]

    @property
    def groups(self) -> list[int]:
        """A number for each image, the same one for look-alikes."""
        return list(self._manifest["group"].to_pylist())

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
        self.sources = self.facts.settings.sources
        usable = pc.field("use") & pc.field("split").isin(list(parts))
        wanted = ["path", "key", "offset", "bytes", "columns", "file_sha256", "group", "split", "fold"]
        table = pq.read_table(self.sealed.manifest, columns=wanted, filters=usable)
        super().__init__(table)
        self.hashes: list[str] = table["file_sha256"].to_pylist()
        self.predefined_split: Split | None = self._split(table, fold)
        #: What each image stays together with, as a number.
        self.groups: list[int] = table["group"].to_pylist()

    def _split(self, table: pa.Table, fold: int | None) -> Split:
        if fold is None:
            validates = np.asarray(table["split"].to_numpy() == "val")
        else:
            count = self.facts.settings.folds
            if not 0 <= fold < count:
                raise DataError(f"the dataset has folds 0 to {count - 1}, got fold {fold}")
            validates = table["fold"].to_numpy() == fold
        train, val = (np.flatnonzero(chosen).tolist() for chosen in (~validates, validates))
        return Split(train, val, self.facts.test, self.facts.hash)


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

    def decode(self, index: int, data: bytes, size: int | None = None) -> UInt8:
        """Decode the bytes of image `index`; raises `ImageError` as `read` does."""
        return load_rgb(Encoded(self.names[index], data), size)


def glance(place: Place) -> Row:
    """Return the row of one file: its content hash, and what its image looks like if it can be read."""
    row = place.row()
    try:
        file = places.encoded(place)
        row["file_sha256"] = hashlib.sha256(file.data).hexdigest()
        look = appearance_of_middle(at_stored_size(partial(load_rgb, file), SIDE, None))
    except (ImageError, MemoryError):  # it is told when images are read for training
        return row
    if look is not None:
        row["phash"], row["phash_mirror"] = (f"{print:x}" for print in look.prints)
        row["small"] = look.small.tobytes()
    return row


def _read_manifest(folder: Path, listing: pa.Table) -> pa.Table:
    """Return hashes and groups of the files of a folder, in the order of its listing."""
    kept = DatasetFolder(cache_folder() / "folders" / hash_name(f"{_VERSION} {folder}")[:24])
    try:
        kept.folder.mkdir(parents=True, exist_ok=True)
        # One process at a time reads a folder; the others then find its manifest there.
        with FileLock(kept.folder / "lock"):
            return _up_to_date(listing, kept)
    except (OSError, OutputError) as error:
        seen = refused(kept.folder, error) if isinstance(error, OSError) else error
        say_once(f"{seen.args[0]}: what is known of {folder} is not kept, files are read every time")
    with TemporaryDirectory(prefix="inpaintlab-") as temporary:
        return _up_to_date(listing, DatasetFolder(Path(temporary)))


def _up_to_date(listing: pa.Table, kept: DatasetFolder) -> pa.Table:
    """Return the manifest, after reading those files that are new or have changed."""
    manifest = _open(kept.manifest)
    if manifest is None or not _is_of(manifest, listing):
        found = partial(map, lambda row: Place(**row), listing.to_pylist(maps_as_pydicts="lossy"))
        files, _ = read_all(found, kept, glance, GLANCES)
        rows = pa.concat_tables(pq.read_table(file) for file in files)
        looks = [_appearance(row) for row in rows.select(GLANCES.names[-3:]).to_pylist()]
        manifest = rows.append_column(_GROUP, pa.array(group_lookalikes(looks)))
        with whole(kept.manifest) as temporary:
            pq.write_table(manifest, temporary, compression="zstd")
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
    unread, troubled = pc.is_null(manifest["file_sha256"]), pc.not_equal(listing["trouble"], "")
    same = manifest.select(_PLACE).equals(listing.select(_PLACE))
    return bool(same and unread.to_pylist() == troubled.to_pylist())


def _appearance(row: Row) -> Appearance | None:
    if row["small"] is None:
        return None
    small = np.frombuffer(row["small"], np.uint8).reshape(SIDE, SIDE)
    return Appearance((int(row["phash"], 16), int(row["phash_mirror"], 16)), small)

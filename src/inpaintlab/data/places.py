"""Where images stand: files of folders, members of tar shards, rows of Hugging Face data sets.

A place says how to get the bytes of one image; nothing is decoded here and nothing is unpacked.
"""

import os
import stat
import tarfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import lru_cache, partial
from pathlib import Path
from typing import Any

from inpaintlab.errors import DataError, ImageError
from inpaintlab.images import SUFFIXES, Encoded, Walk

#: Files above this are not read: no image within the pixel limit needs as much.
MAX_BYTES = 2**30
#: Suffix of shards.
SHARD = ".tar"
#: Begins the name of a data set that the library `datasets` opens.
HUB = "hf:"


@dataclass(frozen=True, order=True, slots=True)
class Place:
    """Where one image stands.

    `path` is the file, the tar shard, or `hf:NAME#SPLIT`; `offset` is the first byte in a shard or
    the row of a data set, and -1 for a file; `key` is the name in the shard or the row's number.
    `bytes` and `modified` (of the file or shard, in nanoseconds) tell whether it has changed. `folder`
    is the folder below the one searched, or the row's label; `columns` are a row's other values.
    `trouble` says why it cannot be read, where that is known already.
    """

    path: str
    offset: int
    key: str = field(compare=False, default="")
    bytes: int = field(compare=False, default=0)
    modified: int = field(compare=False, default=0)
    folder: str = field(compare=False, default="")
    columns: dict[str, str] = field(compare=False, default_factory=dict)
    trouble: str = field(compare=False, default="")

    @property
    def name(self) -> str:
        """The image's name, for messages."""
        return f"{self.path}/{self.key}" if self.offset >= 0 else self.path

    def row(self) -> dict[str, Any]:
        """Return the row of an image that is not read yet."""
        names = ("path", "key", "offset", "bytes", "modified", "folder")
        return {name: getattr(self, name) for name in names} | {"columns": sorted(self.columns.items())}


def find(sources: list[str]) -> Iterator[Place]:
    """Yield every image of folders, tar shards and `hf:NAME` data sets, in the order of `Place`.

    What is passed over, as `Walk` has it, is told in one line. Raises `DataError` for a source that is
    not there.
    """
    on_disk = [source for source in sources if not source.startswith(HUB)]
    resolved = {str(Path(source).expanduser().resolve()) for source in on_disk}
    walk = Walk(further=(SHARD,))
    for path in map(Path, sorted(resolved, key=lambda path: path + "/")):
        if path.is_dir():
            yield from _find_in_folder(str(path), walk)
        elif path.suffix.lower() == SHARD and path.is_file():
            yield from _find_in_shard(str(path), path.stat())
        elif path.exists():
            raise DataError(f"{path} is neither a folder nor a .tar shard")
        else:
            raise DataError(f"{path} does not exist: give a folder of images, .tar shards or hf:NAME")
    walk.tell(", ".join(on_disk))
    for source in sorted(set(sources) - set(on_disk)):
        yield from _find_rows(source)


def finder(sources: list[str]) -> Callable[[], Iterator[Place]]:
    """Return what finds the images of some sources; raises `DataError` where there is none."""
    if next(find(sources), None) is None:
        raise DataError(f"there is no image in {', '.join(sources) or 'nothing: name a folder'}")
    return partial(find, sources)


def read(place: Place) -> bytes:
    """Return the bytes of an image file; raises `ImageError` where that cannot be done."""
    if place.trouble:
        raise ImageError(place.trouble)
    try:
        if place.path.startswith(HUB):
            return _row_bytes(place)
        with Path(place.path).open("rb") as file:
            file.seek(max(0, place.offset))
            data = file.read(place.bytes)
    except OSError as error:
        raise ImageError(f"{place.name} cannot be read: {error.strerror}") from None
    if len(data) < place.bytes:
        raise ImageError(f"{place.name} is damaged or cut short", finding="damaged")
    return data


def encoded(place: Place) -> Encoded:
    """Return name and bytes of an image file."""
    return Encoded(Path(place.name).name, read(place))


def _find_in_folder(folder: str, walk: Walk) -> Iterator[Place]:
    for one in walk.find(folder):
        if one.entry is None:
            reason = one.error.strerror if one.error else ""
            trouble = f"{one.path} cannot be looked into: {reason}"
            yield Place(one.path, -1, folder=one.below, trouble=trouble)
        elif one.path.lower().endswith(SHARD):
            yield from _find_in_shard(one.path, one.entry.stat())
        else:
            yield _file(one.entry, one.below)


def _file(entry: "os.DirEntry[str]", folder: str) -> Place:
    path, trouble = entry.path, ""
    try:
        path.encode()
        folder.encode()
    except UnicodeEncodeError:
        path, folder = (os.fsencode(text).decode("utf-8", "backslashreplace") for text in (path, folder))
        trouble = f"{Path(path).name} has a name that is not valid text: rename the file"
    try:
        status = entry.stat()
    except OSError as error:
        return Place(path, -1, folder=folder, trouble=f"{path} cannot be read: {error.strerror}")
    if not stat.S_ISREG(status.st_mode):
        trouble = f"{path} is not a regular file"
    elif status.st_size > MAX_BYTES:
        trouble = f"{path} has {status.st_size:,} bytes, the limit is {MAX_BYTES:,}"
    return Place(path, -1, "", status.st_size, status.st_mtime_ns, folder, {}, trouble)


def _find_in_shard(path: str, status: os.stat_result) -> Iterator[Place]:
    """Read the headers of an uncompressed tar file; its members stay where they are."""
    try:
        with tarfile.open(path, "r:") as shard:
            for member in shard:
                if member.isreg() and os.path.splitext(member.name)[1].lower() in SUFFIXES:
                    folder, size = os.path.dirname(member.name), member.size
                    yield Place(path, member.offset_data, member.name, size, status.st_mtime_ns, folder)
    except (tarfile.TarError, OSError, ValueError) as error:
        trouble = f"{path} is not an uncompressed tar file, or damaged: {error}"
        yield Place(path, status.st_size, trouble=trouble)


def _find_rows(source: str) -> Iterator[Place]:
    """Yield the rows of a Hugging Face data set, with label and plain columns beside them."""
    for split, rows in _open_hub(source).items():
        path = f"{source}#{split}"
        image, label = image_column(rows, source), rows.features.get("label")
        names = getattr(label, "names", None)
        modified = max((os.stat(f["filename"]).st_mtime_ns for f in rows.cache_files), default=0)
        plain = [name for name in rows.column_names if name != image]
        others = rows.select_columns(plain) if plain else ({} for _ in range(len(rows)))
        for number, row in enumerate(others):
            folder = names[row["label"]] if names and row["label"] is not None else ""
            columns = {key: str(value) for key, value in row.items() if isinstance(value, str | int)}
            yield Place(path, number, str(number), 0, modified, folder, columns)


def image_column(rows: Any, source: str) -> str:
    """Return the name of the column that holds images."""
    for name, feature in rows.features.items():
        # Parquet files that were not written by `datasets` hold plain pairs of bytes and path.
        if type(feature).__name__ == "Image" or (isinstance(feature, dict) and "bytes" in feature):
            return str(name)
    columns = ", ".join(rows.column_names)
    raise DataError(f"{source} has no column of images, only {columns}")


def _row_bytes(place: Place) -> bytes:
    source, _, split = place.path.rpartition("#")
    rows = _open_hub(source)[split]
    value = rows[place.offset][image_column(rows, source)]
    if value and value["bytes"] is not None:
        return bytes(value["bytes"])
    if value and value["path"]:
        return Path(value["path"]).read_bytes()
    raise ImageError(f"{place.name} is empty")


@lru_cache(4)
def _open_hub(source: str) -> dict[str, Any]:
    """Open a data set by `datasets`, its images left encoded; return its splits by name."""
    try:
        import datasets
    except ImportError:
        raise DataError(f"{source} needs the library datasets: pip install 'inpaintlab[data]'") from None
    name = source.removeprefix(HUB)
    try:
        if name.endswith(".parquet"):
            opened = datasets.load_dataset("parquet", data_files=name)
        else:
            opened = datasets.load_dataset(name)
    except Exception as error:  # noqa: BLE001 - the library raises errors of many other libraries
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise DataError(f"{source} cannot be opened: {reason}") from None
    return {
        str(split): rows.cast_column(image_column(rows, source), datasets.Image(decode=False))
        for split, rows in opened.items()
    }

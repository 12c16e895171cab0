"""Where decoded images are kept: in memory, in one memory-mapped file, or nowhere.

The file is a cache: its name is a hash of the content of its images and their size, so that the next
run and other processes find it. It is an Arrow file with a row an image, of pixels or of the reason why
there are none, and a checksum after its end. It is written under another name and renamed when whole;
one that is damaged or of another version is written anew.
"""

import hashlib
import os
import shutil
import zlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pyarrow as pa

from inpaintlab.arrays import UInt8
from inpaintlab.errors import DataError, FullDiskError, OutputError
from inpaintlab.files import cache_folder, whole
from inpaintlab.machine import free_memory
from inpaintlab.progress import say

Place = Literal["memory", "disk", "off"]

#: Share of the free memory, and of the free disk, that decoded images may take.
MEMORY_SHARE, DISK_SHARE = 0.5, 0.5
#: To be raised whenever images are decoded in another way or the file is laid out in another way.
VERSION = 2
_ROW = pa.schema(
    {"height": pa.int32(), "width": pa.int32(), "pixels": pa.large_binary(), "reason": pa.string()}
)
#: Images written at a time, and bytes of the checksum.
_BATCH, _CHECKSUM = 64, 4
_ELSEWHERE = "name another cache_dir, or set cache to off"


@dataclass(frozen=True)
class Bad:
    """An image that was passed over, and why."""

    name: str
    reason: str


@dataclass(frozen=True)
class Cache:
    """What the user wants: `auto`, `memory`, `disk` or `off`, and the folder for files.

    No folder means `inpaintlab` in the user's cache folder (`XDG_CACHE_HOME`, else `~/.cache`).
    """

    kind: Literal["auto", "memory", "disk", "off"] = "auto"
    folder: Path | None = None

    def place(self, count: int, side: int) -> Place:
        """Choose where `count` images with this shorter side go.

        Raises `DataError` where `disk` was asked for and they would take over half of what is free.
        """
        # Images are rarely longer than twice their shorter side.
        needed = 6 * count * side * side
        if self.kind in ("memory", "off"):
            return self.kind
        if self.kind == "auto" and needed < MEMORY_SHARE * free_memory():
            return "memory"
        room = DISK_SHARE * _free_disk(self.path)
        if needed < room:
            return "disk"
        if self.kind == "auto":
            return "off"
        raise DataError(
            f"{count} images take up to {needed / 1e9:.3g} GB, half of what is free in {self.path} is "
            f"{room / 1e9:.3g} GB: name a cache_dir on another disk, or set cache to off"
        )

    @property
    def path(self) -> Path:
        """The folder of cache files."""
        return self.folder.expanduser() if self.folder else cache_folder()

    def file(self, content_hashes: Iterable[str], stored: int, size: int) -> Path:
        """Return the file for images of this content and sizes, whether it is there or not."""
        digest = hashlib.sha256(f"{VERSION} {stored} {size}".encode())
        for content_hash in content_hashes:
            digest.update(content_hash.encode())
        return self.path / f"{digest.hexdigest()[:32]}.images"


class CachedImages(Sequence[UInt8]):
    """Images in a cache file, mapped into memory: only what is looked at is read.

    `kept` are the places, in the list that was asked for, of those that could be used, and `bad` the
    places of the others with the reasons. Raises `ValueError` for a damaged file.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        with pa.memory_map(str(path)) as file:
            data = file.read_buffer()
        content = data[:-_CHECKSUM]
        if zlib.crc32(content).to_bytes(_CHECKSUM) != data[-_CHECKSUM:].to_pybytes():
            raise ValueError("its checksum is wrong")
        self._rows = pa.ipc.open_file(content).read_all()
        reasons = list(enumerate(self._rows["reason"].to_pylist()))
        self.kept = [place for place, reason in reasons if reason is None]
        self.bad = [(place, reason) for place, reason in reasons if reason is not None]

    def __len__(self) -> int:
        return len(self.kept)

    def __getitem__(self, position):  # type: ignore[no-untyped-def]  # no slices
        """Return RGB uint8 `[H, W, 3]`."""
        height, width, pixels = (
            self._rows[name][self.kept[position]] for name in ("height", "width", "pixels")
        )
        return np.frombuffer(pixels.as_buffer(), np.uint8).reshape(height.as_py(), width.as_py(), 3)


def open_cache(path: Path) -> CachedImages | None:
    """Open a cache file; None where there is none, or none that can be used."""
    try:
        return CachedImages(path)
    except FileNotFoundError:
        return None
    except (OSError, ValueError, pa.ArrowException) as error:
        say(f"the image cache {path} cannot be used ({error}): it is written anew")
        return None


def write_cache(path: Path, results: Iterable[UInt8 | Bad]) -> None:
    """Write a cache file from images and those that cannot be used, in order.

    Raises `OutputError` where the disk refuses or fills beyond half of what was free.
    """
    try:
        with whole(path) as temporary:
            _write(temporary, results, DISK_SHARE * _free_disk(path.parent))
            with temporary.open("r+b") as file, pa.memory_map(str(temporary)) as written:
                checksum = zlib.crc32(written.read_buffer())
                file.seek(0, os.SEEK_END)
                file.write(checksum.to_bytes(_CHECKSUM))
                file.flush()
                os.fsync(file.fileno())
    except FullDiskError as error:
        error.cure += f", {_ELSEWHERE}"
        raise
    except OutputError as error:
        raise OutputError(f"{error}; {_ELSEWHERE}") from None


def _write(path: Path, results: Iterable[UInt8 | Bad], room: float) -> None:
    waiting = iter(results)
    with pa.OSFile(str(path), "wb") as file, pa.ipc.new_file(file, _ROW) as writer:
        while some := list(islice(waiting, _BATCH)):
            rows: list[dict[str, Any]] = [
                {"reason": one.reason}
                if isinstance(one, Bad)
                else {"height": one.shape[0], "width": one.shape[1], "pixels": one.tobytes()}
                for one in some
            ]
            writer.write_batch(pa.RecordBatch.from_pylist(rows, schema=_ROW))
            if file.tell() > room:
                raise OSError("it would fill more than half of the disk's free space")


def _free_disk(folder: Path) -> int:
    """Return the free bytes where a folder is or would be made; 0 where nothing may be written."""
    there = next(path for path in (folder, *folder.absolute().parents) if path.is_dir())
    return shutil.disk_usage(there).free if os.access(there, os.W_OK) else 0

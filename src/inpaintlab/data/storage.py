"""Where decoded images are kept: in memory, in one memory-mapped file, or nowhere.

The file is a cache: its name is a hash of the content of its images and their size, so that the next
run and other processes find it. It holds all pixels one image after the other, then a table of shapes
and of images that could not be used, then a footer with lengths and a checksum. It is written under
another name and renamed when whole; one that is damaged or of another version is written anew.
"""

import hashlib
import io
import os
import shutil
import struct
import zlib
from collections.abc import Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
import numpy.typing as npt

from inpaintlab.arrays import UInt8
from inpaintlab.errors import DataError, OutputError
from inpaintlab.files import cache_folder, temporary_beside
from inpaintlab.machine import free_memory
from inpaintlab.progress import say

Place = Literal["memory", "disk", "off"]

#: Share of the free memory, and of the free disk, that decoded images may take.
MEMORY_SHARE, DISK_SHARE = 0.5, 0.5
#: To be raised whenever images are decoded in another way or the file is laid out in another way.
VERSION = 1
# Lengths of pixels and table in bytes, CRC-32 of both, and a mark.
_FOOTER = struct.Struct("<QQI8s")
_MARK = b"inpaint" + bytes([VERSION])
_BLOCK = 1 << 24


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
        if self.kind == "memory" or self.kind == "off":
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
    places of the others with the reasons.
    """

    def __init__(self, path: Path) -> None:
        pixels, table = _check(path)
        self.path = path
        self._pixels = (
            np.memmap(path, np.uint8, "r", shape=(pixels,)) if pixels else np.empty(0, np.uint8)
        )
        self._shapes = table["shapes"]
        self._ends = np.cumsum(self._shapes.prod(axis=1, dtype=np.int64) * 3)
        self.kept: list[int] = table["kept"].tolist()
        self.bad = list(zip(table["bad"].tolist(), table["reasons"].tolist(), strict=True))

    def __len__(self) -> int:
        return len(self._shapes)

    def __getitem__(self, position):  # type: ignore[no-untyped-def]  # no slices
        """Return RGB uint8 `[H, W, 3]`."""
        height, width = self._shapes[position]
        end = int(self._ends[position])
        return self._pixels[end - 3 * int(height) * int(width) : end].reshape(height, width, 3)


def open_cache(path: Path) -> CachedImages | None:
    """Open a cache file; None where there is none, or none that can be used."""
    try:
        return CachedImages(path)
    except FileNotFoundError:
        return None
    except (OSError, ValueError, KeyError, struct.error, zlib.error) as error:
        say(f"the image cache {path} cannot be used ({error}): it is written anew")
        return None


def write_cache(path: Path, results: Iterable[UInt8 | Bad]) -> None:
    """Write a cache file from images and those that cannot be used, in order.

    Raises `OutputError` where the disk refuses or fills beyond half of what was free.
    """
    temporary = temporary_beside(path)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with temporary.open("wb") as file:
            _write(file, results, DISK_SHARE * _free_disk(path.parent))
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
    except OSError as error:
        raise OutputError(
            f"cannot write the image cache {path}: {error.strerror or error}; "
            "name another cache_dir, or set cache to off"
        ) from None
    finally:
        with suppress(OSError):
            temporary.unlink(missing_ok=True)


def _write(file: io.BufferedWriter, results: Iterable[UInt8 | Bad], room: float) -> None:
    shapes, kept, bad, reasons, checksum, length = [], [], [], [], 0, 0
    for place, result in enumerate(results):
        if isinstance(result, Bad):
            bad.append(place)
            reasons.append(result.reason)
            continue
        kept.append(place)
        shapes.append(result.shape[:2])
        data = np.ascontiguousarray(result).data
        checksum = zlib.crc32(data, checksum)
        length += file.write(data)
        if length > room:
            raise OSError("it would fill more than half of the disk's free space")
    table = io.BytesIO()
    np.savez(
        table,
        shapes=np.array(shapes, np.int32).reshape(-1, 2),
        kept=np.array(kept, np.int64),
        bad=np.array(bad, np.int64),
        reasons=np.array(reasons, np.str_),
    )
    checksum = zlib.crc32(table.getbuffer(), checksum)
    file.write(table.getbuffer())
    file.write(_FOOTER.pack(length, table.tell(), checksum, _MARK))


def _check(path: Path) -> tuple[int, dict[str, npt.NDArray[np.generic]]]:
    """Read a cache file once from end to end; return the length of its pixels and its table."""
    with path.open("rb") as file:
        file.seek(max(0, path.stat().st_size - _FOOTER.size))
        pixels, rest, expected, mark = _FOOTER.unpack(file.read())
        if mark != _MARK:
            raise ValueError("it is of another version or cut short")
        file.seek(0)
        checksum, left = 0, pixels + rest
        while left and (block := file.read(min(_BLOCK, left))):
            checksum, left = zlib.crc32(block, checksum), left - len(block)
        if left or checksum != expected:
            raise ValueError("its checksum is wrong")
        file.seek(pixels)
        with np.load(io.BytesIO(file.read(rest)), allow_pickle=False) as table:
            return pixels, dict(table)


def _free_disk(folder: Path) -> int:
    """Return the free bytes where a folder is or would be made; 0 where nothing may be written."""
    there = next(path for path in (folder, *folder.absolute().parents) if path.is_dir())
    return shutil.disk_usage(there).free if os.access(there, os.W_OK) else 0

"""Where pictures come from: a folder, or the portraits of `samples`.

A source only names its pictures, hashes them and reads one; which may be read is the split's matter.
"""

import hashlib
from pathlib import Path
from typing import Protocol

import numpy as np
import numpy.typing as npt

from inpaintlab.data import samples
from inpaintlab.errors import DataError
from inpaintlab.images import SUFFIXES, load_rgb


class Source(Protocol):
    """A numbered collection of pictures."""

    names: list[str]

    def content_hash(self, index: int) -> str:
        """SHA-256 of what picture `index` is made from, in hexadecimal."""
        ...

    def read(self, index: int, size: int) -> npt.NDArray[np.uint8]:
        """Decode picture `index`: RGB uint8 `[H, W, 3]`, its shorter side `size` pixels."""
        ...


class FolderSource:
    """The picture files of a folder, searched recursively, in the order of their names.

    Hidden files and folders are passed over. Raises `DataError` where there is no such folder, or no
    picture in it.
    """

    def __init__(self, folder: Path) -> None:
        if not folder.is_dir():
            what = "is a file, not a folder" if folder.exists() else "does not exist"
            raise DataError(f"{folder} {what}: give a folder of pictures, or samples:N")
        self.folder = folder
        self.names = sorted(
            str(path.relative_to(folder)) for path in folder.rglob("*") if self._is_picture(path)
        )
        if not self.names:
            kinds = ", ".join(sorted(SUFFIXES))
            raise DataError(f"there is no picture in {folder} (looked for {kinds})")

    def content_hash(self, index: int) -> str:
        """SHA-256 of the bytes of the file."""
        try:
            with (self.folder / self.names[index]).open("rb") as file:
                return hashlib.file_digest(file, "sha256").hexdigest()
        except OSError as error:
            raise DataError(f"cannot read {self.names[index]}: {error.strerror}") from None

    def read(self, index: int, size: int) -> npt.NDArray[np.uint8]:
        """Decode picture `index`; raises `ImageError` for one that cannot be used at this size."""
        return load_rgb(self.folder / self.names[index], size)

    def _is_picture(self, path: Path) -> bool:
        hidden = any(part.startswith(".") for part in path.relative_to(self.folder).parts)
        return path.suffix.lower() in SUFFIXES and not hidden and path.is_file()


class SampleSource:
    """The first `count` sample portraits, drawn at whatever size is asked for."""

    def __init__(self, count: int) -> None:
        self.names = [f"portrait-{index:06}" for index in range(count)]

    def content_hash(self, index: int) -> str:
        """SHA-256 of the portrait's name: it stands for what is drawn, at every size."""
        return hashlib.sha256(self.names[index].encode()).hexdigest()

    def read(self, index: int, size: int) -> npt.NDArray[np.uint8]:
        """Draw portrait `index`."""
        return samples.draw(index, size)


def open_source(data: str) -> Source:
    """Open `samples:N` or a folder.

    >>> len(open_source("samples:12").names)
    12
    """
    kind, colon, count = data.partition(":")
    if kind == "samples" and colon:
        if not count.isdigit() or int(count) < 1:
            raise DataError(f"samples:N takes a number of portraits, got {data!r}")
        return SampleSource(int(count))
    return FolderSource(Path(data).expanduser())

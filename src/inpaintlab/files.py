"""Writing files so that nothing is lost."""

import errno
import json
import math
import os
import shutil
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from importlib.util import find_spec
from pathlib import Path
from typing import Any
from unicodedata import normalize
from zlib import crc32

from inpaintlab.errors import FullDiskError, OutputError

#: Hidden file of a folder that lists what inpaintlab has written there: names of files, or `*` for all.
MARK = ".inpaintlab"
_MARK_HEAD = (
    "# Written by inpaintlab, and so not taken for photos when a folder above is searched (*: all here)."
)


def cache_folder() -> Path:
    """Return `inpaintlab` in the user's cache folder (`XDG_CACHE_HOME`, else `~/.cache`)."""
    base = os.environ.get("XDG_CACHE_HOME")
    return (Path(base) if base else Path.home() / ".cache") / "inpaintlab"


def packaged_file(package: str, name: str) -> Path | None:
    """Return a file that an installed package holds, without importing it; None where there is none."""
    found = find_spec(package)
    folders = (found.submodule_search_locations or []) if found else []
    paths = (Path(folder) / name for folder in folders)
    return next((path for path in paths if path.is_file()), None)


def check_place(path: Path) -> None:
    """Raise `OutputError` where a file or folder could not be written: before the work, not after it."""
    above = next(parent for parent in path.absolute().parents if parent.exists())
    for folder in (above, path):
        if folder.is_dir() and not os.access(folder, os.W_OK | os.X_OK):
            raise OutputError(f"cannot write {path}: you may not write into {folder}")
    if not above.is_dir():
        raise OutputError(f"cannot write {path}: {above} is a file, not a folder")


def mark_outputs(folder: Path, names: Iterable[str] = ()) -> None:
    """Note in a folder what in it is written by inpaintlab, so that no later command learns from it.

    Without names it is the whole folder, unless that has something else in it already.
    """
    known, wanted = read_mark(folder), set(names)
    if not wanted and not (folder.is_dir() and any(folder.iterdir())):
        wanted = {"*"}
    if "*" not in known and wanted - known:
        lines = [_MARK_HEAD, *sorted(known | wanted), ""]
        write_atomically(folder / MARK, "\n".join(lines).encode(errors="surrogateescape"))


def read_mark(folder: Path) -> frozenset[str]:
    """Return the names of what inpaintlab has written in a folder; `*` is all of it."""
    try:
        text = (folder / MARK).read_text(encoding="utf-8", errors="surrogateescape")
    except OSError:
        return frozenset()
    return frozenset(line for line in text.split("\n") if line and not line.startswith("# "))


def temporary_beside(path: Path) -> Path:
    """Return what this process writes to in place of `path`, short also where its name is long."""
    return path.with_name(f".{crc32(os.fsencode(path.name)):08x}.{os.getpid()}.tmp")


def json_text(values: Any, indent: int | None = 1) -> str:
    """Return values as JSON; what is not finite, which JSON has no word for, is null.

    It can be written as UTF-8, whatever is in it: names of files need not be text.
    """
    try:
        text = json.dumps(values, indent=indent, ensure_ascii=False, allow_nan=False)
    except ValueError:
        values = _finite(values)
        text = json.dumps(values, indent=indent, ensure_ascii=False)
    return json.dumps(values, indent=indent) if _has_bytes(text) else text


def same_form(name: str) -> str:
    """Return a name in the one Unicode form that names are compared in: é may be one letter or two."""
    return normalize("NFC", name)


def _has_bytes(text: str) -> bool:
    """Tell whether a text comes from a name with bytes that are no UTF-8."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return True
    return False


def _finite(values: Any) -> Any:
    if isinstance(values, dict):
        return {name: _finite(value) for name, value in values.items()}
    if isinstance(values, list | tuple):
        return [_finite(value) for value in values]
    return None if isinstance(values, float) and not math.isfinite(values) else values


def write_atomically(path: Path, data: bytes | memoryview) -> None:
    """Write a file so that it is there whole or not at all, whatever happens meanwhile.

    Missing folders are made. Raises `OutputError` where the disk refuses.
    """
    with whole(path) as temporary, temporary.open("wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())


@contextmanager
def whole(path: Path) -> Iterator[Path]:
    """Yield the name of a file to write, which takes the place of `path` at the end, or is removed.

    Missing folders are made. Raises `OutputError` where the disk refuses.
    """
    temporary = temporary_beside(path)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        yield temporary
        temporary.replace(path)
    except OSError as error:
        raise refused(path, error) from None
    finally:
        with suppress(OSError):
            temporary.unlink(missing_ok=True)


def refused(path: Path | str, error: OSError) -> OutputError:
    """Return what to raise where the disk refuses to write a file."""
    # The texts of native code are long, and each another.
    text = f"cannot write {path}: {os.strerror(error.errno) if error.errno else error}"
    return FullDiskError(text) if is_full(error) else OutputError(text)


def is_full(error: OSError) -> bool:
    """Tell whether there is no room on the disk, or none is left of what a user may take of it."""
    return error.errno in (errno.ENOSPC, errno.EDQUOT)


@contextmanager
def emptied_if_broken_off(folder: Path) -> Iterator[None]:
    """Leave a folder that was new or empty so again where filling it fails: the next try begins anew."""
    was_there = folder.is_dir()
    is_ours = not was_there or not any(folder.iterdir())
    try:
        yield
    except BaseException:
        for path in folder.iterdir() if is_ours and folder.is_dir() else ():
            shutil.rmtree(path) if path.is_dir() else path.unlink()
        if not was_there:
            with suppress(OSError):
                folder.rmdir()
        raise

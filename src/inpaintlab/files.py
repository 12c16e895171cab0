"""Writing files so that nothing is lost."""

import json
import math
import os
from contextlib import suppress
from pathlib import Path
from typing import Any
from zlib import crc32

from inpaintlab.errors import OutputError


def cache_folder() -> Path:
    """Return `inpaintlab` in the user's cache folder (`XDG_CACHE_HOME`, else `~/.cache`)."""
    base = os.environ.get("XDG_CACHE_HOME")
    return (Path(base) if base else Path.home() / ".cache") / "inpaintlab"


def temporary_beside(path: Path) -> Path:
    """Return what this process writes to in place of `path`, short also where its name is long."""
    return path.with_name(f".{crc32(os.fsencode(path.name)):08x}.{os.getpid()}.tmp")


def json_text(values: Any) -> str:
    """Return values as JSON; what is not finite, which JSON has no word for, is null."""
    try:
        return json.dumps(values, indent=1, ensure_ascii=False, allow_nan=False)
    except ValueError:
        return json.dumps(_finite(values), indent=1, ensure_ascii=False)


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
    temporary = temporary_beside(path)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with temporary.open("wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
    except OSError as error:
        with suppress(OSError):
            temporary.unlink(missing_ok=True)
        raise OutputError(f"cannot write {path}: {error.strerror}") from None

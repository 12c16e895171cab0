"""Lists of what to fill: `.txt`, `.jsonl` and `.csv`."""

import csv
import io
import json
import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from inpaintlab.errors import DataError

_COLUMNS = ("image", "mask", "output")


@dataclass(frozen=True)
class Row:
    """An image, its mask and where the result goes below the output folder, as far as they are said."""

    image: Path
    mask: Path | None = None
    output: Path | None = None


def read_list(path: Path) -> list[Row]:
    """Read a list of images; relative paths in it count from the list's own folder.

    A line of `.txt` is an image, or image, mask and perhaps output with tabs between them. An object
    of `.jsonl` has `image` and perhaps `mask` and `output`, as a `.csv` has columns; others are passed
    over. Raises `DataError` naming the line that cannot be used.
    """
    try:
        text = path.read_text(encoding="utf-8-sig")
    except OSError as error:
        raise DataError(f"cannot read the list {path}: {error.strerror}") from None
    except UnicodeDecodeError:
        raise DataError(f"{path} is not text in UTF-8") from None
    rows = [
        _row(values, path, number) for number, values in LISTS[path.suffix.lower()](text, path) if values
    ]
    if not rows:
        raise DataError(f"{path} names no image")
    return rows


def _row(values: dict[str, Any], path: Path, number: int) -> Row:
    image, mask, output = (values.get(name) or None for name in _COLUMNS)
    where = f"{path.name}, line {number}"
    for value in (image, mask, output):
        if value is not None and not isinstance(value, str):
            raise DataError(f"{where}: a path is text, got {value!r}")
    if image is None:
        raise DataError(f"{where} names no image: it needs 'image'")
    goal = None if output is None else Path(output)
    if goal is not None and (goal.is_absolute() or ".." in goal.parts):
        raise DataError(f"{where}: output {output} leaves the output folder: give a path below it")
    return Row(_found(image, path), None if mask is None else _found(mask, path), goal)


def _found(name: str, path: Path) -> Path:
    """Return where a path of a list leads, without `..` in it."""
    return Path(os.path.normpath(path.parent.absolute() / name))


Lines = Iterator[tuple[int, dict[str, Any]]]


def _plain(text: str, path: Path) -> Lines:
    for number, line in enumerate(text.splitlines(), 1):
        parts = [part.strip() for part in line.split("\t")]
        if len(parts) > len(_COLUMNS):
            raise DataError(f"{path.name}, line {number} has {len(parts)} parts: image, mask, output")
        yield number, {name: part for name, part in zip(_COLUMNS, parts, strict=False) if part}


def _objects(text: str, path: Path) -> Lines:
    for number, line in enumerate(text.splitlines(), 1):
        if not line.strip():
            continue
        try:
            values = json.loads(line)
        except ValueError as error:
            raise DataError(f"{path.name}, line {number} is not JSON: {error}") from None
        if not isinstance(values, dict):
            raise DataError(f'{path.name}, line {number} must be an object {{"image": …, "mask": …}}')
        yield number, values


def _table(text: str, path: Path) -> Lines:
    reader = csv.DictReader(io.StringIO(text))
    if "image" not in (columns := list(reader.fieldnames or [])):
        raise DataError(f"{path.name} has the columns {', '.join(columns)}: it needs one called image")
    for values in reader:
        yield reader.line_num, values


#: How a list is read, by suffix.
LISTS: dict[str, Callable[[str, Path], Lines]] = {".txt": _plain, ".jsonl": _objects, ".csv": _table}

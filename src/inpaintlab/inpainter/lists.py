"""Lists of what to fill: `.txt`, `.jsonl` and `.csv`."""

import csv
import json
import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from inpaintlab.errors import DataError
from inpaintlab.progress import say

_COLUMNS = ("image", "mask", "output")
Lines = Iterator[tuple[int, dict[str, Any]]]


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
        # Not splitlines: it also splits at U+2028, which may stand in a line of JSON.
        lines = path.read_text(encoding="utf-8-sig").split("\n")
    except OSError as error:
        raise DataError(f"cannot read the list {path}: {error.strerror}") from None
    except UnicodeDecodeError:
        raise DataError(f"{path} is not text in UTF-8") from None
    read = LISTS[path.suffix.lower()](lines, path.name)
    rows = [_row(values, path, f"{path.name}, line {number}") for number, values in read if values]
    if not rows:
        raise DataError(f"{path} names no image")
    different = list(dict.fromkeys(rows))
    if repeated := len(rows) - len(different):
        say(f"{path.name}: {repeated} of {len(rows)} lines repeat another: each is filled once")
    return different


def _row(values: dict[str, Any], path: Path, where: str) -> Row:
    image, mask, output = (values.get(name) or None for name in _COLUMNS)
    for value in (image, mask, output):
        if value is not None and not isinstance(value, str):
            raise DataError(f"{where}: a path is text, got {value!r}")
    if image is None:
        raise DataError(f"{where} names no image: it needs 'image'")
    if output is not None and (Path(output).is_absolute() or ".." in Path(output).parts):
        raise DataError(f"{where}: output {output} leaves the output folder: give a path below it")
    return Row(_found(image, path), mask and _found(mask, path), output and Path(output))


def _found(name: str, path: Path) -> Path:
    """Return where a path of a list leads, without `..` in it."""
    return Path(os.path.normpath(path.parent.absolute() / name))


def _plain(lines: list[str], name: str) -> Lines:
    for number, line in enumerate(lines, 1):
        parts = [part.strip() for part in line.split("\t")]
        if len(parts) > len(_COLUMNS):
            raise DataError(f"{name}, line {number} has {len(parts)} parts: image, mask, output")
        yield number, {column: part for column, part in zip(_COLUMNS, parts, strict=False) if part}


def _objects(lines: list[str], name: str) -> Lines:
    for number, line in enumerate(lines, 1):
        if not line.strip():
            continue
        try:
            values = json.loads(line)
        except ValueError as error:
            raise DataError(f"{name}, line {number} is not JSON: {error}") from None
        if not isinstance(values, dict):
            raise DataError(f'{name}, line {number} must be an object {{"image": …, "mask": …}}')
        yield number, values


def _table(lines: list[str], name: str) -> Lines:
    # Line ends are given back, as a quoted cell may go over several lines.
    reader = csv.DictReader((f"{line}\n" for line in lines), skipinitialspace=True)
    reader.fieldnames = columns = [column.strip() for column in reader.fieldnames or []]
    if "image" not in columns:
        raise DataError(f"{name} has the columns {', '.join(columns)}: it needs one called image")
    for values in reader:
        yield reader.line_num, {name: (values[name] or "").strip() for name in columns}


#: How a list is read, by suffix.
LISTS: dict[str, Callable[[list[str], str], Lines]] = {
    ".txt": _plain,
    ".jsonl": _objects,
    ".csv": _table,
}

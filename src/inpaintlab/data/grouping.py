"""What belongs together besides look-alikes: images of one folder, one name pattern, one column."""

import csv
import json
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from inpaintlab.data.places import HUB
from inpaintlab.errors import DataError, SettingError

#: Returns what an image belongs to, or None where it stands alone.
Key = Callable[[dict[str, Any]], str | None]


def key_for(group_by: str | None, sources: list[str]) -> Key | None:
    r"""Return the function that `group_by` means: `folder`, `name:REGEX` or `column:NAME`.

    A pattern is searched in the file's name; its first bracket, or else all it matched, is the key. A
    column is one of a Hugging Face data set, or of `metadata.csv` or `metadata.jsonl` (with a column
    `file_name`) in a folder searched. Raises `SettingError` and `DataError`.

    >>> person = key_for(r"name:^(\w+?)_", [])
    >>> person({"path": "/faces/anna_03.jpg", "key": ""})
    'anna'
    """
    if group_by is None:
        return None
    kind, _, rest = group_by.partition(":")
    if group_by == "folder":
        return lambda row: row["folder"]
    if kind == "name" and rest:
        return _by_name(rest)
    if kind == "column" and rest:
        return _by_column(rest, sources)
    raise SettingError(f"group_by is folder, name:REGEX or column:NAME, got {group_by!r}")


def _by_name(pattern: str) -> Key:
    try:
        compiled = re.compile(pattern)
    except re.error as error:
        raise SettingError(f"group_by: {pattern!r} is not a regular expression: {error}") from None

    def key(row: dict[str, Any]) -> str | None:
        found = compiled.search(Path(row["key"] or row["path"]).name)
        return found[1 if compiled.groups else 0] if found else None

    return key


def _by_column(name: str, sources: list[str]) -> Key:
    values: dict[str, str] = {}
    for source in sources:
        if not source.startswith(HUB):
            values |= dict(_metadata(Path(source).expanduser().resolve(), name))
    if not values and not any(source.startswith(HUB) for source in sources):
        raise DataError(
            f"there is no metadata.csv or metadata.jsonl with the columns file_name and {name} "
            f"in {', '.join(sources)}"
        )
    return lambda row: values.get(row["path"]) or dict(row["columns"] or {}).get(name)


def _metadata(folder: Path, name: str) -> Iterator[tuple[str, str]]:
    """Yield full path and value of a column from the metadata files of a folder."""
    for file in (folder / "metadata.csv", folder / "metadata.jsonl"):
        if not file.is_file():
            continue
        with file.open(encoding="utf-8", newline="") as lines:
            rows = csv.DictReader(lines) if file.suffix == ".csv" else map(json.loads, lines)
            try:
                for row in rows:
                    yield str(folder / row["file_name"]), str(row[name])
            except (KeyError, ValueError, TypeError, csv.Error):
                raise DataError(f"{file} must have the columns file_name and {name}") from None

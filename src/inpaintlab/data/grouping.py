"""What belongs together besides look-alikes: images of one folder, one name pattern, one column."""

import csv
import json
import re
from collections import defaultdict
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from inpaintlab.data.places import HUB
from inpaintlab.errors import DataError, SettingError
from inpaintlab.images import SUFFIXES
from inpaintlab.progress import say

#: Returns what an image belongs to, or None where it stands alone.
Key = Callable[[dict[str, Any]], str | None]
#: Where a smaller share of the images has a key, a warning is given.
FEW_KEYS = 0.9


def key_for(group_by: str, sources: list[str]) -> Key:
    r"""Return the function that `group_by` means: `folder`, `name:REGEX` or `column:NAME`.

    A pattern is searched in the file's name; its first bracket, or else all it matched, is the key. A
    column is one of a Hugging Face data set, or of `metadata.csv` or `metadata.jsonl` (with a column
    `file_name`) in a folder searched. A file name that is not there is also taken without its suffix
    and in another case, unless two keys would fit. Raises `SettingError` and `DataError`.

    >>> person = key_for(r"name:^(\w+?)_", [])
    >>> person({"path": "/faces/anna_03.jpg", "key": ""})
    'anna'
    """
    kind, _, rest = group_by.partition(":")
    if group_by == "folder":
        return lambda row: row["folder"] or None  # what lies in no folder of its own stands alone
    if kind == "name" and rest:
        return _by_name(rest)
    if kind == "column" and rest:
        return _by_column(rest, sources)
    raise SettingError(f"group_by is folder, name:REGEX or column:NAME, got {group_by!r}")


def check_keys(group_by: str, found: int, count: int, first: str) -> None:
    """Say that `found` of `count` images have a key; raises `DataError` where none has.

    `first` is the name of the first image.
    """
    kind, _, rest = group_by.partition(":")
    if not found:
        cure = {
            "name": "the pattern is searched in the file's name, mend it",
            "column": f"metadata.csv needs its path below the folder as file_name, and a {rest}",
        }.get(kind, "name:REGEX or column:NAME groups images of one folder")
        raise DataError(
            f"group_by {group_by} finds no key for any of {count} images, the first is {first}: " + cure
        )
    few = "warning: " if found < FEW_KEYS * count else ""
    alone = ", the others stand alone" if found < count else ""
    say(f"{few}group_by {group_by} finds a key for {found} of {count} images{alone}")


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
    folders = [Path(one).expanduser().resolve() for one in sources if not one.startswith(HUB)]
    values = {path: value for folder in folders for path, value in _metadata(folder, name)}
    if not values and len(folders) == len(sources):
        raise DataError(
            f"there is no metadata.csv or metadata.jsonl with the columns file_name and {name} "
            f"in {', '.join(sources)}"
        )
    alike: dict[str, set[str]] = defaultdict(set)
    for path, value in values.items():
        if not Path(path).exists():
            alike[_plain(path)].add(value)

    def key(row: dict[str, Any]) -> str | None:
        if found := values.get(row["path"]) or dict(row["columns"] or {}).get(name):
            return str(found)
        near = alike.get(_plain(row["path"]), set())
        return next(iter(near)) if len(near) == 1 else None

    return key


def _plain(path: str) -> str:
    """Return a path without the suffix of an image and in one case."""
    suffix = Path(path).suffix
    return (path.removesuffix(suffix) if suffix.lower() in SUFFIXES else path).casefold()


def _metadata(folder: Path, name: str) -> Iterator[tuple[str, str]]:
    """Yield full path and value of a column from the metadata files of a folder."""
    for file in (folder / "metadata.csv", folder / "metadata.jsonl"):
        if not file.is_file():
            continue
        # Excel puts a byte-order mark in front.
        with file.open(encoding="utf-8-sig", newline="") as lines:
            try:
                rows = csv.DictReader(lines) if file.suffix == ".csv" else map(json.loads, lines)
                for row in rows:
                    if row[name] not in (None, ""):
                        yield str(folder / row["file_name"]), str(row[name])
            except UnicodeDecodeError:
                raise DataError(f"{file} is not text in UTF-8: save it as CSV UTF-8") from None
            except (KeyError, ValueError, TypeError, csv.Error):
                raise DataError(f"{file} must have the columns file_name and {name}") from None

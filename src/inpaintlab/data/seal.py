"""The sealed test: who used it is written down before an image of it can be read.

`ledger.jsonl` grows by one line an access. Each line carries its own hash and that of the line before,
so that an edit, or a line taken out of the middle, shows.
"""

import errno
import getpass
import hashlib
import json
import os
import socket
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from inpaintlab.data.dataset import ImageData
from inpaintlab.data.folders import PreparedDataset
from inpaintlab.data.manifest import DatasetFolder
from inpaintlab.errors import DataError
from inpaintlab.files import refused

#: What the first line refers to, as there is none before it.
_FIRST = "sealed"


@dataclass(frozen=True)
class TestAccess:
    """One access to the test: by which run, of which lineage, with which weights and masks.

    A lineage is a run with all its resumptions; `trained` is when it began.
    """

    __test__ = False  # pytest takes it for a class of tests otherwise

    run: str
    lineage: str
    trained: str
    model_hash: str
    mask_hash: str


@dataclass(frozen=True)
class Ledger:
    """The accesses so far, and the first line that does not fit those before it (None: all do)."""

    accesses: list[dict[str, Any]]
    broken_at: int | None

    def sentence(self) -> str:
        """Say how often the test was used, and whether that can be believed."""
        count = len(self.accesses)
        times = {0: "never been used", 1: "been used once", 2: "been used twice"}
        sentence = f"the test set has {times.get(count, f'been used {count} times')}"
        if self.broken_at is not None:
            sentence += (
                f"; line {self.broken_at} of its ledger was edited, or one before it taken out: "
                "the number cannot be trusted"
            )
        return sentence

    def warning(self, access: TestAccess) -> str | None:
        """Say in plain words why one more access is worth less than the first."""
        same = sum(line.get("lineage") == access.lineage for line in self.accesses)
        if same:
            times = "once" if same == 1 else f"{same} times"
            return (
                f"this run has been measured on the test {times} before: whatever was changed since "
                "may have been fitted to the test, and the figure is no longer that of unseen images"
            )
        earlier = sum(str(line.get("when", "")) < access.trained for line in self.accesses)
        if earlier:
            return (
                f"the test was used {earlier}× before this run was trained: choices made since may "
                "rest on it, and the figure may be better than unseen images would give"
            )
        return None


def read_ledger(dataset: DatasetFolder) -> Ledger:
    """Read the ledger and check its chain."""
    if not dataset.ledger.is_file():
        return Ledger([], None)
    accesses: list[dict[str, Any]] = []
    broken, before = None, _FIRST
    for number, line in enumerate(dataset.ledger.read_text(encoding="utf-8").splitlines(), 1):
        access: dict[str, Any] = {}  # what is no JSON fits nothing
        with suppress(ValueError, TypeError):
            access = dict(json.loads(line))
        fits = access.get("previous") == before and access.get("hash") == _line_hash(access)
        if not fits and broken is None:
            broken = number
        before = str(access.get("hash"))
        accesses.append(access)
    return Ledger(accesses, broken)


def open_test(dataset: DatasetFolder, access: TestAccess) -> ImageData:
    """Write the access into the ledger and return the images of the test part.

    This is the only door to them. Raises `DataError` where there are none, and `OutputError` where
    the ledger cannot be written: then there is no access.
    """
    if not dataset.read_facts().test:
        raise DataError(f"{dataset.folder} has no test part")
    _append(dataset, access)
    return ImageData(
        PreparedDataset(dataset.folder, parts=("test",)), f"the test part of {dataset.folder}"
    )


def _append(dataset: DatasetFolder, access: TestAccess) -> None:
    accesses = read_ledger(dataset).accesses
    try:
        user = getpass.getuser()
    except (KeyError, OSError):  # a container without a name for its user
        user = f"uid {os.getuid()}"
    line: dict[str, Any] = {
        "access": len(accesses) + 1,
        "when": datetime.now(UTC).isoformat(timespec="seconds"),
        "who": f"{user}@{socket.gethostname()}",
        **vars(access),
        "previous": accesses[-1].get("hash") if accesses else _FIRST,
    }
    line["hash"] = _line_hash(line)
    data = json.dumps(line).encode() + b"\n"
    try:
        with dataset.ledger.open("ab", buffering=0) as file:
            before = file.tell()
            if (written := file.write(data)) < len(data):  # what is half written would seem to be edited
                file.truncate(before)
                raise OSError(errno.ENOSPC, f"{written} of {len(data)} bytes")
            os.fsync(file.fileno())
    except OSError as error:
        raise refused(f"{dataset.ledger}, so the test stays shut", error) from None


def _line_hash(line: dict[str, Any]) -> str:
    content = {key: value for key, value in line.items() if key != "hash"}
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()


def model_hash(path: Path) -> str:
    """SHA-256 of a file of weights, 16 hexadecimal digits."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()[:16]

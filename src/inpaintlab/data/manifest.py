"""A prepared dataset: a folder that lists images and says which may be used for what.

It holds no image::

    manifest.parquet   one row an image, see `COLUMNS`
    dataset.json       how it was made, counts, and the hashes that runs and ledger refer to
    summary.html       what was found, with examples
    findings.jsonl     every image with a finding, one JSON line each
    ledger.jsonl       every look at the test part
    reading/           rows of a preparation that was interrupted
"""

import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from inpaintlab.arrays import UInt64
from inpaintlab.data.findings import FINDINGS
from inpaintlab.errors import DataError, RunError
from inpaintlab.files import json_text, write_atomically
from inpaintlab.reports import Answer, Result, Table
from inpaintlab.reports.table import Column
from inpaintlab.settings import PrepareSettings

#: What is known of an image from reading it. `columns` are values that came with it, by name.
FACTS = pa.schema(
    {
        "path": pa.string(),
        "key": pa.string(),
        "offset": pa.int64(),
        "bytes": pa.int64(),
        "modified": pa.int64(),
        "folder": pa.string(),
        "columns": pa.map_(pa.string(), pa.string()),
        "file_sha256": pa.string(),
        "sha256": pa.string(),
        "width": pa.int32(),
        "height": pa.int32(),
        "mode": pa.string(),
        "format": pa.string(),
        "frames": pa.int32(),
        "suffix_fits": pa.bool_(),
        "grey": pa.bool_(),
        "contrast": pa.float32(),
        "sharpness": pa.float32(),
        "phash": pa.string(),
        "phash_mirror": pa.string(),
        "trouble": pa.string(),
        "reason": pa.string(),
    }
)
#: What was decided about it. `split` is train, val or test, null for what cannot be read; images with
#: `use` false (copies, broken ones) are on a side, but nobody gets them.
DECISIONS = pa.schema(
    {
        "findings": pa.list_(pa.string()),
        "use": pa.bool_(),
        "group": pa.int64(),
        "split": pa.string(),
        "fold": pa.int8(),
    }
)
COLUMNS = pa.schema([*FACTS, *DECISIONS])
#: Rows held in memory at a time.
BATCH = 4096


@dataclass(frozen=True)
class GroupCounts:
    """How many groups there are, how many of them hold copies or look-alikes, and the largest."""

    count: int
    of_look_alikes: int
    largest: int


@dataclass(frozen=True)
class Prepared(Result):
    """How a dataset was made and what was found: the content of `dataset.json`.

    Of all `images`, `used` are in `train`, `val` or `test`; `read_now` were read by the last
    preparation. `hash` and `test_hash` are what runs and the ledger refer to.
    """

    inpaintlab: str
    made: str
    settings: PrepareSettings
    images: int
    read_now: int
    used: int
    train: int
    val: int
    test: int
    findings: dict[str, int]
    groups: GroupCounts
    strata: int
    hash: str
    test_hash: str

    @property
    def headline(self) -> str:
        """How many images can be used for what."""
        return (
            f"{self.used} of {self.images} images can be used: {self.train} to train on, "
            f"{self.val} to validate with, {self.test} sealed for the test."
        )

    def table(self) -> Table:
        """Return how many images have each finding."""
        columns: list[str | Column] = ["finding", "images", Column("", text=True)]
        return Table.of(
            columns, [[name, str(n), FINDINGS[name].text] for name, n in self.findings.items()]
        )

    def answer(self) -> Answer:
        """Return what a command prints."""
        folder = self.settings.output or Path()
        return Answer(
            self.headline,
            self.table() if self.findings else None,
            places={"summary": folder / "summary.html"},
            command=f"inpaint train {folder}" if self.train and self.val else "",
        )


class DatasetFolder:
    """The paths of a prepared dataset."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.manifest = folder / "manifest.parquet"
        self.facts = folder / "dataset.json"
        self.summary = folder / "summary.html"
        self.findings = folder / "findings.jsonl"
        self.preview = folder / "preview.png"
        self.ledger = folder / "ledger.jsonl"
        self.reading = folder / "reading"

    @classmethod
    def open(cls, folder: Path) -> "DatasetFolder":
        """Open a dataset that is there and whole; raises `DataError` where it is not."""
        dataset = cls(folder)
        if dataset.manifest.is_file() and dataset.facts.is_file():
            return dataset
        if dataset.reading.is_dir():
            raise DataError(f"{folder} is not finished: run inpaint prepare … -o {folder} again")
        raise DataError(f"{folder} is not a prepared dataset: inpaint prepare FOLDER -o NAME.dataset")

    def read_facts(self) -> Prepared:
        """Return what `dataset.json` says."""
        try:
            return Prepared.from_dict(json.loads(self.facts.read_text(encoding="utf-8")))
        except (OSError, ValueError) as error:
            raise DataError(f"cannot read {self.facts}: {error}") from None
        except RunError:
            raise DataError(f"{self.folder} was made by another version: prepare it anew") from None

    def write_facts(self, facts: Prepared) -> None:
        """Write `dataset.json`."""
        write_atomically(self.facts, f"{json_text(facts.as_dict())}\n".encode())


def is_dataset(path: Path) -> bool:
    """Tell whether a path is a prepared dataset, finished or not."""
    return path.suffix == ".dataset" or (path / "manifest.parquet").is_file()


def read_rows(files: Iterable[Path], columns: list[str] | None = None) -> Iterator[dict[str, Any]]:
    """Yield the rows of parquet files one by one, so that no more than `BATCH` are in memory."""
    for table in read_batches(files, columns):
        yield from table.to_pylist(maps_as_pydicts="lossy")


def read_batches(files: Iterable[Path], columns: list[str] | None = None) -> Iterator[pa.RecordBatch]:
    """Yield the rows of parquet files, `BATCH` at a time."""
    for path in files:
        try:
            with pq.ParquetFile(path) as file:
                yield from file.iter_batches(BATCH, columns=columns)
        except (pa.ArrowException, OSError) as error:
            raise DataError(f"cannot read {path}: {str(error).splitlines()[0]}") from None


def hash_numbers(hashes: Iterable[str | None]) -> UInt64:
    """Return the first 64 bits of hashes in hexadecimal as numbers, 0 where there is none."""
    return np.array([int((text or "0")[:16], 16) for text in hashes], np.uint64)


def write_part(path: Path, rows: list[dict[str, Any]], schema: pa.Schema = FACTS) -> None:
    """Write rows to one parquet file, whole or not at all."""
    sink = pa.BufferOutputStream()
    pq.write_table(pa.Table.from_pylist(rows, schema=schema), sink)
    write_atomically(path, sink.getvalue().to_pybytes())

"""Reading all images once, in parallel, going on where an earlier reading stopped."""

import heapq
import time
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from itertools import groupby, islice
from pathlib import Path
from typing import Any

import pyarrow as pa

from inpaintlab.data.manifest import BATCH, FACTS, DatasetFolder, read_rows, write_part
from inpaintlab.data.places import Place
from inpaintlab.machine import processors
from inpaintlab.progress import bar, say

Row = dict[str, Any]

#: Rows are written at least so often (seconds), so that an interruption costs no more.
_SAVE_SECONDS = 20.0


def read_all(
    found: Callable[[], Iterable[Place]],
    dataset: DatasetFolder,
    examine: Callable[[Place], Row],
    schema: pa.Schema = FACTS,
) -> tuple[list[Path], int]:
    """Examine every image that is new or changed; return files of rows and the number examined.

    `found` gives the places of all images, in their order, each time it is called.

    The files are those of this reading, in the order of `Place`; what was known (from the manifest, or
    from readings that were interrupted) is copied. They are in `dataset.reading`; remove it when the
    manifest is written.
    """
    total = sum(1 for _ in found())
    known = _Known(dataset, schema)
    session = 1 + max((int(path.name.split("-")[0]) for path in known.parts), default=0)
    writer = _Writer(dataset.reading, session, schema)
    workers = processors()
    with ThreadPoolExecutor(workers) as pool, bar("reading images", total) as advance:
        stream = iter(found())
        try:
            while block := list(islice(stream, 16 * workers)):
                rows = [known.row(place) for place in block]
                unknown = [place for place, row in zip(block, rows, strict=True) if row is None]
                fresh = pool.map(examine, unknown)
                writer.add([row if row is not None else next(fresh) for row in rows])
                writer.examined += len(unknown)
                for _ in block:
                    advance()
        except KeyboardInterrupt:
            say("stopped; what was read so far is kept, the same command goes on")
            raise
        finally:
            writer.flush()
    return writer.files, writer.examined


def empty_row(place: Place) -> Row:
    """Return the row of an image that is not read yet."""
    return {
        "path": place.path,
        "key": place.key,
        "offset": place.offset,
        "bytes": place.bytes,
        "modified": place.modified,
        "folder": place.folder,
        "columns": sorted(place.columns.items()),
    }


class _Known:
    """Rows of earlier readings, asked for in the order of their places."""

    def __init__(self, dataset: DatasetFolder, schema: pa.Schema) -> None:
        self.parts = sorted(dataset.reading.glob("*-*.parquet")) if dataset.reading.is_dir() else []
        streams = [read_rows(list(of)) for _, of in groupby(self.parts, lambda p: p.name.split("-")[0])]
        if dataset.manifest.is_file():
            streams.append(read_rows([dataset.manifest], schema.names))
        self._rows = heapq.merge(*streams, key=_order)
        self._next: Row | None = next(self._rows, None)

    def row(self, place: Place) -> Row | None:
        """Return the row of a place, or None where it is new or has changed since."""
        order, found = (place.path, place.offset), None
        while self._next is not None and _order(self._next) <= order:
            if _order(self._next) == order and _unchanged(self._next, place):
                found = self._next
            self._next = next(self._rows, None)
        return found


def _order(row: Row) -> tuple[str, int]:
    return row["path"], row["offset"]


def _unchanged(row: Row, place: Place) -> bool:
    now = (place.key, place.bytes, place.modified, bool(place.trouble))
    return now == (row["key"], row["bytes"], row["modified"], row["file_sha256"] is None)


class _Writer:
    """Collects rows and writes them in files of `BATCH`, or after some seconds."""

    def __init__(self, folder: Path, session: int, schema: pa.Schema) -> None:
        self.folder, self.session, self.schema = folder, session, schema
        self.files: list[Path] = []
        self.examined = 0
        self._rows: list[Row] = []
        self._written = time.monotonic()

    def add(self, rows: list[Row]) -> None:
        self._rows += rows
        if len(self._rows) >= BATCH or time.monotonic() - self._written > _SAVE_SECONDS:
            self.flush()

    def flush(self) -> None:
        if self._rows:
            path = self.folder / f"{self.session:04}-{len(self.files):06}.parquet"
            write_part(path, self._rows, self.schema)
            self.files.append(path)
        self._rows, self._written = [], time.monotonic()

"""Reading all images once, in parallel, going on where an earlier reading stopped."""

import heapq
import time
from collections.abc import Callable, Iterable, Iterator
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

    `found` gives the places of all images, in their order, each time it is called. The files are those
    of this reading, in the order of `Place`; what was known (from the manifest, or from readings that
    were interrupted) is copied. They are in `dataset.reading`; remove it when the manifest is written.
    """
    total, workers = sum(1 for _ in found()), processors()
    parts = sorted(dataset.reading.glob("*-*.parquet"))
    session = 1 + max((int(path.name.split("-")[0]) for path in parts), default=0)
    pairs = _with_known(found(), _known_rows(dataset, parts, schema))
    files: list[Path] = []
    rows: list[Row] = []
    examined, saved = 0, time.monotonic()

    def save() -> None:
        nonlocal rows, saved
        if rows:
            files.append(dataset.reading / f"{session:04}-{len(files):06}.parquet")
            write_part(files[-1], rows, schema)
        rows, saved = [], time.monotonic()

    with ThreadPoolExecutor(workers) as pool, bar("reading images", total) as advance:
        try:
            while block := list(islice(pairs, 16 * workers)):
                fresh = pool.map(examine, [place for place, row in block if row is None])
                rows += [next(fresh) if row is None else row for _, row in block]
                examined += sum(row is None for _, row in block)
                for _ in block:
                    advance()
                if len(rows) >= BATCH or time.monotonic() - saved > _SAVE_SECONDS:
                    save()
        except KeyboardInterrupt:
            say("stopped; what was read so far is kept, the same command goes on")
            raise
        finally:
            save()
    return files, examined


def _known_rows(dataset: DatasetFolder, parts: list[Path], schema: pa.Schema) -> Iterator[Row]:
    """Yield the rows of earlier readings in the order of their places."""
    streams = [read_rows(list(of)) for _, of in groupby(parts, lambda path: path.name.split("-")[0])]
    if dataset.manifest.is_file():
        streams.append(read_rows([dataset.manifest], schema.names))
    return heapq.merge(*streams, key=_order)


def _with_known(places: Iterable[Place], known: Iterator[Row]) -> Iterator[tuple[Place, Row | None]]:
    """Pair each place with its row, or with None where it is new or has changed since."""
    row = next(known, None)
    for place in places:
        order, found = (place.path, place.offset), None
        now = (place.key, place.bytes, place.modified, bool(place.trouble))
        while row is not None and _order(row) <= order:
            then = (row["key"], row["bytes"], row["modified"], row["file_sha256"] is None)
            if _order(row) == order and then == now:
                found = row
            row = next(known, None)
        yield place, found


def _order(row: Row) -> tuple[str, int]:
    return row["path"], row["offset"]

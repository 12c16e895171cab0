"""`inpaint prepare --against`: images of one collection that stand in another, too."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np

from inpaintlab.arrays import UInt64
from inpaintlab.data.dataset_layouts import open_layout
from inpaintlab.data.duplicates import matches
from inpaintlab.data.findings import examine
from inpaintlab.data.lookalikes import LEAST_CONTRAST
from inpaintlab.data.manifest import DatasetFolder, hash_numbers, is_dataset, read_rows
from inpaintlab.data.places import finder
from inpaintlab.data.reading import Row, read_all
from inpaintlab.reports import Answer, Result, Table
from inpaintlab.settings import PrepareSettings

#: The distance of two images with the same pixels.
_SAME = -1


@dataclass(frozen=True)
class Pair:
    """Two images that are the same, or of which so many bits of 64 of their hashes differ."""

    ours: str
    theirs: str
    same: bool
    distance: int


@dataclass(frozen=True)
class Leaks(Result):
    """Pairs of images; `images` of ours have a match, `same` of them one of the same pixels."""

    against: str
    of: int
    images: int
    same: int
    pairs: list[Pair]

    def answer(self) -> Answer:
        """Return what a command prints."""
        found = f"{self.images} of {self.of} images stand in {self.against}, too"
        rows = [
            [pair.ours, pair.theirs, "same pixels" if pair.same else f"{pair.distance} bits of 64 apart"]
            for pair in self.pairs
        ]
        table = Table.of(["ours", "theirs", "how"], rows) if rows else None
        return Answer(f"{found} ({self.same} with the same pixels)", table)


def find_leaks(settings: PrepareSettings, against: str) -> Leaks:
    """Find the pairs of images (ours, theirs) that are the same or look the same.

    Nothing is written; prepared datasets are not read again. Raises `DataError`.
    """
    sources = settings.sources
    if settings.layout:
        sources, _ = open_layout(settings.layout, settings.sources)
    if not is_dataset(Path(against)):
        finder([against])  # before all of ours is read
    ours, theirs = _read(sources), _read([against])
    sha, other_sha = (hash_numbers(row["sha256"] for row in rows) for rows in (ours, theirs))
    values, first = np.unique(other_sha, return_index=True)
    same = np.flatnonzero(np.isin(sha, values))
    owners = first[np.searchsorted(values, sha[same])]
    found = [(a, b, _SAME) for a, b in zip(same.tolist(), owners.tolist(), strict=True)]
    found += [
        one for one in _alike(ours, theirs, settings.near_distance) if sha[one[0]] != other_sha[one[1]]
    ]
    found.sort(key=lambda pair: (pair[0], pair[2], pair[1]))
    return Leaks(
        against=against,
        of=len(ours),
        images=len({a for a, *_ in found}),
        same=len(same),
        pairs=[
            Pair(_name(ours[a]), _name(theirs[b]), apart == _SAME, max(0, apart))
            for a, b, apart in found
        ],
    )


def _read(sources: list[str]) -> list[Row]:
    """Return what is known of the images of some sources that can be decoded."""
    wanted = ["path", "key", "sha256", "phash", "phash_mirror", "contrast"]
    with _files(sources) as files:
        return [row for row in read_rows(files, wanted) if row["sha256"]]


@contextmanager
def _files(sources: list[str]) -> Iterator[list[Path]]:
    """Give the files of rows of a prepared dataset, or of sources read for this once."""
    if len(sources) == 1 and is_dataset(Path(sources[0])):
        yield [DatasetFolder.open(Path(sources[0])).manifest]
        return
    with TemporaryDirectory(prefix="inpaintlab-") as folder:
        yield read_all(finder(sources), DatasetFolder(Path(folder)), examine)[0]


def _alike(ours: list[Row], theirs: list[Row], distance: int) -> Iterator[tuple[int, int, int]]:
    """Yield the pairs that look alike, and how many bits they lie apart."""
    (mine, prints), (others, other_prints) = _telling(ours), _telling(theirs)
    for a, b, apart in zip(*matches(prints, other_prints, distance), strict=True):
        yield mine[a], others[b], int(apart)


def _telling(rows: list[Row]) -> tuple[list[int], UInt64]:
    """Return which images show something, and their hashes: those of one colour are of noise."""
    places = [place for place, row in enumerate(rows) if row["contrast"] >= LEAST_CONTRAST]
    sides = [hash_numbers(rows[place][name] for place in places) for name in ("phash", "phash_mirror")]
    return places, np.stack(sides, axis=1)


def _name(row: Row) -> str:
    return f"{row['path']}/{row['key']}" if row["key"] else str(row["path"])

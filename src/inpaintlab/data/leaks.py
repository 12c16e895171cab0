"""`inpaint prepare --against`: images of one collection that stand in another, too."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import numpy.typing as npt

from inpaintlab.data.dataset_layouts import open_layout
from inpaintlab.data.duplicates import Fingerprints, matches
from inpaintlab.data.examine import examine
from inpaintlab.data.lookalikes import LEAST_CONTRAST
from inpaintlab.data.manifest import DatasetFolder, is_dataset, read_rows
from inpaintlab.data.places import finder
from inpaintlab.data.reading import read_all
from inpaintlab.settings import PrepareSettings


@dataclass(frozen=True)
class _Collection:
    names: list[str]
    sha: npt.NDArray[np.uint64]
    prints: Fingerprints
    telling: npt.NDArray[np.bool_]


def find_leaks(settings: PrepareSettings, against: str) -> dict[str, Any]:
    """Return the pairs of images (ours, theirs) that are the same or look the same.

    `images` counts ours that have a match, `same` those with one of the same pixels. Nothing is
    written; prepared datasets are not read again. Raises `DataError`.
    """
    sources = settings.sources
    if settings.layout:
        sources, _ = open_layout(settings.layout, settings.sources)
    with _files(sources) as files:
        ours = _collect(files)
    with _files([against]) as files:
        theirs = _collect(files)
    pairs = [*_same(ours, theirs), *_alike(ours, theirs, settings.near_distance)]
    same = {ours_at for ours_at, _, distance in pairs if distance is None}
    pairs.sort(key=lambda pair: (pair[0], pair[2] or -1, pair[1]))
    return {
        "of": len(ours.names),
        "images": len({ours_at for ours_at, *_ in pairs}),
        "same": len(same),
        "pairs": [
            {
                "ours": ours.names[a],
                "theirs": theirs.names[b],
                "same": distance is None,
                "distance": distance or 0,
            }
            for a, b, distance in pairs
        ],
    }


def show(leaks: dict[str, Any], against: str) -> str:
    """Return what `find_leaks` found as lines, a pair in each, and a sum."""
    lines = []
    for leak in leaks["pairs"]:
        how = "same pixels" if leak["same"] else f"{leak['distance']} bits of 64 apart"
        lines.append(f"{leak['ours']}\t{leak['theirs']}\t{how}")
    found = f"{leaks['images']} of {leaks['of']} images stand in {against}, too"
    return "\n".join([*lines, f"{found} ({leaks['same']} with the same pixels)"])


@contextmanager
def _files(sources: list[str]) -> Iterator[list[Path]]:
    """Give the files of rows of a prepared dataset, or of sources read for this once."""
    if len(sources) == 1 and is_dataset(Path(sources[0])):
        yield [DatasetFolder.open(Path(sources[0])).manifest]
        return
    with TemporaryDirectory(prefix="inpaintlab-") as folder:
        yield read_all(finder(sources), DatasetFolder(Path(folder)), examine)[0]


def _collect(files: list[Path]) -> _Collection:
    """Read names and hashes of the images that can be decoded."""
    wanted = ["path", "key", "sha256", "phash", "phash_mirror", "contrast"]
    rows = [row for row in read_rows(files, wanted) if row["sha256"]]

    def hashes(name: str) -> npt.NDArray[np.uint64]:
        return np.array([int(row[name][:16], 16) for row in rows], np.uint64)

    return _Collection(
        [f"{row['path']}/{row['key']}" if row["key"] else row["path"] for row in rows],
        hashes("sha256"),
        Fingerprints(hashes("phash"), hashes("phash_mirror")),
        # The perceptual hash of an image of one colour is that of its noise.
        np.array([row["contrast"] >= LEAST_CONTRAST for row in rows], bool),
    )


def _same(ours: _Collection, theirs: _Collection) -> Iterator[tuple[int, int, None]]:
    """Yield one pair for each of ours whose pixels stand there, too."""
    values, first = np.unique(theirs.sha, return_index=True)
    for index in np.flatnonzero(np.isin(ours.sha, values)).tolist():
        yield index, int(first[np.searchsorted(values, ours.sha[index])]), None


def _alike(ours: _Collection, theirs: _Collection, distance: int) -> Iterator[tuple[int, int, int]]:
    """Yield the pairs of other pixels that look alike."""
    mine, others = np.flatnonzero(ours.telling), np.flatnonzero(theirs.telling)
    if not len(mine) or not len(others):
        return
    found = matches(ours.prints.take(mine), theirs.prints.take(others), distance)
    for a, b, apart in zip(*(part.tolist() for part in found), strict=True):
        if ours.sha[mine[a]] != theirs.sha[others[b]]:
            yield int(mine[a]), int(others[b]), apart

"""Eyes that are already known: from a CSV, or from a folder of point lists."""

import csv
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Protocol

import numpy as np

from inpaintlab.arrays import Float64
from inpaintlab.data.eyes import Face, in_order
from inpaintlab.errors import DataError

COLUMNS = ("left_x", "left_y", "right_x", "right_y")


class KnownEyes(Protocol):
    """Says by the name of an image where its eyes are."""

    def find(self, name: str) -> list[Face]:
        """Return the faces of an image, the one with the widest eyes first; none where not listed.

        Raises `DataError` for points that cannot be used.
        """
        ...


def open_points(path: Path, left_rows: tuple[int, int], right_rows: tuple[int, int]) -> KnownEyes:
    """Open a CSV or a folder of point lists; raises `DataError` where there is neither."""
    if path.is_dir():
        return PointLists(path, (left_rows, right_rows))
    if not path.is_file():
        raise DataError(f"{path} does not exist: points are a CSV file or a folder of point lists")
    return PointTable(path)


class PointTable:
    """A CSV with the columns file, left_x, left_y, right_x, right_y; others are passed over.

    `file` is the path of the image inside its folder. Several rows of one file are several faces. The
    `align.csv` of an earlier run is such a table. Raises `DataError` naming the line of a bad row.
    """

    def __init__(self, path: Path) -> None:
        self._faces: dict[str, list[Face]] = {}
        try:
            with path.open(encoding="utf-8-sig", errors="surrogateescape", newline="") as file:
                rows = csv.DictReader(file)
                self._check_header(path, rows.fieldnames or [])
                for row in rows:
                    face = _face(self._eyes(path, rows.line_num, row))
                    self._faces.setdefault(row["file"], []).append(face)
        except (OSError, csv.Error) as error:
            raise DataError(f"cannot read the points {path}: {error}") from None

    def find(self, name: str) -> list[Face]:
        """Return the faces of an image, the one with the widest eyes first; none where not listed."""
        return sorted(self._faces.get(name, []), key=lambda face: -face.width)

    def _check_header(self, path: Path, names: Sequence[str]) -> None:
        missing = [name for name in ("file", *COLUMNS) if name not in names]
        if missing:
            header = ",".join(("file", *COLUMNS))
            raise DataError(f"{path} lacks the column {missing[0]}: its first line must be {header}")

    def _eyes(self, path: Path, line: int, row: Mapping[str, str]) -> Float64:
        try:
            return _finite(np.array([float(row[name]) for name in COLUMNS]).reshape(2, 2))
        except (TypeError, ValueError):
            raise DataError(f"{path}, line {line}: the eyes must be four numbers in pixels") from None


class PointLists:
    """A folder with a file NAME.txt for an image NAME.jpg: one point `x y` a line.

    An eye is the mean of a range of rows; rows count from 0.
    """

    def __init__(self, folder: Path, rows: tuple[tuple[int, int], tuple[int, int]]) -> None:
        self._folder, self._rows = folder, rows

    def find(self, name: str) -> list[Face]:
        """Return the one face of an image; none where there is no list of its name.

        Raises `DataError` for a list that is too short or holds something else than points.
        """
        path = (self._folder / name).with_suffix(".txt")
        if not path.is_file():
            return []
        points = self._read(path)
        last = max(last for _, last in self._rows)
        if len(points) <= last:
            raise DataError(f"{path.name} has {len(points)} points, row {last} was asked for")
        return [_face(np.array([points[a : b + 1].mean(axis=0) for a, b in self._rows]))]

    def _read(self, path: Path) -> Float64:
        try:
            lines = path.read_text(encoding="utf-8").replace(",", " ").splitlines()
            points = np.array([[float(word) for word in line.split()] for line in lines if line.strip()])
            return _finite(points.reshape(-1, 2) if len(points) == 0 else points)
        except (OSError, ValueError):
            raise DataError(f"{path.name} is not a list of points, one `x y` a line") from None


def _finite(points: Float64) -> Float64:
    """Refuse with a `ValueError` what are not finite points `[N, 2]`."""
    if points.ndim != 2 or points.shape[1] != 2 or not np.isfinite(points).all():
        raise ValueError
    return points


def _face(eyes: Float64) -> Face:
    """Take a known pair for a certain face; two eyes in one place are none."""
    distance = float(np.linalg.norm(eyes[1] - eyes[0]))
    return Face(distance, in_order(eyes), 1.0) if distance > 0 else Face(0.0, None)

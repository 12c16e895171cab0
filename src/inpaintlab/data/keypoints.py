"""Eyes that are already known: from a CSV, or from a folder of point lists."""

import csv
from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np

from inpaintlab.arrays import Float64
from inpaintlab.data.eyes import Face, in_order
from inpaintlab.errors import DataError

COLUMNS = ("left_x", "left_y", "right_x", "right_y")
Rows = tuple[int, int]
#: Gives the faces of an image by its name, the one with the widest eyes first; none where not listed.
KnownEyes = Callable[[str], list[Face]]


def open_points(path: Path, left_rows: Rows, right_rows: Rows) -> KnownEyes:
    """Open a CSV or a folder of point lists.

    A CSV has the columns file (the image's path inside its folder), left_x, left_y, right_x, right_y,
    as `align.csv` has; several rows of one file are several faces. A folder has a file NAME.txt for an
    image NAME.jpg, one point `x y` a line; an eye is the mean of a range of rows, counted from 0.
    Raises `DataError` where there is neither, and for points that cannot be used; those of a list
    when its image is asked for.
    """
    if path.is_dir():
        return partial(_face_of_list, path, (left_rows, right_rows))
    if not path.is_file():
        raise DataError(f"{path} does not exist: points are a CSV file or a folder of point lists")
    faces = _read_table(path)
    return lambda name: sorted(faces.get(name, []), key=lambda face: -face.width)


def _read_table(path: Path) -> dict[str, list[Face]]:
    faces: dict[str, list[Face]] = {}
    try:
        with path.open(encoding="utf-8-sig", errors="surrogateescape", newline="") as file:
            rows = csv.DictReader(file)
            for name in ("file", *COLUMNS):
                if name not in (rows.fieldnames or []):
                    header = ",".join(("file", *COLUMNS))
                    raise DataError(f"{path} lacks the column {name}: its first line must be {header}")
            for row in rows:
                eyes = _points([[row[name] for name in COLUMNS[i : i + 2]] for i in (0, 2)])
                if eyes is None:
                    line = f"{path}, line {rows.line_num}"
                    raise DataError(f"{line}: the eyes must be four numbers in pixels")
                faces.setdefault(row["file"], []).append(_face(eyes))
    except (OSError, csv.Error) as error:
        raise DataError(f"cannot read the points {path}: {error}") from None
    return faces


def _face_of_list(folder: Path, rows: tuple[Rows, Rows], name: str) -> list[Face]:
    path = (folder / name).with_suffix(".txt")
    if not path.is_file():
        return []
    try:
        lines = path.read_text(encoding="utf-8").replace(",", " ").splitlines()
        points = _points([line.split() for line in lines if line.strip()])
    except (OSError, ValueError):
        points = None
    if points is None:
        raise DataError(f"{path.name} is not a list of points, one `x y` a line")
    last = max(last for _, last in rows)
    if len(points) <= last:
        raise DataError(f"{path.name} has {len(points)} points, row {last} was asked for")
    return [_face(np.array([points[a : b + 1].mean(axis=0) for a, b in rows]))]


def _points(words: list[list[str]]) -> Float64 | None:
    """Return points `[N, 2]`, or None where some are not two finite numbers."""
    try:
        points = np.array([[float(x), float(y)] for x, y in words], np.float64).reshape(-1, 2)
    except (TypeError, ValueError):
        return None
    return points if np.isfinite(points).all() else None


def _face(eyes: Float64) -> Face:
    """Take a known pair for a certain face; two eyes in one place are none."""
    distance = float(np.linalg.norm(eyes[1] - eyes[0]))
    return Face(distance, in_order(eyes), 1.0) if distance > 0 else Face(0.0, None)

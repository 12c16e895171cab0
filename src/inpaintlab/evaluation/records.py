"""What was measured, image by image: the ground of every figure, kept so that it can be checked.

A row is one image with one mask. `metrics/NAME.csv` holds all of them, with every digit, so that
results can be compared pair by pair later.
"""

import csv
import hashlib
import io
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from inpaintlab.arrays import Bool, Float64
from inpaintlab.errors import RunError
from inpaintlab.evaluation.statistics import Interval, means
from inpaintlab.files import write_atomically

#: Columns of a row before its values.
FACTS = ("image", "sha256", "cluster", "group", "mask", "ratio", "bin", "border", "kind")


@dataclass(frozen=True)
class Records:
    """Rows and their values: `facts` holds a list for each name in `FACTS`, `values` method -> metric.

    A value is NaN where a method was not run. `cluster` says which rows are not independent.
    """

    facts: dict[str, list[Any]]
    values: dict[str, dict[str, Float64]] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.facts["image"])

    @property
    def metrics(self) -> list[str]:
        """Names of the metrics."""
        return list(next(iter(self.values.values())))

    def keys(self) -> list[tuple[str, str]]:
        """Return what each row is of: the hashes of its image and of its mask."""
        return list(zip(self.facts["sha256"], self.facts["mask"], strict=True))

    def where(self, name: str, value: Any) -> Bool:
        """Return which rows have a value of a fact."""
        return np.array([one == value for one in self.facts[name]], bool)

    def kinds_of(self, name: str) -> list[Any]:
        """Return the different values of a fact, sorted."""
        return sorted(set(self.facts[name]))

    def take(self, chosen: Bool) -> "Records":
        """Return some of the rows."""
        rows = np.flatnonzero(chosen)
        return Records(
            {name: [column[row] for row in rows] for name, column in self.facts.items()},
            {
                method: {name: column[rows] for name, column in metrics.items()}
                for method, metrics in self.values.items()
            },
        )

    @staticmethod
    def join(parts: Sequence["Records"]) -> "Records":
        """Return the rows of all parts, which have the same methods and metrics."""
        first = parts[0]
        return Records(
            {name: [one for part in parts for one in part.facts[name]] for name in first.facts},
            {
                method: {
                    name: np.concatenate([part.values[method][name] for part in parts]) for name in of
                }
                for method, of in first.values.items()
            },
        )

    def only(self, methods: Iterable[str]) -> "Records":
        """Return the same rows with the values of some methods."""
        return replace(self, values={method: self.values[method] for method in methods})

    def measured(self) -> Bool:
        """Return which rows have values of every method."""
        missing = [np.isnan(column) for of in self.values.values() for column in of.values()]
        return np.asarray(~np.any(missing, axis=0), bool)

    def clusters(self) -> npt.NDArray[np.int64]:
        """Return a number for each row: rows of the same number are not independent."""
        numbers = np.unique(np.array(self.facts["cluster"], dtype=str), return_inverse=True)[1]
        return np.asarray(numbers, np.int64)

    def summary(self) -> dict[str, Any]:
        """Return counts, and mean and interval of every metric of every method, as plain values."""
        names = [(method, metric) for method, of in self.values.items() for metric in of]
        columns = np.stack([self.values[method][metric] for method, metric in names], axis=1)
        found: dict[str, dict[str, Any]] = {method: {} for method in self.values}
        for (method, metric), mean in zip(names, means(columns, self.clusters()), strict=True):
            found[method][metric] = mean.as_dict()
        return {"n": len(self), "images": len(set(self.facts["sha256"])), "methods": found}

    def difference(self, method: str, other: str, metric: str) -> Interval:
        """Return the mean of the paired differences of two methods, with its interval."""
        pairs = self.values[method][metric] - self.values[other][metric]
        return means(pairs[:, None], self.clusters())[0]

    def write(self, path: Path) -> str:
        """Write all rows as CSV; return the SHA-256 of the file, 16 hexadecimal digits."""
        text = io.StringIO(newline="")
        writer = csv.writer(text, lineterminator="\n")
        columns = {f"{m}/{metric}": c for m, of in self.values.items() for metric, c in of.items()}
        writer.writerow([*FACTS, *columns])
        facts = zip(*(self.facts[name] for name in FACTS), strict=True)
        for row, values in zip(facts, zip(*columns.values(), strict=True), strict=True):
            # repr of a float is the shortest text that reads back as the same float.
            writer.writerow([*row, *("" if np.isnan(v) else repr(float(v)) for v in values)])
        data = text.getvalue().encode()
        write_atomically(path, data)
        return hashlib.sha256(data).hexdigest()[:16]


def read_records(path: Path, expected: str) -> Records:
    """Read what `write` wrote; raises `RunError` where it is missing, or is not what it was then."""
    try:
        data = path.read_bytes()
    except OSError as error:
        raise RunError(f"cannot read {path}: {error.strerror}; run inpaint evaluate again") from None
    if hashlib.sha256(data).hexdigest()[:16] != expected:
        raise RunError(
            f"{path} is not the one that its result was made from (it was edited, or belongs to another "
            "result): run inpaint evaluate again"
        )
    rows = list(csv.reader(io.StringIO(data.decode())))
    return _parse(rows[0], rows[1:])


def _parse(head: Sequence[str], rows: Sequence[Sequence[str]]) -> Records:
    columns = dict(zip(head, zip(*rows, strict=True), strict=True))
    facts: dict[str, list[Any]] = {name: list(columns[name]) for name in FACTS}
    facts["ratio"] = [float(ratio) for ratio in facts["ratio"]]
    facts["border"] = [border == "True" for border in facts["border"]]
    values: dict[str, dict[str, Float64]] = {}
    for name in head[len(FACTS) :]:
        method, _, metric = name.rpartition("/")
        column = np.array([float(value) if value else np.nan for value in columns[name]])
        values.setdefault(method, {})[metric] = column
    return Records(facts, values)

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
from typing import Annotated, Any

import numpy as np
from pydantic import PlainSerializer, PlainValidator

from inpaintlab.arrays import Bool, Float64, Int64
from inpaintlab.errors import RunError, SettingError, near_miss
from inpaintlab.evaluation.statistics import (
    Interval,
    bootstrap_interval,
    bootstrap_intervals,
    percent_interval,
)
from inpaintlab.files import write_atomically
from inpaintlab.metrics import Figure

#: Columns of a row before its values.
FACTS = ("image", "sha256", "cluster", "group", "mask", "ratio", "bin", "border", "kind")


def _from_json(values: Any) -> Float64:
    return np.array([np.nan if value is None else value for value in values], np.float64)


def _to_json(column: Float64) -> list[float | None]:
    return [None if np.isnan(value) else float(value) for value in column]


#: A value for each row, NaN where a method was not run; None in JSON.
Column = Annotated[Float64, PlainValidator(_from_json), PlainSerializer(_to_json)]


@dataclass(frozen=True)
class Summary:
    """Means over some rows: how many rows and images, and for each method and metric its interval."""

    n: int
    images: int
    methods: dict[str, dict[str, Interval]]


@dataclass(frozen=True)
class Rows:
    """Rows and their values: `facts` holds a list for each name in `FACTS`, `values` method -> metric.

    A value is NaN where a method was not run. `cluster` says which rows are not independent.
    """

    facts: dict[str, list[Any]]
    values: dict[str, dict[str, Column]] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.facts["image"])

    def __repr__(self) -> str:
        return f"<{len(self) if self.facts else 0} rows of {', '.join(self.values)}>"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Rows) and self.csv() == other.csv()

    __hash__ = None  # type: ignore[assignment]

    @property
    def images(self) -> int:
        """How many different images there are."""
        return len(set(self.facts["sha256"]))

    @property
    def metrics(self) -> list[str]:
        """Names of the metrics, also of those that some methods lack."""
        return list(dict.fromkeys(metric for of in self.values.values() for metric in of))

    def column(self, method: str, metric: str) -> Float64:
        """Return the values of a method; raises `SettingError` with the nearest name for another."""
        if method not in self.values:
            raise SettingError(f"no method {method!r} was measured{near_miss(method, self.values)}")
        if metric not in (known := self.values[method]):
            hint = near_miss(metric, known)
            raise SettingError(f"no metric {metric!r} of {method!r} was measured{hint}")
        return known[metric]

    def keys(self) -> list[tuple[str, str]]:
        """Return what each row is of: the hashes of its image and of its mask."""
        return list(zip(self.facts["sha256"], self.facts["mask"], strict=True))

    def where(self, name: str, value: Any) -> Bool:
        """Return which rows have a value of a fact."""
        return np.array([one == value for one in self.facts[name]], bool)

    def kinds_of(self, name: str) -> list[Any]:
        """Return the different values of a fact, sorted."""
        return sorted(set(self.facts[name]))

    def take(self, chosen: Bool) -> "Rows":
        """Return some of the rows."""
        rows = np.flatnonzero(chosen)
        return Rows(
            {name: [column[row] for row in rows] for name, column in self.facts.items()},
            {m: {name: column[rows] for name, column in of.items()} for m, of in self.values.items()},
        )

    @staticmethod
    def join(parts: Sequence["Rows"]) -> "Rows":
        """Return the rows of all parts, which have the same methods, with the metrics that all have.

        Some parts may lack what only a model says that knows its limits, or whose fills vary.
        """
        facts = {name: [one for part in parts for one in part.facts[name]] for name in parts[0].facts}
        values = {
            method: {
                name: np.concatenate([part.values[method][name] for part in parts])
                for name in of
                if all(name in part.values[method] for part in parts)
            }
            for method, of in parts[0].values.items()
        }
        return Rows(facts, values)

    def only(self, methods: Iterable[str]) -> "Rows":
        """Return the same rows with the values of some methods."""
        return replace(self, values={method: self.values[method] for method in methods})

    def measured(self) -> Bool:
        """Return which rows have values of every method."""
        missing = [np.isnan(column) for of in self.values.values() for column in of.values()]
        return np.asarray(~np.any(missing, axis=0), bool)

    def clusters(self) -> Int64:
        """Return a number for each row: rows of the same number are not independent."""
        numbers = np.unique(np.array(self.facts["cluster"], dtype=str), return_inverse=True)[1]
        return np.asarray(numbers, np.int64)

    def summary(self) -> Summary:
        """Return counts, and mean and interval of every metric of every method."""
        names = [(method, metric) for method, of in self.values.items() for metric in of]
        columns = np.stack([self.values[method][metric] for method, metric in names], axis=1)
        found: dict[str, dict[str, Interval]] = {method: {} for method in self.values}
        intervals = bootstrap_intervals(columns, self.clusters())
        for place, ((method, metric), interval) in enumerate(zip(names, intervals, strict=True)):
            percent = metric.endswith("_percent")
            column = columns[:, place]
            found[method][metric] = percent_interval(column, self.clusters()) if percent else interval
        return Summary(len(self), self.images, found)

    def paired(self, one: str, other: str, metric: str) -> Interval:
        """Return the mean of `one` less `other`, row by row, with its interval."""
        pairs = self.column(one, metric) - self.column(other, metric)
        return bootstrap_interval(pairs, self.clusters())

    def gained(self, one: str, other: str, metric: str, figure: Figure) -> Float64:
        """Return how much better `other` is than `one` in each row, whichever way the figure goes."""
        return figure.score(self.column(other, metric)) - figure.score(self.column(one, metric))

    def csv(self) -> bytes:
        """Return all rows as CSV, every value with all its digits."""
        text = io.StringIO(newline="")
        writer = csv.writer(text, lineterminator="\n")
        columns = {f"{m}/{metric}": c for m, of in self.values.items() for metric, c in of.items()}
        writer.writerow([*FACTS, *columns])
        facts = zip(*(self.facts[name] for name in FACTS), strict=True)
        for row, values in zip(facts, zip(*columns.values(), strict=True), strict=True):
            # repr of a float is the shortest text that reads back as the same float.
            writer.writerow([*row, *("" if np.isnan(v) else repr(float(v)) for v in values)])
        return text.getvalue().encode()

    @property
    def hash(self) -> str:
        """SHA-256 of the rows as CSV, 16 hexadecimal digits."""
        return _digest(self.csv())

    def write(self, path: Path) -> str:
        """Write all rows as CSV; return their hash."""
        write_atomically(path, data := self.csv())
        return _digest(data)


def read_rows(path: Path, expected: str) -> Rows:
    """Read what `write` wrote; raises `RunError` where it is missing, or is not what it was then."""
    try:
        data = path.read_bytes()
    except OSError as error:
        raise RunError(f"cannot read {path}: {error.strerror}; run inpaint evaluate again") from None
    if _digest(data) != expected:
        raise RunError(
            f"{path} is not the one that its result was made from (it was edited, or belongs to another "
            "result): run inpaint evaluate again"
        )
    head, *lines = csv.reader(io.StringIO(data.decode()))
    columns = dict(zip(head, zip(*lines, strict=True), strict=True))
    facts: dict[str, list[Any]] = {name: list(columns[name]) for name in FACTS}
    facts["ratio"] = [float(ratio) for ratio in facts["ratio"]]
    facts["border"] = [border == "True" for border in facts["border"]]
    values: dict[str, dict[str, Float64]] = {}
    for name in head[len(FACTS) :]:
        method, _, metric = name.rpartition("/")
        column = np.array([float(value) if value else np.nan for value in columns[name]])
        values.setdefault(method, {})[metric] = column
    return Rows(facts, values)


def _digest(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()[:16]

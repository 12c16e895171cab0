"""What an evaluation found, as typed values that go to JSON and back."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Self

from inpaintlab.checkpoints import read_json, write_json
from inpaintlab.errors import RunError
from inpaintlab.evaluation.cards import Card
from inpaintlab.evaluation.lookalikes import Lookalikes
from inpaintlab.evaluation.methods import MethodFacts, Through
from inpaintlab.evaluation.ood import Corruptions, OutOfDistribution
from inpaintlab.evaluation.rows import Rows, Summary, read_rows
from inpaintlab.evaluation.statistics import Interval
from inpaintlab.evaluation.whole_sets import WholeSets
from inpaintlab.metrics import Figure, Unavailable
from inpaintlab.reports import Result


@dataclass(frozen=True)
class Gain:
    """How far the model under test is above a baseline, in dB in the hole, row by row."""

    model: str
    baseline: str
    hole_psnr: Interval


@dataclass(frozen=True)
class MaskFacts:
    """What a result says of its masks; `size` is None where each has that of its image."""

    name: str
    parts: list[dict[str, Any]]
    seed: int
    hash: str
    size: int | None
    count: int
    mean_ratio: float
    histogram: dict[str, int]
    border_share: float


@dataclass(frozen=True)
class Measurements(Result):
    """All that was measured of some methods on the same images and masks.

    `overall`, and each entry of `bins`, `borders`, `kinds` and `groups`, has for each method and metric
    the mean of the per-image values with its interval. Slow baselines have a table of the first images.
    `figures` says how metrics are shown; `command` repeats the result; `cards` are examples by choice.
    """

    inpaintlab: str
    data: str
    part: str
    through: Through
    size: int | None
    masks: MaskFacts
    methods: dict[str, MethodFacts]
    figures: dict[str, Figure]
    rows: Rows
    overall: Summary
    gain: Gain | None = None
    bins: dict[str, Summary] = field(default_factory=dict)
    borders: dict[str, Summary] = field(default_factory=dict)
    kinds: dict[str, Summary] = field(default_factory=dict)
    groups: dict[str, Summary] = field(default_factory=dict)
    slow: Summary | None = None
    sets: WholeSets | None = None
    unavailable: list[Unavailable] = field(default_factory=list)
    findings: list[str] = field(default_factory=list)
    test_access: str | None = None
    lookalikes: Lookalikes | None = None
    ood: list[OutOfDistribution] = field(default_factory=list)
    corruptions: Corruptions | None = None
    command: str = ""
    cards: dict[str, list[Card]] = field(default_factory=dict, repr=False)

    @property
    def model(self) -> str:
        """The model under test: the first method that is no baseline."""
        return model_of(self.methods, self.overall.methods)

    def save(self, folder: Path, name: str) -> None:
        """Write `NAME.json`, and all rows beside it as `NAME.csv`; the examples are not kept."""
        self.rows.write(folder / f"{name}.csv")
        write_json(folder / f"{name}.json", self.figures_dict(f"{name}.csv"))

    def figures_dict(self, file: str | None = None) -> dict[str, Any]:
        """Return what `as_dict` does, without examples and with the hash of the rows in their place."""
        bare = replace(self, rows=Rows({}, {}), cards={})
        return bare.as_dict() | {"rows": {"file": file, "hash": self.rows.hash}}

    @classmethod
    def read(cls, path: Path) -> Self:
        """Read what `save` wrote; raises `RunError` where a file is missing or its rows were edited."""
        plain = read_json(path)
        if not isinstance(plain, dict) or not {"schema", "rows"} <= plain.keys():
            raise RunError(f"{path} is no result of this version of inpaintlab: evaluate again")
        kept = plain["rows"]
        plain["rows"] = {"facts": {}, "values": {}}
        rows = read_rows(path.with_name(kept["file"]), kept["hash"])
        return replace(cls.from_dict(plain), rows=rows)


def model_of(facts: Mapping[str, MethodFacts], methods: Iterable[str]) -> str:
    """Return the first of some methods that is no baseline, or the first if all are."""
    names = list(methods)
    return next((name for name in names if facts[name].kind != "baseline"), names[0])

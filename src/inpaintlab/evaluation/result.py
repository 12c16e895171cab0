"""What an evaluation found, as typed values that go to JSON and back."""

from contextlib import suppress
from dataclasses import dataclass, field, replace
from itertools import count
from pathlib import Path
from typing import Any, Literal, Self

from inpaintlab.checkpoints import read_json, write_json
from inpaintlab.errors import RunError
from inpaintlab.evaluation.cards import Card
from inpaintlab.evaluation.probed import Probed
from inpaintlab.evaluation.rows import Rows, Summary, read_rows
from inpaintlab.evaluation.statistics import Interval
from inpaintlab.metrics import Figure, Unavailable
from inpaintlab.reports import Result

#: What is measured of a network: itself on squares, or what a user gets on images of any size.
Through = Literal["network", "fill"]


@dataclass(frozen=True)
class MethodFacts:
    """What a result says of a method.

    `size` is the side of the images that its network was trained on, `weights` the first 16 digits of
    the SHA-256 of its file, `run` the name of its run folder; empty where there is none.
    """

    kind: Literal["function", "network", "baseline"]
    network: str = ""
    size: int | None = None
    weights: str = ""
    run: str = ""
    provenance: dict[str, Any] = field(default_factory=dict)


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
class Gain:
    """How far the model under test is above a baseline, in dB in the hole, row by row."""

    model: str
    baseline: str
    hole_psnr: Interval


@dataclass(frozen=True)
class SetFigures:
    """Figures of so many images: method -> name -> value."""

    n: int
    methods: dict[str, dict[str, float]]


@dataclass(frozen=True)
class WholeSets:
    """Figures of whole sets of images, over all rows and by hole-ratio bin.

    The Fréchet distance depends on the number of images. So in `bins` it is taken of `equal_n`
    images of each, drawn at random, and not at all in bins that have too few; the kernel distance,
    which does not depend on it, of all.
    """

    overall: SetFigures
    equal_n: dict[str, int]
    bins: dict[str, SetFigures]


@dataclass(frozen=True)
class Lookalikes:
    """Measured images that look like one that a run has learnt from.

    `of` counts those learnt from, `looked_at` those of them that were looked at; `pairs` are names, each
    measured image with its likest. `without` are the figures without them, None where that is all.
    """

    of: int
    looked_at: int
    pairs: list[tuple[str, str]]
    without: Summary | None


@dataclass(frozen=True)
class OutOfDistribution:
    """How a model fares on images of another kind, beside its own ones.

    `loss` is how much lower the hole PSNR is than on the own images. Images differ in how hard they
    are for anything, so `gain`, over the baseline, and `gain_loss` say more.
    """

    data: str
    summary: Summary
    gain: Interval
    loss: Interval
    gain_loss: Interval


@dataclass(frozen=True)
class Corrupted:
    """What is lost by one corruption at one severity, paired with the same images unchanged.

    `refused` and `inside` are shares in percent, of images that the model refuses and of values in its
    intervals; None for a model that does not say.
    """

    corruption: str
    severity: int
    hole_psnr: Interval
    gain: Interval
    loss: Interval
    gain_loss: Interval
    refused: Interval | None = None
    inside: Interval | None = None


@dataclass(frozen=True)
class Corruptions:
    """What is lost by each corruption at each severity; `hole_psnr` and `gain` are without them."""

    n: int
    hole_psnr: Interval
    gain: Interval
    rows: list[Corrupted]


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
    probe: Probed | None = None
    command: str = ""
    cards: dict[str, list[Card]] = field(default_factory=dict, repr=False)

    @property
    def model(self) -> str:
        """The model under test: the first method that is no baseline, or the first if all are."""
        names = list(self.overall.methods)
        return next((name for name in names if self.methods[name].kind != "baseline"), names[0])

    @property
    def weights(self) -> str:
        """Hash of the weights of the model under test; nothing where it has none."""
        return self.methods[self.model].weights

    def save(self, folder: Path, name: str) -> None:
        """Write `NAME.json`, and all rows beside it as `NAME.csv`; the examples are not kept."""
        self.rows.write(folder / f"{name}.csv")
        write_json(folder / f"{name}.json", self.figures_dict(f"{name}.csv"))

    def keep(self, folder: Path, name: str) -> str:
        """Save under a name, or the next one with a number, so that no larger result is replaced.

        A result of other weights is moved to a name with their hash. Returns the name.
        """
        for number in count(1):
            free = name if number == 1 else f"{name}-{number}"
            old = self.read_figures(folder / f"{free}.json")
            if old and old.weights != self.weights:
                _move(folder, free, f"{free}-{old.weights[:8] or 'baselines'}")
            elif old and self._lacks(old):
                continue
            break
        self.save(folder, free)
        return free

    def _lacks(self, old: Self) -> bool:
        """Tell whether an older result has what this one has not."""
        elsewhere = {of.data for of in old.ood} - {of.data for of in self.ood}
        further = any(
            getattr(old, name) and not getattr(self, name) for name in ("sets", "corruptions", "probe")
        )
        methods = old.methods.keys() - self.methods.keys()
        figures = old.figures.keys() - self.figures.keys()
        return bool(self.overall.n < old.overall.n or methods or figures or elsewhere or further)

    def figures_dict(self, file: str | None = None) -> dict[str, Any]:
        """Return what `as_dict` does, without examples and with the hash of the rows in their place."""
        bare = replace(self, rows=Rows({}, {}), cards={})
        return bare.as_dict() | {"rows": {"file": file, "hash": self.rows.hash}}

    @classmethod
    def read(cls, path: Path) -> Self:
        """Read what `save` wrote; raises `RunError` where a file is missing or its rows were edited."""
        plain = read_json(path)
        bare = cls.read_figures(path)
        if bare is None:
            raise RunError(f"{path} is no result of this version of inpaintlab: evaluate again")
        kept = plain["rows"]
        return replace(bare, rows=read_rows(path.with_name(kept["file"]), kept["hash"]))

    @classmethod
    def read_figures(cls, path: Path) -> Self | None:
        """Read what `save` wrote, without rows; None where there is no result of this version."""
        with suppress(OSError, ValueError, RunError):
            plain = read_json(path)
            if isinstance(plain, dict) and {"schema", "rows"} <= plain.keys():
                return cls.from_dict(plain | {"rows": {"facts": {}, "values": {}}})
        return None


def _move(folder: Path, name: str, to: str) -> None:
    """Give a result another name, the next free one with a number."""
    names = (to if number == 1 else f"{to}-{number}" for number in count(1))
    new = next(one for one in names if not (folder / f"{one}.json").exists())
    plain = read_json(folder / f"{name}.json")
    plain["rows"]["file"] = f"{new}.csv"
    with suppress(FileNotFoundError):
        (folder / f"{name}.csv").replace(folder / f"{new}.csv")
    write_json(folder / f"{new}.json", plain)

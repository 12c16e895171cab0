"""What small changes of an image do to its fill, as typed values that draw themselves."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated

from pydantic import Field

from inpaintlab.baselines import BASELINES, title
from inpaintlab.errors import SettingError, near_miss
from inpaintlab.evaluation.statistics import Interval
from inpaintlab.reports import (
    Answer,
    Block,
    Card,
    Cards,
    Column,
    Heading,
    Note,
    Page,
    Result,
    Row,
    Table,
    Text,
)
from inpaintlab.trust.probes import PROBES

_WORDS = (
    "Only known pixels are changed, or the edge of the hole. Moved: the root of the mean square by "
    "which values in the hole differ before and after, of 0 to 1. Lost: by how many dB the fill was "
    "nearer to the truth before. Far: images whose fill moves by more than {most:g}. The worst "
    "change of each value by at most ± n is searched for along the gradient, where a method has "
    "one; squares of random signs stand in where it has none, and find less."
)
_ROWS = "damaged; filled; changed and damaged; filled then; four times the difference of both fills"


@dataclass(frozen=True)
class Effect:
    """What a change does to the fills of a method.

    `moved` is from 0 to 1, `lost` in dB, `far_percent` the share of the images whose fill moves by more
    than the stated amount, and `distance` that of features, None without a network for them.
    """

    probe: str
    change: str
    method: str
    moved: Interval
    lost: Interval
    far_percent: float
    distance: Interval | None = None


@dataclass(frozen=True)
class Probed(Result):
    """How far small changes of images move the fills of some methods, on the same images and masks.

    The first method is the one under test. Fills that move by more than `most`, a value of 0 to 1, have
    moved far. `searched` are the methods without a gradient. `sheets` are images of the worst, PNG as
    URLs by method, which are not kept.
    """

    data: str
    size: int
    images: int
    masks: str
    most: float
    methods: list[str]
    effects: list[Effect]
    searched: list[str] = field(default_factory=list)
    page: Path | None = None
    command: str = ""
    sheets: Annotated[dict[str, str], Field(exclude=True)] = field(default_factory=dict, repr=False)

    @property
    def model(self) -> str:
        """The method that the sentence is about: the first."""
        return self.methods[0]

    def effect(self, change: str, method: str | None = None) -> Effect:
        """Return what a change, as `"worst ± 1/255"`, does to a method, by default the model.

        Raises `SettingError` with the nearest name for a change or a method that was not measured.
        """
        found = {(of.change, of.method): of for of in self.effects}
        name = self._known(method)
        if (change, name) not in found:
            changes = dict.fromkeys(of.change for of in self.effects)
            raise SettingError(f"no change {change!r} was measured{near_miss(change, changes)}")
        return found[change, name]

    def smallest(self, probe: str, method: str | None = None) -> str:
        """Return the smallest change by a probe that moves half of the fills far; "" if none does.

        Raises `SettingError` for a probe or a method that was not measured.
        """
        name = self._known(method)
        if probe not in PROBES:
            raise SettingError(f"unknown probe {probe!r}{near_miss(probe, PROBES)}")
        found = (of for of in self.effects if (of.probe, of.method) == (probe, name))
        return next((of.change for of in found if of.far_percent >= 50), "")

    def _known(self, method: str | None) -> str:
        if method is not None and method not in self.methods:
            raise SettingError(f"no method {method!r} was measured{near_miss(method, self.methods)}")
        return method or self.model

    @property
    def headline(self) -> str:
        """What the smallest changes do, in a sentence."""
        noise, worst = (self.effect(f"{name} ± 1/255").moved for name in ("noise", "worst"))
        if not worst.mean:
            return f"{self.model}: no change of ± 1/255 moves a fill"
        times = f", {worst.mean / noise.mean:.0f} times as far" if noise.mean else ""
        end = f"nothing that was tried moves half of the fills by more than {self.most:g}"
        if far := self.smallest("gradient"):
            end = f"half of the fills move by more than {self.most:g} from {far} on"
        return (
            f"{self.model}: noise of ± 1/255 moves a fill by {noise.mean:.4f}, the worst change of that "
            f"size by {worst.mean:.4f}{times}; {end}"
        )

    def answer(self) -> Answer:
        """Return what a command prints."""
        places = {"page": self.page} if self.page else {}
        details = [*self.tables()]
        return Answer(f"{self.headline}.", self.overview(), self.notes(), places, details=details)

    def notes(self) -> list[Note]:
        """Return what a reader must know before methods are compared."""
        models = [title(name) for name in self.searched if name not in BASELINES]
        if not models:
            return []
        line = (
            f"{', '.join(models)} has no gradient here, so the worst changes were searched for, which "
            "finds less: do not compare them with those of a method that has one"
        )
        return [Note(f"{line}.", "warn", head="Searched:")]

    def overview(self) -> Table:
        """Return how far each change moves the fills of each method."""
        changes = list(dict.fromkeys(of.change for of in self.effects))
        columns = [Column(title(name), optional=place > 0) for place, name in enumerate(self.methods)]
        rows = [
            Row((change, *(self.effect(change, name).moved.cell(".4f") for name in self.methods)))
            for change in changes
        ]
        return Table.of([Column("moved by", text=True), *columns], rows, self.caption)

    @property
    def caption(self) -> str:
        """What was changed."""
        return f"{self.images} images of {self.data} at {self.size} px, masks {self.masks}"

    def tables(self) -> Iterator[Table]:
        """Yield all figures, and the smallest changes that move half of the fills far."""
        rows = []
        for of in self.effects:
            distance = of.distance.cell(".4f") if of.distance else "–"
            figures = (of.moved.cell(".4f"), of.lost.cell(sign="+"), f"{of.far_percent:.0f}", distance)
            rows.append(
                Row((title(of.method), *figures), strong=of.method == self.model, group=of.change)
            )
        columns = ["method", "moved ↓", "lost, dB ↓", "far % ↓", "moved, by features ↓"]
        yield Table.of(columns, rows, "Small changes", _WORDS.format(most=self.most))
        probes = [name for name, of in PROBES.items() if len(of.amounts) > 1]
        smallest = [
            Row((title(name), *(self.smallest(probe, name) or "–" for probe in probes)))
            for name in self.methods
        ]
        words = f"The smallest change that moves half of the fills by more than {self.most:g}"
        headings = [PROBES[name].label.partition(" ±")[0].partition(":")[0] for name in probes]
        yield Table.of(["method", *headings], smallest, words, "–: none that was tried.")

    def blocks(self) -> Iterator[Block]:
        """Yield what a page shows."""
        yield from self.notes()
        yield from self.tables()
        if self.sheets:
            changes = ", ".join(of.label.format(of.amounts[-1]) for of in PROBES.values())
            yield Heading("Where fills move farthest")
            yield Text(f"Columns: {changes}. Rows: {_ROWS}.", quiet=True)
            yield Cards([Card(url, title(name)) for name, url in self.sheets.items()], wide=True)

    def html(self) -> Page:
        """Return the page."""
        return Page(f"probe of {self.model}", f"{self.headline}.", [*self.blocks()], self.caption)

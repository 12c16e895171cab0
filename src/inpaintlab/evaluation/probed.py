"""What small changes of an image do to its fill, as typed values that draw themselves."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated

from pydantic import Field

from inpaintlab.baselines import title
from inpaintlab.evaluation.statistics import Interval
from inpaintlab.reports import (
    Answer,
    Block,
    Card,
    Cards,
    Column,
    Heading,
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
_ROWS = "damaged, filled, damaged and changed, filled then, and the difference of the fills, four times"


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

    The first method is the one under test.

    Fills that move by more than `most`, a value of 0 to 1, have moved far. `sheets` are images of the
    worst, PNG as URLs by method, which are not kept.
    """

    data: str
    size: int
    images: int
    masks: str
    most: float
    methods: list[str]
    effects: list[Effect]
    page: Path | None = None
    command: str = ""
    sheets: Annotated[dict[str, str], Field(exclude=True)] = field(default_factory=dict, repr=False)

    @property
    def model(self) -> str:
        """The method that the sentence is about: the first."""
        return self.methods[0]

    def effect(self, change: str, method: str | None = None) -> Effect:
        """Return what a change, as `"worst ± 1/255"`, does to a method, by default the model."""
        name = method or self.model
        return next(of for of in self.effects if (of.change, of.method) == (change, name))

    def smallest(self, probe: str, method: str | None = None) -> str:
        """Return the smallest change by a probe that moves half of the fills far; "" if none does."""
        name = method or self.model
        found = (of for of in self.effects if (of.probe, of.method) == (probe, name))
        return next((of.change for of in found if of.far_percent >= 50), "")

    @property
    def headline(self) -> str:
        """What the smallest changes do, in a sentence."""
        noise, worst = (self.effect(f"{name} ± 1/255").moved for name in ("noise", "worst"))
        times = worst.mean / max(noise.mean, 1e-9)
        end = f"nothing that was tried moves half of the fills by more than {self.most:g}"
        if far := self.smallest("gradient"):
            end = f"half of the fills move by more than {self.most:g} from {far} on"
        return (
            f"{self.model}: noise of ± 1/255 moves a fill by {noise.mean:.4f}, the worst change of that "
            f"size by {worst.mean:.4f}, {times:.0f} times as far; {end}"
        )

    def answer(self) -> Answer:
        """Return what a command prints."""
        places = {"page": self.page} if self.page else {}
        return Answer(f"{self.headline}.", self.overview(), places=places, details=[*self.tables()])

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
        yield Table.of(["method", *probes], smallest, words, "–: none that was tried.")

    def blocks(self) -> Iterator[Block]:
        """Yield what a page shows."""
        yield from self.tables()
        if self.sheets:
            changes = ", ".join(of.label.format(of.amounts[-1]) for of in PROBES.values())
            yield Heading("Where fills move farthest")
            yield Text(f"A column for each of {changes}; from above {_ROWS}.", quiet=True)
            yield Cards([Card(url, title(name)) for name, url in self.sheets.items()], wide=True)

    def html(self) -> Page:
        """Return the page."""
        return Page(f"probe of {self.model}", f"{self.headline}.", [*self.blocks()], self.caption)

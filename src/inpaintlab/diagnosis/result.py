"""What a check or a diagnosis says: verdicts, and a result that draws itself."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field

from inpaintlab import reports
from inpaintlab.reports import Answer, Note, Page, Tone
from inpaintlab.runs import OBJECT
from inpaintlab.settings import ResolvedTrainSettings, TrainSettings

Word = Literal["ok", "note", "finding"]
#: Blocks of a page, which JSON does not hold.
Drawn = Annotated[tuple[Any, ...], Field(exclude=True)]
#: What each word looks like, the worst first.
_TONES: dict[Word, Tone] = {"finding": "bad", "note": "warn", "ok": "good"}


@dataclass(frozen=True)
class Verdict:
    """One thing that was looked at.

    `ok`: nothing to do. `note`: worth knowing. `finding`: the run would suffer, or fail. `text` is a
    sentence with its figures, `advice` what to do next (empty where nothing is), `figures` are the
    numbers behind it, all of which JSON can hold, and `blame` says which of several causes it was.
    `blocks` are drawings for a page.
    """

    part: str
    word: Word
    text: str
    advice: str = ""
    figures: Mapping[str, Any] = field(default_factory=dict)
    blame: str = ""
    blocks: Drawn = field(default=(), repr=False, compare=False)

    def worse(self, word: Word, advice: str, start: str = "", blame: str = "") -> "Verdict":
        """Return it with another word, with advice, and with what is wrong at the start of its text."""
        return replace(self, word=word, text=start + self.text, advice=advice, blame=blame)

    def shown(self) -> Note:
        """Return it as a page and a terminal show it."""
        return Note(self.text, _TONES[self.word], self.advice, f"{self.part}:")


@dataclass(frozen=True)
class Result(reports.Result):
    """One verdict a part, and the page that shows them.

    `data` or `recipe` is what a command can train from; neither, where objects were given.
    """

    title: str
    page: Path
    verdicts: Annotated[tuple[Verdict, ...], Field(alias="parts")]
    data: str = ""
    recipe: str = ""
    blocks: Drawn = field(default=(), repr=False, compare=False)

    @property
    def findings(self) -> list[Verdict]:
        """What a run suffers from, what to begin with first."""
        return self.of("finding")

    @property
    def headline(self) -> str:
        """What was found, in one line.

        >>> sound, ill = (Verdict("seam", word, "") for word in ("ok", "finding"))
        >>> Result("", Path(), (sound, Verdict("data", "note", ""))).headline
        'Nothing was found that spoils the run; worth knowing: data'
        >>> Result("", Path(), (ill, Verdict("data", "finding", ""))).headline
        'Begin with seam; also found: data'
        """
        first, *others = [verdict.part for verdict in self.findings] or [""]
        text = f"Begin with {first}" if first else "Nothing was found that spoils the run"
        text += f"; also found: {', '.join(others)}" if others else ""
        notes = ", ".join(verdict.part for verdict in self.of("note"))
        return f"{text}; worth knowing: {notes}" if notes else text

    @property
    def command(self) -> str:
        """What to type next."""
        flags = flags_of(self.findings[0].advice) if self.findings else ""
        start = f"--config {self.recipe}" if self.recipe else self.data
        known = start and (flags or not self.findings)
        return f"inpaint train {start} {flags}".rstrip() if known else ""

    def of(self, word: Word) -> list[Verdict]:
        """Return the verdicts that are this word, in order."""
        return [verdict for verdict in self.verdicts if verdict.word == word]

    def as_dict(self) -> dict[str, Any]:
        """Return it as JSON can hold it, without the drawings."""
        findings = [verdict.part for verdict in self.findings]
        told = {"healthy": not findings, "headline": self.headline, "findings": findings}
        return super().as_dict() | told

    def answer(self) -> Answer:
        """Return what a terminal shows: findings and notes first; `verbose` tells what is sound, too."""
        *bad, sound = (self.of(word) for word in _TONES)
        notes = [verdict.shown() for verdicts in bad for verdict in verdicts]
        if sound:
            notes.append(Note(", ".join(verdict.part for verdict in sound), "good", head="sound:"))
        return Answer(
            f"{self.headline}.", notes=notes, places={"page": self.page}, command=self.command,
            details=[verdict.shown() for verdict in sound],
        )  # fmt: skip

    def html(self) -> Page:
        """Return the page: findings first, and then what is drawn of all that was looked at."""
        notes = [verdict.shown() for word in _TONES for verdict in self.of(word)]
        drawn = [block for verdict in self.verdicts for block in verdict.blocks]
        return Page(self.title, f"{self.headline}.", [*notes, *drawn, *self.blocks])

    def _repr_html_(self) -> str:
        return self.html()._repr_html_()


def has_objects(settings: TrainSettings | ResolvedTrainSettings) -> bool:
    """Tell whether a run was given something as an object, which no command can make again."""
    names = (settings.network.name, settings.objective.name, settings.data.partition(":")[0])
    return OBJECT in names


def flags_of(advice: str) -> str:
    """Return the flags that an advice begins with.

    >>> flags_of("--lr 0.001, or leave it out"), flags_of("-s a.b=1 -s c=2 helps"), flags_of("look")
    ('--lr 0.001', '-s a.b=1 -s c=2', '')
    """
    found = re.match(r"(?:--?[a-z][a-z-]* [^\s,]+[\s,]?)*", advice)
    return found.group().rstrip(" ,") if found else ""


def count(number: int, noun: str) -> str:
    """Return a number with its noun, in the plural where it has to be.

    >>> count(1, "image"), count(12_000, "image")
    ('1 image', '12,000 images')
    """
    return f"{number:,} {noun}{'' if number == 1 else 's'}"

"""`inpaint diagnose`: what was wrong with a run, each verdict with its evidence and what to try next.

A verdict is a function of the `Evidence` and one line in `VERDICTS`.
"""

from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, NamedTuple

from inpaintlab.diagnosis import course, fitting, painting
from inpaintlab.diagnosis.evidence import Evidence, gather, need_run
from inpaintlab.diagnosis.page import write_diagnosis
from inpaintlab.diagnosis.verdict import Verdict, named
from inpaintlab.errors import OutputError
from inpaintlab.settings import DiagnoseSettings

#: Name of the page in a run folder.
PAGE = "diagnosis.html"


class Judge(NamedTuple):
    """A function of the evidence; whether it needs weights; and findings that explain one of its own."""

    look: Callable[[Evidence], Verdict]
    needs_weights: bool = True
    follows: tuple[str, ...] = ()


_PAINTS_NOTHING = ("copy-through", "one colour", "mean face")
_HARDLY_LEARNT = ("data", "learning rate", "spikes")

#: Part -> judge, causes before what follows from them: the first finding is the one to begin with. A
#: finding that an earlier one explains is a note.
VERDICTS: dict[str, Judge] = {
    "data": Judge(course.data, needs_weights=False),
    "copy-through": Judge(painting.copy_through),
    "learning rate": Judge(course.learning_rate, needs_weights=False, follows=("copy-through",)),
    "one colour": Judge(painting.one_colour, follows=("copy-through", "learning rate")),
    "mean face": Judge(painting.mean_face, follows=("copy-through", "one colour", "learning rate")),
    "spikes": Judge(
        course.spikes, needs_weights=False, follows=("data", *_PAINTS_NOTHING, "learning rate")
    ),
    "colour shift": Judge(painting.colour_shift, follows=(*_PAINTS_NOTHING, *_HARDLY_LEARNT)),
    "over-fitting": Judge(fitting.over_fitting, follows=_PAINTS_NOTHING),
    "under-fitting": Judge(
        fitting.under_fitting,
        follows=(*_PAINTS_NOTHING, *_HARDLY_LEARNT, "colour shift", "over-fitting"),
    ),
    "seam": Judge(
        painting.seam, follows=(*_PAINTS_NOTHING, *_HARDLY_LEARNT, "colour shift", "under-fitting")
    ),
}


@dataclass(frozen=True)
class Diagnosis:
    """What was found of a run: one verdict a part, and the page that shows them."""

    title: str
    page: Path
    verdicts: list[Verdict]

    @property
    def findings(self) -> list[Verdict]:
        """The findings, the one to begin with first."""
        return [verdict for verdict in self.verdicts if verdict.word == "finding"]

    @property
    def headline(self) -> str:
        """What was found, in one line."""
        return headline(self.verdicts)

    def as_dict(self) -> dict[str, Any]:
        """Return all of it as JSON can hold it."""
        return {
            "title": self.title, "page": str(self.page), "healthy": not self.findings,
            "headline": self.headline, "findings": [verdict.part for verdict in self.findings],
            "parts": [asdict(verdict) for verdict in self.verdicts],
        }  # fmt: skip


def diagnose(settings: DiagnoseSettings) -> Diagnosis:
    """Judge a run that ended or was stopped, and write `diagnosis.html` into its folder.

    Raises `RunError` and `DataError` for a folder that is no run, or whose images are not there.
    """
    run = need_run(settings.run)
    page = settings.output or run.folder / PAGE
    if page.is_dir():
        raise OutputError(f"{page} is a folder: -o takes the page to write, as diagnosis.html")
    evidence = gather(run, settings)
    result = Diagnosis(f"diagnosis of {run.folder.resolve().name}", page, judge(evidence))
    write_diagnosis(result.title, result.headline, evidence, result.verdicts, page)
    return result


def judge(evidence: Evidence) -> list[Verdict]:
    """Return the verdict of every part, in the order of `VERDICTS`."""
    verdicts: list[Verdict] = []
    for part, (look, needs_weights, follows) in VERDICTS.items():
        if needs_weights and not (evidence.best and evidence.last):
            text = "not looked at: the run ended before its first save, and has left no weights"
            verdicts.append(Verdict(part, "note", text))
            continue
        verdict = look(evidence)
        found = [one.part for one in verdicts if one.word == "finding"]
        causes = [cause for cause in found if cause in follows]
        if verdict.word == "finding" and causes:
            advice = f"probably follows from {causes[0]}: begin with that"
            verdict = replace(verdict, word="note", advice=advice)
        verdicts.append(verdict)
    return verdicts


def headline(verdicts: list[Verdict]) -> str:
    """Say in one line what was found.

    >>> headline([Verdict("seam", "ok", ""), Verdict("data", "note", "")])
    'healthy: nothing found that spoils the run; worth knowing: data'
    >>> headline([Verdict("seam", "finding", ""), Verdict("data", "finding", "")])
    'begin with seam; also found: data'
    """
    findings, notes = (named(verdicts, word) for word in ("finding", "note"))
    known = f"; worth knowing: {', '.join(notes)}" if notes else ""
    if not findings:
        return f"healthy: nothing found that spoils the run{known}"
    also = f"; also found: {', '.join(findings[1:])}" if findings[1:] else ""
    return f"begin with {findings[0]}{also}{known}"

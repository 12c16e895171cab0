"""`inpaint diagnose`: what was wrong with a run, each verdict with its evidence and what to try next.

A verdict is a function of the `Evidence` and one line in `VERDICTS`.
"""

import os
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

from torch import nn

from inpaintlab.diagnosis import fills, fitting, training_curve
from inpaintlab.diagnosis.drawings import examples as drawn_examples, training
from inpaintlab.diagnosis.evidence import Evidence, gather, need_run
from inpaintlab.diagnosis.result import Result, Verdict, has_objects
from inpaintlab.errors import OutputError
from inpaintlab.reports import Code, Heading
from inpaintlab.settings import dump

#: Name of the page in a run folder.
PAGE = "diagnosis.html"


class Judge(NamedTuple):
    """A function of the evidence; whether it needs weights; and findings that explain one of its own."""

    look: Callable[[Evidence], Verdict | None]
    needs_weights: bool = True
    follows: tuple[str, ...] = ()


_FILLS_NOTHING = ("copy-through", "constant output", "mode collapse")
_HARDLY_LEARNT = ("data", "learning rate", "spikes")

#: Part -> judge, causes before what follows from them: the first finding is the one to begin with. A
#: finding that an earlier one explains is a note.
VERDICTS: dict[str, Judge] = {
    "data": Judge(training_curve.data, needs_weights=False),
    "copy-through": Judge(fills.copy_through),
    "learning rate": Judge(training_curve.learning_rate, needs_weights=False, follows=("copy-through",)),
    "constant output": Judge(fills.constant_output, follows=("copy-through", "learning rate")),
    "mode collapse": Judge(
        fills.mode_collapse, follows=("copy-through", "constant output", "learning rate")
    ),
    "spikes": Judge(
        training_curve.spikes, needs_weights=False, follows=("data", *_FILLS_NOTHING, "learning rate")
    ),
    "discriminator": Judge(
        training_curve.discriminator, needs_weights=False, follows=(*_FILLS_NOTHING, "learning rate")
    ),
    "colour shift": Judge(fills.colour_shift, follows=(*_FILLS_NOTHING, *_HARDLY_LEARNT)),
    "over-fitting": Judge(fitting.over_fitting, follows=_FILLS_NOTHING),
    "under-fitting": Judge(
        fitting.under_fitting,
        follows=(*_FILLS_NOTHING, *_HARDLY_LEARNT, "colour shift", "over-fitting"),
    ),
    "seam": Judge(
        fills.seam, follows=(*_FILLS_NOTHING, *_HARDLY_LEARNT, "colour shift", "under-fitting")
    ),
}


class Diagnosis(Result):
    """What was found of a run: one verdict a part, and the page that shows them."""


def diagnose(
    run: str | os.PathLike[str],
    *,
    output: Path | None = None,
    data: Any = None,
    network: nn.Module | None = None,
    images: int = 300,
    sample: int = 2000,
    batch_size: int = 64,
    examples: int = 8,
) -> Diagnosis:
    """Judge a run that ended or was stopped, and write `diagnosis.html` into its folder.

    `output` is another page, `data` where its images are now, or the dataset itself, and `network` the
    module of a run that was given one as an object (what `fit` returned has it). At most `images` of
    validation, and as many of training, are filled, `batch_size` at a time, and `sample` training images
    looked at; `examples` are shown. Raises `RunError` and `DataError` for a folder that is no run, or
    whose images are not there.
    """
    opened = need_run(Path(run))
    page = output or opened.folder / PAGE
    if page.is_dir():
        raise OutputError(f"{page} is a folder: -o takes the page to write, as diagnosis.html")
    found = gather(
        opened,
        data=data,
        network=network or getattr(run, "network", None),
        images=images,
        sample=sample,
        batch_size=batch_size,
        examples=examples,
    )
    result = Diagnosis(
        f"diagnosis of {opened.folder.resolve().name}",
        page,
        tuple(judge(found)),
        recipe="" if has_objects(found.settings) else str(opened.recipe),
        blocks=(
            *training(found),
            *drawn_examples(found),
            Heading("Settings"),
            Code(dump(found.settings)),
        ),
    )
    result.html().write(page)
    return result


def judge(evidence: Evidence) -> list[Verdict]:
    """Return the verdict of every part that the run has, in the order of `VERDICTS`."""
    verdicts: list[Verdict] = []
    for part, (look, needs_weights, follows) in VERDICTS.items():
        if needs_weights and not (evidence.best and evidence.last):
            text = "not looked at: the run ended before its first save, and has left no weights"
            verdicts.append(Verdict(part, "note", text))
            continue
        verdict = look(evidence)
        if verdict is None:
            continue
        found = [one.part for one in verdicts if one.word == "finding"]
        causes = [cause for cause in found if cause in follows]
        if verdict.word == "finding" and causes:
            advice = f"probably follows from {causes[0]}: begin with that"
            verdict = replace(verdict, word="note", advice=advice)
        verdicts.append(verdict)
    return verdicts

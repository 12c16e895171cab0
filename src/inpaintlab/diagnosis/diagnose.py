"""`inpaint diagnose`: what was wrong with a run, each verdict with its evidence and what to try next.

A verdict is a function of the `Evidence` and one line in `VERDICTS`.
"""

import os
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

from torch import nn

from inpaintlab.checkpoints import Run
from inpaintlab.diagnosis import fills, fitting, training_curve
from inpaintlab.diagnosis.drawings import examples as drawn_examples, training
from inpaintlab.diagnosis.evidence import Evidence, gather
from inpaintlab.diagnosis.limits import judge_limits
from inpaintlab.diagnosis.result import Result, Verdict, has_objects
from inpaintlab.errors import OutputError, RunError
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
_HARDLY_LEARNT = (*_FILLS_NOTHING, "learning rate", "spikes")
_SPOILT = (*_HARDLY_LEARNT, "colour shift", "over-fitting")

#: Part -> judge, causes before what follows from them: the first finding is the one to begin with. A
#: finding that an earlier one explains is a note. Images that are odd, or in both parts, come last: the
#: verdicts before name them where they show in what was learnt.
VERDICTS: dict[str, Judge] = {
    "number of images": Judge(training_curve.number, False),
    "copy-through": Judge(fills.copy_through),
    "learning rate": Judge(training_curve.learning_rate, False, ("copy-through",)),
    "constant output": Judge(fills.constant_output, True, ("copy-through", "learning rate")),
    "mode collapse": Judge(fills.mode_collapse, True, (*_FILLS_NOTHING, "learning rate")),
    "spikes": Judge(training_curve.spikes, False, (*_FILLS_NOTHING, "learning rate")),
    "discriminator": Judge(training_curve.discriminator, False, (*_FILLS_NOTHING, "learning rate")),
    "colour shift": Judge(fills.colour_shift, True, _HARDLY_LEARNT),
    "over-fitting": Judge(fitting.over_fitting, True, _FILLS_NOTHING),
    "under-fitting": Judge(fitting.under_fitting, True, _SPOILT),
    "seam": Judge(fills.seam, True, (*_HARDLY_LEARNT, "colour shift", "under-fitting")),
    "gain": Judge(fitting.gain, True, (*_SPOILT, "number of images", "under-fitting", "seam")),
    "limits": Judge(lambda evidence: judge_limits(evidence.limits), False),
    "data": Judge(training_curve.data, False),
    "split": Judge(training_curve.split, False),
}


class Diagnosis(Result):
    """What was found of a run: one verdict a part, and the page that shows them."""

    @property
    def command(self) -> str:
        """What to type next: how to train better, or that the run is ready for use."""
        if self.findings:
            return super().command
        return f"inpaint fill IMAGE MASK --run {Path(self.recipe).parent}" if self.recipe else ""


def diagnose(
    run: str | os.PathLike[str],
    *,
    output: Path | None = None,
    data: Any = None,
    ood: Sequence[str] = (),
    network: nn.Module | None = None,
    images: int = 300,
    sample: int = 2000,
    batch_size: int = 64,
    examples: int = 8,
) -> Diagnosis:
    """Judge a run that ended or was stopped, and write `diagnosis.html` into its folder.

    `output` is another page, `data` where its images are now, or the dataset itself, and `network` the
    module of a run that was given one as an object (what `fit` returned has it). `ood` are folders of
    images that it is to be used on, if it knows its limits. At most `images` of
    validation, and as many of training, are filled, `batch_size` at a time, and `sample` training images
    looked at; `examples` are shown. Raises `RunError` and `DataError` for a folder that is no run, or
    whose images are not there.
    """
    opened = Run.open(Path(run))
    if not opened.log.exists() and not opened.model.exists():
        raise RunError(f"{opened.folder} has neither a log nor weights: train it first")
    page = output or opened.folder / PAGE
    if page.is_dir():
        raise OutputError(f"{page} is a folder: -o takes the page to write, as diagnosis.html")
    found = gather(
        opened,
        data=data,
        network=network or getattr(run, "network", None),
        ood=ood,
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
        elif verdict := look(evidence):
            causes = [one.part for one in verdicts if one.word == "finding" and one.part in follows]
            if verdict.word == "finding" and causes:
                advice = f"probably follows from {causes[0]}: begin with that"
                verdict = replace(verdict, word="note", advice=advice)
            verdicts.append(verdict)
    return verdicts

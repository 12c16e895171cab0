"""`inpaint check`: everything that can be known before a run, in about a minute.

Each part is a function that returns a `Verdict`; they take the steps of training itself, with a copy of
the trainer.
"""

import copy
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from inpaintlab import networks
from inpaintlab.diagnosis.images import (
    find_leaks,
    judge_leaks,
    judge_number,
    judge_values,
    survey,
    variety,
)
from inpaintlab.diagnosis.network import activations, batch_norm, judge_rate, memory, speed
from inpaintlab.diagnosis.overfit import capacity
from inpaintlab.diagnosis.result import Result, Verdict, has_objects
from inpaintlab.errors import OutputError
from inpaintlab.reports import Code, Heading
from inpaintlab.settings import dump
from inpaintlab.training.callbacks import Callbacks
from inpaintlab.training.launch import share_of_batch
from inpaintlab.training.memory import free_bytes
from inpaintlab.training.rate import find_rate
from inpaintlab.training.schedule import Budget
from inpaintlab.training.trainer import Trainer

#: Page that is written where none is named.
PAGE = Path("check.html")
#: Images of the batch that activations are looked at with.
_SOME = 8


class Check(Result):
    """What a check found: one verdict a part, and the page that shows them."""


def check(
    trainer: Trainer,
    *,
    output: Path | None = None,
    sample: int = 5000,
    rate_steps: int = 100,
    overfit_steps: int = 300,
    seconds: float = 20.0,
) -> Check:
    """Look at everything that can be known before a run, and write a page of it to `output`.

    The trainer stays as it is, and nothing else is written. At most `sample` images are looked at; the
    range test takes `rate_steps`, each try to overfit one batch `overfit_steps`, both at most `seconds`.
    Raises an `InpaintlabError` for what no run can have.
    """
    page, settings = output or PAGE, trainer.settings
    if page.is_dir():
        raise OutputError(f"{page} is a folder: -o takes the page to write, as check.html")
    networks.check_size(trainer.network, settings.size, settings.size)
    trial = _trial(trainer, sample)
    free = free_bytes(trial.fabric.device)

    def verdicts() -> Iterator[Verdict]:
        room = memory(trainer, free)
        fits = room.word != "finding"
        if not fits:
            trial.settings = trial.settings.model_copy(update={"batch_size": 1})
        counts = len(trainer.source.split.train), len(trainer.source.split.val)
        seen = survey(trial.data, sum(counts))
        yield judge_values(seen, settings.max_bad_fraction)
        yield judge_leaks(find_leaks(seen), seen, settings.data)
        yield variety(trial.samples())
        yield room
        yield batch_norm(trainer.network, share_of_batch(settings))
        batch = next(trial.batches_from(0))
        some = (batch.images[:_SOME], batch.masks[:_SOME])
        changed = settings.initialise is not None
        yield activations(trainer.network, trial.network, *some, changed=changed)
        if not fits:
            yield Verdict("capacity", "note", "not tried: a step does not fit into memory")
            return
        found = judge_rate(find_rate(trial, rate_steps, seconds), trainer, seconds)
        yield found
        yield capacity(trial, found.figures["used"], overfit_steps, seconds)
        timed = speed(trial, settings, counts[0])
        yield timed
        yield judge_number(*counts, timed.figures["epochs"])

    result = Check(
        f"check of {settings.data} for {settings.network.name} at {settings.size} px",
        page,
        tuple(verdicts()),
        "" if has_objects(settings) else settings.data,
        blocks=(Heading("Settings"), Code(dump(settings))),
    )
    result.html().write(page)
    return result


def _trial(trainer: Trainer, sample: int) -> Trainer:
    """Return an opened copy of a trainer, for one process, with a few of its images.

    They are kept in memory, and bad ones are borne.
    """
    trial, settings = copy.copy(trainer), trainer.settings
    trial.network = copy.deepcopy(trainer.network)
    trial.objective = copy.deepcopy(trainer.fresh_objective)
    trial.source = trainer.source.sample(sample, settings.seed)
    trial.callbacks = Callbacks(())
    changes: dict[str, Any] = {"cache": "memory", "workers": 0, "max_bad_fraction": 1.0, "devices": 1}
    if settings.learning_rate == "auto":  # the range test of the check finds it
        changes["learning_rate"] = networks.learning_rate_of(trainer.network)
    changes["batch_size"] = share_of_batch(settings)
    trial.settings = settings.model_copy(update=changes)
    trial.launch()
    trial.open(Budget(1, None, time.monotonic()))
    return trial

"""The run that is evaluated, and the methods that stand beside it."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from inpaintlab.checkpoints import Run, read_json
from inpaintlab.errors import RunError
from inpaintlab.evaluation.baselines import BASELINES, SLOW
from inpaintlab.evaluation.fillers import OURS, Filler, classical, learnt
from inpaintlab.inpainter import Inpainter
from inpaintlab.settings import EvaluateSettings, TrainSettings, build


@dataclass(frozen=True)
class Candidate:
    """The run that is evaluated, what it was trained with, and runs that stand beside it."""

    run: Run
    recipe: TrainSettings
    inpainter: Inpainter
    rivals: dict[str, Inpainter]
    trained_on: frozenset[str]

    @classmethod
    def open(cls, settings: EvaluateSettings) -> "Candidate":
        """Open the run and its rivals; raises `RunError`, also where they are for other sizes."""
        run = Run.open(settings.run)
        inpainter = Inpainter.load(settings.run)
        rivals: dict[str, Inpainter] = {}
        trained_on = set(read_json(run.data)["train_hashes"])
        for folder in settings.against:
            rival = Inpainter.load(folder)
            if rival.card.size != inpainter.card.size:
                raise RunError(
                    f"{folder} was trained at {rival.card.size} px, {settings.run} at "
                    f"{inpainter.card.size} px: only runs of one size stand in one table"
                )
            rivals[_free_name(folder.name, rivals)] = rival
            trained_on |= set(read_json(Run.open(folder).data)["train_hashes"])
        recipe = build(TrainSettings, config=run.recipe)
        return cls(run, recipe, inpainter, rivals, frozenset(trained_on))

    @property
    def size(self) -> int:
        """Side of the images in pixels."""
        return self.inpainter.card.size

    def fillers(self) -> dict[str, Filler]:
        """Return what fills every image: the quick baselines, the rivals, and ours last."""
        rivals = {name: learnt(rival.network) for name, rival in self.rivals.items()}
        quick = {name: classical(fill) for name, fill in BASELINES.items()}
        return {**quick, **rivals, OURS: learnt(self.inpainter.network)}


def _free_name(name: str, taken: Mapping[str, Any]) -> str:
    number = 2
    free = name
    while free in taken or free in BASELINES or free in SLOW or free == OURS:
        free, number = f"{name} ({number})", number + 1
    return free

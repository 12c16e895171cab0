"""One fold of a cross-validation: a run of its own, trained and measured in a process of its own."""

import re
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from inpaintlab.checkpoints import Run, read_json, write_json
from inpaintlab.errors import InpaintlabError, RunOverError
from inpaintlab.evaluation.command import run_evaluation
from inpaintlab.evaluation.evaluation import Evaluation
from inpaintlab.evaluation.worker import stop_with_parent
from inpaintlab.registry import load_plugins, loaded_plugins
from inpaintlab.settings import CrossvalSettings, EvaluateSettings, build, vary
from inpaintlab.training import TrainedRun, resume, train

#: The settings of a cross-validation, in its folder.
SETTINGS = "crossval.yaml"
#: Exit code of a process that was stopped with everything saved.
STOPPED = 130
_CODE = "import sys; from inpaintlab.evaluation.fold import main; sys.exit(main())"


@dataclass(frozen=True)
class Fold:
    """One fold of one variant, and where it leaves what.

    Beside its run folder `fold-K` are `fold-K.json`, how far it has come, and `fold-K.log`, what its
    process has printed.
    """

    folder: Path
    variant: str
    number: int

    @property
    def run(self) -> Run:
        """Its run."""
        # A name can hold what no folder should.
        return Run(self.folder / re.sub(r"[^\w.=+,()-]+", "_", self.variant) / f"fold-{self.number}")

    @property
    def log(self) -> Path:
        """What its process has printed."""
        return self.run.folder.with_name(f"fold-{self.number}.log")

    @property
    def mark(self) -> Path:
        """How far it has come."""
        return self.run.folder.with_name(f"fold-{self.number}.json")

    @property
    def command(self) -> list[str]:
        """The command that trains and measures it, or goes on with that."""
        words = str(self.folder), self.variant, str(self.number)
        return [sys.executable, "-c", _CODE, *words, *loaded_plugins()]

    def state(self) -> dict[str, Any]:
        """Return how far it has come: `trained`, `done`, `failed` or nothing."""
        return dict(read_json(self.mark)) if self.mark.is_file() else {}

    def is_over(self) -> bool:
        """Tell whether there is nothing more to do: it is measured, or its guards have stopped it."""
        return "done" in (state := self.state()) or state.get("final", False)

    def result(self) -> Evaluation:
        """Return what was measured."""
        return Evaluation.read(self.run.metrics / "val.json")

    def failed(self, reason: str, *, final: bool = False) -> None:
        """Write down why it has failed; one that is not final is tried again when asked to go on."""
        write_json(self.mark, {"failed": reason, "final": final})


def run_fold(fold: Fold) -> bool:
    """Train and measure a fold, or go on where it was stopped; return whether it came to its end.

    Raises `InpaintlabError` as `train` and `run_evaluation` do.
    """
    settings = build(CrossvalSettings, config=fold.folder / SETTINGS)
    if "trained" not in fold.state():
        fold.mark.unlink(missing_ok=True)
        result = _train(fold, settings)
        if result is not None and result.interrupted:
            return False
        if result is not None and result.stopped:
            fold.failed(f"its guards have stopped it: {result.stopped}", final=True)
            return True
        taken = {} if result is None else {"steps": result.steps, "seconds": round(result.seconds, 1)}
        write_json(fold.mark, {"trained": taken})
    # All variants are measured on the same holes, also where the masks of training vary.
    run_evaluation(
        EvaluateSettings.model_validate(
            {
                "models": [str(fold.run.folder)],
                "masks": settings.masks,
                "lookalikes": False,
                "learned": False,
                "slow_images": 0,
            }
        )
    )
    write_json(fold.mark, {"done": fold.state()["trained"]})
    return True


def main() -> int:
    """Run the fold that the command line names; what goes wrong stands in its mark and its log."""
    folder, variant, number, *plugins = sys.argv[1:]
    fold = Fold(Path(folder), variant, int(number))
    stop_with_parent()
    try:
        load_plugins(plugins)
        return 0 if run_fold(fold) else STOPPED
    except KeyboardInterrupt:  # outside training, where there is nothing to save
        return STOPPED
    except InpaintlabError as error:
        fold.failed(str(error))
        print("inpaint:", error, file=sys.stderr)
        return 2


def _train(fold: Fold, settings: CrossvalSettings) -> TrainedRun | None:
    """Train, or go on; None where all was trained already, but the mark not yet written."""
    if fold.run.recipe.is_file():
        try:
            return resume(fold.run.folder, {})
        except RunOverError:
            return None
    changes = {"fold": fold.number, "folds": settings.folds, "output": fold.run.folder}
    return train(vary(settings)[fold.variant].model_copy(update=changes))

"""The folds of a cross-validation: each is trained and measured in a process of its own.

One that breaks leaves the others. A process is asked to stop by closing its stdin, which also happens
when the one that started it is killed: none is left behind.
"""

import os
import re
import signal
import subprocess
import sys
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from inpaintlab.checkpoints import Run, read_json, write_json
from inpaintlab.errors import FullDiskError, InpaintlabError, OutputError, RunOverError
from inpaintlab.evaluation.command import run_evaluation
from inpaintlab.evaluation.evaluation import Evaluation
from inpaintlab.files import is_full, refused
from inpaintlab.progress import say
from inpaintlab.registry import load_plugins, loaded_plugins
from inpaintlab.settings import CrossvalSettings, EvaluateSettings, build, vary
from inpaintlab.training import TrainedRun, resume, train
from inpaintlab.training.stop import StopSignal

#: The settings of a cross-validation, in its folder.
SETTINGS = "crossval.yaml"
#: Name of what is measured of a fold.
RESULT = "val"
#: Exit code of a process that was stopped with everything saved.
STOPPED = 130
_CODE = "import sys; from inpaintlab.evaluation.folds import main; sys.exit(main())"
#: Seconds between two looks at the processes.
_PAUSE = 0.1


@dataclass(frozen=True)
class Fold:
    """One fold of one variant, and where it leaves what.

    Beside its run folder `fold-K` are `fold-K.json`, how it has ended, and `fold-K.log`, what its
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
        """How it has ended."""
        return self.run.folder.with_name(f"fold-{self.number}.json")

    @property
    def command(self) -> list[str]:
        """The command that trains and measures it, or goes on with that."""
        words = str(self.folder), self.variant, str(self.number)
        return [sys.executable, "-c", _CODE, *words, *loaded_plugins()]

    def state(self) -> dict[str, Any]:
        """Return how it has ended: `done`, `failed` or nothing."""
        return dict(read_json(self.mark)) if self.mark.is_file() else {}

    def is_over(self) -> bool:
        """Tell whether there is nothing more to do: it is measured, or its guards have stopped it."""
        return "done" in (state := self.state()) or state.get("final", False)

    def result(self) -> Evaluation:
        """Return what was measured."""
        return Evaluation.read(self.run.metrics / f"{RESULT}.json")

    def reason(self) -> str:
        """Return why it has not been measured."""
        return str(self.state().get("failed", "it was stopped before it was done"))

    def failed(self, reason: str, *, final: bool = False) -> None:
        """Write down why it has failed; one that is not final is tried again when asked to go on."""
        write_json(self.mark, {"failed": reason, "final": final})


def run_fold(fold: Fold) -> bool:
    """Train and measure a fold, or go on where it was stopped; return whether it came to its end.

    Raises `InpaintlabError` as `train` and `run_evaluation` do.
    """
    settings = build(CrossvalSettings, config=fold.folder / SETTINGS)
    fold.mark.unlink(missing_ok=True)
    done: dict[str, Any] = {}
    with suppress(RunOverError):  # it was trained before, but not measured
        run = _train(fold, settings)
        if run.interrupted:
            return False
        if run.stopped:
            fold.failed(f"its guards have stopped it: {run.stopped}", final=True)
            return True
        done = {"steps": run.steps, "seconds": round(run.seconds, 1)}
    # All variants are measured on the same holes, also where the masks of training vary.
    given = {"models": [str(fold.run.folder)], "masks": settings.masks}
    without = {"lookalikes": False, "learned": False, "slow_images": 0}
    run_evaluation(EvaluateSettings.model_validate(given | without), RESULT)
    write_json(fold.mark, {"done": done})
    return True


def _train(fold: Fold, settings: CrossvalSettings) -> TrainedRun:
    if fold.run.recipe.is_file():
        return resume(fold.run.folder, {})
    changes = {"fold": fold.number, "folds": settings.folds, "output": fold.run.folder}
    return train(vary(settings)[fold.variant].model_copy(update=changes))


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
    except (InpaintlabError, OSError) as error:
        if isinstance(error, OSError):  # its log, to which all goes that it prints
            if not is_full(error):
                raise
            error = refused(fold.log, error)
        if isinstance(error, FullDiskError):
            error.cure = f"inpaint crossval --resume {fold.folder}"
        with suppress(OSError, OutputError):  # the process that started it says so, too
            print("inpaint:", error, file=sys.stderr)
            fold.failed(str(error))
        return 2


def stop_with_parent() -> None:
    """Stop this process, as Ctrl-C does, once its stdin is closed."""

    def wait() -> None:
        # Not through sys.stdin, which a waiting thread would hold when the interpreter ends.
        while os.read(0, 1):
            pass
        os.kill(os.getpid(), signal.SIGINT)

    threading.Thread(target=wait, daemon=True).start()


def run_all(
    folds: Iterable[Fold], places: Sequence[Mapping[str, str]], ended: Callable[[Fold, int], None]
) -> bool:
    """Run folds in order, as many at a time as there are places; return whether a stop was asked for.

    A place is what the environment of its processes has besides ours. `ended` is called with a fold and
    its exit code, negative for a signal. On Ctrl-C all are asked to stop and waited for; on the second
    one they are killed.
    """
    waiting, asked = deque(folds), False
    running: dict[int, tuple[Fold, subprocess.Popen[bytes]]] = {}
    with StopSignal() as stop:
        try:
            while running or (waiting and not stop.requested):
                for place, (fold, process) in list(running.items()):
                    if (code := process.poll()) is not None:
                        _close_stdin(process)
                        del running[place]
                        ended(fold, code)
                for place, environment in enumerate(places):
                    if place not in running and waiting and not stop.requested:
                        fold = waiting.popleft()
                        running[place] = fold, _start(fold, environment)
                if stop.requested and not asked:
                    asked = True
                    say("stopping: every run saves what it has; Ctrl-C again ends them at once")
                    for _, process in running.values():
                        _close_stdin(process)
                time.sleep(_PAUSE)
        finally:
            for _, process in running.values():
                _close_stdin(process)
                process.kill()
                process.wait()
    return stop.requested


def _close_stdin(process: "subprocess.Popen[bytes]") -> None:
    assert process.stdin is not None
    process.stdin.close()


def _start(fold: Fold, environment: Mapping[str, str]) -> "subprocess.Popen[bytes]":
    try:
        fold.log.parent.mkdir(parents=True, exist_ok=True)
        with fold.log.open("ab") as log:
            # A session of its own: Ctrl-C in the terminal must not reach it twice.
            return subprocess.Popen(  # noqa: S603 - our own words
                fold.command,
                stdin=subprocess.PIPE,
                stdout=log,
                stderr=log,
                env={**os.environ, **environment},
                start_new_session=True,
            )
    except OSError as error:
        raise refused(f"{fold.log}, the log of a run that is to start", error) from None

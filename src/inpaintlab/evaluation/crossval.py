"""`inpaint crossval`: a run for each fold and variant, inside train and val; the test stays sealed."""

import time
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import count
from pathlib import Path

from inpaintlab.data.sources import open_dataset
from inpaintlab.errors import DataError, InpaintlabError, RunError, SettingError
from inpaintlab.evaluation.command import free_folder
from inpaintlab.evaluation.cross_validation import CrossValidation, gather
from inpaintlab.evaluation.fold import SETTINGS, STOPPED, Fold
from inpaintlab.evaluation.processes import run_all
from inpaintlab.evaluation.share import Shares, share_machine
from inpaintlab.files import write_atomically
from inpaintlab.progress import bar, say
from inpaintlab.settings import CrossvalSettings, TrainSettings, build, dump, vary
from inpaintlab.training.build import build_trainer, resolve

#: Folds where neither a dataset nor the settings say how many.
DEFAULT_FOLDS = 5


@dataclass(frozen=True)
class Plan:
    """All that is to be run: `folds` in the order in which they are run, and who runs where."""

    folder: Path
    settings: CrossvalSettings
    variants: dict[str, TrainSettings]
    folds: list[Fold]
    shares: Shares

    def __str__(self) -> str:
        budgets = {_budget(variant) for variant in self.variants.values()}
        runs = "run" if len(self.folds) == 1 else "runs"
        of = budgets.pop() if len(budgets) == 1 else "different budgets"
        return (
            f"{len(self.folds)} {runs} of {of} ({self.settings.folds} folds of "
            f"{', '.join(self.variants)}), {self.shares}{self._minutes()}, in {self.folder}"
        )

    def _minutes(self) -> str:
        """Return in words what they take in all, where that is known."""
        each = [self.variants[fold.variant].minutes for fold in self.folds]
        minutes = [one for one in each if one is not None]
        if len(minutes) < len(each):
            return ""
        return f", at least {sum(minutes) / self.shares.jobs:.0f} minutes in all"


def crossval(settings: CrossvalSettings) -> CrossValidation:
    """Train and measure every fold of every variant; return figures, and write `crossval.json`.

    Each run is a process of its own. A folder that an interrupted one has left is gone on with: what is
    done there is not done again. `interrupted` says that Ctrl-C has stopped it with everything saved.
    Raises an `InpaintlabError` before the first run for everything that can be known before it.
    """
    plan = _plan(settings)
    write_atomically(
        plan.folder / SETTINGS, dump(plan.settings.model_copy(update={"output": None})).encode()
    )
    todo = [fold for fold in plan.folds if not fold.is_over()]
    say(str(plan))
    if len(todo) < len(plan.folds):
        say(f"{len(plan.folds) - len(todo)} of them are done already")
    if _run(todo, plan):
        done = sum(fold.is_over() for fold in plan.folds)
        return CrossValidation(str(plan.folder), True, done, len(plan.folds))
    return gather(plan.folder, plan.settings, plan.variants, plan.folds, plan.shares.machine)


def resume_crossval(folder: Path, jobs: int | None = None) -> CrossValidation:
    """Go on with a cross-validation that was interrupted, or show again one that is done."""
    if not (folder / SETTINGS).is_file():
        raise RunError(f"{folder} is no folder of a cross-validation: it has no {SETTINGS}")
    settings = build(CrossvalSettings, config=folder / SETTINGS)
    return crossval(settings.model_copy(update={"output": folder, "jobs": jobs or settings.jobs}))


def _plan(settings: CrossvalSettings) -> Plan:
    """Resolve settings, and raise for all that can be known to be wrong."""
    if settings.fold is not None:
        raise SettingError(
            "every fold gets its turn: leave fold out, or use inpaint train for one alone"
        )
    if settings.devices > 1:
        raise SettingError("every run has one device: leave --devices out, and say --jobs")
    full = resolve(settings)
    budget = full.minutes if not {"steps", "minutes"} & settings.vary.keys() else settings.minutes
    folds = settings.folds or open_dataset(full.data).folds or DEFAULT_FOLDS
    settings = settings.model_copy(
        update={"data": full.data, "size": full.size, "minutes": budget, "folds": folds}
    )
    variants = vary(settings)
    _check_folds(full.data, folds)
    folder = settings.output or free_folder(full.data, "crossval")
    _check_folder(folder, settings)
    # Fold by fold: the first ones already compare all variants.
    todo = [Fold(folder, name, number) for number in range(folds) for name in variants]
    if len({fold.run.folder for fold in todo}) < len(todo):
        raise SettingError(f"variants are too alike for folders of their own: {', '.join(variants)}")
    needed = []
    for name, variant in variants.items():
        first = variant.model_copy(update={"fold": 0, "folds": folds})
        try:
            trainer = build_trainer(first)
            trainer.launch()
            needed.append(trainer.check())
        except InpaintlabError as error:
            raise type(error)(f"{name}: {error}") from None
    timed = any(variant.steps is None for variant in variants.values())
    memory = max(one.total for one in needed)
    shares = share_machine(settings.jobs, len(todo), trainer.fabric.device.type, memory, timed=timed)
    return Plan(folder, settings, variants, todo, shares)


def _check_folds(data: str, folds: int) -> None:
    """Raise `DataError` where a fold would be empty, or a dataset has other folds."""
    for number in range(folds):
        parts = open_dataset(data, fold=number, folds=folds).split
        if not parts.val or not parts.train:
            raise DataError(f"fold {number} of {data} is empty: prepare it anew with fewer -s folds=…")


def _check_folder(folder: Path, settings: CrossvalSettings) -> None:
    """Raise `RunError` for a folder of something else, or of other settings."""
    if not (folder / SETTINGS).is_file():
        if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
            raise RunError(f"{folder} exists already: name another with -o")
        return
    before = build(CrossvalSettings, config=folder / SETTINGS).model_dump(mode="json")
    now = settings.model_dump(mode="json")
    for name in now.keys() - {"jobs", "output"}:
        if before[name] != now[name]:
            raise RunError(
                f"{folder} was begun with {name} = {before[name]!r}, not {now[name]!r}: its folds would "
                "not compare; keep the setting, or name another folder with -o"
            )


def _run(todo: Sequence[Fold], plan: Plan) -> bool:
    """Run what is left to do; return whether it was interrupted."""
    start, ends = time.monotonic(), count(1)
    with bar("folds", len(todo)) as advance:

        def ended(number: int, code: int) -> None:
            fold = todo[number]
            state = fold.state()
            if code not in (0, STOPPED) and "failed" not in state:
                fold.failed(_broke(code, fold.log))
            if code == STOPPED:
                return
            advance()
            over = next(ends)
            left = (time.monotonic() - start) / over * (len(todo) - over)
            say(f"{_ending(fold)} ({over} of {len(todo)} runs{_left(left)})")

        return run_all(
            [fold.command for fold in todo], [fold.log for fold in todo], plan.shares.places, ended
        )


def _ending(fold: Fold) -> str:
    """Return in words how a fold has ended."""
    state = fold.state()
    if "failed" in state:
        return f"fold {fold.number} of {fold.variant} has failed: {state['failed']}"
    result = fold.result()
    psnr = result.overall.methods[result.model]["hole_psnr"].mean
    return f"fold {fold.number} of {fold.variant}: {psnr:.2f} dB in the hole"


def _left(seconds: float) -> str:
    if seconds < 1:
        return ""
    return (
        f", about {seconds / 60:.0f} minutes left" if seconds >= 90 else f", about {seconds:.0f} s left"
    )


def _broke(code: int, log: Path) -> str:
    """Return in words how a process ended that could not say so itself."""
    how = f"was killed by signal {-code}" if code < 0 else f"ended with exit code {code}"
    if code == -9:
        how += ", as where memory runs out"
    return f"its process {how}; what it said is in {log}"


def _budget(settings: TrainSettings) -> str:
    if settings.steps is not None:
        return f"{settings.steps} steps"
    return f"{settings.minutes:g} minutes"

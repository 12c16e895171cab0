"""`inpaint crossval`: a run for each fold and variant, inside train and val; the test stays sealed."""

import os
from collections.abc import Mapping, Sequence
from itertools import count
from pathlib import Path

import torch

from inpaintlab.data.sources import open_dataset
from inpaintlab.errors import DataError, InpaintlabError, MemoryLimitError, RunError, SettingError
from inpaintlab.evaluation.cross_validation import CrossValidation, Machine, gather
from inpaintlab.evaluation.folds import SETTINGS, STOPPED, Fold, run_all
from inpaintlab.files import mark_outputs, write_atomically
from inpaintlab.machine import free_memory
from inpaintlab.progress import bar, say
from inpaintlab.runs import free_folder
from inpaintlab.settings import CrossvalSettings, TrainSettings, build, dump, vary
from inpaintlab.training.build import build_trainer, resolve

#: Folds where neither a dataset nor the settings say how many.
DEFAULT_FOLDS = 5


def crossval(settings: CrossvalSettings) -> CrossValidation:
    """Train and measure every fold of every variant; return figures, and write `crossval.json`.

    Each run is a process of its own. A folder that an interrupted one has left is gone on with: what is
    done there is not done again. `interrupted` says that Ctrl-C has stopped it with everything saved.
    Raises an `InpaintlabError` before the first run for everything that can be known before it.
    """
    settings = _resolved(settings)
    variants = vary(settings)
    _check_folds(settings.data, settings.folds or 0)
    folder = settings.output or free_folder(settings.data, "crossval")
    _check_folder(folder, settings)
    # Fold by fold: the first ones already compare all variants.
    folds = [Fold(folder, name, number) for number in range(settings.folds or 0) for name in variants]
    if len({fold.run.folder for fold in folds}) < len(folds):
        raise SettingError(f"variants are too alike for folders of their own: {', '.join(variants)}")
    device, memory = _need(variants, settings.folds)
    timed = any(variant.steps is None for variant in variants.values())
    machine, places = share_machine(settings.jobs, len(folds), device, memory, timed=timed)
    kept = settings.model_copy(update={"output": None})
    mark_outputs(folder)
    write_atomically(folder / SETTINGS, dump(kept).encode())
    say(_plan(settings, variants, folds, machine, memory))
    if _run(folds, places):
        done = sum(fold.is_over() for fold in folds)
        return CrossValidation(str(folder), True, done, len(folds))
    return gather(folder, settings, list(variants), folds, machine)


def resume_crossval(folder: Path, jobs: int | None = None) -> CrossValidation:
    """Go on with a cross-validation that was interrupted, or show again one that is done."""
    if not (folder / SETTINGS).is_file():
        raise RunError(f"{folder} is no folder of a cross-validation: it has no {SETTINGS}")
    settings = build(CrossvalSettings, config=folder / SETTINGS)
    return crossval(settings.model_copy(update={"output": folder, "jobs": jobs or settings.jobs}))


def share_machine(
    jobs: int | None, runs: int, device: str, memory: int, *, timed: bool
) -> tuple[Machine, list[dict[str, str]]]:
    """Divide the machine among runs of `memory` bytes; return also the environment of each place.

    A place is an accelerator, or an equal part of the threads. Where nothing else is asked for, runs on
    a processor with a budget of time have it one by one, so that a minute is worth what it is in
    `inpaint train`; others are as many as there are threads and as fit into memory. Raises
    `MemoryLimitError` where `jobs` runs do not fit.
    """
    threads, free = torch.get_num_threads(), free_memory()
    devices = _devices(device)
    fitting = max(1, free // memory)
    if jobs is None:
        most = len(devices) if device != "cpu" else 1 if timed else threads
        jobs = max(1, min(most, runs, fitting))
    elif (jobs := min(jobs, runs)) > fitting:
        raise MemoryLimitError(
            f"{jobs} runs side by side need {jobs * memory / 1e9:.1f} GB, {free / 1e9:.1f} GB are free: "
            f"fits with --jobs {fitting}"
        )
    each = max(1, threads // jobs)
    places = [{**devices[job % len(devices)], "OMP_NUM_THREADS": str(each)} for job in range(jobs)]
    return Machine(jobs, each, timed), places


def _devices(device: str) -> list[dict[str, str]]:
    """Return for each accelerator the environment in which a process sees it alone."""
    if device != "cuda":  # no other kind has a variable for that, or more than one of them
        return [{}]
    named = [name for name in os.environ.get("CUDA_VISIBLE_DEVICES", "").split(",") if name]
    names = named or [str(number) for number in range(torch.cuda.device_count())]
    return [{"CUDA_VISIBLE_DEVICES": name} for name in names]


def _resolved(settings: CrossvalSettings) -> CrossvalSettings:
    if settings.fold is not None:
        raise SettingError(
            "every fold gets its turn: leave fold out, or use inpaint train for one alone"
        )
    if settings.devices > 1:
        raise SettingError("every run has one device: leave --devices out, and say --jobs")
    full = resolve(settings)
    minutes = full.minutes if not {"steps", "minutes"} & settings.vary.keys() else settings.minutes
    folds = settings.folds or open_dataset(full.data).folds or DEFAULT_FOLDS
    known = {"data": full.data, "size": full.size, "minutes": minutes, "folds": folds}
    return settings.model_copy(update=known)


def _check_folds(data: str, folds: int) -> None:
    for number in range(folds):
        parts = open_dataset(data, fold=number, folds=folds).split
        if not parts.val or not parts.train:
            raise DataError(f"fold {number} of {data} is empty: prepare it anew with fewer -s folds=…")


def _check_folder(folder: Path, settings: CrossvalSettings) -> None:
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


def _need(variants: Mapping[str, TrainSettings], folds: int | None) -> tuple[str, int]:
    """Return the device of all variants, and the bytes that the largest takes."""
    device, memory = "cpu", 0
    for name, variant in variants.items():
        try:
            trainer = build_trainer(variant.model_copy(update={"fold": 0, "folds": folds}))
            trainer.launch()
            memory = max(memory, trainer.check().total)
        except InpaintlabError as error:
            raise type(error)(f"{name}: {error}") from None
        device = trainer.fabric.device.type
    return device, memory


def _plan(
    settings: CrossvalSettings,
    variants: Mapping[str, TrainSettings],
    folds: Sequence[Fold],
    machine: Machine,
    memory: int,
) -> str:
    budgets = {
        f"{of.minutes:g} minutes" if of.steps is None else f"{of.steps} steps"
        for of in variants.values()
    }
    minutes = [of.minutes for of in variants.values() if of.minutes is not None]
    least = sum(minutes) * (settings.folds or 0) / machine.jobs
    done = sum(fold.is_over() for fold in folds)
    return (
        f"{len(folds)} runs of {budgets.pop() if len(budgets) == 1 else 'different budgets'} "
        f"({settings.folds} folds of {', '.join(variants)}), {machine.jobs} at a time with "
        f"{machine.threads} threads and about {memory / 1e9:.1f} GB each"
        + (f", at least {least:.0f} minutes in all" if len(minutes) == len(variants) else "")
        + f", in {folds[0].folder}"
        + (f"; {done} of them are done already" if done else "")
    )


def _run(folds: Sequence[Fold], places: Sequence[Mapping[str, str]]) -> bool:
    todo, ends = [fold for fold in folds if not fold.is_over()], count(1)
    with bar("folds", len(todo)) as advance:

        def ended(fold: Fold, code: int) -> None:
            if code == STOPPED:
                return
            if code != 0 and "failed" not in fold.state():
                fold.failed(_broke(code, fold.log))
            advance()
            say(
                f"fold {fold.number} of {fold.variant}{_ending(fold)} ({next(ends)} of {len(todo)} runs)"
            )

        return run_all(todo, places, ended)


def _ending(fold: Fold) -> str:
    if "failed" in fold.state():
        return f" has failed: {fold.reason()}"
    result = fold.result()
    return f": {result.overall.methods[result.model]['hole_psnr'].mean:.2f} dB in the hole"


def _broke(code: int, log: Path) -> str:
    how = f"was killed by signal {-code}" if code < 0 else f"ended with exit code {code}"
    if code == -9:
        how += ", as where memory runs out"
    return f"its process {how}; what it said is in {log}"

"""The training loop: `train` starts a run, `resume` goes on with one, `_loop` is what both come to."""

import time
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from itertools import count
from pathlib import Path
from typing import Any
from uuid import uuid4

import torch.distributed
from lightning_fabric import Fabric
from torch import Tensor, nn

from inpaintlab.checkpoints import (
    Run,
    read_json,
    save_model,
    write_json,
)
from inpaintlab.data.augment import Batch
from inpaintlab.errors import RunError, RunOverError
from inpaintlab.files import write_atomically
from inpaintlab.progress import say
from inpaintlab.settings import TrainSettings, build, dump
from inpaintlab.training.guards.callback import Guards
from inpaintlab.training.guards.detectors import Alarm
from inpaintlab.training.objectives import Step
from inpaintlab.training.rate import settle_rate
from inpaintlab.training.record import Recorder
from inpaintlab.training.schedule import Budget, learning_rate
from inpaintlab.training.session import (
    Session,
    batches_of,
    check_before_reading,
    create_network,
    launch,
    prepare,
    resolve,
    take_step,
)
from inpaintlab.training.stop import StopSignal
from inpaintlab.training.validation import MASK_SEED


@dataclass(frozen=True)
class TrainResult:
    """How a run ended: its folder, the steps done, the best hole PSNR in dB, and why it ended.

    `stopped` is the sentence of its guards, where they saw no sense in going on.
    """

    run: Path
    steps: int
    hole_psnr: float
    seconds: float
    interrupted: bool
    stopped: str | None = None

    def as_dict(self) -> dict[str, Any]:
        """Return it as plain values, for JSON."""
        return asdict(self) | {"run": str(self.run), "seconds": round(self.seconds, 1)}

    def __str__(self) -> str:
        if self.stopped:
            return f"{self.run}: {self.stopped}\nbest hole PSNR so far {self.hole_psnr:.2f} dB"
        if self.interrupted:
            return f"stopped and saved at step {self.steps}; go on: inpaint train --resume {self.run}"
        best = f"{self.steps} steps, best hole PSNR {self.hole_psnr:.2f} dB"
        return f"{self.run}: {best}\nnext: inpaint evaluate {self.run}"


def train(settings: TrainSettings) -> TrainResult:
    """Train a network in a new run folder.

    Raises an `InpaintlabError` before the first step for everything that can be known before it.
    """
    clock = time.monotonic()
    fabric = launch(settings)
    settings = resolve(settings, fabric.device)
    network = create_network(settings)
    folder = settings.output or _free_folder(Path("runs"), _run_name(settings.data))
    if settings.output and folder.exists() and any(folder.iterdir()):
        raise RunError(f"{folder} exists already: name another with -o, or go on with --resume {folder}")
    memory = check_before_reading(network, settings, fabric)
    if fabric.is_global_zero:
        say(str(memory))
    run = Run(Path(fabric.broadcast(str(folder))))
    if fabric.is_global_zero:
        write_atomically(run.recipe, dump(settings.model_copy(update={"output": None})).encode())
    return _fit(run, settings, network, fabric, Budget(settings.steps, settings.minutes, clock))


def resume(folder: Path, changes: dict[str, Any]) -> TrainResult:
    """Go on with a run where its last save left it.

    `changes` may hold another budget (`steps` or `minutes`) and `devices`; everything else stays.
    Raises `RunOverError` for a run that is over.
    """
    clock = time.monotonic()
    run = Run.open(folder)
    fixed = sorted(set(changes) - {"steps", "minutes", "devices"})
    if fixed:
        raise RunError(
            f"a resumed run keeps its settings: {', '.join(fixed)} cannot change "
            "(steps, minutes and devices can); start a new run instead"
        )
    unset = {"steps": None, "minutes": None} if changes.keys() & {"steps", "minutes"} else {}
    settings = build(TrainSettings, config=run.recipe)
    settings = TrainSettings.model_validate(settings.model_dump() | unset | changes)
    fabric = launch(settings)
    if changes and fabric.is_global_zero:  # so that the next `--resume` goes by the new budget too
        write_atomically(run.recipe, dump(settings).encode())
    budget = Budget(settings.steps, settings.minutes, clock)
    return _fit(run, settings, create_network(settings), fabric, budget)


def _fit(
    run: Run, settings: TrainSettings, network: nn.Module, fabric: Fabric, budget: Budget
) -> TrainResult:
    """Read the images, restore what an earlier session saved, train, and say how it ended."""
    session = prepare(run, settings, network, fabric, budget)
    state = session.state
    if budget.progress(state.step) >= 1:
        raise RunOverError(
            f"{run.folder} is over after {state.step} steps: give more --steps or --minutes"
        )
    if fabric.is_global_zero:
        _write_data(session)
    settle_rate(session)
    interrupted, stopped = _loop(session)
    best = fabric.broadcast(state.best)  # the first device alone validates
    if torch.distributed.is_initialized():  # its threads would abort the process at exit
        torch.distributed.destroy_process_group()
    return TrainResult(run.folder, state.step, best, budget.elapsed, interrupted, stopped)


def _loop(session: Session) -> tuple[bool, str | None]:
    """Train until the budget is spent or a stop is asked for.

    Return whether one was, and the sentence of the guards if they have stopped the run.
    """
    settings, fabric = session.settings, session.fabric
    assert isinstance(settings.learning_rate, float)  # settled
    state, budget, saved = session.state, session.budget, -1
    batches, guards = batches_of(session), Guards(session)
    with StopSignal() as stop, Recorder(session.run, state.step, fabric.is_global_zero) as recorder:
        while not guards.stopped:
            # All devices must agree on when to stop, and on the level; with one of them this passes the
            # values through.
            progress = budget.progress(state.step)
            level = state.curriculum.due(progress)
            progress, stopping, level = fabric.broadcast((progress, stop.requested, level))
            if progress >= 1 or stopping:
                break
            if level != state.curriculum.level:
                state.curriculum.rise(level)
                state.history.forget()
                del batches  # so that the workers of before end first
                batches = batches_of(session)
            batch = next(batches)
            if state.step in state.excluded_steps:
                state.step += 1
                continue
            rate = (
                learning_rate(progress, settings.learning_rate, settings.warmup_fraction)
                * state.rate_factor
            )
            step, alarm = _guarded_step(session, guards, batch, rate, progress)
            if alarm:
                rolled_back = guards.handle(alarm, batch, step, rate)
                del batches
                batches = batches_of(session)
                if rolled_back:
                    recorder.rolled_back(state.step)
                if rolled_back or step is None:
                    continue
            assert step is not None
            scalars: dict[str, Tensor | float] = {**step.scalars, "learning_rate": rate}
            scalars |= state.curriculum.scalars() | guards.scalars()
            recorder.step(state.step, settings.batch_size, scalars, progress, budget.elapsed)
            if state.step % settings.validate_every == 0:
                _validate(session, recorder)
                _save(session, guards)
                saved = state.step
        if state.step != saved:
            if not stopping:
                _validate(session, recorder)
            _save(session, guards)
    return bool(stopping), guards.stopped


def _validate(session: Session, recorder: Recorder) -> None:
    """Measure the averaged weights; keep them as the model if they are the best so far."""
    if not session.fabric.is_global_zero:
        return
    start, state = time.monotonic(), session.state
    network = state.averaged.module
    scalars = session.validation.run(network, state.objective, session.fabric.device)
    scalars |= _measure_level(session)
    best = scalars["hole_psnr"] > state.best
    recorder.validated(state.step, scalars, best)
    recorder.images(state.step, session.validation.grid(network, session.fabric.device))
    if best:
        state.best = scalars["hole_psnr"]
        save_model(session.run.model, network.state_dict(), session.card_at(state.step, state.best))
    # The end takes one more validation and two more files; half as much again for good measure.
    session.budget.reserve = 1.5 * (time.monotonic() - start)


def _guarded_step(
    session: Session, guards: Guards, batch: Batch, rate: float, progress: float
) -> tuple[Step | None, Alarm | None]:
    """Take a step unless the batch is not sound; return it, and the alarm if there is one."""
    alarm = guards.inspect(batch)
    if alarm:
        return None, alarm
    guards.before()
    step = take_step(session, batch, rate, progress)
    session.state.step += 1
    return step, guards.look(step, batch)


def _measure_level(session: Session) -> dict[str, float]:
    """Return what to write down of the curriculum; if it wants that, measure holes of its level."""
    state = session.state
    scalars = state.curriculum.scalars()
    if state.curriculum.measures:
        validation = session.validation.at(scalars["level"])
        found = validation.run(state.averaged.module, state.objective, session.fabric.device)
        scalars["level_psnr"] = found["hole_psnr"]
        state.curriculum.measured(found["hole_psnr"])
    return scalars


def _save(session: Session, guards: Guards) -> None:
    """Write the newest weights and what resuming needs."""
    guards.before_save()
    if not session.fabric.is_global_zero:
        return
    run, state = session.run, session.state
    weights = state.averaged.module.state_dict()
    save_model(run.last, weights, session.card_at(state.step, None))
    if not run.model.exists():  # stopped before the first validation: the only weights are the best
        save_model(run.model, weights, session.card_at(state.step, None))
    state.save(run, session.budget.elapsed)


def _write_data(session: Session) -> None:
    """Write `data.json`, and say what was found; changed images in a resumed run are told."""
    data, run, masks_used = session.data, session.run, session.validation.masks
    before = read_json(run.data) if run.data.exists() else {}
    facts = {
        "data": session.settings.data,
        "split_hash": data.split.hash,
        "train": len(data.train),
        "val": len(data.val),
        "test": data.split.test_count,
        "masks": {"count": len(masks_used), "seed": MASK_SEED, "hash": masks_used.hash},
        "bad": [{"name": bad.name, "reason": bad.reason} for bad in data.bad],
        # A run and its resumptions are one lineage: the ledger of the test part goes by it.
        "lineage": before.get("lineage") or uuid4().hex,
        "began": before.get("began") or datetime.now(UTC).isoformat(timespec="seconds"),
        "train_hashes": sorted(content_hash[:16] for content_hash in data.train_hashes),
    }
    if before and before["split_hash"] != data.split.hash:
        say("the images are not the ones this run began with: it goes on with those of today")
    write_json(run.data, facts)
    say(
        f"{facts['train']} images to train on, {facts['val']} to validate with, "
        f"{facts['test']} set aside for the test (images {data.train.storage})"
    )
    if data.bad:
        say(f"{len(data.bad)} images passed over, first {data.bad[0].reason}; all are in {run.data}")


def _run_name(data: str) -> str:
    return Path(data).name.replace(":", "-").removesuffix(".dataset")


def _free_folder(parent: Path, name: str) -> Path:
    """Return the first of `name-1`, `name-2`, … that is not there yet."""
    return next(path for n in count(1) if not (path := parent / f"{name}-{n}").exists())

"""The training loop: `train` starts a run, `resume` goes on with one, `_loop` is what both come to."""

import math
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from importlib.metadata import version
from itertools import count
from pathlib import Path
from typing import Any, ClassVar
from uuid import uuid4

import torch
from lightning_fabric import Fabric
from lightning_fabric.wrappers import _FabricModule, _FabricOptimizer
from torch import Tensor
from torch.optim.swa_utils import AveragedModel

from inpaintlab import masks, networks
from inpaintlab.checkpoints import (
    ModelCard,
    Run,
    load_state,
    read_json,
    save_model,
    save_state,
    write_json,
)
from inpaintlab.configs import Part, TrainSettings, build, dump
from inpaintlab.data import augment
from inpaintlab.data.augment import Augmentation
from inpaintlab.data.loading import (
    DrawBatches,
    Draws,
    TrainingData,
    kept_bytes,
    open_training_data,
    training_batches,
)
from inpaintlab.data.sources import open_source
from inpaintlab.data.storage import Cache
from inpaintlab.errors import RunError, SettingError
from inpaintlab.files import write_atomically
from inpaintlab.machine import free_memory
from inpaintlab.masks import FrozenMasks, check_mask
from inpaintlab.networks import Network
from inpaintlab.progress import say
from inpaintlab.tensors import check_image
from inpaintlab.training.memory import check_memory, free_bytes, predict
from inpaintlab.training.objectives import Reconstruction
from inpaintlab.training.record import Recorder
from inpaintlab.training.schedule import Budget, learning_rate
from inpaintlab.training.stop import StopSignal
from inpaintlab.training.validation import MASK_SEED, Validation

Tensors = tuple[Tensor, ...] | list[Tensor]

#: Minutes of a run for which neither minutes nor steps were given.
DEFAULT_MINUTES = 10.0


@dataclass(frozen=True)
class TrainResult:
    """How a run ended: its folder, the steps done, the best hole PSNR in dB, and why it ended."""

    run: Path
    steps: int
    hole_psnr: float
    seconds: float
    interrupted: bool


@dataclass
class _State:
    """Everything that training changes; what is saved to resume."""

    network: Network
    averaged: AveragedModel
    optimiser: torch.optim.Optimizer
    step: int = 0
    best: float = -math.inf
    _PARTS: ClassVar = ("network", "averaged", "optimiser")

    def save(self, run: Run, elapsed: float) -> None:
        state: dict[str, Any] = {"step": self.step, "best": self.best, "elapsed": elapsed}
        state |= {name: getattr(self, name).state_dict() for name in self._PARTS}
        save_state(run.state, state)

    def restore(self, state: dict[str, Any]) -> None:
        self.step, self.best = state["step"], state["best"]
        for name in self._PARTS:
            getattr(self, name).load_state_dict(state[name])


def train(settings: TrainSettings) -> TrainResult:
    """Train a network in a new run folder.

    Raises an `InpaintlabError` before the first step for everything that can be known before it.
    """
    clock = time.monotonic()
    fabric = _launch(settings)
    settings = resolve(settings, fabric.device)
    network = _create(settings)
    folder = settings.output or _free_folder(Path("runs"), _run_name(settings.data))
    if settings.output and folder.exists() and any(folder.iterdir()):
        raise RunError(f"{folder} exists already: name another with -o, or go on with --resume {folder}")
    _check_before_reading(network, settings, fabric)
    run = Run(Path(fabric.broadcast(str(folder))))
    if fabric.is_global_zero:
        write_atomically(run.recipe, dump(settings.model_copy(update={"output": None})).encode())
    return _fit(run, settings, network, fabric, Budget(settings.steps, settings.minutes, clock))


def resume(folder: Path, changes: dict[str, Any]) -> TrainResult:
    """Go on with a run where its last save left it.

    `changes` may hold another budget (`steps` or `minutes`) and `devices`; everything else stays.
    Raises `RunError` for a run that is over.
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
    fabric = _launch(settings)
    if changes and fabric.is_global_zero:  # so that the next `--resume` goes by the new budget too
        write_atomically(run.recipe, dump(settings).encode())
    budget = Budget(settings.steps, settings.minutes, clock)
    return _fit(run, settings, _create(settings), fabric, budget)


def resolve(settings: TrainSettings, device: torch.device) -> TrainSettings:
    """Fill in what depends on the machine, and every argument of network, masks and augmentation."""
    budget = settings.minutes if settings.minutes or settings.steps else DEFAULT_MINUTES
    size = settings.size or (64 if device.type == "cpu" else 256)
    name = settings.network.name
    network = networks.resolve(name, networks.made_for(size, name, settings.network.arguments))
    parts = [Part(**masks.resolve(part.name, part.arguments)) for part in settings.masks]
    augmentation = augment.resolve(settings.augment.name, settings.augment.arguments)
    is_folder = not settings.data.startswith("samples:")
    return settings.model_copy(
        update={
            "data": str(Path(settings.data).expanduser().resolve()) if is_folder else settings.data,
            "size": size,
            "minutes": budget,
            "network": Part(name=name, **network),
            "learning_rate": settings.learning_rate or networks.NETWORKS[name].learning_rate,
            "masks": parts,
            "augment": Part(name=settings.augment.name, **augmentation),
        }
    )


@dataclass
class _Session:
    """All that one sitting of a run works with."""

    run: Run
    settings: TrainSettings
    fabric: Fabric
    data: TrainingData
    augmentation: Augmentation
    validation: Validation
    objective: Reconstruction
    state: _State
    budget: Budget
    card: ModelCard

    def card_at(self, step: int, best: float | None) -> ModelCard:
        """Return the card of the weights at a step."""
        now = datetime.now(UTC).isoformat(timespec="seconds")
        facts = {"step": step, "hole_psnr": best, "written": now}
        return replace(self.card, provenance=self.card.provenance | facts)


def _fit(
    run: Run, settings: TrainSettings, network: Network, fabric: Fabric, budget: Budget
) -> TrainResult:
    """Read the pictures, restore what an earlier session saved, train, and say how it ended."""
    session = _prepare(run, settings, network, fabric, budget)
    state = session.state
    if budget.progress(state.step) >= 1:
        raise RunError(f"{run.folder} is over after {state.step} steps: give more --steps or --minutes")
    if fabric.is_global_zero:
        _write_data(session)
    interrupted = _loop(session)
    return TrainResult(run.folder, state.step, state.best, budget.elapsed, interrupted)


def _prepare(
    run: Run, settings: TrainSettings, network: Network, fabric: Fabric, budget: Budget
) -> _Session:
    assert settings.size is not None  # resolved
    assert settings.learning_rate is not None
    augmentation = augment.create(settings.augment.name, **settings.augment.arguments)
    data = open_training_data(
        open_source(settings.data, settings.fold),
        settings.size,
        settings.max_bad,
        stored=augmentation.stored_size(settings.size),
        cache=Cache(settings.cache, settings.cache_dir),
    )
    mixture = masks.create([part.model_dump() for part in settings.masks])
    frozen_count = min(len(data.val), settings.validation_pictures)
    frozen = FrozenMasks(mixture, settings.size, frozen_count, MASK_SEED)
    network = network.to(fabric.device, memory_format=torch.channels_last)  # type: ignore[call-overload]
    optimiser = torch.optim.AdamW(
        network.parameters(), settings.learning_rate, weight_decay=settings.weight_decay, fused=True
    )
    averaged = AveragedModel(network, multi_avg_fn=_averaging(settings.ema), use_buffers=True)
    state = _State(network, averaged.eval(), optimiser)
    saved = load_state(run.state)
    if saved:
        state.restore(saved)
        budget.spent += saved["elapsed"]
    return _Session(
        run=run,
        settings=settings,
        fabric=fabric,
        data=data,
        augmentation=augmentation,
        validation=Validation(data.val, frozen, settings.batch),
        objective=Reconstruction(settings.hole_weight, settings.known_weight),
        state=state,
        budget=budget,
        card=ModelCard(
            settings.network.name,
            settings.network.arguments,
            settings.size,
            _provenance(settings, data, frozen),
        ),
    )


def _loop(session: _Session) -> bool:
    """Train until the budget is spent or a stop is asked for; return whether one was."""
    settings, fabric = session.settings, session.fabric
    assert settings.learning_rate is not None  # resolved
    state, budget = session.state, session.budget
    model, optimiser = fabric.setup(state.network, state.optimiser)
    model.train()
    batches = _batches(session)
    with StopSignal() as stop, Recorder(session.run, state.step, fabric.is_global_zero) as recorder:
        while True:
            # All devices must agree on when to stop; with one of them this passes the values through.
            progress, stopping = fabric.broadcast((budget.progress(state.step), stop.requested))
            if progress >= 1 or stopping:
                break
            rate = learning_rate(progress, settings.learning_rate, settings.warmup)
            scalars = _step(session, model, optimiser, next(batches), rate)
            state.step += 1
            recorder.step(state.step, settings.batch, scalars, progress, budget.elapsed)
            if state.step % settings.validate_every == 0:
                _validate(session, recorder)
                _save(session)
        if state.step == 0 or state.step % settings.validate_every:
            if not stopping:
                _validate(session, recorder)
            _save(session)
    return bool(stopping)


def _step(
    session: _Session,
    model: _FabricModule,
    optimiser: _FabricOptimizer,
    batch: tuple[Tensor, Tensor],
    rate: float,
) -> dict[str, Tensor | float]:
    """Take one step of the optimiser and of the average; return named scalars."""
    check_image(batch[0])
    check_mask(batch[1], batch[0])
    image, mask = session.fabric.to_device(batch)
    for group in optimiser.param_groups:
        group["lr"] = rate
    scalars = session.objective(model(image, mask), image, mask)
    optimiser.zero_grad()
    session.fabric.backward(scalars["loss"])
    clip = session.settings.clip
    norm = session.fabric.clip_gradients(model, optimiser, max_norm=clip, error_if_nonfinite=False)
    assert norm is not None  # it is for clipping by value only
    optimiser.step()
    session.state.averaged.update_parameters(session.state.network)
    detached = {name: value.detach() for name, value in scalars.items()}
    return {**detached, "gradient_norm": norm, "learning_rate": rate}


def _batches(session: _Session) -> Iterator[tuple[Tensor, Tensor]]:
    settings, fabric = session.settings, session.fabric
    mixture = session.validation.masks.mixture
    draws = Draws(session.data.train, mixture, settings.seed, session.augmentation)
    start, rank, world = session.state.step, fabric.global_rank, fabric.world_size
    return training_batches(draws, DrawBatches(settings.batch, start, rank, world), settings.workers)


def _validate(session: _Session, recorder: Recorder) -> None:
    """Measure the averaged weights; keep them as the model if they are the best so far."""
    if not session.fabric.is_global_zero:
        return
    start, state = time.monotonic(), session.state
    network = state.averaged.module
    scalars = session.validation.run(network, session.objective, session.fabric.device)
    best = scalars["hole_psnr"] > state.best
    recorder.validated(state.step, scalars, best)
    recorder.images(state.step, session.validation.grid(network, session.fabric.device))
    if best:
        state.best = scalars["hole_psnr"]
        save_model(session.run.model, network.state_dict(), session.card_at(state.step, state.best))
    # The end takes one more validation and two more files; half as much again for good measure.
    session.budget.reserve = 1.5 * (time.monotonic() - start)


def _save(session: _Session) -> None:
    """Write the newest weights and what resuming needs."""
    if not session.fabric.is_global_zero:
        return
    run, state = session.run, session.state
    weights = state.averaged.module.state_dict()
    save_model(run.last, weights, session.card_at(state.step, None))
    if not run.model.exists():  # stopped before the first validation: the only weights are the best
        save_model(run.model, weights, session.card_at(state.step, None))
    state.save(run, session.budget.elapsed)


def _averaging(decay: float) -> Callable[[Tensors, Tensors, Tensor | int], None]:
    """Return the exponential moving average that `AveragedModel` calls.

    The decay rises as (1 + n) / (10 + n) to its value, so that the random start is soon forgotten.
    It is called with tensors of one type at a time; whole numbers are taken over as they are.
    """

    @torch.no_grad()
    def update(averaged: Tensors, current: Tensors, count: Tensor | int) -> None:
        if not averaged[0].is_floating_point():  # counters, as of batch normalisation
            torch._foreach_copy_(list(averaged), list(current))
            return
        n = float(count)
        torch._foreach_lerp_(list(averaged), list(current), 1 - min(decay, (1 + n) / (10 + n)))

    return update


def _launch(settings: TrainSettings) -> Fabric:
    """Start the processes of a run; with several devices every process comes back from here."""
    if settings.batch % settings.devices:
        raise SettingError(f"--batch {settings.batch} cannot be shared by {settings.devices} devices")
    fabric = Fabric(devices=settings.devices, precision=settings.precision)  # type: ignore[arg-type]
    fabric.launch()
    return fabric


def _create(settings: TrainSettings) -> Network:
    """Build the network with weights that depend on the seed alone."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(settings.seed)
        return networks.create(settings.network.name, **settings.network.arguments)


def _check_before_reading(network: Network, settings: TrainSettings, fabric: Fabric) -> None:
    """Raise for all that cannot work: data, masks, the network's size, the batch and the memory."""
    assert settings.size is not None  # resolved
    source = open_source(settings.data, settings.fold)
    masks.create([part.model_dump() for part in settings.masks])
    augmentation = augment.create(settings.augment.name, **settings.augment.arguments)
    network.check_size(settings.size, settings.size)
    pictures = kept_bytes(
        source,
        settings.size,
        augmentation.stored_size(settings.size),
        Cache(settings.cache, settings.cache_dir),
    )
    workers = settings.workers or 0
    batch = settings.batch // settings.devices
    memory = predict(network, settings.size, batch, pictures=pictures, workers=workers)
    if fabric.device.type == "cpu":
        check_memory(memory, network, settings.size, batch, free_memory() // settings.devices)
    else:  # pictures and workers stay in the memory of the machine
        on_device = replace(memory, pictures=0, workers=0)
        check_memory(on_device, network, settings.size, batch, free_bytes(fabric.device))
    if fabric.is_global_zero:
        say(str(memory))


def _write_data(session: _Session) -> None:
    """Write `data.json`, and say what was found; changed pictures in a resumed run are told."""
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
        say("the pictures are not the ones this run began with: it goes on with those of today")
    write_json(run.data, facts)
    say(
        f"{facts['train']} pictures to train on, {facts['val']} to validate with, "
        f"{facts['test']} set aside for the test (pictures {data.train.storage})"
    )
    if data.bad:
        say(f"{len(data.bad)} pictures passed over, first {data.bad[0].reason}; all are in {run.data}")


def _provenance(settings: TrainSettings, data: TrainingData, frozen: FrozenMasks) -> dict[str, Any]:
    return {
        "inpaintlab": version("inpaintlab"),
        "torch": torch.__version__,
        "data": Path(settings.data).name,
        "split_hash": data.split.hash,
        "mask_hash": frozen.hash,
        "seed": settings.seed,
    }


def _run_name(data: str) -> str:
    return Path(data).name.replace(":", "-").removesuffix(".dataset")


def _free_folder(parent: Path, name: str) -> Path:
    """Return the first of `name-1`, `name-2`, … that is not there yet."""
    return next(path for n in count(1) if not (path := parent / f"{name}-{n}").exists())

"""One sitting of a run: all that it works with, and the step that it takes again and again."""

import copy
import math
import os
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any, ClassVar, TypeVar

import torch
import torch.distributed
from lightning_fabric import Fabric
from torch import Tensor, nn
from torch.optim.swa_utils import AveragedModel

from inpaintlab import masks, networks
from inpaintlab.checkpoints import ModelCard, Run, load_state, save_state
from inpaintlab.data import augment
from inpaintlab.data.augment import Augmentation, Batch
from inpaintlab.data.dataset import ImageDataset
from inpaintlab.data.loading import TrainingData, kept_bytes, open_training_data
from inpaintlab.data.sampling import BatchSampler, TrainingSamples
from inpaintlab.data.sources import open_source
from inpaintlab.data.storage import Cache
from inpaintlab.data.streaming import training_batches
from inpaintlab.errors import RunError, SettingError
from inpaintlab.layers.initialise import initialise
from inpaintlab.layers.initialise import resolve as resolve_initialise
from inpaintlab.machine import free_memory
from inpaintlab.masks import FrozenMasks
from inpaintlab.randomness import Stream, stream
from inpaintlab.registry import resolve_arguments
from inpaintlab.settings import Part, TrainSettings
from inpaintlab.training import curriculum, objectives
from inpaintlab.training.curriculum import Curriculum
from inpaintlab.training.guards.detectors import History
from inpaintlab.training.memory import Memory, check_memory, free_bytes, predict
from inpaintlab.training.objectives import Objective, Optimisation, Step
from inpaintlab.training.schedule import Budget
from inpaintlab.training.validation import MASK_SEED, Validation

Tensors = tuple[Tensor, ...] | list[Tensor]
SettingsT = TypeVar("SettingsT", bound=TrainSettings)

#: Minutes of a run for which neither minutes nor steps were given.
DEFAULT_MINUTES = 10.0
#: Images that the first weights are fitted to, where a scheme does that.
FITTED_TO = 8


@dataclass
class State:
    """Everything that training changes; what is saved to resume.

    `excluded` are names of images, which stay theirs when others are added, `excluded_steps` steps
    whose batch is passed over, `rate_factor` is what the learning rate is multiplied by, and `returns`
    are the steps that the run went back to: all of them are what its guards have found.
    """

    network: nn.Module
    averaged: AveragedModel
    objective: Objective
    curriculum: Curriculum
    history: History = field(default_factory=History)
    step: int = 0
    best: float = -math.inf
    rate_factor: float = 1.0
    excluded: list[str] = field(default_factory=list)
    excluded_steps: list[int] = field(default_factory=list)
    rollbacks: list[int] = field(default_factory=list)
    _PARTS: ClassVar = ("averaged", "objective", "curriculum", "history")
    _VALUES: ClassVar = ("step", "best", "rate_factor", "excluded", "excluded_steps", "rollbacks")

    def state_dict(self) -> dict[str, Any]:
        """Return all of it, tensors not copied."""
        parts = {name: getattr(self, name).state_dict() for name in self._PARTS}
        return parts | {name: getattr(self, name) for name in self._VALUES}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Take over a copy of what `state_dict` returned."""
        for name in self._PARTS:
            getattr(self, name).load_state_dict(copy.deepcopy(state[name]))
        for name in self._VALUES:
            setattr(self, name, copy.copy(state[name]))

    def save(self, run: Run, elapsed: float) -> None:
        """Write it, with the seconds that the run has taken."""
        save_state(run.state, self.state_dict() | {"elapsed": elapsed})


@dataclass
class Session:
    """All that one sitting of a run works with."""

    run: Run
    settings: TrainSettings
    fabric: Fabric
    data: TrainingData
    augmentation: Augmentation
    validation: Validation
    state: State
    budget: Budget
    card: ModelCard

    def card_at(self, step: int, best: float | None) -> ModelCard:
        """Return the card of the weights at a step."""
        now = datetime.now(UTC).isoformat(timespec="seconds")
        facts = {"step": step, "hole_psnr": best, "written": now}
        return replace(self.card, provenance=self.card.provenance | facts)


def resolve(settings: SettingsT, device: torch.device) -> SettingsT:
    """Fill in what depends on the machine, and every argument of network, masks and augmentation."""
    budget = settings.minutes if settings.minutes or settings.steps else DEFAULT_MINUTES
    size = settings.size or (64 if device.type == "cpu" else 256)
    name = settings.network.name
    network = networks.resolve(name, networks.made_for(size, name, settings.network.arguments))
    objective = objectives.resolve(settings.objective.name, settings.objective.arguments)
    course = curriculum.resolve(settings.curriculum.name, settings.curriculum.arguments)
    parts = [Part(**masks.resolve(part.name, part.arguments)) for part in settings.masks]
    augmentation = augment.resolve(settings.augment.name, settings.augment.arguments)
    scheme = settings.initialise
    first = scheme and Part(**_resolve_scheme(scheme))
    is_folder = not settings.data.startswith("samples:")
    return settings.model_copy(
        update={
            "data": str(Path(settings.data).expanduser().resolve()) if is_folder else settings.data,
            "size": size,
            "minutes": budget,
            "network": Part(name=name, **network),
            "initialise": first,
            "objective": Part(name=settings.objective.name, **objective),
            "learning_rate": settings.learning_rate or networks.learning_rate_of(name),
            "masks": parts,
            "curriculum": Part(name=settings.curriculum.name, **course),
            "augment": Part(name=settings.augment.name, **augmentation),
        }
    )


def _resolve_scheme(scheme: Part) -> dict[str, str]:
    arguments = resolve_arguments(resolve_initialise, scheme.model_dump(), "initialise")
    return resolve_initialise(**arguments)


def launch(settings: TrainSettings) -> Fabric:
    """Start the processes of a run; with several devices every process comes back from here."""
    devices, nodes = settings.devices, 1
    if torch.distributed.is_torchelastic_launched():  # the processes are there already
        world, here = (int(os.environ[name]) for name in ("WORLD_SIZE", "LOCAL_WORLD_SIZE"))
        if devices not in (1, world):
            raise SettingError(
                f"torchrun has started {world} processes, --devices says {devices}: leave --devices out"
            )
        devices, nodes = here, world // here
    share_of_batch(settings, devices * nodes)
    precision: Any = settings.precision
    fabric = Fabric(devices=devices, num_nodes=nodes, precision=precision)
    fabric.launch()
    return fabric


def share_of_batch(settings: TrainSettings, devices: int | None = None) -> int:
    """Return how many images of a batch each device takes; raises `SettingError` if that varies.

    `devices` are those of the settings, or as many as were started otherwise.
    """
    devices = devices or settings.devices
    if settings.batch_size % devices:
        raise SettingError(f"--batch-size {settings.batch_size} cannot be shared by {devices} devices")
    return settings.batch_size // devices


def create_network(settings: TrainSettings) -> nn.Module:
    """Build the network with weights that depend on the seed alone."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(settings.seed)
        return networks.create(settings.network.name, **settings.network.arguments)


def create_objective(settings: TrainSettings) -> Objective:
    """Build the objective; the weights of its own networks depend on the seed alone."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(settings.seed + 1)
        return objectives.create(settings.objective.name, **settings.objective.arguments)


def create_curriculum(settings: TrainSettings) -> Curriculum:
    """Build the curriculum, as it is before the first step."""
    return curriculum.create(settings.curriculum.name, **settings.curriculum.arguments)


def check_before_reading(network: nn.Module, settings: TrainSettings, fabric: Fabric) -> Memory:
    """Raise for all that cannot work: data, masks, the network's size, the batch and the memory.

    Return the memory that one process of the run will take.
    """
    assert settings.size is not None  # resolved
    source = open_source(settings.data, settings.fold, settings.folds)
    masks.make(settings.masks)
    create_curriculum(settings)
    augmentation = augment.create(settings.augment.name, **settings.augment.arguments)
    networks.check_network(network, settings.size)
    objective = create_objective(settings)
    objective.check(network, settings.size)
    images = kept_bytes(
        source,
        settings.size,
        augmentation.stored_size(settings.size),
        Cache(settings.cache, settings.cache_dir),
    )
    workers = settings.workers or 0
    size, batch = settings.size, settings.batch_size // fabric.world_size
    memory = predict(network, size, batch, objective=objective, images=images, workers=workers)
    if fabric.device.type == "cpu":
        check_memory(memory, network, size, batch, free_memory() // fabric.world_size, objective)
    else:  # images and workers stay in the memory of the machine
        on_device = replace(memory, images=0, workers=0)
        check_memory(on_device, network, size, batch, free_bytes(fabric.device), objective)
    return memory


def give_first_weights(network: nn.Module, settings: TrainSettings, samples: TrainingSamples) -> None:
    """Give a network the first weights that the settings ask for; `lsuv` fits them to samples."""
    if settings.initialise is None:
        return
    scheme, batch = settings.initialise, None
    if scheme.name == "lsuv":
        batch = samples.collate([samples[number] for number in range(FITTED_TO)])[:2]
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(settings.seed + 2)
        initialise(network, scheme.name, batch=batch, **scheme.arguments)


def prepare(
    run: Run,
    settings: TrainSettings,
    network: nn.Module,
    fabric: Fabric,
    budget: Budget,
    source: ImageDataset | None = None,
) -> Session:
    """Read the images, set up networks and optimisers, and restore what an earlier session saved.

    `source` takes the place of the one that the settings name.
    """
    assert settings.size is not None  # resolved
    assert settings.learning_rate is not None
    augmentation = augment.create(settings.augment.name, **settings.augment.arguments)
    data = open_training_data(
        source or open_source(settings.data, settings.fold, settings.folds),
        settings.size,
        settings.max_bad_fraction,
        stored=augmentation.stored_size(settings.size),
        cache=Cache(settings.cache, settings.cache_dir),
    )
    mixture = masks.make(settings.masks)
    frozen_count = min(len(data.val), settings.validation_images)
    frozen = FrozenMasks(mixture, settings.size, frozen_count, MASK_SEED)
    saved = load_state(run.state)
    if not saved:
        give_first_weights(
            network, settings, TrainingSamples(data.train, mixture, settings.seed, augmentation)
        )
    objective = create_objective(settings)
    objective.attach(fabric, network, Optimisation(settings.weight_decay, settings.grad_clip))
    averaged = AveragedModel(network, multi_avg_fn=_averaging(settings.ema_decay), use_buffers=True)
    state = State(network, averaged.eval(), objective, create_curriculum(settings))
    if saved:
        _restore(state, saved, run)
        budget.spent += saved["elapsed"]
    return Session(
        run=run,
        settings=settings,
        fabric=fabric,
        data=data,
        augmentation=augmentation,
        validation=Validation(data.val, frozen, settings.batch_size),
        state=state,
        budget=budget,
        card=ModelCard(
            settings.network.name,
            settings.network.arguments,
            settings.size,
            _provenance(settings, data, frozen),
        ),
    )


def _restore(state: State, saved: dict[str, Any], run: Run) -> None:
    """Take over a saved state; raises `RunError` where another build of inpaintlab has written it."""
    try:
        state.load_state_dict(saved)
    except KeyError as error:
        raise RunError(
            f"{run.state} was written by another version of inpaintlab (it has no {error}): "
            "start a new run, or resume with that version"
        ) from None


def rehearse(settings: TrainSettings, folder: Path, source: ImageDataset | None = None) -> Session:
    """Return a session as that of a new run, to take steps with; of the folder only `state/` is read.

    `source` takes the place of the one that the settings name.
    """
    fabric = launch(settings)
    settings = resolve(settings, fabric.device)
    budget = Budget(settings.steps, settings.minutes, time.monotonic())
    return prepare(Run(folder), settings, create_network(settings), fabric, budget, source)


def take_step(session: Session, batch: Batch, rate: float, progress: float) -> Step:
    """Take one step of the objective and of the average."""
    state, fabric = session.state, session.fabric
    # What is random in a step depends on the seed and its number, so that it comes again when it is
    # taken again.
    torch.manual_seed(stream(session.settings.seed, Stream.STEP, state.step, fabric.global_rank))
    image, mask = fabric.to_device((batch.images, batch.masks))
    step = state.objective.step(image, mask, rate, progress)
    state.averaged.update_parameters(state.network)
    return step


def batches_of(session: Session, step: int | None = None) -> Iterator[Batch]:
    """Return the batches of a session at its level from a step on, its own if none, without an end."""
    settings, fabric = session.settings, session.fabric
    mixture = session.validation.masks.mixture.at(session.state.curriculum.level)
    excluded = session.data.train.positions(session.state.excluded)
    samples = TrainingSamples(session.data.train, mixture, settings.seed, session.augmentation, excluded)
    start = session.state.step if step is None else step
    rank, world = fabric.global_rank, fabric.world_size
    return training_batches(
        samples, BatchSampler(settings.batch_size, start, rank, world), settings.workers
    )


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


def _provenance(settings: TrainSettings, data: TrainingData, frozen: FrozenMasks) -> dict[str, Any]:
    return {
        "inpaintlab": version("inpaintlab"),
        "torch": torch.__version__,
        "data": Path(settings.data).name,
        "split_hash": data.split.hash,
        "mask_hash": frozen.hash,
        "seed": settings.seed,
    }

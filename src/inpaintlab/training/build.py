"""From settings to a trainer: what `inpaint train` does, and everything else that trains by settings."""

import time
from pathlib import Path
from typing import Any, cast

import torch
from torch import nn

from inpaintlab import masks, networks
from inpaintlab.checkpoints import Run
from inpaintlab.data import augment
from inpaintlab.errors import RunError
from inpaintlab.layers.initialise import resolve as resolve_initialise
from inpaintlab.registry import resolve_arguments
from inpaintlab.runs import OBJECT, check_images
from inpaintlab.settings import Part, ResolvedTrainSettings, TrainSettings, build
from inpaintlab.training import curriculum, objectives
from inpaintlab.training.guards.callback import Guards
from inpaintlab.training.objectives import Objective
from inpaintlab.training.options import Options, default_size
from inpaintlab.training.run_folder import TrainedRun, write_recipe
from inpaintlab.training.schedule import DEFAULT_MINUTES, Budget
from inpaintlab.training.trainer import Trainer


def train(settings: TrainSettings) -> TrainedRun:
    """Train a network in a new run folder.

    Raises an `InpaintlabError` before the first step for everything that can be known before it.
    """
    trainer = build_trainer(settings)
    return trainer.fit(steps=trainer.settings.steps, minutes=trainer.settings.minutes)


def resume(folder: Path, changes: dict[str, Any]) -> TrainedRun:
    """Go on with a run where its last save left it.

    `changes` may hold another budget (`steps` or `minutes`) and `devices`; everything else stays.
    Raises `RunOverError` for a run that is over.
    """
    run = Run.open(folder)
    if fixed := sorted(set(changes) - {"steps", "minutes", "devices"}):
        raise RunError(
            f"a resumed run keeps its settings: {', '.join(fixed)} cannot change "
            "(steps, minutes and devices can); start a new run instead"
        )
    unset = {"steps": None, "minutes": None} if changes.keys() & {"steps", "minutes"} else {}
    written = build(TrainSettings, config=run.recipe).model_dump()
    settings = TrainSettings.model_validate(written | unset | changes | {"output": folder})
    cure = f"put them back there, or write their new place as data into {run.recipe}"
    check_images(folder, settings.data, cure)
    trainer = build_trainer(settings)
    if changes:  # so that the next `--resume` goes by the new budget too
        write_recipe(run, trainer.settings)
    return trainer.fit(steps=trainer.settings.steps, minutes=trainer.settings.minutes, resume=True)


def build_trainer(settings: TrainSettings, data: Any = None) -> Trainer:
    """Return a trainer with all that settings name; `data` takes the place of what they name.

    Raises an `InpaintlabError` for what is unknown, out of range or not there.
    """
    resolved = resolve(settings)
    names = Options.__annotations__
    options = cast(Options, {name: value for name, value in resolved if name in names})
    trainer = Trainer(
        create_network(resolved),
        create_objective(resolved),
        resolved.data if data is None else data,
        callbacks=create_callbacks(resolved),
        output=resolved.output,
        **options,
    )
    trainer.settings = resolved  # with the names of all parts, so that the recipe can make them again
    return trainer


def rehearse(settings: TrainSettings, folder: Path, data: Any = None) -> Trainer:
    """Return an opened trainer as that of a new run, to take steps with; nothing is written.

    `data` takes the place of what the settings name.
    """
    trainer = build_trainer(settings, data)
    trainer.launch()
    trainer.run = Run(folder)
    resolved = trainer.settings
    trainer.open(Budget(resolved.steps, resolved.minutes, time.monotonic()))
    return trainer


def resolve(settings: TrainSettings) -> ResolvedTrainSettings:
    """Fill in what depends on the machine, and every argument of network, masks and augmentation."""
    size = settings.size or default_size()
    network = networks.made_for(size, settings.network.name, settings.network.arguments)
    if settings.look and networks.takes_noise(settings.network.name):
        network = {"noise": objectives.REAL_NOISE, **network}
    scheme = settings.initialise
    is_folder = not settings.data.startswith(("samples:", f"{OBJECT}:"))
    full = {
        "data": str(Path(settings.data).expanduser().resolve()) if is_folder else settings.data,
        "size": size,
        "minutes": settings.minutes if settings.minutes or settings.steps else DEFAULT_MINUTES,
        "network": _full(networks.NETWORKS, settings.network.name, network),
        "initialise": scheme and _full_scheme(scheme),
        "objective": _full(objectives.OBJECTIVES, **_words(_objective(settings, size))),
        "look": None,  # which the objective is now
        "learning_rate": settings.learning_rate or _rate_of(settings.network.name),
        "masks": [Part(**masks.resolve(part.name, part.arguments)) for part in settings.masks],
        "curriculum": _full(curriculum.CURRICULA, **_words(settings.curriculum)),
        "augment": Part(
            name=settings.augment.name,
            **augment.AUGMENTATIONS.resolve(settings.augment.name, settings.augment.arguments),
        ),
    }
    names = ResolvedTrainSettings.model_fields
    values = {name: value for name, value in settings if name in names}
    return ResolvedTrainSettings(**values | full)


def _objective(settings: TrainSettings, size: int) -> Part:
    """Return the objective for images of a side; a look is `real` with a weight."""
    if not settings.look:
        return settings.objective
    return Part("real", adversarial_weight=objectives.weight_of_look(settings.look, size))


def create_network(settings: TrainSettings) -> nn.Module:
    """Build the network with weights that depend on the seed alone.

    Raises `RunError` where the settings are of a run whose network was given as an object.
    """
    _refuse_object("network", settings.network)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(settings.seed)
        return networks.create(settings.network.name, **settings.network.arguments)


def create_objective(settings: TrainSettings) -> Objective:
    """Build the objective; the weights of its own networks depend on the seed alone."""
    _refuse_object("objective", settings.objective)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(settings.seed + 1)
        return objectives.create(settings.objective.name, **settings.objective.arguments)


def create_callbacks(settings: ResolvedTrainSettings) -> list[Any]:
    """Return the curriculum and the guards that the settings ask for."""
    chosen: list[Any] = []
    if settings.curriculum.name != "off":
        chosen.append(curriculum.create(settings.curriculum.name, **settings.curriculum.arguments))
    if settings.guards.name != "off":
        chosen.append(Guards(settings.guards.name, **settings.guards.arguments))
    return chosen


def _full(table: Any, name: str, arguments: dict[str, Any]) -> Part:
    return Part(name=name, **(arguments if name == OBJECT else table.resolve(name, arguments)))


def _words(part: Part) -> dict[str, Any]:
    return {"name": part.name, "arguments": part.arguments}


def _full_scheme(scheme: Part) -> Part:
    return Part(
        **resolve_initialise(**resolve_arguments(resolve_initialise, scheme.model_dump(), "initialise"))
    )


def _rate_of(name: str) -> float:
    return networks.learning_rate_of(nn.Module() if name == OBJECT else name)


def _refuse_object(what: str, part: Part) -> None:
    if part.name == OBJECT:
        raise RunError(
            f"the {what} of this run was given as an object ({part.arguments.get('type')}): go on from "
            "Python, with Trainer(…, output=FOLDER).fit(resume=True) and the same objects"
        )

"""What a trainer was given, as settings: they stand in the recipe of its run."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal, TypedDict

import torch
from torch import nn

from inpaintlab import masks
from inpaintlab.data import augment
from inpaintlab.data.augment import Augmentation
from inpaintlab.errors import SettingError
from inpaintlab.masks import Mixture
from inpaintlab.networks import learning_rate_of
from inpaintlab.runs import OBJECT
from inpaintlab.settings import Part, ResolvedTrainSettings, build
from inpaintlab.training.objectives import LossFunction, Objective


class Options(TypedDict, total=False):
    """Keyword arguments of `Trainer`: the settings of `inpaint train`, which say what they mean."""

    size: int | None
    masks: Any
    augment: Any
    batch_size: int
    seed: int
    devices: int
    precision: str
    initialise: Any
    learning_rate: float | Literal["auto"] | None
    warmup_fraction: float
    weight_decay: float
    grad_clip: float
    ema_decay: float
    cache: Literal["auto", "memory", "disk", "off"]
    cache_dir: Path | None
    workers: int | None
    max_bad_fraction: float
    validate_every: int
    validation_images: int
    trust: bool
    fold: int | None
    folds: int | None


#: Settings that are no options, and where they belong.
_ELSEWHERE = {
    "steps": "give it to fit",
    "minutes": "give it to fit",
    "curriculum": "a curriculum is one of the callbacks",
    "guards": "guards are among the callbacks",
    "look": "give it the objective, as objectives.create('real')",
    "plugins": "import the module that registers the parts",
}


def describe(
    network: nn.Module, objective: Objective | LossFunction, data: Any, options: Mapping[str, Any]
) -> ResolvedTrainSettings:
    """Return the settings that stand for these objects; raises `SettingError` for a wrong option."""
    for name in _ELSEWHERE.keys() & options:
        raise SettingError(f"{name} is no option of a trainer: {_ELSEWHERE[name]}")
    given = {name: value for name, value in options.items() if value is not None}
    parts = {
        "network": part_of(network),
        "objective": part_of(objective),
        "data": data if isinstance(data, str | Path) else f"{OBJECT}: {type(data).__name__}",
        "size": given.get("size") or default_size(),
        "learning_rate": given.get("learning_rate") or learning_rate_of(network),
    }
    if isinstance(given.get("augment"), Augmentation):
        parts["augment"] = part_of(given["augment"])
    if "masks" in given:
        several = given["masks"] if isinstance(given["masks"], list) else [given["masks"]]
        named = (str, Path, Mapping, Part)
        parts["masks"] = [one if isinstance(one, named) else part_of(one) for one in several]
    return build(ResolvedTrainSettings, flags=given | parts)


def default_size() -> int:
    """Return the usual side of images in pixels: 64 where there is only a CPU, else 256."""
    accelerated = torch.cuda.is_available() or torch.backends.mps.is_available()
    return 256 if accelerated else 64


def part_of(thing: Any) -> Part:
    """Return how a recipe names an object: as it was made by name, or as an object of a type."""
    made: tuple[str, dict[str, Any]] | None = getattr(thing, "created_by", None)
    if made is not None:
        return Part(name=made[0], **made[1])
    kind = thing if hasattr(thing, "__qualname__") else type(thing)  # a function, or an instance
    return Part.model_validate({"name": OBJECT, "type": f"{kind.__module__}.{kind.__qualname__}"})


def make_masks(given: Any, settings: ResolvedTrainSettings) -> Mixture:
    """Return what draws masks: objects that were given, or what the settings name."""
    if any(part.name == OBJECT for part in settings.masks):
        return masks.make(given)
    return masks.make([part.model_dump() for part in settings.masks])


def make_augmentation(given: Any, settings: ResolvedTrainSettings) -> Augmentation:
    """Return the augmentation: an object that was given, or what the settings name."""
    if isinstance(given, Augmentation):
        return given
    return augment.AUGMENTATIONS.create(settings.augment.name, **settings.augment.arguments)

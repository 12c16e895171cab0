"""All that is known of a run, gathered once: its log, what its guards wrote, and how it paints."""

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from inpaintlab import masks, networks
from inpaintlab.arrays import Float64, UInt8
from inpaintlab.checkpoints import Run, load_model, load_state, read_json
from inpaintlab.data.dataset import ImageDataset, hash_all
from inpaintlab.data.loading import Images, TrainingData
from inpaintlab.data.sources import open_source
from inpaintlab.data.splits import split
from inpaintlab.diagnosis import images as look_at
from inpaintlab.diagnosis.measures import Measured, classical, measure, paint
from inpaintlab.diagnosis.verdict import Verdict
from inpaintlab.errors import DataError, RunError
from inpaintlab.masks import FrozenMasks
from inpaintlab.progress import bar
from inpaintlab.settings import DiagnoseSettings, TrainSettings, build
from inpaintlab.tensors import composite, to_arrays
from inpaintlab.training.guards.incidents import read_incidents
from inpaintlab.training.validation import MASK_SEED

Line = dict[str, Any]

#: Seed of the choice of training images and of examples: nobody picks them.
CHOICE_SEED = 7
_SIDES = ("train", "val")
#: Training's own error over that measured now, below which use is to blame and not learning.
_WORSE_IN_USE = 0.85
#: Bytes that the images of one side may take as tensors, of which there are about ten: at 256 px room
#: for 127 of them.
_ROOM = 100_000_000


@dataclass(frozen=True)
class Evidence:
    """What the verdicts go by.

    `train_lines` and `validations` are those of the log, `best` and `last` what the best and the newest
    weights make of the sides `train` and `val` (empty where a run has left no weights), `repeats` which
    training image each place of `train` holds, `ratios` the hole ratios, the same for both sides, and
    `classical` the hole PSNR of Telea's method on both. `left_out` are names of images,
    `left_out_steps` and `rate_factor` what the guards have changed. `bottleneck` is how many numbers
    pass a network's bottleneck, where it has one. `looks` are what `check` says of the images.
    """

    settings: TrainSettings
    own_rate: float
    steps: int
    train_count: int
    train_lines: list[Line] = field(default_factory=list)
    validations: list[Line] = field(default_factory=list)
    incidents: list[Line] = field(default_factory=list)
    bad: list[Line] = field(default_factory=list)
    left_out: list[str] = field(default_factory=list)
    left_out_steps: list[int] = field(default_factory=list)
    rate_factor: float = 1.0
    best: dict[str, Measured] = field(default_factory=dict)
    last: dict[str, Measured] = field(default_factory=dict)
    repeats: list[int] = field(default_factory=list)
    ratios: list[float] = field(default_factory=list)
    classical: dict[str, Float64] = field(default_factory=dict)
    bottleneck: int | None = None
    looks: list[Verdict] = field(default_factory=list)
    examples: dict[str, UInt8] = field(default_factory=dict)

    @property
    def epochs(self) -> float:
        """How often the run saw each image."""
        return self.steps * self.settings.batch_size / max(1, self.train_count)

    @property
    def rate(self) -> float:
        """The peak of the learning rate that was set."""
        rate = self.settings.learning_rate
        return self.own_rate if rate is None or rate == "auto" else float(rate)

    @property
    def own_error(self) -> float:
        """The error in the hole that training itself had at its end, 0 where there is no log of it."""
        errors = self.column("hole_l1")
        return float(errors[-10:].mean()) if len(errors) else 0.0

    @property
    def worse_in_use(self) -> bool:
        """Whether training images are filled much worse now than training itself filled them."""
        used = float(self.last["train"].hole_l1.mean()) if self.last else 0.0
        return 0 < self.own_error < _WORSE_IN_USE * used

    def column(self, name: str) -> Float64:
        """Return a value of every line of training; nothing where its objective has no such value."""
        return np.array([line[name] for line in self.train_lines if name in line], float)


@dataclass(frozen=True)
class Looked:
    """A run's images and settings, as `images.look` wants them."""

    data: TrainingData
    settings: TrainSettings


def gather(run: Run, settings: DiagnoseSettings) -> Evidence:
    """Read what a run has left and measure how it paints.

    Its own validation images with its own frozen masks are filled, and as many training images with
    the same masks; the test part is not read. Raises `RunError` and `DataError`.
    """
    recipe = build(TrainSettings, config=run.recipe)
    recipe = recipe.model_copy(update={"data": settings.data or recipe.data})
    facts = read_json(run.data) if run.data.exists() else {}
    source = open_source(recipe.data, recipe.fold, recipe.folds)
    data = _open(source, recipe, facts, settings)
    state = load_state(run.state) or {}
    trained_on = data.split.train
    lines = read_lines(run.log)
    train_lines, validations = ([x for x in lines if x["kind"] == k] for k in ("train", "validation"))
    looked = Looked(data, recipe)
    seen = look_at.look(looked)
    of = len(trained_on) + len(data.split.val)
    found = Evidence(
        settings=recipe,
        own_rate=networks.learning_rate_of(recipe.network.name),
        steps=max([state.get("step", 0), *(line["step"] for line in lines)]),
        train_count=facts.get("train", len(trained_on)),
        train_lines=train_lines,
        validations=validations,
        incidents=read_incidents(run),
        bad=facts.get("bad", []),
        left_out=state.get("excluded", []),
        left_out_steps=state.get("excluded_steps", []),
        rate_factor=state.get("rate_factor", 1.0),
        looks=[look_at.values(looked, seen, of), look_at.leaks(looked, seen, of)],
    )
    return _measured(found, run, data, settings)


def read_lines(log: Path) -> list[Line]:
    """Return the lines of a log, without a last one that was cut short."""
    if not log.exists():
        return []
    text = log.read_text(encoding="utf-8")
    return [json.loads(line) for line in text.splitlines(keepends=True) if line.endswith("\n")]


def _open(
    source: ImageDataset, recipe: TrainSettings, facts: Line, settings: DiagnoseSettings
) -> TrainingData:
    """Open the first validation images of a run, as it did, and random training images."""
    assert recipe.size is not None  # resolved
    hashes = hash_all(source)
    parts = source.predefined_split or split(hashes)
    if facts and parts.hash != facts["split_hash"]:
        raise DataError(
            f"the images of {recipe.data} are not those of the run (split {parts.hash}, then "
            f"{facts['split_hash']}): say where those are with --data"
        )
    random = np.random.default_rng(CHOICE_SEED)
    count = min(len(parts.train), settings.sample)
    chosen = random.choice(parts.train, count, replace=False).tolist()
    # Some more than are measured, as some may be broken.
    first = parts.val[: 2 * min(settings.images, recipe.validation_images)]
    train = Images(source, chosen, recipe.size, "training")
    val = Images(source, first, recipe.size, "validation")
    if not len(train) or not len(val):
        raise DataError(f"no image of {recipe.data} can be read any more")
    return TrainingData(train, val, parts, frozenset())


def _measured(found: Evidence, run: Run, data: TrainingData, settings: DiagnoseSettings) -> Evidence:
    """Return the evidence with all that the run's weights show."""
    recipe = found.settings
    assert recipe.size is not None
    mixture = masks.make(recipe.masks)
    room = max(8, _ROOM // (12 * recipe.size**2))
    count = min(len(data.val), settings.images, recipe.validation_images, room)
    frozen = FrozenMasks(mixture, recipe.size, count, MASK_SEED)
    mask = frozen.batch(0, count)
    repeats = [place % len(data.train) for place in range(count)]
    images = {"train": torch.cat([data.train.squares(p, p + 1) for p in repeats])}
    images["val"] = data.val.squares(0, count)
    changes: dict[str, Any] = {"ratios": frozen.ratios, "repeats": repeats}
    changes["classical"] = {side: classical(images[side], mask) for side in _SIDES}
    painted: Tensor | None = None
    for name, path in (("best", run.model), ("last", run.last)):
        if not path.is_file():
            continue
        network = load_model(path)[0]
        changes["bottleneck"] = _bottleneck(network, images["val"][:1], mask[:1])
        sides = {}
        with bar(f"filling images with the {name} weights", len(_SIDES)) as advance:
            for side in _SIDES:
                ours = paint(network, images[side], mask, settings.batch_size)
                sides[side] = measure(*ours, images[side], mask)
                painted = ours[0] if (name, side) == ("best", "val") else painted
                advance()
        changes[name] = sides
    if painted is not None:
        changes["examples"] = _examples(painted, images["val"], mask, settings.examples)
    return Evidence(**{**vars(found), **changes})


def _bottleneck(network: nn.Module, image: Tensor, mask: Tensor) -> int | None:
    """Return how many numbers of an image pass the bottleneck that a network names."""
    name = networks.bottleneck_of(network)
    if name is None:
        return None
    numbers: list[int] = []
    layer = network.get_submodule(name)
    hook = layer.register_forward_hook(lambda _, __, output: numbers.append(output.numel()))
    with torch.inference_mode():
        network(image, mask)
    hook.remove()
    return numbers[0] if numbers else None


def _examples(painted: Tensor, image: Tensor, mask: Tensor, count: int) -> dict[str, UInt8]:
    """Return rows of random images, uint8 `[N, H, W, 3]`."""
    random = np.random.default_rng(CHOICE_SEED)
    chosen = sorted(random.choice(len(image), min(count, len(image)), replace=False).tolist())
    rows = {
        "damaged": composite(image, torch.ones_like(image), mask),
        "filled": composite(image, painted, mask),
        "painted": painted,
        "truth": image,
    }
    return {name: to_arrays(row[chosen]) for name, row in rows.items()}


def need_run(folder: Path) -> Run:
    """Open a run that has begun; raises `RunError` for one that has left nothing to judge."""
    run = Run.open(folder)
    if not run.log.exists() and not run.model.exists():
        raise RunError(f"{folder} has neither a log nor weights: train it first")
    return run

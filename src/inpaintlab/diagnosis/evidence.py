"""All that is known of a run, gathered once: its log, what its guards wrote, and how it fills holes."""

from collections.abc import Sequence
from copy import deepcopy
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from inpaintlab import masks, networks
from inpaintlab.arrays import Float64, UInt8
from inpaintlab.checkpoints import Run, load_model, load_state, read_json, read_limits
from inpaintlab.data.dataset import ImageData
from inpaintlab.data.loading import Images, TrainingData
from inpaintlab.data.sources import open_dataset
from inpaintlab.diagnosis.images import Leaks, find_leaks, judge_leaks, judge_values, survey
from inpaintlab.diagnosis.limits import Stance, stance
from inpaintlab.diagnosis.measures import Measured, classical, fill, measure
from inpaintlab.diagnosis.result import Verdict
from inpaintlab.errors import DataError, RunError
from inpaintlab.masks import FrozenMasks
from inpaintlab.progress import bar
from inpaintlab.randomness import MASK_SEED
from inpaintlab.runs import check_images, read_log
from inpaintlab.settings import TrainSettings, build
from inpaintlab.tensors import composite, to_arrays
from inpaintlab.training.guards.detectors import Alarm, replay
from inpaintlab.training.guards.incidents import Incident, read_incidents
from inpaintlab.trust import Trust

#: Seed of the choice of training images and of examples: nobody picks them.
CHOICE_SEED = 7
#: Training images should be filled better than by a method that learns nothing, by so many dB. The
#: weakest sound runs have 0.5 to 0.8 after 300 steps, one with a bottleneck of two numbers -0.4 to -0.1.
LEAST_AHEAD = 0.3
#: Before so many steps a run has learnt nothing yet, whatever else is the matter.
FEW_STEPS = 50
#: A peak rate so many times below the network's own is to blame.
FAR_BELOW = 5.0
#: Training's own error over that measured now, below which use is to blame and not learning.
_WORSE_IN_USE = 0.85
#: What evidence takes from a run's state as it is.
_STATE = ("excluded", "excluded_steps", "rate_factor")
#: Bytes that the images of one part may take as tensors, of which there are about ten: at 256 px room
#: for 127 of them.
_ROOM = 100_000_000


@dataclass(frozen=True)
class Line:
    """A line of the log: the step, and its scalars by name."""

    step: int
    values: dict[str, float]


@dataclass(frozen=True)
class Parts:
    """What one set of weights makes of training and of validation images."""

    train: Measured
    val: Measured


@dataclass(frozen=True)
class Evidence:
    """What the verdicts go by.

    `train_lines` and `validations` are those of the log, `best` and `last` what the best and the newest
    weights make of images (none where a run has left no weights), `repeats` which training image each
    place of `train` holds, `ratios` the hole ratios, the same for both parts, and `telea_train` and
    `telea_val` the hole PSNR of Telea's method; `train_count` and `val_count` are the images of each
    part. `excluded` are names of images, `excluded_steps` and `rate_factor` what the guards have
    changed, `bad` the reasons why images could not be used. `bottleneck` is how many numbers pass a
    network's bottleneck, where it has one. `limits` is what the best weights say of validation images,
    and then of other folders; nothing where they do not know their limits. `images`, `split` and `leaks`
    are what `check` says of the images.
    """

    settings: TrainSettings
    own_rate: float
    steps: int
    train_count: int
    val_count: int
    images: Verdict
    split: Verdict
    leaks: Leaks
    train_lines: list[Line] = field(default_factory=list)
    validations: list[Line] = field(default_factory=list)
    incidents: list[Incident] = field(default_factory=list)
    bad: list[str] = field(default_factory=list)
    excluded: list[str] = field(default_factory=list)
    excluded_steps: list[int] = field(default_factory=list)
    rate_factor: float = 1.0
    best: Parts | None = None
    last: Parts | None = None
    repeats: list[int] = field(default_factory=list)
    ratios: list[float] = field(default_factory=list)
    telea_train: Float64 = field(default_factory=lambda: np.zeros(0))
    telea_val: Float64 = field(default_factory=lambda: np.zeros(0))
    bottleneck: int | None = None
    limits: dict[str, Stance] = field(default_factory=dict)
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
        if self.last is None or self.steps < FEW_STEPS:  # averaged weights lag behind so far
            return False
        return 0 < self.own_error < _WORSE_IN_USE * self.last.train.hole_l1

    @property
    def best_and_last(self) -> tuple[Parts, Parts]:
        """What both sets of weights make of images, for a verdict that is only asked where they are."""
        assert self.best is not None
        assert self.last is not None
        return self.best, self.last

    @cached_property
    def alarms(self) -> list[Alarm]:
        """What the detectors of the guards find in the log."""
        return replay((line.step, line.values) for line in self.train_lines)

    def column(self, name: str, validation: bool = False) -> Float64:
        """Return a value of every line of the log that has it."""
        lines = self.validations if validation else self.train_lines
        return np.array([line.values[name] for line in lines if name in line.values], float)


def gather(
    run: Run,
    *,
    data: Any = None,
    network: nn.Module | None = None,
    ood: Sequence[str] = (),
    images: int = 300,
    sample: int = 2000,
    batch_size: int = 64,
    examples: int = 8,
) -> Evidence:
    """Read what a run has left and measure how it fills holes; arguments as in `diagnose`.

    Its own validation images with its own frozen masks are filled, and as many training images with
    the same masks; the test part is not read. Raises `RunError` and `DataError`.
    """
    recipe = build(TrainSettings, config=run.recipe)
    trust = _trust(run, ood)
    if data is None:
        check_images(run.folder, recipe.data, "say --data FOLDER")
        data = recipe.data
    recipe = recipe.model_copy(update={"data": data}) if isinstance(data, str) else recipe
    facts: dict[str, Any] = read_json(run.data) if run.data.exists() else {}
    source = open_dataset(data, fold=recipe.fold, folds=recipe.folds)
    images = min(images, recipe.validation_images)
    opened = _open(source, recipe, facts.get("split_hash"), sample, images)
    seen = survey(opened, len(opened.split.train) + len(opened.split.val))
    leaks = find_leaks(seen)
    state = load_state(run.state) or {}
    train_lines, validations = _lines(run.log, "train"), _lines(run.log, "validation")
    found = Evidence(
        settings=recipe,
        own_rate=networks.learning_rate_of(network or recipe.network.name),
        steps=max([state.get("step", 0), *(line.step for line in train_lines + validations)]),
        train_count=facts.get("train", len(opened.split.train)),
        val_count=facts.get("val", len(opened.split.val)),
        images=judge_values(seen, recipe.max_bad_fraction),
        split=judge_leaks(leaks, seen, recipe.data),
        leaks=leaks,
        train_lines=train_lines,
        validations=validations,
        incidents=read_incidents(run),
        bad=[bad["reason"] for bad in facts.get("bad", [])],
        **{name: state[name] for name in _STATE if name in state},
    )
    best, last = (
        load_model(path, deepcopy(network))[0] if path.is_file() else None
        for path in (run.model, run.last)
    )
    measured = _measured(found, opened, best, last, images, batch_size, examples)
    if best is None or trust is None:
        return measured
    return replace(measured, limits=_limits(trust, best, opened, recipe, ood, images, batch_size))


def _trust(run: Run, ood: Sequence[str]) -> Trust | None:
    limits = read_limits(run.model) if run.model.is_file() else None
    if ood and limits is None:
        raise RunError(
            f"{run.folder} has not learnt its limits, so it cannot say what it refuses: it was trained "
            "for a short time, on few images or with trust=false; leave out --ood"
        )
    return Trust.read(limits) if limits else None


def _limits(
    trust: Trust,
    network: nn.Module,
    data: TrainingData,
    recipe: TrainSettings,
    ood: Sequence[str],
    images: int,
    batch_size: int,
) -> dict[str, Stance]:
    """Return what a network says of validation images and of other folders."""
    assert recipe.size is not None  # resolved
    sets = {"validation": data.val}
    for folder in ood:
        source = open_dataset(folder)
        sets[folder] = Images(source, _chosen(range(len(source)), images), recipe.size, folder)
    found = {}
    for name, of in sets.items():
        count = min(len(of), _room(recipe.size, images))
        mask = FrozenMasks(masks.make(recipe.masks), recipe.size, count, MASK_SEED).batch(0, count)
        found[name] = stance(trust, network, of.squares(0, count), mask, batch_size)
    return found


def _lines(log: Path, kind: str) -> list[Line]:
    """Return the lines of a kind, numbers alone."""
    return [
        Line(line["step"], {name: value for name, value in line.items() if name not in ("kind", "step")})
        for line in read_log(log, kind)
    ]


def _open(
    source: ImageData, recipe: TrainSettings, split_hash: str | None, sample: int, images: int
) -> TrainingData:
    """Open the first validation images of a run, as it did, and random training images."""
    assert recipe.size is not None  # resolved
    parts = source.split
    if split_hash not in (None, parts.hash):
        raise DataError(
            f"the images of {recipe.data} are not those of the run (split {parts.hash}, then "
            f"{split_hash}): say where those are with --data"
        )
    train = Images(source, _chosen(parts.train, sample), recipe.size, "training")
    # Some more than are measured, as some may be broken.
    val = Images(source, parts.val[: 2 * images], recipe.size, "validation")
    if not len(train) or not len(val):
        raise DataError(f"no image of {recipe.data} can be read any more")
    return TrainingData(train, val, parts, frozenset())


def _room(size: int, images: int) -> int:
    """Return how many of so many images may be in memory at once."""
    return min(images, max(8, _ROOM // (12 * size**2)))


def _chosen(places: Sequence[int], most: int) -> list[int]:
    """Return places drawn at random, as nobody is to pick them."""
    random = np.random.default_rng(CHOICE_SEED)
    return [int(place) for place in random.choice(places, min(len(places), most), replace=False)]


def _measured(
    found: Evidence,
    data: TrainingData,
    best: nn.Module | None,
    last: nn.Module | None,
    images: int,
    batch_size: int,
    examples: int,
) -> Evidence:
    """Return the evidence with all that the run's weights show of at most so many images."""
    recipe = found.settings
    assert recipe.size is not None  # resolved
    count = min(len(data.val), _room(recipe.size, images))
    frozen = FrozenMasks(masks.make(recipe.masks), recipe.size, count, MASK_SEED)
    mask, val = frozen.batch(0, count), data.val.squares(0, count)
    repeats = [place % len(data.train) for place in range(count)]
    train = torch.cat([data.train.squares(place, place + 1) for place in repeats])
    return replace(
        found,
        best=_parts("best", best, train, val, mask, batch_size),
        last=_parts("newest", last, train, val, mask, batch_size),
        repeats=repeats,
        ratios=frozen.ratios,
        telea_train=classical(train, mask),
        telea_val=classical(val, mask),
        bottleneck=_bottleneck(best or last, val[:1], mask[:1]),
        examples=_examples(best, val, mask, examples),
    )


def _parts(
    name: str, network: nn.Module | None, train: Tensor, val: Tensor, mask: Tensor, batch_size: int
) -> Parts | None:
    if network is None:
        return None
    measured = []
    with bar(f"filling images with the {name} weights", 2) as advance:
        for image in (train, val):
            measured.append(measure(network, image, mask, batch_size))
            advance()
    return Parts(*measured)


def _bottleneck(network: nn.Module | None, image: Tensor, mask: Tensor) -> int | None:
    """Return how many numbers of an image pass the bottleneck that a network names."""
    name = networks.bottleneck_of(network) if network else None
    if network is None or name is None:
        return None
    numbers: list[int] = []
    layer = network.get_submodule(name)
    hook = layer.register_forward_hook(lambda _, __, output: numbers.append(output.numel()))
    with torch.inference_mode():
        network(image, mask)
    hook.remove()
    return numbers[0] if numbers else None


def _examples(network: nn.Module | None, image: Tensor, mask: Tensor, count: int) -> dict[str, UInt8]:
    """Return rows of random images, uint8 `[N, H, W, 3]`."""
    if network is None:
        return {}
    chosen = sorted(_chosen(range(len(image)), count))
    image, mask = image[chosen], mask[chosen]
    output = fill(network, image, mask, count)
    rows = {
        "damaged": composite(image, torch.ones_like(image), mask),
        "filled": composite(image, output, mask),
        "output": output,
        "truth": image,
    }
    return {name: to_arrays(row) for name, row in rows.items()}

"""Settings of runs and of what comes before them: summary, check, train, crossval."""

from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import AfterValidator, BeforeValidator, Field, model_validator

from inpaintlab.settings.parts import Argument, Flag, Masks, Part, Settings, as_off
from inpaintlab.settings.words import as_names, as_variations


def _known_guards(part: Part) -> Part:
    if part.name not in (modes := ("act", "watch", "off")):
        raise ValueError(f"must be one of {', '.join(modes)}, not {part.name!r}")
    if set(part.arguments) - {"drop"} or not isinstance(part.arguments.get("drop", False), bool):
        raise ValueError("the only argument of guards is drop, true or false")
    return part


def _rate(value: Any) -> Any:
    """Take a number above 0, `auto`, or nothing."""
    if value in (None, "auto"):
        return value
    try:
        rate = float(value)
    except (TypeError, ValueError):
        rate = 0.0
    if not 0 < rate < float("inf"):
        raise ValueError("must be a number above 0, or auto")
    return rate


Rate = Annotated[float | Literal["auto"] | None, BeforeValidator(_rate), Flag("--lr", metavar="RATE")]


def _look(value: Any) -> Any:
    look = {"faithful": 0.0, "real": 1.0}.get(value, value) if isinstance(value, str) else value
    try:
        if look is None or 0 <= float(look) <= 1:
            return look
    except (TypeError, ValueError):
        pass
    raise ValueError(f"must be faithful, real or a number between 0 and 1 (got {value!r})")


Look = Annotated[float | None, BeforeValidator(_look), Flag(metavar="faithful|real|0…1")]


class SummarySettings(Settings):
    """Settings of `inpaint summary`."""

    network: Annotated[Part, Argument()] = Part("swift")
    """Network by name."""
    compare: Annotated[list[Part], BeforeValidator(as_names), Flag(metavar="A,B,…")] = Field(
        default_factory=list
    )
    """Further networks, in one table with the first."""
    size: Annotated[int | None, Flag()] = Field(default=None, ge=8)
    """Side of the image in pixels; by default 64, or the next that the networks take."""
    batch_size: Annotated[int, Flag()] = Field(default=1, ge=1)
    """Batch size that the memory figures are for."""
    hole: Annotated[float, Flag()] = Field(default=0.5, gt=0, lt=1)
    """Side of the square hole, as a share of the image's side."""
    bottleneck: float = Field(default=0.1, ge=0)
    """Least numbers of a bottleneck without a warning, as a share of the hole's numbers."""

    @model_validator(mode="before")
    @classmethod
    def _first_of_several(cls, values: Any) -> Any:
        """Without a network, the first of those to compare is the network."""
        names = as_names(values.get("compare")) if isinstance(values, dict) else None
        if names and "network" not in values:
            return {**values, "network": names[0], "compare": names[1:]}
        return values


class TrainSettings(Settings):
    """Settings of `inpaint train`, as the user gives them."""

    data: Annotated[str, Argument()]
    """Folder of images, prepared dataset, or images drawn by code: samples:N, samples:leaves:N."""
    output: Annotated[Path | None, Flag("-o", "--output")] = None
    """Run folder; by default a new one under runs/."""
    size: Annotated[int | None, Flag()] = Field(default=None, ge=8)
    """Side of the training images in pixels; by default 64 on a CPU, else 256."""
    minutes: Annotated[float | None, Flag()] = Field(default=None, gt=0)
    """Time for the whole run, reading and validation included; by default 10 unless steps are given."""
    steps: Annotated[int | None, Flag()] = Field(default=None, ge=1)
    """Number of optimiser steps, in place of minutes."""
    network: Annotated[Part, Flag()] = Part("swift")
    """Network by name."""
    masks: Masks = Field(default_factory=lambda: [Part("rectangles")], min_length=1)
    """Rectangles, strokes, a folder of mask files, or a frozen set; several are mixed."""
    objective: Annotated[Part, Flag()] = Part("reconstruction")
    """Training objective by name."""
    look: Look = None
    """How fills look: faithful (the default: the likeliest colours, smooth), real (sharp and plausible,
    less right), or a number between 0 and 1."""
    curriculum: Annotated[Part, BeforeValidator(as_off), Flag()] = Part("off")
    """How holes grow during the run: linear, stepped, success or off."""
    augment: Annotated[Part, Flag()] = Part("flip")
    """How images vary: none, flip, light, medium or strong."""
    batch_size: Annotated[int, Flag()] = Field(default=32, ge=1)
    """Images in a step, over all devices."""
    learning_rate: Rate = None
    """Peak learning rate, or auto to find it by a test; by default the network's own."""
    seed: Annotated[int, Flag()] = Field(default=0, ge=0)
    """Seed of weights, image order, masks and augmentation."""
    devices: Annotated[int, Flag()] = Field(default=1, ge=1)
    """Number of accelerators, or of processes on a CPU."""
    guards: Annotated[Part, BeforeValidator(as_off), AfterValidator(_known_guards), Flag()] = Part("act")
    """What guards do when a run goes wrong: act (roll back and mend), watch or off; guards.drop=true
    lets them leave out images that look odd."""
    fold: int | None = Field(default=None, ge=0)
    """Fold that validates while the others train."""
    folds: int | None = Field(default=None, ge=2, le=100)
    """Number of folds; by default that of the dataset."""
    initialise: Part | None = None
    """Scheme of weight initialisation; by default the network's own."""
    precision: Literal["32-true", "bf16-mixed", "16-mixed"] = "32-true"
    """Number format: 32-true, bf16-mixed on a GPU or a CPU with bfloat16, or 16-mixed on a GPU."""
    warmup_fraction: float = Field(default=0.03, ge=0, lt=1)
    """Share of the run in which the learning rate rises."""
    weight_decay: float = Field(default=0.01, ge=0)
    """Weight decay of AdamW."""
    grad_clip: float = Field(default=1.0, gt=0)
    """Largest norm of the gradient; a longer one is shortened."""
    ema_decay: float = Field(default=0.998, ge=0, lt=1)
    """Decay of the moving average of the weights."""
    cache: Annotated[Literal["auto", "memory", "disk", "off"], BeforeValidator(as_off)] = "auto"
    """Where decoded images are kept: auto, memory, disk or off."""
    cache_dir: Path | None = None
    """Folder of cache files; by default in the user's cache."""
    workers: int | None = Field(default=None, ge=0)
    """Processes that load images; by default 0 if decoded images are kept."""
    max_bad_fraction: float = Field(default=0.1, ge=0, le=1)
    """Share of unreadable images above which a run is refused."""
    validate_every: int = Field(default=250, ge=1)
    """Steps between validations and saves."""
    validation_images: int = Field(default=500, ge=1)
    """Most images that are used for validation during the run."""
    trust: bool = True
    """Learn at the end how foreign an image is and how wrong a fill may be, in 8 % of the time."""

    @model_validator(mode="after")
    def _one_of_each(self) -> Self:
        if self.steps is not None and self.minutes is not None:
            raise ValueError("give steps or minutes, not both")
        if self.look is not None and self.objective != Part("reconstruction"):
            raise ValueError(
                f"look chooses an objective, and objective {self.objective.name!r} is given as well: "
                "leave one of them out; --objective real takes settings of its own, as in "
                "-s objective.adversarial_weight=0.6"
            )
        return self


class ResolvedTrainSettings(TrainSettings):
    """Settings that a run goes by: what was left to the machine and to the parts is filled in.

    Parts name all their arguments. The learning rate is `auto` until the test before the run has found
    it.
    """

    size: int = Field(ge=8)
    """Side of the training images in pixels."""
    learning_rate: float | Literal["auto"]
    """Peak learning rate."""


class CheckSettings(TrainSettings):
    """Settings of `inpaint check`: those of `inpaint train`, and how much is tried."""

    output: Annotated[Path | None, Flag("-o", "--output")] = None
    """Page to write; by default check.html."""
    sample: int = Field(default=5000, ge=20)
    """Most images that are looked at."""
    rate_steps: int = Field(default=100, ge=20)
    """Steps of the test of learning rates."""
    overfit_steps: int = Field(default=300, ge=20)
    """Steps to overfit one batch of images."""
    seconds: float = Field(default=20.0, gt=0)
    """Time that the rate test and each attempt to overfit one batch may take."""


class CrossvalSettings(TrainSettings):
    """Settings of `inpaint crossval`: those of `inpaint train`, how many folds, and what varies."""

    folds: Annotated[int | None, Flag()] = Field(default=None, ge=2, le=100)
    """Number of folds; by default that of the dataset, else 5."""
    output: Annotated[Path | None, Flag("-o", "--output")] = None
    """Folder of all runs; by default a new one under runs/."""
    vary: Annotated[
        dict[str, list[Any]], BeforeValidator(as_variations), Flag(metavar="SETTING=A,B")
    ] = Field(default_factory=dict)
    """Setting and the values to compare, as network=unet,swift."""
    jobs: Annotated[int | None, Flag()] = Field(default=None, ge=1)
    """Runs side by side; by default what processors, devices and memory allow."""

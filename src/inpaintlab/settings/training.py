"""Settings of what comes before a run, and of runs: summary, check, train, crossval."""

from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import (
    AfterValidator,
    BeforeValidator,
    Field,
    model_validator,
)

from inpaintlab.settings.parts import Part, Settings, as_off, as_parts


def _known_precision(value: str) -> str:
    if value not in (allowed := ("32-true", "bf16-mixed", "16-mixed")):
        raise ValueError(f"must be one of {', '.join(allowed)}")
    return value


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


class SummarySettings(Settings):
    """Settings of `inpaint summary`."""

    network: Part = Field(Part(name="swift"), description="name and arguments of the network to sum up")
    compare: Annotated[list[Part], BeforeValidator(as_parts)] = Field(
        default_factory=list, description="further networks, in one table with the first"
    )
    size: int | None = Field(
        None, ge=8, description="side in pixels; none: 64, or the next that the networks take"
    )
    batch_size: int = Field(1, ge=1, description="images at a time; memory is that of all of them")
    hole: float = Field(0.5, gt=0, lt=1, description="side of a square hole, as a share of the image's")
    bottleneck: float = Field(
        0.1, ge=0, description="warn of one with fewer numbers than this share of the hole's"
    )


class TrainSettings(Settings):
    """Settings of `inpaint train`."""

    data: str = Field(description="folder of images, prepared dataset, or samples:N")
    fold: int | None = Field(None, ge=0, description="this fold validates, the others train")
    folds: int | None = Field(
        None, ge=2, le=100, description="how many there are; none: those of the dataset"
    )
    output: Path | None = Field(None, description="run folder; none: a new one under runs/")
    size: int | None = Field(None, ge=8, description="side in pixels; none: 64 on CPU, else 256")
    network: Part = Field(Part(name="swift"), description="name and arguments of the network")
    masks: Annotated[list[Part], BeforeValidator(as_parts)] = Field(
        default_factory=lambda: [Part(name="rectangles")],
        min_length=1,
        description="mask kinds, mixed by their `weight`",
    )
    curriculum: Annotated[Part, BeforeValidator(as_off)] = Field(
        Part(name="off"), description="how holes grow during the run"
    )
    initialise: Part | None = Field(
        None, description="scheme of the first weights; none: the network's own"
    )
    objective: Part = Field(Part(name="reconstruction"), description="what a step minimises")
    steps: int | None = Field(None, ge=1, description="number of optimiser steps")
    minutes: float | None = Field(None, gt=0, description="or: time, reading and validation too")
    batch_size: int = Field(32, ge=1, description="images a step, over all devices")
    seed: int = Field(0, ge=0, description="of weights, image order, masks and augmentation")
    devices: int = Field(1, ge=1, description="processes on CPU, or accelerators")
    precision: Annotated[str, AfterValidator(_known_precision)] = Field(
        "32-true", description="or bf16-mixed, 16-mixed where the device is good at it"
    )
    learning_rate: Annotated[float | Literal["auto"] | None, BeforeValidator(_rate)] = Field(
        None, description="its peak, or auto: by a test before the run; none: the network's own"
    )
    warmup_fraction: float = Field(
        0.03, ge=0, lt=1, description="share of the budget with a rising rate"
    )
    weight_decay: float = Field(0.01, ge=0, description="of AdamW")
    grad_clip: float = Field(1.0, gt=0, description="largest norm of the gradient")
    ema_decay: float = Field(0.998, ge=0, lt=1, description="decay of the averaged weights")
    guards: Annotated[Part, BeforeValidator(as_off), AfterValidator(_known_guards)] = Field(
        Part(name="act"),
        description="what guards do: act (roll back and mend), watch or off; drop: leave odd images out",
    )
    augment: Part = Field(Part(name="flip"), description="how images vary: a preset, and its changes")
    cache: Annotated[Literal["auto", "memory", "disk", "off"], BeforeValidator(as_off)] = Field(
        "auto", description="where decoded images are kept"
    )
    cache_dir: Path | None = Field(None, description="folder of cache files; none: the user's cache")
    workers: int | None = Field(None, ge=0, description="none: 0 if decoded images are kept")
    max_bad_fraction: float = Field(0.1, ge=0, le=1, description="share of bad images that is borne")
    validate_every: int = Field(250, ge=1, description="steps between validations and saves")
    validation_images: int = Field(500, ge=1, description="at most so many are used for it")

    @model_validator(mode="after")
    def _one_budget(self) -> Self:
        if self.steps is not None and self.minutes is not None:
            raise ValueError("give steps or minutes, not both")
        return self


class CheckSettings(TrainSettings):
    """Settings of `inpaint check`: those of `inpaint train`, and how much is tried."""

    output: Path | None = Field(None, description="page to write; none: check.html")
    sample: int = Field(5000, ge=20, description="at most so many images are looked at")
    rate_steps: int = Field(100, ge=20, description="steps of the test of learning rates")
    overfit_steps: int = Field(300, ge=20, description="steps to learn eight images by heart")
    seconds: float = Field(
        20.0, gt=0, description="that the rate test and each try to learn by heart may take"
    )


class CrossvalSettings(TrainSettings):
    """Settings of `inpaint crossval`: those of `inpaint train`, how many folds, and what varies."""

    folds: int | None = Field(
        None, ge=2, le=100, description="how many folds; none: those of the dataset, else 5"
    )
    output: Path | None = Field(None, description="folder of all runs; none: a new one under runs/")
    vary: dict[str, list[Any]] = Field(
        default_factory=dict, description="settings and the values to compare, each with each"
    )
    jobs: int | None = Field(
        None, ge=1, description="runs side by side; none: what processors, devices and memory allow"
    )

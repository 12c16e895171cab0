"""Every setting of every command. Free of torch, so that `inpaint --help` stays quick.

A setting comes, later ones winning, from: the default here, a YAML recipe (`--config`), the flags of
the command line, and single settings (`-s key=value`). Unknown names are refused everywhere.
"""

import inspect
import itertools
import math
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, Literal, Self, TypeVar

import yaml
from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    ValidationError,
    model_validator,
)

from inpaintlab.errors import SettingError, near_miss

T = TypeVar("T")

#: Names of the sets of `inpaintlab.masks`, which this torch-free page cannot import.
MASK_SETS = ("rectangles-v1", "strokes-v1", "nvidia-style-v1")
#: More variants than this in one cross-validation are refused: it is for comparing, not for searching.
MOST_VARIANTS = 16
#: Settings in which variants cannot differ: they decide which pictures are measured, or where.
_ALIKE = ("data", "fold", "folds", "output", "size", "devices", "cache", "cache_dir", "max_bad")


class Part(BaseModel):
    """A thing chosen from a table by name, with keyword arguments of its own.

    In a recipe it is the bare name (`network: unet`) or the name with arguments
    (`network: {name: unet, width: 48}`). The table's own function says which arguments there are.
    """

    model_config = ConfigDict(extra="allow", frozen=True)
    name: str

    @model_validator(mode="before")
    @classmethod
    def _from_bare_name(cls, value: Any) -> Any:
        return {"name": value} if isinstance(value, str) else value

    @property
    def arguments(self) -> dict[str, Any]:
        """The keyword arguments, without the name."""
        return dict(self.model_extra or {})


def resolve_arguments(
    function: Callable[..., Any], arguments: Mapping[str, Any], what: str
) -> dict[str, Any]:
    """Return the arguments together with the defaults of those not given.

    Raises `SettingError` for a name that the function does not take.

    >>> resolve_arguments(lambda width=32, depth=3: None, {"depth": 4}, "network 'unet'")
    {'width': 32, 'depth': 4}
    """
    allowed = inspect.signature(function).parameters
    for name in arguments:
        if name not in allowed:
            raise SettingError(f"{what} has no setting {name!r}{near_miss(name, allowed)}")
    for name, parameter in allowed.items():
        if parameter.default is parameter.empty and name not in arguments:
            raise SettingError(f"{what} needs the setting {name!r}")
    return {name: arguments.get(name, parameter.default) for name, parameter in allowed.items()}


def resolve_entry(
    table: Mapping[str, Callable[..., Any]], what: str, name: str, arguments: Mapping[str, Any]
) -> dict[str, Any]:
    """Return all arguments of one entry of a table, with the defaults filled in and tuples as lists.

    Raises `SettingError` for an unknown name or argument, with the nearest known one.

    >>> resolve_entry({"unet": lambda width=32: None}, "network", "une", {})
    Traceback (most recent call last):
    inpaintlab.errors.SettingError: unknown network 'une', did you mean 'unet'?
    """
    if name not in table:
        raise SettingError(f"unknown {what} {name!r}{near_miss(name, table)}")
    full = resolve_arguments(table[name], arguments, f"{what} {name!r}")
    return {key: list(value) if isinstance(value, tuple) else value for key, value in full.items()}


def create_entry(
    table: Mapping[str, Callable[..., T]], what: str, name: str, arguments: Mapping[str, Any]
) -> T:
    """Build one entry of a table by name; raises `SettingError` as `resolve_entry` does."""
    full = resolve_entry(table, what, name, arguments)
    try:
        return table[name](**full)
    except TypeError as error:
        raise SettingError(f"{what} {name!r}: {error}") from None


def _as_parts(value: Any) -> Any:
    """Let one mask kind stand for a list of one."""
    return [value] if isinstance(value, str | Mapping) else value


def _known_precision(value: str) -> str:
    if value not in (allowed := ("32-true", "bf16-mixed", "16-mixed")):
        raise ValueError(f"must be one of {', '.join(allowed)}")
    return value


def _off(value: Any) -> Any:
    """Take the word `off`, which YAML reads as false, for itself, also where it is a part's name."""
    if isinstance(value, Mapping) and value.get("name") is False:
        return {**value, "name": "off"}
    return "off" if value is False else value


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


class _Settings(BaseModel):
    model_config = ConfigDict(extra="forbid", validate_assignment=True)


class TrainSettings(_Settings):
    """Settings of `inpaint train`."""

    data: str = Field(description="folder of pictures, prepared dataset, or samples:N")
    fold: int | None = Field(None, ge=0, description="this fold validates, the others train")
    folds: int | None = Field(
        None, ge=2, le=100, description="how many there are; none: those of the dataset"
    )
    output: Path | None = Field(None, description="run folder; none: a new one under runs/")
    size: int | None = Field(None, ge=8, description="side in pixels; none: 64 on CPU, else 256")
    network: Part = Field(Part(name="swift"), description="name and arguments of the network")
    masks: Annotated[list[Part], BeforeValidator(_as_parts)] = Field(
        default_factory=lambda: [Part(name="rectangles")],
        min_length=1,
        description="mask kinds, mixed by their `weight`",
    )
    curriculum: Annotated[Part, BeforeValidator(_off)] = Field(
        Part(name="off"), description="how holes grow during the run"
    )
    initialise: Part | None = Field(
        None, description="scheme of the first weights; none: the network's own"
    )
    objective: Part = Field(Part(name="reconstruction"), description="what a step minimises")
    steps: int | None = Field(None, ge=1, description="number of optimiser steps")
    minutes: float | None = Field(None, gt=0, description="or: time, reading and validation too")
    batch: int = Field(32, ge=1, description="pictures a step, over all devices")
    seed: int = Field(0, ge=0, description="of weights, picture order, masks and augmentation")
    devices: int = Field(1, ge=1, description="processes on CPU, or accelerators")
    precision: Annotated[str, AfterValidator(_known_precision)] = Field(
        "32-true", description="or bf16-mixed, 16-mixed where the device is good at it"
    )
    learning_rate: Annotated[float | Literal["auto"] | None, BeforeValidator(_rate)] = Field(
        None, description="its peak, or auto: by a test before the run; none: the network's own"
    )
    warmup: float = Field(0.03, ge=0, lt=1, description="share of the budget with a rising rate")
    weight_decay: float = Field(0.01, ge=0, description="of AdamW")
    clip: float = Field(1.0, gt=0, description="largest norm of the gradient")
    ema: float = Field(0.998, ge=0, lt=1, description="decay of the averaged weights")
    wheels: Annotated[Literal["off", "watch", "act"], BeforeValidator(_off)] = Field(
        "act", description="guards: off, only watch, or go back and mend"
    )
    augment: Part = Field(Part(name="flip"), description="how pictures vary: a preset, and its changes")
    cache: Annotated[Literal["auto", "memory", "disk", "off"], BeforeValidator(_off)] = Field(
        "auto", description="where decoded pictures are kept"
    )
    cache_dir: Path | None = Field(None, description="folder of cache files; none: the user's cache")
    workers: int | None = Field(None, ge=0, description="none: 0 if decoded pictures are kept")
    max_bad: float = Field(0.1, ge=0, le=1, description="share of bad pictures that is borne")
    validate_every: int = Field(250, ge=1, description="steps between validations and saves")
    validation_pictures: int = Field(500, ge=1, description="at most so many are used for it")

    @model_validator(mode="after")
    def _one_budget(self) -> Self:
        if self.steps is not None and self.minutes is not None:
            raise ValueError("give steps or minutes, not both")
        return self


class CheckSettings(TrainSettings):
    """Settings of `inpaint check`: those of `inpaint train`, and how much is tried."""

    output: Path | None = Field(None, description="page to write; none: check.html")
    sample: int = Field(5000, ge=20, description="at most so many pictures are looked at")
    rate_steps: int = Field(100, ge=20, description="steps of the test of learning rates")
    memorise_steps: int = Field(300, ge=20, description="steps to learn eight pictures by heart")
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


class EvaluateSettings(_Settings):
    """Settings of `inpaint evaluate`."""

    run: Path = Field(description="run folder")
    data: str | None = Field(None, description="other pictures; none: those of the run")
    split: Literal["val", "test"] = Field("val", description="part of the run's own pictures")
    masks: Annotated[list[Part] | None, BeforeValidator(_as_parts)] = Field(
        None, description="mask kinds, or one mask set; none: those of the run"
    )
    limit: int | None = Field(None, ge=1, description="at most so many pictures")
    batch: int = Field(64, ge=1, description="pictures measured at a time")
    by: str | None = Field(
        None, description="groups to give figures for: folder, name:REGEX or column:NAME; none: folder"
    )
    against: list[Path] = Field(default_factory=list, description="further runs beside this one")
    also: list[str] = Field(
        default_factory=list, description="folders of other pictures: how much is lost there"
    )
    also_pictures: int = Field(1000, ge=1, description="at most so many pictures of each of them")
    shift: bool = Field(False, description="how much is lost on the same pictures turned, blurred, …")
    shift_pictures: int = Field(200, ge=1, description="at most so many pictures are shifted")
    slow_pictures: int = Field(
        50, ge=0, description="so many pictures for baselines too slow for all; 0: without them"
    )
    learned: bool = Field(True, description="figures that need a feature network, where it can be had")
    weights: dict[str, str] = Field(
        default_factory=dict,
        description="files of feature networks: fid, lpips, lpips-vgg, efficientnet",
    )
    download: bool = Field(False, description="fetch what is missing of the standard's weights")
    copies: bool = Field(True, description="look for look-alikes among the pictures learnt from")
    examples: int = Field(8, ge=1, description="random pictures shown in the report")


class CompareSettings(_Settings):
    """Settings of `inpaint compare`."""

    runs: list[Path] = Field(min_length=2, description="run folders; each is compared with the first")
    result: str = Field(
        "val", pattern=r"^[^/\\]+$", description="which result of theirs: NAME of metrics/NAME.json"
    )


class DiagnoseSettings(_Settings):
    """Settings of `inpaint diagnose`."""

    run: Path = Field(description="run folder, of a run that ended or was stopped")
    output: Path | None = Field(None, description="page to write; none: diagnosis.html of the run")
    data: str | None = Field(None, description="where its pictures are now; none: where they were")
    pictures: int = Field(
        300, ge=8, description="at most so many of validation, and as many of training, are filled"
    )
    sample: int = Field(2000, ge=20, description="at most so many training pictures are looked at")
    batch: int = Field(64, ge=1, description="pictures filled at a time")
    examples: int = Field(8, ge=1, description="random pictures shown on the page")


class PrepareSettings(_Settings):
    """Settings of `inpaint prepare`."""

    sources: list[str] = Field(
        default_factory=list, description="folders, .tar shards, hf:NAME data sets"
    )
    output: Path | None = Field(None, description="folder of the dataset, NAME.dataset")
    layout: str | None = Field(None, description="a known data set: its published split is kept")
    min_size: int = Field(32, ge=1, description="pictures with a shorter side in pixels are left out")
    max_aspect: float = Field(4.0, ge=1, description="longest side over shortest; above: left out")
    near_distance: int = Field(6, ge=0, le=7, description="bits in which look-alikes may differ, of 64")
    group_by: str | None = Field(
        None, description="what stays on one side: folder, name:REGEX or column:NAME"
    )
    stratify: bool | None = Field(None, description="by folder; none: if folders look like classes")
    test_share: float = Field(0.1, ge=0, lt=1, description="share of all pictures for the test")
    train_share: float = Field(0.8, gt=0, lt=1, description="share of the rest for training")
    folds: int = Field(5, ge=2, le=100, description="folds inside train and val, for k-fold")
    keep: list[str] = Field(default_factory=list, description="findings taken in all the same")
    leave_out: list[str] = Field(default_factory=list, description="other findings to leave out")
    size: int = Field(128, ge=8, description="of the preview: side in pixels")
    augment: Part = Field(Part(name="flip"), description="of the preview: as in training")
    masks: Annotated[list[Part], BeforeValidator(_as_parts)] = Field(
        default_factory=lambda: [Part(name="rectangles")],
        min_length=1,
        description="of the preview: as in training",
    )


class MaskSettings(_Settings):
    """Settings of `inpaint masks`."""

    output: Path = Field(description="folder to write, new or empty")
    masks: Annotated[list[Part], BeforeValidator(_as_parts)] = Field(
        default_factory=lambda: [Part(name="rectangles")],
        min_length=1,
        description="mask kinds to draw, mixed by their `weight`",
    )
    size: int = Field(256, ge=8, description="side of a mask in pixels")
    count: int = Field(100, ge=1, le=100_000, description="number of masks")
    seed: int = Field(0, ge=0, description="of all masks; the same seed draws the same ones")
    preview: bool = Field(False, description="write only the sheet")


class SummarySettings(_Settings):
    """Settings of `inpaint summary`."""

    network: Part = Field(Part(name="swift"), description="name and arguments of the network to sum up")
    compare: Annotated[list[Part], BeforeValidator(_as_parts)] = Field(
        default_factory=list, description="further networks, in one table with the first"
    )
    size: int | None = Field(
        None, ge=8, description="side in pixels; none: 64, or the next that the networks take"
    )
    batch: int = Field(1, ge=1, description="pictures at a time; memory is that of all of them")
    hole: float = Field(
        0.5, gt=0, lt=1, description="side of a square hole, as a share of the picture's"
    )
    bottleneck: float = Field(
        0.1, ge=0, description="warn of one with fewer numbers than this share of the hole's"
    )


class AlignSettings(_Settings):
    """Settings of `inpaint align`."""

    folder: Path = Field(description="folder of pictures, searched recursively")
    output: Path = Field(description="new or empty folder for the crops, align.json and align.csv")
    size: int = Field(200, ge=8, description="side of the crops in pixels")
    eyes: str = Field("utkface", description="utkface, celeba-hq, or x,y,x,y in shares of the side")
    detector: str | None = Field(
        None, description="haar, dlib or points; none: points where they are given, else haar"
    )
    points: Path | None = Field(None, description="CSV of eyes, or folder of point lists NAME.txt")
    left_rows: tuple[int, int] = Field((19, 24), description="first and last row of one eye, from 0")
    right_rows: tuple[int, int] = Field((25, 30), description="first and last row of the other eye")
    faces: Literal["largest", "all"] = Field(
        "largest", description="of several faces in a picture, or all"
    )
    format: Literal["png", "jpg"] = Field("png", description="of the crops; or jpg")

    @model_validator(mode="after")
    def _points_and_detector_agree(self) -> Self:
        if self.detector == "points" and self.points is None:
            raise ValueError("detector points needs a file: give points, or another detector")
        if self.points is not None and self.detector not in (None, "points"):
            raise ValueError(
                f"points are given, so detector {self.detector} would not be asked: give one"
            )
        for first, last in (self.left_rows, self.right_rows):
            if not 0 <= first <= last:
                raise ValueError(f"rows run from a first to a last, from 0, got {first} to {last}")
        return self


SettingsT = TypeVar("SettingsT", bound=_Settings)


def build(
    kind: type[SettingsT],
    *,
    config: Path | None = None,
    assignments: Sequence[str] = (),
    flags: Mapping[str, Any] | None = None,
) -> SettingsT:
    """Merge a recipe, flags and `key=value` assignments into checked settings.

    Flags that are None or an empty list count as not given. Raises `SettingError`, one line that
    names the setting, where it stands and the nearest known name.

    >>> build(TrainSettings, assignments=["network.width=48"], flags={"data": "photos"}).network
    Part(name='swift', width=48)
    """
    values = _read_recipe(config) if config else {}
    for key, value in (flags or {}).items():
        if value not in (None, []) and not _keeps_name(values.get(key), value):
            values[key] = value
    for assignment in assignments:
        _assign(kind, values, assignment)
    source = f" in {config.name}" if config else ""
    for name in values:
        if name not in kind.model_fields:
            hint = near_miss(name, kind.model_fields)
            raise SettingError(f"unknown setting {name!r}{source}{hint}")
    try:
        return kind.model_validate(values)
    except ValidationError as error:
        raise SettingError(_first_line(error)) from None


def vary(settings: CrossvalSettings) -> dict[str, TrainSettings]:
    """Return the settings of each variant by its name: every value of `vary` with every other.

    Without anything that varies there is one, named after its network. Raises `SettingError`.

    >>> list(vary(CrossvalSettings(data="photos", vary={"network": ["unet", "swift"], "seed": [0, 1]})))
    ['network=unet seed=0', 'network=unet seed=1', 'network=swift seed=0', 'network=swift seed=1']
    """
    # A whole setting before its arguments, as network before network.width.
    keys = sorted(settings.vary, key=lambda key: "." in key)
    for key in keys:
        _check_varies(settings, key)
    if (count := math.prod(len(settings.vary[key]) for key in keys)) > MOST_VARIANTS:
        raise SettingError(
            f"{count} variants are too many: at most {MOST_VARIANTS}, vary less at a time"
        )
    base = settings.model_dump(include=set(TrainSettings.model_fields)) | {"folds": None, "output": None}
    variants = {}
    for values in itertools.product(*(settings.vary[key] for key in keys)):
        chosen = dict(zip(keys, values, strict=True))
        name = " ".join(f"{key}={_word(value)}" for key, value in chosen.items())
        given = dict(base)
        for key, value in chosen.items():
            _put(TrainSettings, given, key, value)
        try:
            variant = TrainSettings.model_validate(given)
        except ValidationError as error:
            raise SettingError(f"{name}: {_first_line(error)}") from None
        variants[name or f"network={settings.network.name}"] = variant
    return variants


def parse_variation(word: str) -> tuple[str, list[Any]]:
    """Read `network=unet,swift`; values are YAML, so that one may have commas in its brackets.

    >>> parse_variation("network={name: unet, width: 8},swift")
    ('network', [{'name': 'unet', 'width': 8}, 'swift'])
    """
    key, equals, text = word.partition("=")
    try:
        values = yaml.safe_load(f"[{text}]")
    except yaml.YAMLError:
        values = []
    if not (key and equals and values):
        raise SettingError(f"--vary takes SETTING=A,B, got {word!r}")
    return key, values


def _check_varies(settings: CrossvalSettings, key: str) -> None:
    """Raise `SettingError` for a setting that cannot vary, or values that are no comparison."""
    setting, dot, _ = key.partition(".")
    if setting not in TrainSettings.model_fields:
        raise SettingError(
            f"vary: unknown setting {key!r}{near_miss(setting, TrainSettings.model_fields)}"
        )
    if setting in _ALIKE:
        raise SettingError(f"vary: {setting} must be the same for all: their figures would not compare")
    part = getattr(settings, setting)
    if not dot and isinstance(part, Part) and part.arguments:
        arguments = ", ".join(part.arguments)
        raise SettingError(
            f"vary: {key} would drop {arguments} of {part.name}: write arguments into the values, as "
            f"{key}={{name: {part.name}, {next(iter(part.arguments))}: …}},…"
        )
    words = [_word(value) for value in settings.vary[key]]
    if len(words) < 2 or len(set(words)) < len(words):
        raise SettingError(f"vary: {key} needs two different values or more, got {', '.join(words)}")


def _word(value: Any) -> str:
    """Return a value as a short word for the name of a variant."""
    if isinstance(value, Mapping):
        arguments = ",".join(f"{key}={_word(one)}" for key, one in value.items() if key != "name")
        return f"{value.get('name', '')}({arguments})" if arguments else str(value.get("name", ""))
    if isinstance(value, list):
        return "+".join(_word(one) for one in value)
    return "off" if value is False else str(value)


def dump(settings: _Settings) -> str:
    """Return the settings as YAML that `--config` reads back."""
    return yaml.safe_dump(settings.model_dump(mode="json"), sort_keys=False)


def mask_parts(names: Sequence[str] | None) -> list[dict[str, str]] | None:
    """Read the values of `--masks`: names of mask kinds, or folders of mask files.

    A word with a slash, or that names a folder, is one of files; two or more make a mixture. The name of
    a set is that set even beside a folder of that name, which `./NAME` means.
    """
    if not names:
        return None
    return [
        {"name": "folder", "path": name}
        if "/" in name or (name not in MASK_SETS and Path(name).is_dir())
        else {"name": name}
        for name in names
    ]


def _read_recipe(path: Path) -> dict[str, Any]:
    try:
        values = yaml.safe_load(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise SettingError(f"cannot read the recipe {path}: {error.strerror}") from None
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        reason = " ".join(str(error).split())
        raise SettingError(f"{path} is not a YAML file: {reason}") from None
    if values is None:
        return {}
    if not isinstance(values, dict):
        raise SettingError(f"{path} must hold settings, one `name: value` a line")
    return {str(key): value for key, value in values.items()}


def _keeps_name(old: Any, new: Any) -> bool:
    """Tell whether a flag only repeats the recipe's name, whose arguments then stay in force."""
    old_parts, new_parts = ([v] if not isinstance(v, list) else v for v in (old, new))
    names = [part.get("name") if isinstance(part, dict) else part for part in old_parts]
    return names == [
        part.get("name", part) if isinstance(part, dict) and len(part) == 1 else part
        for part in new_parts
    ]


def _assign(kind: type[_Settings], values: dict[str, Any], assignment: str) -> None:
    """Put `network.width=48` into nested values; the right-hand side is read as YAML."""
    key, equals, text = assignment.partition("=")
    if not equals or not key:
        raise SettingError(f"-s takes key=value, got {assignment!r}")
    try:
        value = yaml.safe_load(text)
    except yaml.YAMLError:
        raise SettingError(f"-s {key}: {text!r} is not a YAML value") from None
    _put(kind, values, key, value)


def _put(kind: type[_Settings], values: dict[str, Any], key: str, value: Any) -> None:
    """Put a value where a key with or without a dot says."""
    setting, dot, argument = key.partition(".")
    if dot:
        value = _part(kind, setting, values.get(setting)) | {argument: value}
    values[setting] = value


def _part(kind: type[_Settings], setting: str, value: Any) -> dict[str, Any]:
    """Return the part that a setting holds so far, as a mapping that can take an argument."""
    field = kind.model_fields.get(setting)
    if value is None and field is not None:
        value = field.get_default(call_default_factory=True)
    if isinstance(value, list):
        if len(value) != 1:
            raise SettingError(f"-s {setting}.… needs one part, there are {len(value)}: use a recipe")
        value = value[0]
    if isinstance(value, Part):
        return value.model_dump()
    if isinstance(value, str):
        return {"name": value}
    if isinstance(value, dict):
        return dict(value)
    hint = "" if field else near_miss(setting, kind.model_fields)
    raise SettingError(f"setting {setting!r} has no settings of its own{hint}")


def _first_line(error: ValidationError) -> str:
    """Return `path: message` of the first finding."""
    finding = error.errors()[0]
    path = ".".join(str(part) for part in finding["loc"])
    message = finding["msg"].removeprefix("Value error, ")
    given = finding["input"]
    seen = f" (got {given!r})" if path and not isinstance(given, dict | list) else ""
    return f"{path}: {message}{seen}" if path else message

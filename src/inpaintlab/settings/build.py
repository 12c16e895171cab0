"""Settings from recipes, flags and `key=value`, and back into YAML."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

import yaml
from pydantic import ValidationError

from inpaintlab.errors import SettingError, near_miss
from inpaintlab.registry import in_words
from inpaintlab.settings.parts import Part, Settings
from inpaintlab.settings.plugins import require

#: Names that settings had before, and their names now.
RENAMED = {
    "against": "models",
    "also": "ood",
    "also_images": "ood_images",
    "batch": "batch_size",
    "by": "group_by",
    "copies": "lookalikes",
    "clip": "grad_clip",
    "ema": "ema_decay",
    "max_bad": "max_bad_fraction",
    "memorise_steps": "overfit_steps",
    "shift": "corruptions",
    "shift_images": "corruption_images",
    "warmup": "warmup_fraction",
    "wheels": "guards",
}

SettingsT = TypeVar("SettingsT", bound=Settings)


def build(
    kind: type[SettingsT],
    *,
    config: Path | None = None,
    assignments: Sequence[str] = (),
    flags: Mapping[str, Any] | None = None,
) -> SettingsT:
    """Merge a recipe, flags and `key=value` assignments into checked settings.

    Flags that are None or an empty list count as not given. Raises `SettingError`, one line that
    names the setting, where it stands and the nearest known name; also for a recipe that names plugins
    which neither the flags nor the assignments name.

    >>> from inpaintlab.settings import TrainSettings
    >>> build(TrainSettings, assignments=["network.width=48"], flags={"data": "photos"}).network
    Part(name='swift', width=48)
    """
    values = _read_recipe(config) if config else {}
    wanted = values.pop("plugins", None) or []
    for key, value in (flags or {}).items():
        if value not in (None, []) and not _keeps_name(values.get(key), value):
            values[key] = value
    for assignment in assignments:
        _assign(kind, values, assignment)
    settings = check(kind, values, f" in {config.name}" if config else "")
    settings.plugins = require(wanted, settings.plugins, str(config))
    return settings


def check(kind: type[SettingsT], values: Mapping[str, Any], source: str = "") -> SettingsT:
    """Return checked settings; raises `SettingError`, one line that names what is wrong."""
    for name in values:
        if name not in kind.model_fields:
            hint = near_miss(name, kind.model_fields)
            raise SettingError(_renamed(kind, name) or f"unknown setting {name!r}{source}{hint}")
    try:
        return kind.model_validate(values)
    except ValidationError as error:
        raise SettingError(first_line(error, kind)) from None


def typed(kind: type[Settings], values: Mapping[str, Any]) -> dict[str, Any]:
    """Return some settings as the values that they come to; raises `SettingError` as `check` does."""
    settings = kind.model_construct()
    try:
        for name, value in values.items():
            setattr(settings, name, value)
    except ValidationError as error:
        raise SettingError(first_line(error, kind)) from None
    return {name: getattr(settings, name) for name in values}


def dump(settings: Settings) -> str:
    """Return the settings as YAML that `--config` reads back."""
    return yaml.safe_dump(settings.model_dump(mode="json"), sort_keys=False)


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
    return new_parts == [part.get("name") if isinstance(part, dict) else part for part in old_parts]


def _assign(kind: type[Settings], values: dict[str, Any], assignment: str) -> None:
    """Put `network.width=48` into nested values; the right-hand side is read as YAML."""
    key, equals, text = assignment.partition("=")
    if not equals or not key:
        raise SettingError(f"-s takes key=value, got {assignment!r}")
    try:
        value = yaml.safe_load(text)
    except yaml.YAMLError:
        raise SettingError(f"-s {key}: {text!r} is not a YAML value") from None
    put(kind, values, key, value)


def put(kind: type[Settings], values: dict[str, Any], key: str, value: Any) -> None:
    """Put a value where a key with or without a dot says."""
    setting, dot, argument = key.partition(".")
    if dot:
        value = _part(kind, setting, values.get(setting)) | {argument: value}
    values[setting] = value


def _part(kind: type[Settings], setting: str, value: Any) -> dict[str, Any]:
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
    raise SettingError(
        _renamed(kind, setting) or f"setting {setting!r} has no settings of its own{hint}"
    )


def _renamed(kind: type[Settings], name: str) -> str:
    """Return what a setting that had another name before is called now."""
    new = RENAMED.get(name)
    return f"{name} is called {new} now" if new in kind.model_fields else ""


def first_line(error: ValidationError, kind: type[Settings]) -> str:
    """Return `path: message` of the first finding; of a missing setting, what it is."""
    finding = error.errors()[0]
    path, message = ".".join(str(part) for part in finding["loc"]), in_words(finding)
    if finding["type"] == "missing":
        what = (kind.model_fields[path].description or "").rstrip(".")
        return f"{path} is missing: {what[:1].lower()}{what[1:]}"
    given = finding["input"]
    seen = f" (got {given!r})" if path and not isinstance(given, dict | list) else ""
    return f"{path}: {message}{seen}" if path else message

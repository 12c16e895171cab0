"""The variants of a cross-validation: every value of `vary` with every other."""

import itertools
import math
from collections.abc import Mapping
from typing import Any

from inpaintlab.errors import SettingError, near_miss
from inpaintlab.settings.build import check, put
from inpaintlab.settings.parts import Part
from inpaintlab.settings.training import CrossvalSettings, TrainSettings

#: More variants than this in one cross-validation are refused: it is for comparing, not for searching.
MOST_VARIANTS = 16


#: Settings in which variants cannot differ: they decide which images are measured, or where.
_ALIKE = {"data", "fold", "folds", "output", "size", "devices", "plugins"} | {
    *("cache", "cache_dir", "max_bad_fraction")
}


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
            put(TrainSettings, given, key, value)
        try:
            variant = check(TrainSettings, given)
        except SettingError as error:
            raise SettingError(f"{name}: {error}") from None
        variants[name or f"network={settings.network.name}"] = variant
    return variants


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
    return {True: "on", False: "off"}[value] if isinstance(value, bool) else str(value)

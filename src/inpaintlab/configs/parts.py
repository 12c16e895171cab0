"""What settings are made of: parts chosen from a table by name, and the base of all settings."""

import inspect
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

from pydantic import (
    BaseModel,
    ConfigDict,
    model_validator,
)

from inpaintlab.errors import SettingError, near_miss

T = TypeVar("T")


#: Names of the sets of `inpaintlab.masks`, which this torch-free page cannot import.
MASK_SETS = ("rectangles-v1", "strokes-v1", "nvidia-style-v1")


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


class Settings(BaseModel):
    """Base of all settings: unknown names are refused, and what is assigned is checked."""

    model_config = ConfigDict(extra="forbid", validate_assignment=True)


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


def as_parts(value: Any) -> Any:
    """Let one mask kind stand for a list of one."""
    return [value] if isinstance(value, str | Mapping) else value


def as_off(value: Any) -> Any:
    """Take the word `off`, which YAML reads as false, for itself, also where it is a part's name."""
    if isinstance(value, Mapping) and value.get("name") is False:
        return {**value, "name": "off"}
    return "off" if value is False else value


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

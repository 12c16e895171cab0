"""What settings are made of: parts chosen from a table by name, and the base of all settings."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

from pydantic import (
    BaseModel,
    ConfigDict,
    model_validator,
)

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

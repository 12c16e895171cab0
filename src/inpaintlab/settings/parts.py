"""What all settings are made of: parts chosen by name, and marks for the command line."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, model_validator

#: Names of the sets of `inpaintlab.masks`, which this torch-free page cannot import.
MASK_SETS = ("rectangles-v1", "strokes-v1", "nvidia-style-v1")


class Flag:
    """Marks a setting that has a flag of its own; type, help and default are those of the setting.

    `names` are those of the flag where it is not `--name-of-the-setting`.
    """

    def __init__(self, *names: str, metavar: str = "", env: str = "") -> None:
        self.names, self.metavar, self.env = names, metavar, env


@dataclass(frozen=True)
class Argument:
    """Marks a setting that stands on the command line without a flag."""

    metavar: str = ""


class Part(BaseModel):
    """A thing chosen from a table by name, with keyword arguments of its own.

    In a recipe it is the bare name (`network: unet`) or the name with arguments
    (`network: {name: unet, width: 48}`). The table's own function says which arguments there are.
    """

    model_config = ConfigDict(extra="allow", frozen=True)
    name: str

    def __init__(self, name: str, **arguments: Any) -> None:
        super().__init__(name=name, **arguments)

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

    model_config = ConfigDict(extra="forbid", validate_assignment=True, use_attribute_docstrings=True)

    plugins: Annotated[list[str], Flag("--plugin", metavar="FILE|MODULE")] = Field(default_factory=list)
    """Python file or module that registers parts of your own."""

    def arguments(self) -> dict[str, Any]:
        """Return them as keyword arguments of a function, which knows nothing of plugins."""
        return {name: value for name, value in self if name != "plugins"}


def as_list(value: Any) -> Any:
    """Let one part stand for a list of one."""
    return [value] if isinstance(value, str | Mapping) else value


def as_masks(value: Any) -> Any:
    """Read mask kinds, or folders of mask files, as parts.

    A word with a slash, or that names a folder, is one of files. The name of a set is that set even
    beside a folder of that name, which `./NAME` means.
    """
    words = as_list(value)
    return [_mask(word) for word in words] if isinstance(words, list | tuple) else words


def _mask(word: Any) -> Any:
    if isinstance(word, Mapping) and isinstance(named := _mask(word.get("name")), dict):
        return {**word, **named}
    is_folder = isinstance(word, str) and (
        "/" in word or (word not in MASK_SETS and Path(word).is_dir())
    )
    return {"name": "folder", "path": word} if is_folder else word


def as_off(value: Any) -> Any:
    """Take the word `off`, which YAML reads as false, for itself, also where it is a part's name."""
    if isinstance(value, Mapping) and value.get("name") is False:
        return {**value, "name": "off"}
    return "off" if value is False else value


#: Mask kinds that are mixed by their `weight`.
Masks = Annotated[list[Part], BeforeValidator(as_masks), Flag(metavar="KIND|SET|FOLDER")]

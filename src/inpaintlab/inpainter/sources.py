"""Where weights are: run folders, files, and models of the Hugging Face hub."""

import hashlib
import re
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any

from inpaintlab.checkpoints import WEIGHTS, Run
from inpaintlab.errors import RunError
from inpaintlab.inpainter.onnx import SUFFIX

#: A name of the hub: user and model, of letters, digits, `-`, `_` and `.`.
_HUB_NAME = re.compile(r"\w[\w.-]*/\w[\w.-]*", re.ASCII)


def find_weights(path: str | Path, revision: str | None = None) -> Path:
    """Return the file of weights that a path, or a name of the hub, stands for.

    A run folder stands for its best weights, another folder for the `model.safetensors` in it. What is
    not here and looks like `USER/MODEL` is fetched from the hub, unless there is a folder USER: then it
    is a path with a slip. Raises `RunError` where there is nothing.
    """
    path = Path(path)
    if path.suffix in (*WEIGHTS, SUFFIX) and not path.is_dir():
        return path
    if _is_hub_name(path):
        return Path(
            hub(f"{path} is not here; if it is a model of the hub, ").fetch(path.as_posix(), revision)
        )
    model = Run(path).model
    return model if model.is_file() else Run.open(path).model


def hub(occasion: str = "") -> Any:
    """Return the module that speaks with the hub; raises `RunError` where its client is missing."""
    try:
        return import_module("inpaintlab.inpainter.hub")
    except ModuleNotFoundError:
        raise RunError(f"{occasion}it needs huggingface_hub: pip install 'inpaintlab[hub]'") from None


def _is_hub_name(path: Path) -> bool:
    is_here = path.exists() or path.parent.exists()
    return not is_here and _HUB_NAME.fullmatch(path.as_posix()) is not None


@dataclass(frozen=True)
class WeightsFile:
    """A file that weights were read from, and its size and age at that time."""

    path: Path
    stamp: tuple[int, int]

    @classmethod
    def of(cls, path: Path) -> "WeightsFile":
        """Remember a file; raises `RunError` where there is none."""
        return cls(path, _stamp(path))

    def sha256(self) -> str:
        """Return the hash of the file, 64 digits; raises `RunError` if it is no longer the same file."""
        if _stamp(self.path) == self.stamp:
            with self.path.open("rb") as file:
                digest = hashlib.file_digest(file, "sha256").hexdigest()
            if _stamp(self.path) == self.stamp:
                return digest
        raise RunError(f"{self.path} was changed after it was loaded: load it again")


def _stamp(path: Path) -> tuple[int, int]:
    if not path.is_file():
        raise RunError(f"there is no file of weights {path}")
    facts = path.stat()
    return facts.st_mtime_ns, facts.st_size

"""Where weights are: run folders, files, and models of the Hugging Face hub."""

import hashlib
import os
from dataclasses import dataclass
from pathlib import Path

from inpaintlab.checkpoints import WEIGHTS, Run
from inpaintlab.errors import RunError
from inpaintlab.inpainter.hub import fetch, is_name
from inpaintlab.inpainter.onnx import SUFFIX


def find_weights(what: str | os.PathLike[str], revision: str | None = None) -> Path:
    """Return the file of weights that a run, a path, or a name of the hub, stands for.

    A run folder stands for its best weights, another folder for the `model.safetensors` in it. What is
    not here and looks like `USER/MODEL` is fetched from the hub, unless there is a folder USER: then it
    is a path with a slip. Raises `RunError` where there is nothing.
    """
    path = Path(what)
    if path.suffix in (*WEIGHTS, SUFFIX) and not path.is_dir():
        return path
    if is_name(path):
        return fetch(path.as_posix(), revision)
    model = Run(path).model
    return model if model.is_file() else Run.open(path).model


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

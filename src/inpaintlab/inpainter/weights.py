"""Where weights are: run folders, files, and models of the Hugging Face hub.

Of the hub nothing but `model.safetensors` is ever read, and no code is fetched. (`PyTorchModelHubMixin`
writes weights without what they carry in our files, fills a network with whatever names happen to fit,
and where there is no safetensors file reads a pickle.)
"""

import hashlib
import os
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from types import ModuleType

import torch
from torch import nn

from inpaintlab.checkpoints import WEIGHTS, Run, load_model
from inpaintlab.errors import RunError
from inpaintlab.inpainter.onnx import SUFFIX
from inpaintlab.runs import DEFAULT

#: The one file that is read from the hub.
FILE = "model.safetensors"
#: The model that comes with the package (recipes/default.yaml).
DEFAULT_FILE = Path(__file__).with_name("default.safetensors")
#: Seconds until the hub counts as out of reach.
_PATIENCE = 10.0
#: A name of the hub: user and model, of letters, digits, `-`, `_` and `.`.
_NAME = re.compile(r"\w[\w.-]*/\w[\w.-]*", re.ASCII)


def find_weights(what: str | os.PathLike[str], revision: str | None = None) -> Path:
    """Return the file of weights that a run, a path, or a name of the hub, stands for.

    A run folder stands for its best weights, another folder for the `model.safetensors` in it, and
    `default` for the model that comes with the package. What is not here and looks like `USER/MODEL` is
    fetched from the hub, unless there is a folder USER: then it is a path with a slip. Raises `RunError`
    where there is nothing.
    """
    path = Path(what)
    if path == Path(DEFAULT) and not path.exists():
        return DEFAULT_FILE
    if path.suffix in (*WEIGHTS, SUFFIX) and not path.is_dir():
        return path
    is_here = path.exists() or path.parent.exists()
    if not is_here and _NAME.fullmatch(path.as_posix()):
        return _fetch(path.as_posix(), revision)
    model = Run(path).model
    return model if model.is_file() else Run.open(path).model


@cache
def default_network() -> tuple[nn.Module, int]:
    """Return the network that comes with the package, for filling alone, and the size it is made for."""
    network, card = load_model(DEFAULT_FILE)
    # In the order of memory that `Inpainter` gives every network: the quickest on a CPU.
    return network.requires_grad_(False).to(memory_format=torch.channels_last), card.size


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


def _fetch(repo_id: str, revision: str | None = None) -> Path:
    """Return the weights of a model of the hub as a file of the hub's cache on this machine.

    `revision` is a branch, a tag or a commit. Without a connection what the cache holds is taken.
    """
    client = _client(f"{repo_id} is not here; if it is a model of the hub, ")
    with _in_one_line(client, repo_id, revision):
        try:
            # Asked first, as the download itself tries for half a minute where there is no connection.
            info = client.HfApi().model_info(repo_id, revision=revision, timeout=_PATIENCE)
        except (_no_connection(client), OSError) as error:
            if isinstance(error, client.errors.HfHubHTTPError):
                raise
            return Path(client.hf_hub_download(repo_id, FILE, revision=revision, local_files_only=True))
        return Path(client.hf_hub_download(repo_id, FILE, revision=info.sha))


def push(
    files: Mapping[str, bytes],
    repo_id: str,
    message: str,
    *,
    private: bool | None = None,
    revision: str | None = None,
    token: str | None = None,
) -> str:
    """Upload files by name; return the address of the commit. Raises `RunError` where that cannot be."""
    client = _client()
    with _in_one_line(client, repo_id, revision), TemporaryDirectory() as folder:
        client.utils.validate_repo_id(repo_id)
        for name, data in files.items():
            Path(folder, name).write_bytes(data)
        api = client.HfApi(token=token)
        name = api.create_repo(repo_id, private=private, exist_ok=True).repo_id
        what = {"repo_id": name, "folder_path": Path(folder), "revision": revision}
        return str(api.upload_folder(**what, commit_message=message))


def _client(occasion: str = "") -> ModuleType:
    try:
        import huggingface_hub
    except ImportError:
        raise RunError(f"{occasion}it needs huggingface_hub: pip install 'inpaintlab[hub]'") from None
    return huggingface_hub


def _no_connection(client: ModuleType) -> type[Exception]:
    """Return what the client raises where there is no connection: httpx's or another's, by release."""
    found: type[Exception] = client.errors.HfHubHTTPError.__bases__[0]
    return found


@contextmanager
def _in_one_line(client: ModuleType, repo_id: str, revision: str | None) -> Iterator[None]:
    """Turn what the hub's client raises into a `RunError`."""
    kinds = client.errors
    away = f"{repo_id} is not available: the hub is out of reach"
    reasons: dict[type[Exception], str] = {
        kinds.RevisionNotFoundError: f"the hub's {repo_id} has no revision {revision}",
        kinds.RepositoryNotFoundError: f"{repo_id} is neither here nor a model of the hub; "
        "if it is a private one: hf auth login",
        kinds.LocalEntryNotFoundError: f"{away} (no connection, and nothing of that name is here or "
        "in the cache)",
        kinds.EntryNotFoundError: f"the hub's {repo_id} has no {FILE}: it is not of inpaintlab",
        kinds.LocalTokenNotFoundError: "the hub does not know you: hf auth login, or give a token",
        kinds.HFValidationError: f"{repo_id} is no name for the hub: {{}}",
        kinds.HfHubHTTPError: f"the hub refused {repo_id}: {{}}",
        _no_connection(client): f"{away} ({{}})",
        OSError: f"{away} ({{}})",
    }
    try:
        yield
    except tuple(reasons) as error:
        reason = next(text for kind, text in reasons.items() if isinstance(error, kind))
        raise RunError(reason.format(" ".join(str(error).split())[:200])) from None

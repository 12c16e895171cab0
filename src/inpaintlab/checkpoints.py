"""Weights, the state of a training, and the figures of a run folder."""

import base64
import hashlib
import io
import json
import pickle
import zipfile
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Annotated, Any, NamedTuple

import torch
from pydantic import Field, TypeAdapter, ValidationError
from safetensors import SafetensorError, safe_open
from safetensors.torch import load as load_tensors, save as save_tensors
from torch import Tensor, nn

from inpaintlab import networks
from inpaintlab.errors import InpaintlabError, RunError
from inpaintlab.files import json_text, write_atomically
from inpaintlab.networks import lama
from inpaintlab.registry import in_words
from inpaintlab.runs import OBJECT, Run
from inpaintlab.settings.plugins import plugin_names, require

__all__ = [
    "TRUST_PREFIX",
    "WEIGHTS",
    "Limits",
    "ModelCard",
    "Run",
    "limits_as_text",
    "limits_of_text",
    "load_model",
    "load_state",
    "read_card",
    "read_json",
    "read_limits",
    "save_model",
    "save_state",
    "write_json",
]

_METADATA_KEY = "inpaintlab"
#: What a model knows of its limits: facts beside the card, and tensors whose names begin so.
_TRUST, TRUST_PREFIX = "trust", "trust/"
#: The same as text, tensors in base64: at most so many letters, four times what there is.
_LIMITS, _LIMITS_FACTS, _MOST_TEXT = "limits", "limits_facts", 4_000_000
#: Files with more tensors are none of ours, and take long to read.
MOST_TENSORS = 20_000
#: Suffixes of files of weights; anything else is a run folder.
WEIGHTS = (".safetensors", ".pt", ".pth", ".ckpt")


@dataclass(frozen=True)
class ModelCard:
    """What weights carry with them: enough to rebuild the network, and where they come from.

    `size` is the side of the images that the network was trained on. A network that was given as an
    object is called `OBJECT`, and its arguments say of what `type` it was. `plugins` are those that may
    be needed to make it again: all that the process had loaded.
    """

    network: str
    arguments: dict[str, Any]
    size: Annotated[int, Field(ge=8, le=65_536)]
    provenance: dict[str, Any] = field(default_factory=dict)
    plugins: list[str] = field(default_factory=plugin_names)


class Limits(NamedTuple):
    """What a model knows of its own limits, as a file keeps it: `trust.Trust` reads it.

    The names of the tensors begin with `TRUST_PREFIX`; they are no weights of the network.
    """

    tensors: dict[str, Tensor]
    facts: dict[str, Any]


def save_model(
    path: Path, weights: dict[str, Tensor], card: ModelCard, limits: Limits | None = None
) -> None:
    """Write weights, their card, and the limits where they are known, to one `.safetensors` file."""
    write_atomically(path, model_bytes(weights, card, limits))


def model_bytes(weights: dict[str, Tensor], card: ModelCard, limits: Limits | None = None) -> bytes:
    """Return what `save_model` writes: the same bytes for the same weights, card and limits."""
    facts = asdict(card)
    if limits:
        facts, weights = facts | {_TRUST: limits.facts}, weights | limits.tensors
    # All in one entry: safetensors writes several in any order.
    metadata = {_METADATA_KEY: json.dumps(facts)}
    tensors = {name: tensor.detach().cpu().contiguous() for name, tensor in weights.items()}
    return save_tensors(tensors, metadata)


def read_limits(path: Path) -> Limits | None:
    """Return what a `.safetensors` file says of the model's limits; None where it says nothing.

    Raises `RunError` for a file that is damaged.
    """
    tensors, text = _read_safetensors(path, limits=True)
    try:
        facts = None if text is None else json.loads(text).get(_TRUST)
    except (ValueError, AttributeError, RecursionError):
        raise RunError(f"{path.name} was not written by inpaintlab: it names no network") from None
    if facts is not None and not isinstance(facts, dict):
        raise RunError(f"{path.name} says nothing of its limits that can be read")
    return None if facts is None else Limits(tensors, facts)


def limits_as_text(limits: Limits | None) -> dict[str, str]:
    """Return limits as two entries of text, for a file that holds no tensors beside its network's."""
    if limits is None:
        return {}
    tensors = {name: tensor.detach().cpu().contiguous() for name, tensor in limits.tensors.items()}
    packed = base64.b64encode(save_tensors(tensors)).decode()
    return {_LIMITS: packed, _LIMITS_FACTS: json.dumps(limits.facts)}


def limits_of_text(entries: Mapping[str, str], name: str) -> Limits | None:
    """Return what `limits_as_text` was given, None where there is nothing of it.

    Raises `RunError` for entries of the file `name` that are damaged.
    """
    if _LIMITS not in entries:
        return None
    try:
        if len(entries[_LIMITS]) > _MOST_TEXT:
            raise ValueError(f"more than {_MOST_TEXT:,} letters")
        tensors = load_tensors(base64.b64decode(entries[_LIMITS], validate=True))
        facts = dict(json.loads(entries[_LIMITS_FACTS]))
    except (ValueError, TypeError, KeyError, RecursionError, SafetensorError) as error:
        raise RunError(f"what {name} says of its limits is damaged: {error}") from None
    return Limits(tensors, facts)


def load_model(path: Path, network: nn.Module | None = None) -> tuple[nn.Module, ModelCard]:
    """Rebuild a network, ready for use, from a `.safetensors` file of ours or from published weights.

    With `network`, the weights are loaded into that module, whatever its name.
    Published are the weights of LaMa, as `.safetensors` or as what `torch.save` wrote; the card of such
    says so, with the file's SHA-256. No code of a file is run. Raises `RunError` for a file that is
    missing, damaged or neither.
    """
    if not path.is_file():
        raise RunError(f"there is no file of weights {path}")
    weights, text = _read_safetensors(path) if path.suffix == ".safetensors" else (_unpickle(path), None)
    card = None if text is None else card_of(text, path.name)
    for name, weight in weights.items():
        if weight.is_floating_point() and not torch.isfinite(weight).all():
            raise RunError(
                f"{path.name} holds values in {name} that are not finite: it is damaged, or its "
                "training went wrong; take weights that were saved before"
            )
    if card is None:
        card, weights = _published(path, weights)
    if network is None and card.network == OBJECT:
        raise RunError(
            f"the network of {path.name} was given as an object ({card.arguments.get('type')}): load it "
            "with network=…, or register it by a name before training"
        )
    if network is None:
        require(card.plugins, where=path.name)
    try:
        network = networks.create(card.network, **card.arguments) if network is None else network
        _fill(network, weights)
    except (InpaintlabError, RuntimeError, TypeError) as error:
        reason = " ".join(str(error).split())
        raise RunError(f"{path.name} does not fit this version of inpaintlab: {reason}") from None
    network.eval()
    return network, card


def read_card(path: Path) -> ModelCard | None:
    """Return the card of a `.safetensors` file without reading its tensors; None where it has none."""
    try:
        with safe_open(path, framework="pt") as file:
            text = (file.metadata() or {}).get(_METADATA_KEY)
    except (SafetensorError, OSError) as error:
        raise RunError(f"{path.name} is not a safetensors file, or damaged: {error}") from None
    return None if text is None else card_of(text, path.name)


def card_of(text: str, file: str) -> ModelCard:
    """Read a card from the JSON in a file; raises `RunError` where it is none."""
    try:
        return TypeAdapter(ModelCard).validate_python({"plugins": []} | json.loads(text))
    except ValidationError as error:
        name, why = ".".join(map(str, error.errors()[0]["loc"])), in_words(error.errors()[0])
        raise RunError(f"{file} was not written by inpaintlab: its {name} {why}") from None
    except (TypeError, ValueError, RecursionError):
        raise RunError(f"{file} was not written by inpaintlab: it names no network") from None


def _read_safetensors(path: Path, *, limits: bool = False) -> tuple[dict[str, Tensor], str | None]:
    """Return the weights in a file, or its limits, and the text of our card where it has one."""
    try:
        with safe_open(path, framework="pt") as file:
            metadata = file.metadata() or {}
            names = list(file.keys())
            if len(names) > MOST_TENSORS:
                raise RunError(
                    f"{path.name} holds {len(names):,} tensors, at most {MOST_TENSORS:,} are read"
                )
            wanted = [name for name in names if name.startswith(TRUST_PREFIX) == limits]
            tensors = {name: file.get_tensor(name) for name in wanted}
    except SafetensorError as error:
        raise RunError(f"{path.name} is not a safetensors file, or damaged: {error}") from None
    return tensors, metadata.get(_METADATA_KEY)


class _Ignored:
    """Stands for an object that we do not want and whose class we do not load."""

    def __init__(self, *_: Any, **__: Any) -> None: ...

    def __setstate__(self, _: Any) -> None: ...


def _unpickle(path: Path) -> dict[str, Tensor]:
    """Return the tensors that `torch.save` wrote, also those of a whole training's checkpoint.

    Published checkpoints hold objects of their training beside the weights; they are read as objects
    that do nothing.
    """
    members = _zip_members(path)
    if any(name.endswith("/constants.pkl") for name in members):
        raise RunError(
            f"{path.name} is a TorchScript program, which runs when it is read; if you trust it, take "
            f'the weights out: python -c "import torch; from safetensors.torch import save_file; '
            f"save_file(torch.jit.load({str(path)!r}, 'cpu').state_dict(), "
            f'{str(path.with_suffix(".safetensors"))!r})"'
        )
    try:
        unknown = torch.serialization.get_unsafe_globals_in_checkpoint(path) if members else []
        with torch.serialization.safe_globals([(_Ignored, name) for name in unknown]):
            found = torch.load(path, map_location="cpu", weights_only=True)
    except (pickle.UnpicklingError, RuntimeError, EOFError, OSError, ValueError, KeyError):
        # The reason that torch gives advises to run the code.
        raise RunError(
            f"{path.name} is damaged, or holds what cannot be read without running code: "
            "if you trust it, save its tensors as .safetensors"
        ) from None
    found = found.get("state_dict", found) if isinstance(found, dict) else {}
    return {str(name): value for name, value in found.items() if isinstance(value, Tensor)}


def _zip_members(path: Path) -> list[str]:
    """Return the names in a zip archive; none for a file of another kind, or a broken one."""
    try:
        with zipfile.ZipFile(path) as archive:
            return archive.namelist()
    except zipfile.BadZipFile:
        return []


def _published(path: Path, weights: dict[str, Tensor]) -> tuple[ModelCard, dict[str, Tensor]]:
    """Return a card for weights that carry none, and the weights under our names."""
    try:
        arguments, weights = lama.from_published(weights)
    except RunError as error:
        raise RunError(f"{path.name} was not written by inpaintlab, nor known: {error}") from None
    with path.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    provenance = {"published weights": path.name, "sha256": digest}
    return ModelCard("lama", arguments, lama.PUBLISHED_SIZE, provenance), weights


def _fill(network: nn.Module, weights: dict[str, Tensor]) -> None:
    """Load weights into a network; raises `RunError` that names the first that does not fit."""
    needed = network.state_dict()
    for name in [*needed, *weights]:
        if name not in weights:
            raise RunError(f"it has no {name}")
        if name not in needed:
            raise RunError(f"it has {name}, which the network has not")
        if weights[name].shape != needed[name].shape:
            seen, wanted = list(weights[name].shape), list(needed[name].shape)
            raise RunError(f"{name} is {seen}, the network's {wanted}")
    network.load_state_dict(weights)


def save_state(path: Path, state: dict[str, Any]) -> None:
    """Write what resuming needs."""
    buffer = io.BytesIO()
    torch.save(state, buffer)
    write_atomically(path, buffer.getbuffer())  # no second copy of it


def load_state(path: Path) -> dict[str, Any] | None:
    """Read what `save_state` wrote, or None where a run was ended before its first save.

    Only tensors and plain values are read: a state file from a stranger can run no code.
    """
    if not path.is_file():
        return None
    try:
        state: dict[str, Any] = torch.load(path, map_location="cpu", weights_only=True)
    except (pickle.UnpicklingError, RuntimeError, EOFError, OSError, ValueError) as error:
        raise RunError(f"{path} is damaged: {' '.join(str(error).split())}") from None
    return state


def write_json(path: Path, values: Any) -> None:
    """Write values as JSON, whole or not at all."""
    write_atomically(path, (json_text(values) + "\n").encode())


def read_json(path: Path) -> Any:
    """Read a JSON file of a run folder."""
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise RunError(f"cannot read {path}: {error}") from None

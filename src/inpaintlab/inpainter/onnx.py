"""Networks in ONNX files, which onnxruntime runs without torch's weight and mostly faster.

For whoever reads such a file without inpaintlab, its metadata (custom_metadata_map, all text) hold::

    usage               inputs and output, as in `_USAGE` below
    multiple_of         height and width are multiples of it: pad to the right and below
    min_size            the least height and width
    noise               how many random numbers fills vary with, 0: they do not
    enable_mem_reuse    0: set SessionOptions.enable_mem_reuse = False
    weights_sha256      SHA-256 of the file of weights it was made from
    inpaintlab          JSON: network, arguments, size, provenance
    limits              what the model knows of its limits, if anything: base64 of safetensors
    limits_facts        JSON: how those are to be read
"""

import json
import os
from collections.abc import Iterator
from dataclasses import asdict, dataclass, replace
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from inpaintlab.checkpoints import (
    MOST_TENSORS,
    Limits,
    ModelCard,
    card_of,
    limits_as_text,
    limits_of_text,
)
from inpaintlab.errors import RunError
from inpaintlab.networks import Network

SUFFIX = ".onnx"
#: Names of the inputs, the last of networks with noise alone, and of the output.
INPUTS, OUTPUT = ("image", "mask", "noise"), "painted"
#: A network takes no more random numbers than so many.
_MOST_NOISE = 4096
#: No file of ours is larger: protobuf, in which ONNX is written, goes no further.
MOST_BYTES = 2**31 - 1
#: What a file may ask for as multiple or least side: more would only fill the memory with padding.
_MOST_PIXELS = 4096
_USAGE = (
    "inputs: image float32 [batch, 3, height, width] RGB in [0, 1], mask float32 [batch, 1, height, "
    "width] exactly 0 or 1 with 1 = hole, and where noise is above 0 also noise float32 [batch, noise], "
    "0 or normal random numbers, by which fills vary; output: painted float32 [batch, 3, height, width] "
    "in [0, 1]. Height and width are multiples of multiple_of and at least min_size: pad to the right "
    "and below, and crop the output. Keep the known pixels: result = mask * painted "
    "+ (1 - mask) * image."
)


@dataclass(frozen=True)
class Facts:
    """What the metadata of a file say."""

    card: ModelCard
    weights_sha256: str
    multiple_of: int
    min_size: int
    enable_mem_reuse: bool
    noise: int = 0
    limits: Limits | None = None

    @property
    def inputs(self) -> tuple[str, ...]:
        """The names of the inputs, in their order."""
        return INPUTS if self.noise else INPUTS[:2]

    def as_metadata(self) -> dict[str, str]:
        """Return them as text."""
        return {
            "usage": _USAGE,
            "multiple_of": str(self.multiple_of),
            "min_size": str(self.min_size),
            "enable_mem_reuse": str(int(self.enable_mem_reuse)),
            "noise": str(self.noise),
            "weights_sha256": self.weights_sha256,
            "inpaintlab": json.dumps(asdict(self.card)),
            **limits_as_text(self.limits),
        }

    @classmethod
    def read(cls, metadata: dict[str, str], name: str) -> "Facts":
        """Read them back; raises `RunError` where a file is not ours or says what cannot be."""
        try:
            text, made_from = metadata["inpaintlab"], metadata["weights_sha256"]
            sides = {key: int(metadata[key]) for key in ("multiple_of", "min_size")}
            reuse = metadata["enable_mem_reuse"] != "0"
            noise = int(metadata.get("noise", 0))  # files of before fills varied say nothing
        except (KeyError, ValueError):
            raise RunError(
                f"{name} was not written by inpaintlab: its metadata say of no network; "
                "write one with inpaint export"
            ) from None
        card, limits = card_of(text, name), limits_of_text(metadata, name)
        facts = cls(card, made_from, **sides, enable_mem_reuse=reuse, noise=noise, limits=limits)
        if not 0 <= noise <= _MOST_NOISE:
            raise RunError(f"{name} asks for {noise!s:.12} random numbers: at most {_MOST_NOISE}")
        for side in (*sides.values(), facts.card.size):
            if not 1 <= side <= _MOST_PIXELS:
                raise RunError(
                    f"{name} asks for sides of {side!s:.12} pixels, allowed are 1 to {_MOST_PIXELS}"
                )
        return facts


class OnnxNetwork(Network):
    """A network of an ONNX file, called as every other; many threads may call it at once.

    `threads` is how many of them work on one call; None: as many as torch takes. Tensors come back on
    the CPU. Raises `RunError` for a file that was not written by inpaintlab, is damaged, refers to other
    files, or is larger than 2 GiB, and where onnxruntime is not installed.
    """

    def __init__(self, data: bytes, name: str, threads: int | None = None) -> None:
        super().__init__()
        self.facts = _check(data, name)
        self.multiple_of, self.min_size = self.facts.multiple_of, self.facts.min_size
        self.noise = self.facts.noise
        self._session = _start(data, name, self.facts, threads or torch.get_num_threads())
        seen = [value.name for value in (*self._session.get_inputs(), *self._session.get_outputs())]
        if seen != (wanted := [*self.facts.inputs, OUTPUT]):
            raise RunError(f"{name} takes and gives {', '.join(seen)}, expected {', '.join(wanted)}")

    @classmethod
    def load(cls, path: Path, threads: int | None = None) -> "OnnxNetwork":
        """Read a file; raises `RunError` as the class says, and where it is missing."""
        try:
            if path.stat().st_size > MOST_BYTES:
                raise RunError(f"{path.name} is larger than 2 GiB, which no file of ours is")
            data = path.read_bytes()
        except OSError as error:
            raise RunError(f"cannot read {path}: {error.strerror}") from None
        return cls(data, path.name, threads)

    @property
    def card(self) -> ModelCard:
        """What the network is; its provenance also has the hash of the weights it was made from."""
        card, made_from = self.facts.card, {"weights_sha256": self.facts.weights_sha256}
        return replace(card, provenance={**card.provenance, **made_from})

    def forward(self, image: Tensor, mask: Tensor, noise: Tensor | None = None) -> Tensor:
        """Paint the whole image: `[B, 3, H, W]` and `[B, 1, H, W]` to `[B, 3, H, W]` in [0, 1]."""
        values = [image, mask.expand(len(image), -1, -1, -1)]
        if self.noise:
            values.append(image.new_zeros(len(image), self.noise) if noise is None else noise)
        arrays = [value.detach().cpu().float().contiguous().numpy() for value in values]
        (painted,) = self._session.run([OUTPUT], dict(zip(self.facts.inputs, arrays, strict=True)))
        return torch.from_numpy(painted)


def needed(module: str) -> Any:
    """Import a module of the extra `onnx`; raises `RunError` that says how to get it."""
    # From 1.32 on onnxruntime writes telemetry into the user's cache as soon as it is imported.
    os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")
    try:
        return import_module(module)
    except ImportError:
        raise RunError(
            f"ONNX files need {module}, which is not installed: pip install 'inpaintlab[onnx]'"
        ) from None


def _check(data: bytes, name: str) -> Facts:
    """Look at a file before anything runs it; raises `RunError` for one that is not to be run."""
    try:
        model = needed("onnx").load_model_from_string(data)
    except needed("google.protobuf.message").DecodeError:
        raise RunError(f"{name} is not an ONNX file, or damaged") from None
    facts = Facts.read({entry.key: entry.value for entry in model.metadata_props}, name)
    tensors = [one for one in _messages(model) if one.DESCRIPTOR.name == "TensorProto"]
    if len(tensors) > MOST_TENSORS:
        raise RunError(f"{name} holds {len(tensors):,} tensors, at most {MOST_TENSORS:,} are read")
    for tensor in tensors:
        if tensor.data_location or tensor.external_data:
            raise RunError(f"{name} refers to other files for its weights: only whole files are taken")
        _check_values(tensor, name)
    return facts


def _check_values(tensor: Any, name: str) -> None:
    """Refuse weights that are not finite; a lone infinity may be meant, as where scores are masked."""
    try:
        values = needed("onnx.numpy_helper").to_array(tensor)
    except Exception:  # noqa: BLE001 - of sizes that do not fit the data, it raises whatever comes up
        raise RunError(f"{name} is damaged: the values of {tensor.name} do not fit its size") from None
    if values.dtype.kind != "f":
        return
    if np.isnan(values).any() or (values.size > 1 and not np.isfinite(values).all()):
        raise RunError(
            f"{name} holds values in {tensor.name} that are not finite: it is damaged, or its training "
            "went wrong; export weights that were saved before"
        )


def _messages(message: Any) -> Iterator[Any]:
    """Yield a protobuf message and all within it, wherever they stand."""
    yield message
    for field, value in message.ListFields():
        if field.message_type is not None:
            for inner in (value,) if hasattr(value, "ListFields") else value:
                yield from _messages(inner)


def _start(data: bytes, name: str, facts: Facts, threads: int) -> Any:
    """Return a session of onnxruntime on the CPU."""
    runtime = needed("onnxruntime")
    options = runtime.SessionOptions()
    options.intra_op_num_threads = threads
    options.log_severity_level = 3  # errors; what it warns of is for who writes exporters
    options.enable_mem_reuse = facts.enable_mem_reuse
    try:
        return runtime.InferenceSession(data, options, providers=["CPUExecutionProvider"])
    except Exception as error:  # noqa: BLE001 - errors of onnxruntime have no base of their own
        reason = " ".join(str(error).split())
        raise RunError(f"onnxruntime {runtime.__version__} cannot run {name}: {reason}") from None

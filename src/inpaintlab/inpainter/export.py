"""`inpaint export`: a network as one ONNX file, compared with torch before it is written."""

import hashlib
import warnings
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from inpaintlab.checkpoints import Limits, ModelCard, load_model, read_limits
from inpaintlab.errors import OutputError, RunError
from inpaintlab.files import write_atomically
from inpaintlab.inpainter.onnx import INPUTS, MOST_BYTES, OUTPUT, SUFFIX, Facts, OnnxNetwork, needed
from inpaintlab.inpainter.weights import WeightsFile, find_weights
from inpaintlab.networks import needs, noise_of
from inpaintlab.progress import bar, say
from inpaintlab.reports import Answer, Note, Result, Table
from inpaintlab.settings import ExportSettings

#: The largest difference from torch that is allowed, in an output that runs from 0 to 1.
TOLERANCE = 1e-4
#: The images of a comparison have no more pixels, all together, than so many of the training size.
_MOST_PICTURES = 6
#: The axes of inputs and output that may have any length.
_AXES = {0: "batch", 2: "height", 3: "width"}


@dataclass(frozen=True)
class Checked:
    """A random batch, and by how much the two networks differ at most."""

    batch: int
    height: int
    width: int
    difference: float


@dataclass(frozen=True)
class Exported(Result):
    """An ONNX file and its comparison with torch; `output` is None where none was written.

    `sha256` is of the file, `weights_sha256` of the file of weights that it was made from.
    """

    output: Path | None
    bytes: int
    sha256: str
    weights_sha256: str
    network: str
    size: int
    multiple_of: int
    min_size: int
    checks: list[Checked]
    largest_difference: float
    tolerance: float = TOLERANCE
    findings: list[str] = field(default_factory=list)

    def answer(self) -> Answer:
        """Return what was written, and how far it is from torch."""
        sizes = {f"{check.batch} × {check.height}×{check.width}": check for check in self.checks}
        rows = [[size, f"{check.difference:.1e}"] for size, check in sizes.items()]
        table = Table.of(["batch × height×width", "differs by"], rows)
        if self.output is None:
            return Answer(
                f"no file: {self.network} is not the same in ONNX",
                table,
                [Note(text) for text in self.findings],
            )
        headline = (
            f"{self.output} ({self.bytes / 1e6:.1f} MB): differs from torch by at most "
            f"{self.largest_difference:.1e}, allowed is {self.tolerance:.0e}; sides are multiples of "
            f"{self.multiple_of}, at least {self.min_size}"
        )
        return Answer(headline, table)


def export(settings: ExportSettings) -> Exported:
    """Write a network as an ONNX file, unless it differs from torch by more than 1e-4.

    Height, width and batch of the file are free; `inpainter.onnx` says what it holds. A file that is
    there is replaced. Raises `RunError` for a network that cannot be exported, and where the extra
    `onnx` is not installed.
    """
    for module in ("onnx", "onnxscript", "onnxruntime"):
        needed(module)
    source = WeightsFile.of(find_weights(settings.run))
    output = _output(settings.output, source.path)
    network, card = load_model(source.path)
    sha256 = source.sha256()  # of a run that still goes on, it would not be what was loaded
    say(f"exporting {card.network}: takes up to a minute")
    limits = read_limits(source.path) if source.path.suffix == ".safetensors" else None
    data = to_onnx(network, card, sha256, limits)
    checks = list(compare(network, OnnxNetwork(data, output.name), card.size, settings))
    largest = max(check.difference for check in checks)
    findings = []
    if largest <= TOLERANCE:
        write_atomically(output, data)
    else:
        findings.append(
            f"the exported network differs from torch by up to {largest:.2g}, allowed is "
            f"{TOLERANCE:.0e}: nothing was written; try another release of onnxruntime or torch"
        )
    return Exported(
        output=None if findings else output,
        bytes=len(data),
        sha256=hashlib.sha256(data).hexdigest(),
        weights_sha256=sha256,
        network=card.network,
        size=card.size,
        **needs(network)._asdict(),
        checks=checks,
        largest_difference=largest,
        findings=findings,
    )


def _output(output: Path | None, weights: Path) -> Path:
    """Return the file to write; raises `OutputError` for a name that no reader would know."""
    path = output or weights.with_suffix(SUFFIX)
    if weights.suffix == SUFFIX:
        raise RunError(f"{weights} is an ONNX file already: name a run folder or a file of weights")
    if path.is_dir() or path.suffix != SUFFIX:
        raise OutputError(f"{path} is no name for an ONNX file: -o takes a file, as model.onnx")
    return path


def to_onnx(
    network: nn.Module, card: ModelCard, weights_sha256: str, limits: Limits | None = None
) -> bytes:
    """Return a network in evaluation as the bytes of an ONNX file with our metadata.

    Padding is not in it: whoever calls it brings images of sizes that it takes. Raises `RunError` for
    a network of more than 2 GiB, and for one with operations that the exporter does not know.
    """
    size = sum(value.numel() * value.element_size() for value in network.state_dict().values())
    if size > MOST_BYTES:
        raise RunError(
            f"the weights take {size / 2**30:.1f} GiB, an ONNX file holds 2: it stays with torch"
        )
    model = _trace(network)
    transforms = any(node.op_type == "DFT" for node in model.graph.node)
    # onnxruntime was seen to reuse the memory of Fourier transforms too early (1.32 was not).
    facts = Facts(card, weights_sha256, *needs(network), not transforms, noise_of(network), limits)
    needed("onnx").helper.set_model_props(model, facts.as_metadata())
    model.producer_name = "inpaintlab"
    for value in model.graph.output:  # the exporter names sides by how they were computed
        for axis, name in _AXES.items():
            value.type.tensor_type.shape.dim[axis].dim_param = name
    return bytes(model.SerializeToString())


def _trace(network: nn.Module) -> Any:
    """Return the network as an ONNX model, as a protobuf message."""
    # Sides differ from each other and from the size of training: nothing is taken for a constant.
    side = needs(network).next_side(8)
    example = _draw(network, 2, 3 * side, 2 * side, torch.Generator().manual_seed(0))
    axes = (_AXES, _AXES, {0: "batch"})[: len(example)]
    try:
        with warnings.catch_warnings():
            # Both inputs have one height: it says that one name for both is enough.
            warnings.filterwarnings("ignore", "# The axis name", UserWarning)
            program = torch.onnx.export(
                network,
                example,
                dynamo=True,
                dynamic_shapes=axes,
                input_names=INPUTS[: len(example)],
                output_names=(OUTPUT,),
                verbose=False,
            )
    except torch.onnx.OnnxExporterError as error:
        reason = " ".join(str(error.__cause__ or error).split())[:300]
        name = type(network).__name__
        raise RunError(f"{name} cannot be written as ONNX, it stays with torch: {reason}") from None
    assert program is not None
    return program.model_proto


def compare(
    network: nn.Module, exported: nn.Module, size: int, settings: ExportSettings
) -> Iterator[Checked]:
    """Yield, for random sizes and batches, the largest difference of two networks."""
    generator = torch.Generator().manual_seed(settings.seed)
    with bar("comparing with torch", settings.checks) as advance:
        for number in range(settings.checks):
            least = (1, *(needs(network).next_side(2),) * 2)
            shape = _shape(network, size, generator) if number else least
            drawn = _draw(network, *shape, generator)
            with torch.inference_mode():
                difference = (network(*drawn) - exported(*drawn)).abs().max()
            # NaN is no number that is small enough.
            value = float(torch.nan_to_num(difference, nan=float("inf")))
            yield Checked(*shape, value)
            advance()


def _shape(network: nn.Module, size: int, generator: torch.Generator) -> tuple[int, int, int]:
    """Return a random batch, height and width that the network takes, around the size of training."""
    multiple = needs(network).multiple_of
    low = needs(network).next_side(2) // multiple
    high = max(low + 1, 2 * size // multiple)
    height, width = (
        multiple * int(torch.randint(low, high + 1, (), generator=generator)) for _ in range(2)
    )
    most = min(5, max(1, _MOST_PICTURES * size * size // (height * width)))
    return int(torch.randint(1, most + 1, (), generator=generator)), height, width


def _draw(
    network: nn.Module, count: int, height: int, width: int, generator: torch.Generator
) -> tuple[Tensor, ...]:
    """Return random images, masks with a rectangle and single pixels each, and noise if it is taken."""
    image = torch.rand(count, 3, height, width, generator=generator)
    mask = (torch.rand(count, 1, height, width, generator=generator) > 0.95).float()
    for one in mask:
        top, left = (int(torch.randint(0, side // 2, (), generator=generator)) for side in one.shape[1:])
        one[:, top : top + height // 2, left : left + width // 2] = 1
    length = noise_of(network)
    return (image, mask, torch.randn(count, length, generator=generator)) if length else (image, mask)

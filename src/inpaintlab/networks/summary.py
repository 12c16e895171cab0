"""`inpaint summary`: what a network is, layer by layer, and what it cannot do, before it is trained.

- Operations: a multiplication and an addition are 2. Convolutions, matrix products and attention are
  counted, and Fourier transforms at 5 N log2 N for N values; what works pixel by pixel (normalisation,
  activation, resizing) is not. They are those of one image; memory is that of the batch.
- Memory, forward: the most bytes of features that are alive at once in evaluation, the image and
  features kept for skips included. Memory, training: the bytes that are saved for the backward pass.
  Weights, gradients, the optimiser and the work space of kernels come on top of both.
- Receptive fields are of the position that sees the most, as if the image had no border; statistics
  of the whole plane do not count (see `networks.tracing`). They hold the pixels that could have an
  influence; what a trained network makes use of is less.
"""

from collections.abc import Iterator, Sequence
from math import ceil, lcm, prod
from typing import Any

import torch
from torch import nn

from inpaintlab.networks import create, made_for, resolve
from inpaintlab.networks.base import bottleneck_of, needs
from inpaintlab.networks.calls import Call, record
from inpaintlab.networks.receptive import Field
from inpaintlab.settings import Part, SummarySettings

#: Side in pixels if none is given: that of training on CPU.
DEFAULT_SIZE = 64


def summarise(settings: SummarySettings) -> dict[str, Any]:
    """Return the summary of a network, and under `compared` those of the networks beside it.

    Each holds the totals, `layers` with a row for each call of a layer, and `warnings`. A receptive
    field is [height, width] in pixels, "whole" for the whole image, or None where no image comes in.
    Nothing is allocated, whatever the size. Raises `SettingError` for an unknown network or argument and
    `SizeError` for a size that one of the networks cannot take.

    >>> summary = summarise(SummarySettings(network={"name": "unet", "depth": 1}))
    >>> summary["size"], summary["receptive_field"]
    (64, [82, 82])
    """
    parts = [
        Part(name=part.name, **made_for(settings.size or DEFAULT_SIZE, part.name, part.arguments))
        for part in (settings.network, *settings.compare)
    ]
    networks = [build(part) for part in parts]
    size = settings.size or usual_size(networks)
    raised = settings.size is None and size > DEFAULT_SIZE
    note = f"the least from {DEFAULT_SIZE} that can be taken" if raised else None
    hole = max(1, round(settings.hole * size))
    first, *others = (
        describe(network, size, settings.batch_size, hole, settings.bottleneck)
        | {"network": part.name, "arguments": resolve(part.name, part.arguments), "note": note}
        for part, network in zip(parts, networks, strict=True)
    )
    return first | {"compared": others}


def build(part: Part) -> nn.Module:
    """Build a network on the meta device: weights with shapes and no content."""
    with torch.device("meta"):
        network = create(part.name, **part.arguments)
    return network.to("meta")


def usual_size(networks: Sequence[nn.Module]) -> int:
    """Return `DEFAULT_SIZE`, or the next side that all networks take."""
    multiple = lcm(*(needs(network).multiple_of for network in networks))
    least = max(DEFAULT_SIZE, *(needs(network).min_size for network in networks))
    return ceil(least / multiple) * multiple


def describe(network: nn.Module, size: int, batch: int, hole: int, share: float) -> dict[str, Any]:
    """Return the summary of a network on the meta device, without its name.

    `size` and `hole` are sides in pixels; a bottleneck of fewer than `share` times the hole's numbers is
    warned of.
    """
    calls = record(network, size, batch, hole)
    kept = [call for call in calls if _is_row(call)]
    rows = [_row(call, batch) for call in kept]
    summary = {
        "size": size,
        "batch": batch,
        "hole": hole,
        "parameters": sum(call.parameters for call in calls),
        "flops": sum(call.flops for call in calls) // batch,
        "receptive_field": _extent(calls[-1].field),
        "forward_bytes": max(call.alive for call in calls),
        "training_bytes": sum(call.saved for call in calls),
        "holes": [[row["layer"], *row["hole"]] for row in rows if row["hole"]],
        "bottleneck": _bottleneck(network, calls, hole),
        "layers": rows,
    }
    return summary | {"warnings": list(_warnings(summary, kept, share))}


def _is_row(call: Call) -> bool:
    """Tell layers from modules that only call others, or do nothing."""
    leaf = not any("parametrizations" not in name for name, _ in call.module.named_children())
    if isinstance(call.module, nn.Identity):
        return False
    return leaf or bool(call.parameters or call.flops or call.saved or call.hole)


def _row(call: Call, batch: int) -> dict[str, Any]:
    return {
        "layer": call.name,
        "kind": type(call.module).__name__,
        "output": list(call.output),
        "kernel": _pair(call.module, "kernel_size"),
        "stride": _pair(call.module, "stride"),
        "dilation": _pair(call.module, "dilation"),
        "padding": _pair(call.module, "padding"),
        "receptive_field": _extent(call.field),
        "parameters": call.parameters,
        "flops": call.flops // batch,
        "forward_bytes": call.alive,
        "training_bytes": call.saved,
        "hole": [sum(side) for side in call.hole] if call.hole else None,
    }


def _pair(module: nn.Module, name: str) -> Any:
    """Return an attribute of a convolution or pooling as [height, width]; padding may be a word."""
    value = getattr(module, name, None)
    if isinstance(value, str):
        return value
    if isinstance(value, int):
        return [value, value]
    return list(value) if isinstance(value, tuple | list) else None


def _extent(field: Field | None) -> list[int] | str | None:
    if field is None:
        return None
    return list(field.extent) if field.extent else "whole"


def _bottleneck(network: nn.Module, calls: Sequence[Call], hole: int) -> dict[str, Any] | None:
    """Return what passes the layer that a network names as its bottleneck."""
    name = bottleneck_of(network)
    if name is None:
        return None
    found = [call for call in calls if call.name == name]
    if not found:
        raise ValueError(f"{type(network).__name__}.bottleneck names nothing that runs: {name!r}")
    call = min(found, key=lambda call: prod(call.output))
    numbers = prod(call.output)
    return {
        "layer": call.name,
        "output": list(call.output),
        "numbers": numbers,
        "share": numbers / (3 * hole**2),
    }


def _warnings(summary: dict[str, Any], calls: Sequence[Call], share: float) -> Iterator[dict[str, str]]:
    """Say what stands in the way of filling the hole, each with its kind and a sentence."""
    hole, field, narrow = summary["hole"], summary["receptive_field"], summary["bottleneck"]
    left = _left_open(summary["layers"])
    if shrunk := [found for call in calls if (found := _shrinks(call))]:
        more = f" and {len(shrunk) - 3} more" if len(shrunk) > 3 else ""
        text = f"feature maps shrink for want of padding: {', '.join(shrunk[:3])}{more}"
        yield {"kind": "shrinks", "text": text}
    if isinstance(field, list) and min(field) <= hole:
        text = (
            f"the receptive field of {field_text(field)} px does not reach beyond the hole of {hole}: "
            "the middle is painted without seeing a known pixel"
        )
        yield {"kind": "receptive field", "text": text}
    if left:
        text = (
            f"the hole is still open in {left['layer']}, where the image is smallest: "
            f"{side_text(left['hole'])} of {side_text(left['output'][-2:])}"
        )
        yield {"kind": "open hole", "text": text}
    if narrow and narrow["share"] < share:
        text = (
            f"the bottleneck {narrow['layer']} passes {narrow['numbers']:,} numbers, "
            f"{share_text(narrow['share'])} of the {3 * hole**2:,} in the hole and less than "
            f"{share_text(share)}: expect a blurred filling"
        )
        yield {"kind": "bottleneck", "text": text}


def _shrinks(call: Call) -> str | None:
    """Say how a convolution loses more than its stride accounts for; one kernel over all is meant so."""
    stride, kernel = _pair(call.module, "stride"), _pair(call.module, "kernel_size")
    convolution = isinstance(call.module, nn.Conv2d)
    if not convolution or len(call.output) != 3 or len(call.before) != 2 or kernel == list(call.before):
        return None
    expected = [ceil(side / step) for side, step in zip(call.before, stride, strict=True)]
    if all(got >= wanted for got, wanted in zip(call.output[-2:], expected, strict=True)):
        return None
    return f"{call.name} {side_text(call.before)} to {side_text(call.output[-2:])}"


def _left_open(rows: Sequence[dict[str, Any]]) -> dict[str, Any] | None:
    """Return the last layer of the smallest plane that updates a mask, if it leaves a hole."""
    updating = [row for row in rows if row["hole"]]
    if not updating:
        return None
    least = min(prod(row["output"][-2:]) for row in updating)
    last = [row for row in updating if prod(row["output"][-2:]) == least][-1]
    return last if all(last["hole"]) else None


def side_text(sides: Sequence[int]) -> str:
    """Write a height and a width, as one number where they are the same."""
    return str(sides[0]) if sides[0] == sides[1] else f"{sides[0]}×{sides[1]}"


def field_text(field: Sequence[int] | str | None) -> str:
    """Write a receptive field."""
    if field is None:
        return "–"
    return field if isinstance(field, str) else side_text(field)


def share_text(share: float) -> str:
    """Write a share in percent, small ones with a digit behind the point."""
    return f"{share:.1%}" if share < 0.1 else f"{share:,.0%}"

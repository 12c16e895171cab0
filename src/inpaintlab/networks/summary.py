"""What a network is, layer by layer, and what it cannot do, before it is trained.

- Operations: a multiplication and an addition are 2. Convolutions, matrix products and attention are
  counted, and Fourier transforms at 5 N log2 N for N values; what works pixel by pixel (normalisation,
  activation, resizing) is not. They are those of one image; memory is that of the batch.
- Memory, forward: the most bytes of features that are alive at once in evaluation, the image and
  features kept for skips included. Memory, training: the bytes that are saved for the backward pass.
  Weights, gradients, the optimiser and the work space of kernels come on top of both.
- Receptive fields are of the position that sees the most, as if the image had no border; statistics
  of the whole plane do not count (see `networks.fields`). They hold the pixels that could have an
  influence; what a trained network makes use of is less.
"""

from collections.abc import Iterator, Mapping, Sequence
from copy import deepcopy
from dataclasses import dataclass, replace
from math import ceil, inf, lcm, prod
from typing import Any, Literal

import torch
from torch import nn

from inpaintlab.errors import InpaintlabError
from inpaintlab.networks import NETWORKS, create, made_for
from inpaintlab.networks.base import Network, bottleneck_of, needs
from inpaintlab.networks.calls import Call, record
from inpaintlab.reports import Answer, Column, Note, Result, Table
from inpaintlab.settings import Part

#: Side in pixels if none is given: that of training on CPU.
DEFAULT_SIZE = 64
Sides = tuple[int, int]
#: Height and width in pixels, the whole image, or none where no image comes in.
Seen = Sides | Literal["whole"] | None


@dataclass(frozen=True)
class Layer:
    """One call of a layer: its shape `[C, H, W]`, what it sees and what it costs."""

    layer: str
    kind: str
    output: tuple[int, ...]
    kernel: Sides | None
    stride: Sides | None
    dilation: Sides | None
    padding: Sides | str | None
    receptive_field: Seen
    parameters: int
    flops: int
    forward_bytes: int
    training_bytes: int
    hole: Sides | None


@dataclass(frozen=True)
class Bottleneck:
    """The layer that all goes through: the numbers that pass it, and their share of the hole's."""

    layer: str
    output: tuple[int, ...]
    numbers: int
    share: float


@dataclass(frozen=True)
class Warned:
    """What stands in the way of filling the hole: its kind and a sentence."""

    kind: str
    text: str


@dataclass(frozen=True)
class NetworkSummary:
    """One network of a summary: totals, a row for each call of a layer, and warnings."""

    network: str
    arguments: Mapping[str, Any]
    parameters: int
    flops: int
    receptive_field: Seen
    forward_bytes: int
    training_bytes: int
    layers: tuple[Layer, ...]
    bottleneck: Bottleneck | None = None
    warnings: tuple[Warned, ...] = ()

    @property
    def holes(self) -> list[tuple[str, Sides]]:
        """What is left of the hole behind each layer that updates a mask."""
        return [(row.layer, row.hole) for row in self.layers if row.hole]


@dataclass(frozen=True)
class Summary(Result):
    """Networks beside each other, for square images of `size` pixels with a square hole of `hole`.

    `note` says why the size is not the usual one.
    """

    size: int
    batch_size: int
    hole: int
    networks: tuple[NetworkSummary, ...]
    note: str = ""

    def answer(self) -> Answer:
        """Return what a terminal shows: totals, warnings and layers; of several networks a row each."""
        several = len(self.networks) > 1
        first = self.networks[0]
        note = f" ({self.note})" if self.note else ""
        at = f"at {self.size} px{note}, batch {self.batch_size}, hole {self.hole} px"
        warnings = [
            Note(warned.text, "warn", head=f"{self._label(network)}:" if several else "")
            for network in self.networks
            for warned in network.warnings
        ]
        if several:
            return Answer(f"{len(self.networks)} networks {at}", self._comparison(), warnings)
        cost, *more = _totals(first, self.hole)
        notes = [*warnings, *(Note(text, "quiet") for text in more)]
        return Answer(f"{first.network} {at}: {cost}", _layers(first), notes)

    def _comparison(self) -> Table:
        headings = ["param.", "FLOP an image", "field px", "bottleneck", "alive", "saved", "warnings"]
        rows = []
        for of in self.networks:
            share = share_text(of.bottleneck.share) if of.bottleneck else ""
            cost, memory = (of.parameters, of.flops), (of.forward_bytes, of.training_bytes)
            figures = [*map(short, cost), field_text(of.receptive_field), share, *map(short, memory)]
            rows.append([self._label(of), *figures, str(len(of.warnings))])
        return Table.of(["network", *headings], rows)

    def _label(self, network: NetworkSummary) -> str:
        """Return a network's name, with the arguments in which it differs from others of that name."""
        own = network.arguments
        others = [of.arguments for of in self.networks if of.network == network.network]
        differing = [key for key in own if any(other.get(key) != own[key] for other in others)]
        return " ".join([network.network, *(f"{key}={own[key]}" for key in differing)])


def summarise(
    *networks: str | nn.Module | Part,
    size: int | None = None,
    batch_size: int = 1,
    hole: float = 0.5,
    bottleneck: float = 0.1,
) -> Summary:
    """Sum up networks: modules, names, or names with arguments.

    `size` is the side of the images in pixels, none: 64, or the next that all of them take. `hole` is
    the side of the hole, as a share of the image's. A bottleneck of fewer numbers than `bottleneck`
    times the hole's is warned of. Nothing is allocated, whatever the size, but for modules that cannot
    run on the meta device. Raises `SettingError` for an unknown network or argument, `SizeError` for a
    size that one of the networks cannot take.

    >>> summary = summarise(Part("unet", depth=1))
    >>> summary.size, summary.networks[0].receptive_field
    (64, (82, 82))
    """
    parts = [Part(of) if isinstance(of, str) else of for of in networks]
    made = [_build(of, size or DEFAULT_SIZE) if isinstance(of, Part) else deepcopy(of) for of in parts]
    usual = size or usual_size(made)
    side = max(1, round(hole * usual))
    facts = []
    for part, network in zip(parts, made, strict=True):
        found = describe(network, usual, batch_size, side, bottleneck)
        if isinstance(part, Part):
            name, arguments = vars(network)["created_by"]
            found = replace(found, network=name, arguments=arguments)
        facts.append(found)
    raised = size is None and usual > DEFAULT_SIZE
    note = f"the least from {DEFAULT_SIZE} that can be taken" if raised else ""
    return Summary(usual, batch_size, side, tuple(facts), note)


def _build(part: Part, size: int) -> nn.Module:
    """Build a network, of ours on the meta device: weights with shapes and no content."""
    made = NETWORKS.need(part.name)
    ours = isinstance(made, type) and issubclass(made, Network)
    with torch.device("meta" if ours else "cpu"):
        return create(part.name, **made_for(size, part.name, part.arguments))


def usual_size(networks: Sequence[nn.Module]) -> int:
    """Return `DEFAULT_SIZE`, or the next side that all networks take."""
    multiple = lcm(*(needs(network).multiple_of for network in networks))
    least = max(DEFAULT_SIZE, *(needs(network).min_size for network in networks))
    return ceil(least / multiple) * multiple


def describe(network: nn.Module, size: int, batch: int, hole: int, share: float) -> NetworkSummary:
    """Return the facts of a module, which is changed by that.

    `size` and `hole` are sides in pixels; a bottleneck of fewer than `share` times the hole's numbers is
    warned of. Raises `SizeError` for a size that it cannot take.
    """
    try:
        calls = record(deepcopy(network).to("meta"), size, batch, hole)
    except InpaintlabError:
        raise
    except Exception:  # noqa: BLE001 - whatever a module says that needs values
        calls = record(network, size, batch, hole)
    kept = [call for call in calls if _is_row(call)]
    found = NetworkSummary(
        network=type(network).__name__,
        arguments={},
        parameters=sum(call.parameters for call in calls),
        flops=sum(call.flops for call in calls) // batch,
        receptive_field=_extent(calls[-1].field),
        forward_bytes=max(call.alive for call in calls),
        training_bytes=sum(call.saved for call in calls),
        layers=tuple(_row(call, batch) for call in kept),
        bottleneck=_bottleneck(network, calls, hole),
    )
    return replace(found, warnings=tuple(_warnings(found, kept, hole, share)))


def _is_row(call: Call) -> bool:
    """Tell layers from modules that only call others, or do nothing."""
    leaf = not any("parametrizations" not in name for name, _ in call.module.named_children())
    if isinstance(call.module, nn.Identity):
        return False
    return leaf or bool(call.parameters or call.flops or call.saved or call.hole)


def _row(call: Call, batch: int) -> Layer:
    return Layer(
        layer=call.name,
        kind=type(call.module).__name__,
        output=call.output,
        **{name: _pair(call.module, f"{name}_size" if name == "kernel" else name) for name in _KERNEL},
        receptive_field=_extent(call.field),
        parameters=call.parameters,
        flops=call.flops // batch,
        forward_bytes=call.alive,
        training_bytes=call.saved,
        hole=call.hole,
    )


_KERNEL = ("kernel", "stride", "dilation", "padding")


def _pair(module: nn.Module, name: str) -> Any:
    """Return an attribute of a convolution or pooling as (height, width); padding may be a word."""
    value = getattr(module, name, None)
    if isinstance(value, int):
        return value, value
    return value if isinstance(value, str) else tuple(value) if isinstance(value, tuple | list) else None


def _extent(seen: tuple[float, float] | None) -> Seen:
    if seen is None:
        return None
    return "whole" if max(seen) == inf else (int(seen[0]), int(seen[1]))


def _bottleneck(network: nn.Module, calls: Sequence[Call], hole: int) -> Bottleneck | None:
    """Return what passes the layer that a network names as its bottleneck."""
    name = bottleneck_of(network)
    if name is None:
        return None
    found = [call for call in calls if call.name == name]
    if not found:
        raise ValueError(f"{type(network).__name__}.bottleneck names nothing that runs: {name!r}")
    call = min(found, key=lambda call: prod(call.output))
    numbers = prod(call.output)
    return Bottleneck(call.name, call.output, numbers, numbers / (3 * hole**2))


def _warnings(of: NetworkSummary, calls: Sequence[Call], hole: int, share: float) -> Iterator[Warned]:
    """Say what stands in the way of filling the hole."""
    seen, narrow, left = of.receptive_field, of.bottleneck, _left_open(of.layers)
    if shrunk := [found for call in calls if (found := _shrinks(call))]:
        more = f" and {len(shrunk) - 3} more" if len(shrunk) > 3 else ""
        text = f"feature maps shrink for want of padding: {', '.join(shrunk[:3])}{more}"
        yield Warned("shrinks", text)
    if isinstance(seen, tuple) and min(seen) <= hole:
        text = f"the receptive field of {field_text(seen)} px does not reach beyond the hole of {hole}: "
        yield Warned("receptive field", text + "the middle is filled without seeing a known pixel")
    if left and left.hole:
        text = f"the hole is still open in {left.layer}, where the image is smallest: "
        yield Warned("open hole", f"{text}{side_text(left.hole)} of {side_text(left.output[-2:])}")
    if narrow and narrow.share < share:
        text = f"the bottleneck {narrow.layer} passes {narrow.numbers:,} numbers, "
        text += f"{share_text(narrow.share)} of the {3 * hole**2:,} in the hole and less than "
        yield Warned("bottleneck", f"{text}{share_text(share)}: expect a blurred filling")


def _shrinks(call: Call) -> str | None:
    """Say how a convolution loses more than its stride accounts for; one kernel over all is meant so."""
    stride, kernel = _pair(call.module, "stride"), _pair(call.module, "kernel_size")
    if not isinstance(call.module, nn.Conv2d) or len(call.output) != 3 or kernel == call.before:
        return None
    expected = [ceil(side / step) for side, step in zip(call.before, stride, strict=True)]
    if all(got >= wanted for got, wanted in zip(call.output[-2:], expected, strict=True)):
        return None
    return f"{call.name} {side_text(call.before)} to {side_text(call.output[-2:])}"


def _left_open(rows: Sequence[Layer]) -> Layer | None:
    """Return the last layer of the smallest plane that updates a mask, if it leaves a hole."""
    updating = [row for row in rows if row.hole]
    if not updating:
        return None
    least = min(prod(row.output[-2:]) for row in updating)
    last = [row for row in updating if prod(row.output[-2:]) == least][-1]
    return last if all(last.hole or ()) else None


def _layers(of: NetworkSummary) -> Table:
    """Return the table of a network; what finishes a layer stands in its row."""
    masks = bool(of.holes)
    columns = [
        Column("layer", text=True),
        Column("kind", text=True),
        Column("output"),
        Column("field"),
        *([Column("hole")] if masks else []),
        *(Column(heading) for heading in ("param.", "FLOP", "saved")),
        *(Column(heading, optional=True) for heading in ("alive", *"ksdp")),
    ]
    rows = []
    for row in folded(of.layers):
        words = [row.layer or "(network)", row.kind, "×".join(map(str, row.output))]
        hole = [_hole_text(row.hole) if row.hole else ""] if masks else []
        counts = map(short, (row.parameters, row.flops, row.training_bytes, row.forward_bytes))
        sides = [getattr(row, name) or "" for name in _KERNEL]
        kernel = [side if isinstance(side, str) else side_text(side) for side in sides]
        rows.append([*words, field_text(row.receptive_field), *hole, *counts, *kernel])
    return Table.of(columns, rows)


def folded(rows: Sequence[Layer]) -> list[Layer]:
    """Put what works pixel by pixel, as normalisation and activation, into the row of its layer."""
    lines: list[Layer] = []
    for row in rows:
        if not lines or row.kernel or row.flops or row.hole or not _belongs(row, lines):
            lines.append(row)
            continue
        line = lines.pop()
        if line.layer.startswith(f"{row.layer}."):  # a module, after the one layer inside it
            line = replace(line, layer=row.layer, kind=row.kind, output=row.output)
        elif row.layer:
            line = replace(line, kind=f"{line.kind} {'norm' if 'Norm' in row.kind else row.kind}")
        sums = {key: getattr(line, key) + getattr(row, key) for key in ("parameters", "training_bytes")}
        lines.append(replace(line, forward_bytes=max(line.forward_bytes, row.forward_bytes), **sums))
    return lines


def _belongs(row: Layer, lines: Sequence[Layer]) -> bool:
    """Tell whether a row without operations of its own only finishes the last line."""
    last = lines[-1]
    if last.receptive_field != row.receptive_field:
        return False
    inside = [line for line in lines if line.layer.startswith(f"{row.layer}.")]
    if inside:
        return inside == [last] and last.output[1:] == row.output[1:]
    return last.output == row.output


def _totals(of: NetworkSummary, hole: int) -> Iterator[str]:
    """Say in lines what the whole network is."""
    unit = "" if of.receptive_field == "whole" else " px"
    yield (
        f"{of.parameters:,} parameters, {short(of.flops, ' ')}FLOP an image, "
        f"receptive field {field_text(of.receptive_field)}{unit}"
    )
    yield (
        f"features: {short(of.forward_bytes, ' ')}B alive at the peak of a forward pass, "
        f"{short(of.training_bytes, ' ')}B saved for the backward pass"
    )
    if of.holes:
        steps = [f"{_hole_text(sides)} ({layer})" for layer, sides in of.holes]
        closed = next((i for i, step in enumerate(steps) if step.startswith("closed")), len(steps))
        yield f"hole: {hole} → {' → '.join(steps[: closed + 1])}"
    if narrow := of.bottleneck:
        share = share_text(narrow.share)
        yield f"bottleneck {narrow.layer}: {narrow.numbers:,} numbers, {share} of those in the hole"


def side_text(sides: Sequence[int]) -> str:
    """Write a height and a width, as one number where they are the same."""
    return str(sides[0]) if sides[0] == sides[1] else f"{sides[0]}×{sides[1]}"


def field_text(seen: Seen) -> str:
    """Write a receptive field."""
    if seen is None:
        return "–"
    return seen if isinstance(seen, str) else side_text(seen)


def share_text(share: float) -> str:
    """Write a share in percent, small ones with a digit behind the point."""
    return f"{share:.1%}" if share < 0.1 else f"{share:,.0%}"


def _hole_text(sides: Sides) -> str:
    return side_text(sides) if all(sides) else "closed"


def short(value: float, gap: str = "") -> str:
    """Write a count with three digits and a unit, `gap` between them.

    >>> short(0), short(36_864), short(2_818_572_364, " ")
    ('0', '36.9k', '2.82 G')
    """
    units = iter(("", "k", "M", "G", "T", "P"))
    unit = next(units)
    while value >= 999.5 and unit != "P":
        value, unit = value / 1000, next(units)
    return f"{value:.3g}{gap}{unit}"

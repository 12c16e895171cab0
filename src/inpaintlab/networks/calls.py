"""What each module of a network does in one forward pass: shapes, fields, operations, memory.

The pass runs on the meta device, where tensors have shapes but no content: it costs no memory, whatever
the size of the image.
"""

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from math import log2, prod
from typing import Any
from weakref import ref

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves
from torch.utils.flop_counter import FlopCounterMode

from inpaintlab.networks.receptive import PIXELS, Field, Taps, convolution, shut, union
from inpaintlab.networks.tracing import Hole, Tracer, common, tensors_in

aten = torch.ops.aten


@dataclass
class Call:
    """One call of one module; what its children do counts as theirs, not as its own.

    `turn` counts the calls of the same module before it; `parameters` are those that nothing before it
    has used; `before` is the plane that came in, without padding added just before; `alive` the bytes of
    features in memory, at the most, while it ran; `saved` the bytes kept for the backward pass; `hole`
    what its mask update leaves of the hole. `flops`, `alive` and `saved` are those of the batch.
    """

    name: str
    module: nn.Module
    turn: int
    parameters: int
    before: tuple[int, ...] = ()
    output: tuple[int, ...] = ()
    field: Field | None = None
    hole: Hole | None = None
    flops: int = 0
    alive: int = 0
    saved: int = 0


class Recorder:
    """Keeps a `Call` for each call of each module; here one that does nothing else."""

    def __init__(self, network: nn.Module) -> None:
        self.calls: list[Call] = []
        self._names = {module: name for name, module in network.named_modules()}
        self._open: list[Call] = []
        self._counted: set[Tensor] = set()
        self._turns: Counter[str] = Counter()

    @property
    def current(self) -> Call:
        """The innermost module that is running."""
        return self._open[-1]

    @contextmanager
    def running(self) -> Iterator[None]:
        """Watch the modules; calls are kept in the order in which they end."""
        handles = []
        for module, name in self._names.items():
            if "parametrizations" not in name:  # a part of how a weight is made, not a layer
                handles.append(module.register_forward_pre_hook(self._before, with_kwargs=True))
                handles.append(module.register_forward_hook(self._after, with_kwargs=True))
        try:
            yield
        finally:
            for handle in handles:
                handle.remove()

    def enter(self, call: Call, given: list[Any]) -> None:
        """Note what there is to note when a module starts; `given` are its arguments."""

    def leave(self, call: Call, given: list[Any], output: Any) -> None:
        """Note what there is to note when a module has ended."""

    def settle(self) -> None:
        """Charge what was done since the last change of module to the one that is running."""

    def _before(self, module: nn.Module, args: Any, kwargs: Any) -> None:
        self.settle()
        name = self._names[module]
        self._open.append(Call(name, module, self._turns[name], self._own_parameters(module)))
        self._turns[name] += 1
        self.enter(self.current, [*args, *kwargs.values()])

    def _after(self, _: nn.Module, args: Any, kwargs: Any, output: Any) -> None:
        self.settle()
        call = self._open.pop()
        self.leave(call, [*args, *kwargs.values()], output)
        self.calls.append(call)

    def _own_parameters(self, module: nn.Module) -> int:
        own = list(module.parameters(recurse=False))
        if isinstance(made := getattr(module, "parametrizations", None), nn.Module):
            own += list(made.parameters())
        new = [p for p in own if p not in self._counted]
        self._counted.update(new)
        return sum(p.numel() for p in new)


def record(network: nn.Module, size: int, batch: int, hole: int) -> list[Call]:
    """Run a network on the meta device and return its calls, in the order in which they end.

    The image is a square with a square hole in the middle; `size` and `hole` are sides in pixels. The
    network must be on the meta device. Raises `SizeError` for a size that it cannot take.
    """
    with torch.device("meta"):
        image, mask = torch.zeros(batch, 3, size, size), torch.zeros(batch, 1, size, size)
        forward = _Forward(network)
        forward.run(network.eval(), image, mask, _middle(size, hole))
        training = Recorder(network)
        with training.running(), _noting_saved(network, lambda size: _save(training.current, size)):
            network.train()(image, mask)
    saved = {(call.name, call.turn): call.saved for call in training.calls}
    for call in forward.calls:
        call.saved = saved.get((call.name, call.turn), 0)
    return forward.calls


def _save(call: Call, size: int) -> None:
    call.saved += size


def _at_full_size(x: Any, valid: Any, enlarge: bool = False) -> tuple[list[Tensor], list[Tensor]]:
    """Return inputs and masks of a layer that updates masks, the first enlarged where it says so."""
    xs, valids = list(tensors_in(x)), list(tensors_in(valid))
    if enlarge:
        xs[0], valids[0] = (F.interpolate(some[0], scale_factor=2) for some in (xs, valids))
    return xs, valids


def _middle(size: int, hole: int) -> Hole:
    start = (size - hole) // 2
    side = tuple(start <= place < start + hole for place in range(size))
    return side, side


class _Forward(Recorder):
    """Notes shapes, fields, what is left of the hole, operations and memory of a pass in evaluation."""

    def __init__(self, network: nn.Module) -> None:
        super().__init__(network)
        self.tracer = Tracer()
        self.counter = FlopCounterMode(display=False, custom_mapping=_FOURIER)
        self.alive = _Alive(self, network)
        self._settled = 0

    def run(self, network: nn.Module, image: Tensor, mask: Tensor, hole: Hole) -> None:
        for tensor in (image, mask):
            self.tracer.fields[tensor] = Field((PIXELS, PIXELS))
            self.alive.meet(tensor)
        self.tracer.holes[mask] = hole
        with torch.no_grad(), self.running(), self.counter, self.alive, self.tracer:
            network(image, mask)

    def settle(self) -> None:
        total = self.counter.get_total_flops()
        if self._open:
            self.current.flops += total - self._settled
        self._settled = total

    def enter(self, call: Call, given: list[Any]) -> None:
        first = next(tensors_in(given), None)
        call.before = () if first is None else self.tracer.before_padding(first)

    def leave(self, call: Call, given: list[Any], output: Any) -> None:
        if getattr(call.module, "updates_mask", False):
            call.hole = self._update(call.module, *_at_full_size(*given), *output)
        first = next(tensors_in(output))
        call.output = tuple(first.shape[1:])
        call.field = self.tracer.fields.get(first)  # type: ignore[no-untyped-call]
        call.alive = max(call.alive, self.alive.now)

    def _update(self, layer: nn.Module, x: Any, valid: Any, y: Tensor, new: Tensor) -> Hole | None:
        """Follow a layer that updates a mask by its kernel: there are no values that could tell."""
        fields = [self.tracer.fields[tensor] for tensor in tensors_in(x)]
        self.tracer.fields[y] = self.tracer.fields[new] = kernel_field(union(fields), layer)
        holes = [
            self.tracer.holes[tensor] for tensor in tensors_in(valid) if tensor in self.tracer.holes
        ]
        if not holes:
            return None
        left = updated(common(holes), layer, new.shape[-2:])
        self.tracer.holes[new] = left
        return left


def _kernel_taps(layer: Any) -> list[Taps]:
    arguments = (layer.kernel_size, layer.stride, layer.padding, layer.dilation)
    return [convolution(*(pair[axis] for pair in arguments)) for axis in (0, 1)]


def kernel_field(field: Field, layer: nn.Module) -> Field:
    """Return what is seen after a convolution."""
    if field.axes is None:
        return field
    rows, columns = (axis.through(t) for axis, t in zip(field.axes, _kernel_taps(layer), strict=True))
    return Field((rows, columns))


def updated(hole: Hole, layer: nn.Module, plane: Sequence[int]) -> Hole:
    """Return what a layer that updates its mask leaves of a hole; `plane` is its output's size."""
    rows, columns = map(shut, hole, _kernel_taps(layer), plane)
    return rows, columns


class _Alive(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """Follows the bytes of features in memory: when storages are made, and when they go."""

    def __init__(self, recorder: Recorder, network: nn.Module) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.now = 0
        self._recorder = recorder
        self._weights = [t.untyped_storage() for t in (*network.parameters(), *network.buffers())]
        self._known: dict[int, Any] = {storage._cdata: storage for storage in self._weights}

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        result = func(*args, **(kwargs or {}))
        for leaf in tree_leaves(result):
            if isinstance(leaf, Tensor):
                self.meet(leaf)
        call = self._recorder.current
        call.alive = max(call.alive, self.now)
        return result

    def meet(self, tensor: Tensor) -> None:
        storage = tensor.untyped_storage()
        key, size = storage._cdata, storage.nbytes()
        if key not in self._known:
            self._known[key] = ref(storage, lambda _: self._forget(key, size))
            self.now += size

    def _forget(self, key: int, size: int) -> None:
        del self._known[key]
        self.now -= size


def _fourier(before: Sequence[int], dims: Sequence[int], *_: Any, out_shape: Sequence[int]) -> int:
    """Operations of Fourier transforms of N values each: 5 N log2 N, as is usual for radix 2."""
    real = max(before, out_shape, key=prod)  # the other side holds half the spectrum
    return round(5 * prod(real) * log2(prod(real[d] for d in dims)))


_FOURIER = dict.fromkeys((aten._fft_r2c, aten._fft_c2r, aten._fft_c2c), _fourier)


def saved_bytes(network: nn.Module, *given: Tensor) -> int:
    """Count the bytes that a forward pass keeps for the backward pass; parameters do not count."""
    sizes: list[int] = []
    with _noting_saved(network, sizes.append):
        network(*given)
    return sum(sizes)


@contextmanager
def _noting_saved(network: nn.Module, note: Callable[[int], None]) -> Iterator[None]:
    """Tell `note` the bytes of each storage, once, that autograd saves beside the weights."""
    # By storage: a layer may save a transposed view of its weight.
    seen = {parameter.untyped_storage()._cdata for parameter in network.parameters()}

    def remember(tensor: Tensor) -> Tensor:
        storage = tensor.untyped_storage()
        if storage._cdata not in seen:
            seen.add(storage._cdata)
            note(storage.nbytes())
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(remember, lambda tensor: tensor):
        yield

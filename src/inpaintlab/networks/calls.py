"""What each module of a network does in one forward pass: shapes, fields, operations, memory.

The pass runs on the meta device, where tensors have shapes but no content: it costs no memory, whatever
the size of the image. A module that cannot run there runs where its weights are.
"""

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from copy import deepcopy
from dataclasses import dataclass
from math import inf, log2, prod
from typing import Any, NamedTuple
from weakref import finalize

import torch
from torch import Tensor, nn
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves
from torch.utils.flop_counter import FlopCounterMode

from inpaintlab.errors import NetworkError
from inpaintlab.networks.base import needs
from inpaintlab.networks.fields import Fields

aten = torch.ops.aten
#: Sides of the images, one after the other, on which fields are followed that reach the border.
_SIDES = (512, 2048, 8192)
#: Name and turn of a call.
Key = tuple[str, int]


@dataclass
class Call:
    """One call of one module; what its children do counts as theirs, not as its own.

    `turn` counts the calls of the same module before it; `parameters` are those that nothing before it
    has used; `before` is the plane that came in, without padding added just before; `alive` the bytes of
    features in memory, at the most, while it ran; `saved` the bytes kept for the backward pass; `field`
    the pixels seen, height and width, infinite for the whole image, None where no image comes in; `hole`
    what its mask update leaves of the hole. `flops`, `alive` and `saved` are those of the batch.
    """

    name: str
    module: nn.Module
    turn: int
    parameters: int
    before: tuple[int, int] = (0, 0)
    output: tuple[int, ...] = ()
    field: tuple[float, float] | None = None
    hole: tuple[int, int] | None = None
    flops: int = 0
    alive: int = 0
    saved: int = 0


class Recorder:
    """Keeps a `Call` for each call of each module, in the order in which they end.

    `spent` gives the operations up to now; `leave` is told the call, its arguments and its output.
    """

    def __init__(
        self,
        network: nn.Module,
        leave: Callable[[Call, list[Any], Any], None] = lambda *_: None,
        spent: Callable[[], int] = lambda: 0,
    ) -> None:
        self.calls: list[Call] = []
        self._names = {module: name for name, module in network.named_modules()}
        self._open = [Call("", network, 0, 0)]  # what is done before the network runs counts nowhere
        self._counted: set[Tensor] = set()
        self._turns: Counter[str] = Counter()
        self._leave, self._spent, self._settled = leave, spent, 0

    @property
    def current(self) -> Call:
        """The innermost module that is running."""
        return self._open[-1]

    def save(self, size: int) -> None:
        """Charge bytes that are kept for the backward pass to the module that is running."""
        self.current.saved += size

    @contextmanager
    def running(self) -> Iterator[None]:
        """Watch the modules."""
        with ExitStack() as handles:
            for module, name in self._names.items():
                if "parametrizations" not in name:  # a part of how a weight is made, not a layer
                    handles.callback(module.register_forward_pre_hook(self._before).remove)
                    after = module.register_forward_hook(self._after, with_kwargs=True)
                    handles.callback(after.remove)
            yield

    def _before(self, module: nn.Module, _: Any) -> None:
        self._settle()
        name = self._names[module]
        self._open.append(Call(name, module, self._turns[name], self._own_parameters(module)))
        self._turns[name] += 1

    def _after(self, _: nn.Module, args: Any, kwargs: Any, output: Any) -> None:
        self._settle()
        self._leave(self.current, [*args, *kwargs.values()], output)
        self.calls.append(self._open.pop())

    def _settle(self) -> None:
        total = self._spent()
        self.current.flops += total - self._settled
        self._settled = total

    def _own_parameters(self, module: nn.Module) -> int:
        own = list(module.parameters(recurse=False))
        if isinstance(made := getattr(module, "parametrizations", None), nn.Module):
            own += list(made.parameters())
        new = [p for p in own if p not in self._counted]
        self._counted.update(new)
        return sum(p.numel() for p in new)


def record(network: nn.Module, size: int, batch: int, hole: int) -> list[Call]:
    """Run a network and return its calls, in the order in which they end.

    The image is a square with a square hole in the middle; `size` and `hole` are sides in pixels. Raises
    `SizeError` for a size that the network cannot take.
    """
    image, mask = _images(network, batch, size, size)
    calls = _forward(network.eval(), image, mask)
    training = Recorder(network)
    with training.running(), _noting_saved(network, training.save):
        network.train()(image, mask)
    saved = {(call.name, call.turn): call.saved for call in training.calls}
    start = (size - hole) // 2
    seen = [_seen(network.eval(), size, range(start, start + hole), axis) for axis in (0, 1)]
    for call in calls:
        key = (call.name, call.turn)
        call.saved = saved.get(key, 0)
        rows, columns = (axis.get(key, Seen()) for axis in seen)
        call.before = (rows.before, columns.before)
        if rows.field is not None and columns.field is not None:
            call.field = (rows.field, columns.field)
        if rows.hole is not None and columns.hole is not None:
            call.hole = (rows.hole, columns.hole)
    return calls


def _images(network: nn.Module, batch: int, height: int, width: int) -> tuple[Tensor, Tensor]:
    """Return black images and masks without a hole, where the network's weights are."""
    device = next((p.device for p in network.parameters()), torch.device("meta"))
    image, mask = (torch.zeros(batch, n, height, width, device=device) for n in (3, 1))
    return image, mask


def _forward(network: nn.Module, image: Tensor, mask: Tensor) -> list[Call]:
    """Note shapes, parameters, operations and memory of a pass in evaluation."""
    alive = _Alive(network, lambda: recorder.current)
    counter = FlopCounterMode(display=False, custom_mapping=_FOURIER)

    def leave(call: Call, _: list[Any], output: Any) -> None:
        call.output = tuple(next(_tensors(output)).shape[1:])
        call.alive = max(call.alive, alive.now)

    recorder = Recorder(network, leave, counter.get_total_flops)
    alive.meet(image, mask)
    with torch.no_grad(), recorder.running(), counter, alive:
        network(image, mask)
    return recorder.calls


class Seen(NamedTuple):
    """What a call sees along one axis: pixels, what is left of the hole, and the side that came in."""

    field: float | None = None
    hole: int | None = None
    before: int = 0


def _seen(network: nn.Module, size: int, hole: range, axis: int) -> dict[Key, Seen]:
    """Return what each call sees along one axis.

    On images that grow until no field reaches their border; a network made for one size has that alone.
    """
    found: dict[Key, Seen] = {}
    shares: dict[Key, float] = {}
    for side in (size, *(side for side in _SIDES if side >= 2 * size)):
        try:
            more = _follow(network, side, size, hole, axis)
        except Exception:
            if not found:
                raise
            break
        before, shares = shares, {key: (seen.field or 0) / side for key, seen in more.items()}
        # More than half of an image and of one twice as large: it grows with the image.
        wide = {key for key, share in shares.items() if share > 0.5}
        whole = {key for key in wide if 0.5 < before.get(key, 1) < 1 or side == _SIDES[-1]}
        for key, seen in more.items():
            field = inf if key in whole or shares[key] >= 1 else seen.field
            found[key] = found.get(key, seen)._replace(field=field)
        if all(key in whole or shares[key] == inf for key in wide):
            break
    return found


def _follow(network: nn.Module, side: int, size: int, hole: range, axis: int) -> dict[Key, Seen]:
    """Follow one pass, on a strip where the network takes that."""
    found: dict[Key, Seen] = {}
    fields = Fields(axis, side, hole)

    def leave(call: Call, given: list[Any], output: Any) -> None:
        with torch._C.DisableTorchFunction():  # what is asked here is not followed
            updates = getattr(call.module, "updates_mask", False)
            left = fields.update(call.module, given, output) if updates else None
            before = next((fields.side(x) for x in _tensors(given) if x.ndim > 2), 0)
            found[call.name, call.turn] = Seen(fields.extent(next(_tensors(output))), left, before)

    for other in (needs(network).next_side(min(size, 32)), size):
        image, mask = _images(network, 3, *((side, other) if axis == 0 else (other, side)))
        fields.start(image, mask)
        with torch.no_grad(), Recorder(network, leave).running(), fields:
            try:
                network(image, mask)
                break
            except Exception:
                if other == size:
                    raise
    return found


class _Alive(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """Follows the bytes of features in memory: when storages are made, and when they go."""

    def __init__(self, network: nn.Module, current: Callable[[], Call]) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.now, self._current = 0, current
        self._weights = [t.untyped_storage() for t in (*network.parameters(), *network.buffers())]
        self._known = {storage._cdata for storage in self._weights}

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        result = func(*args, **(kwargs or {}))
        self.meet(*_tensors(result))
        call = self._current()
        call.alive = max(call.alive, self.now)
        return result

    def meet(self, *tensors: Tensor) -> None:
        for storage in (tensor.untyped_storage() for tensor in tensors):
            if storage._cdata not in self._known:
                self._known.add(storage._cdata)
                self.now += storage.nbytes()
                finalize(storage, self._forget, storage._cdata, storage.nbytes())

    def _forget(self, key: int, size: int) -> None:
        self._known.remove(key)
        self.now -= size


def _tensors(value: Any) -> Iterator[Tensor]:
    return (leaf for leaf in tree_leaves(value) if isinstance(leaf, Tensor))


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


def saved_per_image(network: nn.Module, size: int) -> int:
    """Count what `saved_bytes` counts for one square image, on a copy of a network in training.

    Nothing is computed, but by a module that cannot run on the meta device.
    """
    for device in ("meta", "cpu"):
        copy, count = deepcopy(network).to(device).train(), 1 if device == "meta" else 2
        with torch.random.fork_rng(devices=[]), suppress(RuntimeError, ValueError, NotImplementedError):
            return saved_bytes(copy, *_images(copy, count, size, size)) // count
    raise NetworkError(f"{type(network).__name__} cannot be run in training with images of {size} px")


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

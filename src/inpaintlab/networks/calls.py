"""What each module of a network does in one forward pass: shapes, fields, operations, memory.

The pass runs on the meta device, where tensors have shapes but no content: it costs no memory, whatever
the size of the picture.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from math import log2, prod
from typing import Any
from weakref import ref

import torch
from torch import Tensor, nn
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves
from torch.utils.flop_counter import FlopCounterMode

from inpaintlab.networks.base import Network
from inpaintlab.networks.receptive import PIXELS, Field, convolution, shut
from inpaintlab.networks.tracing import Hole, Tracer


@dataclass
class Call:
    """One call of one module; what its children do counts as theirs, not as its own.

    `before` is the plane that came in, without padding added just before; `alive` the bytes of features
    in memory, at the most, while it ran; `saved` the bytes kept for the backward pass; `hole` what its
    mask update leaves of the hole. Operations, `alive` and `saved` are those of the batch.
    """

    name: str
    module: nn.Module
    parameters: int
    before: tuple[int, ...] = ()
    output: tuple[int, ...] = ()
    field: Field | None = None
    hole: Hole | None = None
    flops: int = 0
    alive: int = 0
    saved: int = 0


class Recorder:
    """Keeps one `Call` for each call of each module while `running`, in the order in which they end."""

    def __init__(self, network: nn.Module) -> None:
        self.calls: list[Call] = []
        self._names = {module: name for name, module in network.named_modules()}
        self._open: list[Call] = []
        self._counted: set[Tensor] = set()

    @property
    def current(self) -> Call:
        """The innermost module that is running."""
        return self._open[-1]

    @contextmanager
    def running(self, enter: Callable[..., None] | None = None, leave: Callable[..., None] | None = None) -> Iterator[None]:
        """Watch the modules; `enter(call, arguments)` and `leave(call, arguments, output)` may note more."""

        def before(module: nn.Module, args: Any, kwargs: Any) -> None:
            self._open.append(Call(self._names[module], module, self._own_parameters(module)))
            if enter:
                enter(self.current, [*args, *kwargs.values()])

        def after(module: nn.Module, args: Any, kwargs: Any, output: Any) -> None:
            call = self._open.pop()
            if leave:
                leave(call, [*args, *kwargs.values()], output)
            self.calls.append(call)

        handles = []
        for module, name in self._names.items():
            if "parametrizations" not in name:  # a part of how a weight is made, not a layer
                handles.append(module.register_forward_pre_hook(before, with_kwargs=True))
                handles.append(module.register_forward_hook(after, with_kwargs=True))
        try:
            yield
        finally:
            for handle in handles:
                handle.remove()

    def _own_parameters(self, module: nn.Module) -> int:
        """Count the parameters that no other call has counted yet."""
        own = list(module.parameters(recurse=False))
        if isinstance(made := getattr(module, "parametrizations", None), nn.Module):
            own += list(made.parameters())
        new = [p for p in own if p not in self._counted]
        self._counted.update(new)
        return sum(p.numel() for p in new)


def record(network: Network, size: int, batch: int, hole: int) -> list[Call]:
    """Run a network on the meta device and return its calls, in the order in which they end.

    The picture is square, with a square hole in its middle; `size` and `hole` are sides in pixels.
    Raises `SizeError` for a size that the network cannot take.
    """
    with torch.device("meta"):
        calls = _forward(network.eval(), *_inputs(size, batch), _middle(size, hole))
        saved = _training(network.train(), *_inputs(size, batch))
    for call in calls:
        call.saved = saved.pop((call.name, _number(calls, call)), 0)
    return calls


def saved_bytes(network: nn.Module, image: Tensor, mask: Tensor) -> int:
    """Count the bytes that a forward pass keeps for the backward pass; parameters do not count."""
    sizes: list[int] = []
    with _noting_saved(sizes.append):
        network(image, mask)
    return sum(sizes)


@contextmanager
def _noting_saved(note: Callable[[int], None]) -> Iterator[None]:
    """Tell `note` the bytes of each storage, once, that autograd saves."""
    seen: set[int] = set()

    def remember(tensor: Tensor) -> Tensor:
        storage = tensor.untyped_storage()
        if not isinstance(tensor, nn.Parameter) and storage._cdata not in seen:
            seen.add(storage._cdata)
            note(storage.nbytes())
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(remember, lambda tensor: tensor):
        yield

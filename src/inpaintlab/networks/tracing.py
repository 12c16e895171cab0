"""Follows a network's tensors while it runs and keeps, for each, what it can see of the image.

What counts as seeing: a value sees the pixels that can change it through convolutions, pooling,
resampling, Fourier transforms, matrix products, and whatever else moves information about.
**Statistics of the whole plane do not count**: normalisation (group, instance, layer, batch) and
anything averaged or summed over height and width, as a mean colour or the gate of a
squeeze-and-excitation. They carry a number or two for each channel, not what stands where; if they
counted, every field would be the whole image, and the figure would say nothing.

Functions are known by name, as they are called, before torch takes them apart. One that is not known
counts as pointwise where it keeps height and width, and as mixing the whole plane where it does not;
so does everything that loses sight of the plane (tokens, patches, windows). A field can therefore come
out too large, but only by saying "the whole image".
"""

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import torch
from torch import Tensor
from torch.overrides import TorchFunctionMode
from torch.utils.weak import WeakTensorKeyDictionary

from inpaintlab.networks.reads import READS, Called
from inpaintlab.networks.receptive import WHOLE, Field, shut, union

#: Which positions lie in the hole, along height and along width.
Hole = tuple[tuple[bool, ...], tuple[bool, ...]]

_MIXING = {
    *("matmul", "__matmul__", "__rmatmul__", "mm", "bmm", "baddbmm", "einsum", "tensordot", "fold"),
    *("scaled_dot_product_attention", "multi_head_attention_forward", "unfold", "grid_sample"),
    *("T", "mT", "H", "mH", "conv1d", "conv3d", "rot90"),
}
#: A convolution has no say in what is known: a layer that updates a mask says it itself.
_CONVOLUTIONS = {"conv2d", "conv_transpose2d"}
#: These mix along the dimensions that they are told, and are pointwise otherwise.
_ALONG = {"softmax", "log_softmax", "cumsum", "flip", "roll", "sort", "topk", "gather", "index_select"}
_STATISTICS = {
    *("sum", "mean", "nansum", "nanmean", "var", "std", "var_mean", "std_mean", "amax", "amin"),
    *("aminmax", "max", "min", "any", "all", "norm", "vector_norm", "linalg_vector_norm", "logsumexp"),
    *("prod", "median", "count_nonzero", "argmax", "argmin"),
}
#: Where the dimension stands among the arguments, if not second.
_PLACE = {"roll": 2, "topk": 2, "norm": 2, "vector_norm": 2, "linalg_vector_norm": 2}
_MOVES = {"permute", "transpose", "movedim", "moveaxis", "swapaxes", "swapdims", "unsqueeze"}
_CONSTANT = {
    *("zeros_like", "ones_like", "full_like", "empty_like", "rand_like", "randn_like"),
    *("new_zeros", "new_ones", "new_full", "new_empty", "new_tensor"),
}


class Tracer(TorchFunctionMode):
    """While this is entered, what each new tensor sees is computed from what its sources see.

    `fields`, `holes` and `unpadded` can be asked, and told, for any tensor: its field; the hole in a
    mask that layers update; and height and width before padding that has just been added.
    """

    def __init__(self) -> None:
        super().__init__()
        self.fields = WeakTensorKeyDictionary()
        self.holes = WeakTensorKeyDictionary()
        self.unpadded = WeakTensorKeyDictionary()

    def before_padding(self, tensor: Tensor) -> tuple[int, ...]:
        """Return height and width of a tensor, without padding that has just been added to it."""
        found = self.unpadded[tensor] if tensor in self.unpadded else tensor.shape[-2:]
        return tuple(found)

    def __torch_function__(
        self, func: Callable[..., Any], types: Any, args: Any = (), kwargs: Any = None
    ) -> Any:
        """Run one function and note what its results see."""
        kwargs = kwargs or {}
        result = func(*args, **kwargs)
        name = _name(func)
        if name == "__setitem__":
            self._follow("__setitem__", (args[0], args[2]), {}, args[0])
            return result
        for output in tensors_in(result):
            self._follow(name, args, kwargs, output)
        return result

    def _follow(self, name: str, args: Any, kwargs: Any, output: Tensor) -> None:
        sources = [tensor for tensor in tensors_in((args, kwargs)) if tensor in self.fields]
        if not sources or name in _CONSTANT:
            return
        fields = [self.fields[source] for source in sources]
        found: Field | None = WHOLE
        if name in READS:
            # A kernel, or an index, made from the image reads whatever the image says.
            if args and sources[0] is args[0] and len(sources) == 1:
                found = self._read(name, args, kwargs, output)
        elif not (name.startswith("fft_") or name in _MIXING):
            found = _plain(name, args, kwargs, fields, sources, output)
            holes = [self.holes[source] for source in sources if source in self.holes]
            if found and holes and all(_fits(hole, output) for hole in holes):
                # A place is known as soon as one of the masks knows it.
                self.holes[output] = holes[0] if len(holes) == 1 else common(holes)
        if found:
            self.fields[output] = found

    def _read(self, name: str, args: Any, kwargs: Any, output: Tensor) -> Field | None:
        """Follow a function that reads other positions than its own, on the last two dimensions."""
        source: Tensor = args[0]
        field: Field = self.fields[source]
        if name.startswith("adaptive_") and output.shape[-2:] == (1, 1):
            return None  # a mean over the plane
        known = field.axes and field.places == (-2, -1) and output.ndim >= 2
        taps = READS[name](Called(args, kwargs, output)) if known else None
        if field.axes is None or taps is None:
            return WHOLE
        if name == "pad":
            self.unpadded[output] = self.before_padding(source)
        if name not in _CONVOLUTIONS and source in self.holes:
            pairs = zip(self.holes[source], taps, output.shape[-2:], strict=True)
            self.holes[output] = tuple(shut(*pair) for pair in pairs)
        rows, columns = (axis.through(t) for axis, t in zip(field.axes, taps, strict=True))
        return Field((rows, columns))


def _plain(
    name: str, args: Any, kwargs: Any, fields: list[Field], sources: list[Tensor], output: Tensor
) -> Field | None:
    """Follow a function that works position by position, turns dimensions, or mixes whole ones."""
    field = union(fields)
    if field.axes is None:
        return WHOLE
    if name in _STATISTICS and _is_reduction(args):
        reduced = _dimensions(name, args, kwargs, sources[0].ndim)
        if reduced is None or set(field.places) <= reduced:
            return None
    if name in _ALONG or name == "linear":
        told = {-1} if name == "linear" else _dimensions(name, args, kwargs, sources[0].ndim)
        if told is None or told & set(field.places):
            return WHOLE
    if name in _MOVES:
        return _moved(name, args, kwargs, field, sources[0])
    planes = {field.plane(tensor.shape) for tensor in (*sources, output)}
    return field if len(planes) == 1 else WHOLE


def _moved(name: str, args: Any, kwargs: Any, field: Field, source: Tensor) -> Field:
    """Find where height and width go, by the same move of an empty tensor whose sides all differ."""
    marked = torch.empty([2 + dimension for dimension in range(source.ndim)], device="meta")
    after = list(getattr(torch.Tensor, name)(marked, *args[1:], **kwargs).shape)
    rows, columns = (after.index(marked.shape[place]) - len(after) for place in field.places)
    return Field(field.axes, (rows, columns))


def _is_reduction(args: Any) -> bool:
    """Tell `x.max(dim)` from `torch.max(x, y)`."""
    return len(args) < 2 or not isinstance(args[1], Tensor)


def _dimensions(name: str, args: Any, kwargs: Any, count: int) -> set[int] | None:
    """Return the dimensions a function is told, counted from the end; None for all."""
    place = _PLACE.get(name, 1)
    told = args[place] if len(args) > place else None
    for word in ("axis", "dims", "dim"):
        told = kwargs.get(word, told)
    if told is None or isinstance(told, Tensor | str | float):
        return None
    return {d if d < 0 else d - count for d in ([told] if isinstance(told, int) else told)}


def _fits(hole: Hole, output: Tensor) -> bool:
    return output.ndim >= 2 and tuple(len(side) for side in hole) == tuple(output.shape[-2:])


def common(holes: Sequence[Hole]) -> Hole:
    """Return what lies in all of the holes."""
    rows, columns = (tuple(map(all, zip(*sides, strict=True))) for sides in zip(*holes, strict=True))
    return rows, columns


def _name(func: Callable[..., Any]) -> str:
    """Return a function's name; of a property, as `x.mT`, that of the property."""
    name = getattr(func, "__name__", "")
    return getattr(getattr(func, "__self__", None), "__name__", "") if name == "__get__" else name


def tensors_in(value: Any) -> Iterator[Tensor]:
    """Yield the tensors in arguments, lists and dictionaries."""
    if isinstance(value, Tensor):
        yield value
    elif isinstance(value, tuple | list):
        for part in value:
            yield from tensors_in(part)
    elif isinstance(value, dict):
        yield from tensors_in(tuple(value.values()))

"""Receptive fields: coordinates of pixels that travel through a network beside its features.

Along one axis of the image every value carries three numbers: the first pixel that can change it (as its
negative), the last, and whether one outside the hole can. All are joined by a maximum. What moves values
about is applied to the coordinates as it is; a convolution is a maximum over its window; what works
pixel by pixel is a maximum over what it is given.

**Statistics of a whole axis do not count**: normalisation, and anything averaged or summed over it, as a
mean colour or the gate of a squeeze-and-excitation. They carry a number or two for each channel, not
what stands where; if they counted, every field would be the whole image. A function that is not known
counts as pointwise where the shapes agree, and as seeing the whole image where they do not: a field can
come out too large, but only by saying "the whole image".
"""

from collections.abc import Callable, Sequence
from functools import reduce
from math import inf
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.overrides import TorchFunctionMode
from torch.utils._pytree import tree_leaves, tree_map
from torch.utils.weak import WeakTensorKeyDictionary

_MOVES = {
    *("__getitem__", "narrow", "select", "chunk", "split", "unbind", "cat", "stack", "view", "view_as"),
    *("reshape", "flatten", "unflatten", "expand", "expand_as", "repeat", "permute", "mT", "transpose"),
    *("movedim", "moveaxis", "swapaxes", "T", "t", "flip", "roll", "squeeze", "unsqueeze"),
    *("pixel_shuffle", "pixel_unshuffle", "channel_shuffle", "repeat_interleave"),
}
#: What reads all along one dimension, the last if none is told.
_ALONG = {"softmax", "log_softmax", "cumsum", "sort", "linear"}
_STATISTICS = {"sum", "mean", "nanmean", "var", "std", "amax", "amin", "max", "min", "any", "all"}
_NOTHING, _EVERYTHING = torch.tensor(-inf), torch.tensor(inf)


class Fields(TorchFunctionMode):
    """While this is entered, each new tensor gets coordinates from those of its sources.

    They are of one axis, 0 or 1, `side` pixels long, and have the shape of their tensor, whose batch is
    three: one for each of the numbers.
    """

    def __init__(self, axis: int, side: int, hole: range) -> None:
        super().__init__()
        place = torch.arange(side)
        known = (place < hole.start) | (place >= hole.stop)
        shape = (3, 1, side, 1) if axis == 0 else (3, 1, 1, side)
        self._pixels = torch.stack([-place, place, known]).float().view(shape)
        self._axis, self._last = axis, side - 1
        self._found = WeakTensorKeyDictionary()
        self._unpadded = WeakTensorKeyDictionary()

    def start(self, *images: Tensor) -> None:
        """Give images and masks their own pixels."""
        for image in images:
            self._found[image] = self._pixels.expand(image.shape)

    def extent(self, tensor: Tensor) -> float | None:
        """Return how many pixels the value sees that sees the most, of those that see no border.

        It is infinite for the whole image, as many as there are or more where all see the border, and
        None where no image comes in.
        """
        first, last, _ = _thin(self._of(tensor))
        seen = first + last + 1
        if not seen.numel() or seen.max() == -inf:
            return None
        free = (first < 0) & (last < self._last)
        return float(seen[free].max() if free.any() and seen.max() < inf else seen.max())

    def side(self, tensor: Tensor) -> int:
        """Return the side of a tensor along the axis, without padding that has just been added to it."""
        return int(self._unpadded.get(tensor) or tensor.shape[self._axis - 2])  # type: ignore[no-untyped-call]

    def update(self, layer: Any, given: Sequence[Any], outputs: Sequence[Tensor]) -> int:
        """Follow a layer that updates a mask by its kernel; return what it leaves of the hole."""
        kernel = (layer.kernel_size, layer.stride, layer.padding, layer.dilation)
        for sources, output in zip(given, outputs, strict=False):
            maps = [self._of(source) for source in tree_leaves(sources)]
            if any(given[2:]):  # it enlarges the first input itself
                maps[0] = F.interpolate(maps[0], scale_factor=2)
            joined = [_windows(output.shape[-2:], _joined(m), *kernel) for m in maps]
            self._found[output] = reduce(torch.maximum, joined).expand(output.shape)
        known = self._of(outputs[1])[2, 0] > 0
        return int((~known.any(1 - self._axis)).sum())

    def __torch_function__(
        self, func: Callable[..., Any], types: Any, args: Any = (), kwargs: Any = None
    ) -> Any:
        """Run one function and note what its results see."""
        kwargs = kwargs or {}
        result = func(*args, **kwargs)
        outputs = [leaf for leaf in tree_leaves(result) if isinstance(leaf, Tensor)]
        sources = [leaf for leaf in tree_leaves((args, kwargs)) if isinstance(leaf, Tensor)]
        name = _name(func)
        if name == "pad":
            self._unpadded[result] = self.side(args[0])
        if name == "__setitem__":
            self._found[args[0]] = _EVERYTHING.expand(args[0].shape)
        elif outputs and any(source in self._found for source in sources):
            try:
                maps = tree_leaves(self._follow(name, func, args, kwargs, outputs[0]))
                maps = maps if len(maps) > 1 else maps * len(outputs)
                maps = [m.expand(output.shape) for m, output in zip(maps, outputs, strict=True)]
            except (RuntimeError, IndexError, TypeError, ValueError):  # it is none of the kinds below
                maps = [_EVERYTHING.expand(output.shape) for output in outputs]
            self._found.update(zip(outputs, maps, strict=True))
        return result

    def _follow(
        self, name: str, func: Callable[..., Any], args: Any, kwargs: Any, output: Tensor
    ) -> Any:
        """Return the coordinates of what a function makes."""
        if name.endswith("_like") or name.startswith("new_"):
            return _NOTHING
        leaves = [leaf for leaf in tree_leaves((args, kwargs)) if isinstance(leaf, Tensor)]
        seen = [self._found[leaf] for leaf in leaves if leaf in self._found]
        args, kwargs = tree_map(self._of, (args, kwargs))
        if name in _READS:
            read, names = _READS[name]
            given = dict(zip(names.split(), args[1:], strict=False)) | kwargs
            return read(output.shape[-2:], given.pop("input", args[0]), **given)
        if name in _MOVES:
            if all(map(_is_everything, seen)):
                return _EVERYTHING
            try:
                return func(*args, **kwargs)
            except RuntimeError:  # such a view needs values that lie apart
                return func(args[0].contiguous(), *args[1:], **kwargs)
        if any(map(_is_everything, seen)):
            return _EVERYTHING
        dims = kwargs.get("dim", args[1] if len(args) > 1 else None)
        if name in _STATISTICS and not isinstance(dims, Tensor):
            return self._statistic(args[0], dims, output)
        if name in _ALONG:
            return args[0].amax(dims if isinstance(dims, int) else -1, True)
        if name in ("matmul", "__matmul__", "bmm"):  # of two that see the image: attention
            product = torch.maximum(args[0].amax(-1, True), args[1].amax(-2, True))
            return product if len(seen) == 1 else _EVERYTHING
        return reduce(torch.maximum, map(_thin, seen))

    def _of(self, value: Any) -> Any:
        """Return the coordinates of a tensor; one that no image came into sees nothing."""
        if not isinstance(value, Tensor):
            return value
        return self._found[value] if value in self._found else _NOTHING.expand(value.shape)

    def _statistic(self, x: Tensor, dims: Any, output: Tensor) -> Tensor:
        if dims is None:
            return _NOTHING
        reduced = x.amax(dims, output.ndim == x.ndim)
        return reduced if self._is_whole(x) or not self._is_whole(reduced) else _NOTHING

    def _is_whole(self, x: Tensor) -> bool:
        return bool((x[0] >= 0).all() and (x[1] >= self._last).all())


def _name(func: Callable[..., Any]) -> str:
    """Return a function's name; of a property, as `x.mT`, that of the property; `add` for `add_`."""
    name = str(getattr(func, "__name__", ""))
    if name == "__get__":
        return str(getattr(getattr(func, "__self__", None), "__name__", ""))
    return name if name.endswith("__") else name.removesuffix("_").removesuffix("_with_indices")


def _thin(x: Tensor) -> Tensor:
    """Return coordinates with one in place of many that are one in memory."""
    for dim in range(1, x.ndim):
        x = x.narrow(dim, 0, 1) if x.stride(dim) == 0 and x.shape[dim] > 1 else x
    return x


def _is_everything(x: Tensor) -> bool:
    """Tell whether one infinite value stands for all, as behind an attention."""
    return not any(x.stride()) and bool(x[(0,) * x.ndim] == inf)


def _joined(x: Tensor) -> Tensor:
    """Return what is seen in any channel, `[3, 1, h, w]`."""
    return x[:, :1] if x.stride(1) == 0 else x.amax(1, True)


def _pair(value: Any) -> tuple[Any, Any]:
    return (value[0], value[-1]) if isinstance(value, Sequence) else (value, value)


def _windows(plane: Any, x: Tensor, kernel: Any, stride: Any, before: Any, dilation: Any) -> Tensor:
    """Return the largest in each window, of which `plane` come out; beyond the border is nothing."""
    x = _thin(x)
    sides = zip(*map(_pair, (plane, kernel, stride, before, dilation)), strict=True)
    for dim, (after, size, step, start, gap) in zip((-2, -1), sides, strict=True):
        if x.shape[dim] > 1:  # one value alone is all that any window can see
            end = (after - 1) * step + gap * (size - 1) + 1 - start - x.shape[dim]
            line = F.pad(x.movedim(dim, -1), (start, end), value=-inf)
            windows = line.unfold(-1, gap * (size - 1) + 1, step)[..., ::gap]
            x = windows.amax(-1).movedim(-1, dim)
    return x


def _conv2d(
    plane: Any, x: Tensor, weight: Tensor, stride: Any = 1, padding: Any = 0, dilation: Any = 1, **_: Any
) -> Tensor:
    if _thin(weight).max() > -inf:  # a kernel made from the image sees whatever the image says
        return _EVERYTHING
    kernel = weight.shape[2:]
    if padding == "same":
        padding = [d * (k - 1) // 2 for d, k in zip(_pair(dilation), kernel, strict=True)]
    return _windows(plane, _joined(x), kernel, stride, 0 if padding == "valid" else padding, dilation)


def _conv_transpose2d(
    plane: Any, x: Tensor, weight: Tensor, stride: Any = 1, padding: Any = 0, dilation: Any = 1, **_: Any
) -> Tensor:
    # The values stand apart, with nothing between them.
    kernel, steps = weight.shape[2:], _pair(stride)
    sides = [(side - 1) * step + 1 for side, step in zip(x.shape[2:], steps, strict=True)]
    apart = x.new_full((3, 1, *sides), -inf)
    apart[..., :: steps[0], :: steps[1]] = _joined(x)
    gaps = zip(_pair(dilation), kernel, _pair(padding), strict=True)
    return _windows(plane, apart, kernel, 1, [d * (k - 1) - p for d, k, p in gaps], dilation)


def _pool2d(plane: Any, x: Tensor, kernel_size: Any, stride: Any = 0, **given: Any) -> Tensor:
    shape = (kernel_size, stride or kernel_size, given.get("padding", 0), given.get("dilation", 1))
    return _windows(plane, x, *shape)


def _adaptive_pool2d(plane: Any, x: Tensor, **_: Any) -> Tensor:
    # One value for the plane is a statistic.
    return _NOTHING if tuple(plane) == (1, 1) else F.adaptive_max_pool2d(x, tuple(plane))


def _pad(_: Any, x: Tensor, pad: Any, mode: str = "constant", **__: Any) -> Tensor:
    return F.pad(x, pad, value=-inf) if mode == "constant" else F.pad(x, pad, mode)


def _interpolate(plane: Any, x: Tensor, size: Any = None, mode: str = "nearest", **given: Any) -> Tensor:
    factor = given.get("scale_factor")
    if mode.startswith("nearest"):
        return F.interpolate(x, size, factor, mode)
    if mode == "area":
        return _adaptive_pool2d(plane, x)
    cubic, smooth, aligned = mode == "bicubic", given.get("antialias"), given.get("align_corners")
    factors = _pair(None if given.get("recompute_scale_factor") else factor)
    for dim, after, factor in zip((-2, -1), plane, factors, strict=True):
        before = x.shape[dim]
        # The factor as given: sides that it does not divide are cut, not stretched.
        scale = 1 / factor if factor else before / after
        place = (torch.arange(after).double() + 0.5) * scale - 0.5
        place = torch.arange(after) * (before - 1) / max(1, after - 1) if aligned else place
        reach = (2 if cubic else 1) * (max(1, scale) if smooth else 1) - 1e-6
        # On a place itself cubic weights of all others are 0.
        alone = (place - place.round()).abs() < (1e-6 if cubic and not smooth else 0)
        places = (torch.where(alone, place.round(), end) for end in (place - reach + 1, place + reach))
        first, last = (end.floor().long().clamp(0, before - 1) for end in places)
        x = torch.maximum(x.index_select(dim, first), x.index_select(dim, last))
    return x


#: Function -> what it reads on the last two dimensions, and the names of its arguments after the first.
_READS: dict[str, tuple[Callable[..., Tensor], str]] = {
    "conv2d": (_conv2d, "weight bias stride padding dilation"),
    "conv_transpose2d": (
        _conv_transpose2d, "weight bias stride padding output_padding groups dilation",
    ),
    "avg_pool2d": (_pool2d, "kernel_size stride padding"),
    "max_pool2d": (_pool2d, "kernel_size stride padding dilation"),
    "adaptive_avg_pool2d": (_adaptive_pool2d, ""),
    "adaptive_max_pool2d": (_adaptive_pool2d, ""),
    "interpolate": (_interpolate, "size scale_factor mode align_corners"),
    "pad": (_pad, "pad mode"),
}  # fmt: skip

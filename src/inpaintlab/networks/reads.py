"""What each function of torch reads along height and width, from the arguments it is called with."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

from torch import Tensor

from inpaintlab.networks.receptive import Taps, adaptive, convolution, resampling, shuffle, transposed


@dataclass(frozen=True)
class Called:
    """One call of a function: its arguments, the feature map first, and what came out."""

    args: Sequence[Any]
    kwargs: Mapping[str, Any]
    output: Tensor

    @property
    def sides(self) -> list[tuple[int, int]]:
        """(before, after) of the height and of the width."""
        return list(zip(self.args[0].shape[-2:], self.output.shape[-2:], strict=True))

    def argument(self, place: int, name: str, default: Any = None) -> Any:
        """Return an argument, however it was given."""
        return self.args[place] if len(self.args) > place else self.kwargs.get(name, default)

    def pair(self, place: int, name: str, default: Any = None) -> tuple[int, int]:
        """Return an argument as one number for height and one for width."""
        value = self.argument(place, name, default)
        if isinstance(value, int):
            return value, value
        return (value[0], value[0]) if len(value) == 1 else (value[0], value[1])


def _conv2d(call: Called) -> tuple[Taps, ...]:
    kernel = call.argument(1, "weight").shape[-2:]
    dilation = call.pair(5, "dilation", 1)
    padding = call.argument(4, "padding", 0)
    if padding == "valid":
        before = (0, 0)
    elif padding == "same":
        before = tuple(d * (k - 1) // 2 for k, d in zip(kernel, dilation, strict=True))
    else:
        before = call.pair(4, "padding", 0)
    return tuple(map(convolution, kernel, call.pair(3, "stride", 1), before, dilation))


def _conv_transpose2d(call: Called) -> tuple[Taps, ...]:
    kernel = call.argument(1, "weight").shape[-2:]
    stride, padding = call.pair(3, "stride", 1), call.pair(4, "padding", 0)
    return tuple(map(transposed, kernel, stride, padding, call.pair(7, "dilation", 1)))


def _average_pool(call: Called) -> tuple[Taps, ...]:
    kernel = call.pair(1, "kernel_size")
    stride = call.pair(2, "stride") if call.argument(2, "stride") else kernel
    return tuple(map(convolution, kernel, stride, call.pair(3, "padding", 0)))


def _max_pool(call: Called) -> tuple[Taps, ...]:
    kernel = call.pair(1, "kernel_size")
    stride = call.pair(2, "stride") if call.argument(2, "stride") else kernel
    dilation = call.pair(4, "dilation", 1)
    return tuple(map(convolution, kernel, stride, call.pair(3, "padding", 0), dilation))


def _adaptive_pool(call: Called) -> tuple[Taps, ...]:
    return tuple(adaptive(before, after) for before, after in call.sides)


def _interpolate(call: Called) -> tuple[Taps, ...]:
    mode = call.argument(3, "mode", "nearest")
    corners, smooth = bool(call.argument(4, "align_corners")), bool(call.argument(6, "antialias"))
    if mode == "area":
        return _adaptive_pool(call)
    if corners:
        scales = [Fraction(before - 1, max(1, after - 1)) for before, after in call.sides]
    elif call.argument(2, "scale_factor") and not call.argument(5, "recompute_scale_factor"):
        # The factor as given: sides that it does not divide are cut, not stretched.
        factors = call.argument(2, "scale_factor")
        both = factors if isinstance(factors, Sequence) else (factors, factors)
        scales = [1 / Fraction(factor).limit_denominator(1000) for factor in both]
    else:
        scales = [Fraction(before, after) for before, after in call.sides]
    return tuple(resampling(scale, mode, corners=corners, smooth=smooth) for scale in scales)


def _pixel_shuffle(call: Called) -> tuple[Taps, ...]:
    return tuple(map(shuffle, call.pair(1, "upscale_factor")))


def _pixel_unshuffle(call: Called) -> tuple[Taps, ...]:
    factors = call.pair(1, "downscale_factor")
    return tuple(map(convolution, factors, factors))


def _pad(call: Called) -> tuple[Taps, ...]:
    left, _, top, _ = [*call.argument(1, "pad"), 0, 0][:4]
    return Taps(((-top,),), 1), Taps(((-left,),), 1)


def _getitem(call: Called) -> tuple[Taps, ...] | None:
    """Read slices; an index that takes one row, or is a tensor, loses sight of the plane."""
    source = call.args[0]
    index = list(call.args[1]) if isinstance(call.args[1], tuple) else [call.args[1]]
    if any(isinstance(item, Tensor) for item in index):
        return None
    named = sum(item is not None and item is not Ellipsis for item in index)
    dots = next((place for place, item in enumerate(index) if item is Ellipsis), len(index))
    index[dots : dots + 1] = [slice(None)] * (source.ndim - named)
    last = index[-2:]
    if not all(isinstance(item, slice) for item in last):
        return None
    taken = [item.indices(side) for item, side in zip(last, source.shape[-2:], strict=True)]
    return tuple(Taps(((start,),), step) for start, _, step in taken)


#: Function -> its taps for height and width; None where they cannot be said.
READS: dict[str, Callable[[Called], tuple[Taps, ...] | None]] = {
    "conv2d": _conv2d,
    "conv_transpose2d": _conv_transpose2d,
    "avg_pool2d": _average_pool,
    "max_pool2d": _max_pool,
    "max_pool2d_with_indices": _max_pool,
    "adaptive_avg_pool2d": _adaptive_pool,
    "adaptive_max_pool2d": _adaptive_pool,
    "interpolate": _interpolate,
    "upsample": _interpolate,
    "pixel_shuffle": _pixel_shuffle,
    "pixel_unshuffle": _pixel_unshuffle,
    "pad": _pad,
    "__getitem__": _getitem,
}

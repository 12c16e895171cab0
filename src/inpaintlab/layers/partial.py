"""Partial convolution (Liu et al. 2018, "Image Inpainting for Irregular Holes…", ECCV)."""

from collections.abc import Iterator, Sequence
from itertools import product
from typing import Any, NamedTuple, cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.autograd.function import once_differentiable

#: Values of one chunk of the batch. Masking and scaling are then done while the chunk lies in the
#: processor's cache; over the whole batch at once they cost up to a quarter of the convolution.
_CHUNK = 1 << 19
#: From so many pixels on, folding the weights costs less than the multiplications that it saves.
_WORTH_FOLDING = 1024


class _Shape(NamedTuple):
    stride: tuple[int, int]
    padding: tuple[int, int]
    dilation: tuple[int, int]


class PartialConv2d(nn.Conv2d):
    """A convolution that sees valid pixels only, and tells which of its outputs have seen any.

    With `W` and `b` its weight and bias, `x` in the window, `valid` 1 where `x` is known::

        y = W·(x * valid) * window / sum(valid) + b   where sum(valid) > 0, else exactly 0
        new valid = sum(valid) > 0

    `window` is the number of weights that one output looks at, with its channels where the mask has
    channels. There is no epsilon: sums are counts, exact in float32, also when `x` is in half precision.
    Source: equations 1 and 2 of the paper; zero padding counts as not valid, as there.
    """

    #: `inpaint summary` follows a hole through layers that say so.
    updates_mask = True

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: int | tuple[int, int],
        stride: int | tuple[int, int] = 1,
        padding: int | tuple[int, int] = 0,
        dilation: int | tuple[int, int] = 1,
        bias: bool = True,
    ) -> None:
        super().__init__(in_channels, out_channels, kernel_size, stride, padding, dilation, bias=bias)

    def forward(  # type: ignore[override]
        self,
        x: Tensor | Sequence[Tensor],
        valid: Tensor | Sequence[Tensor],
        *,
        enlarge: bool = False,
    ) -> tuple[Tensor, Tensor]:
        """Convolve `[B, C, H, W]` where `valid`, `[B, 1 or C, H, W]` of 0 and 1, is 1.

        Returns `[B, out, H', W']` and its valid mask `[B, 1, H', W']` in float32. Two or more inputs,
        each with a mask of its own, are taken as if concatenated along their channels (a decoder's
        features and its skip); their masks are never spread over channels. With `enlarge` the first
        input and its mask are at half of the height and width, and taken as if their pixels were
        repeated: where it pays, they are convolved as small as they are.

        >>> x, valid = torch.ones(1, 1, 1, 4), torch.tensor([1.0, 0, 0, 0]).view(1, 1, 1, 4)
        >>> layer = PartialConv2d(1, 1, (1, 3), padding=(0, 1), bias=False)
        >>> _ = nn.init.ones_(layer.weight)
        >>> y, new = layer(x, valid)
        >>> y.flatten().tolist(), new.flatten().tolist()
        ([3.0, 3.0, 0.0, 0.0], [1.0, 1.0, 0.0, 0.0])
        """
        xs, valids = _listed(x), _listed(valid)
        shape = _Shape(*(cast(tuple[int, int], p) for p in (self.stride, self.padding, self.dilation)))
        at_full_size = [_enlarged(valids[0]) if enlarge else valids[0], *valids[1:]]
        with torch.no_grad():
            ratio, new = self._ratio(xs, at_full_size, shape)
        if enlarge and not self._worth_folding(xs[0], shape):
            xs, valids, enlarge = [_enlarged(xs[0]), *xs[1:]], at_full_size, False
        weight, bias = self.weight, self.bias
        # The meta device, where shapes are counted, knows no autocast.
        kind = "cpu" if xs[0].is_meta else xs[0].device.type
        if torch.is_autocast_enabled(kind):
            half = torch.get_autocast_dtype(kind)
            xs = [x.to(half) for x in xs]
            weight, bias = weight.to(half), None if bias is None else bias.to(half)
        masks = [valid.to(xs[0].dtype) for valid in valids]
        with torch.autocast(kind, enabled=False):
            if torch.compiler.is_compiling():  # exporters know no chunks
                y = F.conv2d(_masked(xs, masks), weight, None, *shape) * ratio.to(weight.dtype)
                return y if bias is None else y + bias.view(1, -1, 1, 1) * new, new
            y = _Partial.apply((shape, enlarge), weight, bias, ratio, new, *xs, *masks)
        return y, new

    def _worth_folding(self, x: Tensor, shape: _Shape) -> bool:
        usual = self.kernel_size == (3, 3) and shape == _SAME_SIZE
        return usual and x[:, 0].numel() >= _WORTH_FOLDING and not torch.compiler.is_compiling()

    def _ratio(self, xs: list[Tensor], valids: list[Tensor], shape: _Shape) -> tuple[Tensor, Tensor]:
        """Return window / sum(valid), 0 where the sum is, and where it is not; both `[B, 1, H', W']`.

        All output channels have the same sum, so one is computed. Of several inputs a mask of one
        channel counts as often as its input has channels.
        """
        several = len(xs) > 1
        counts = []
        for x, valid in zip(xs, valids, strict=True):
            ones = torch.ones(1, valid.shape[1], *self.kernel_size, device=valid.device)
            count = F.conv2d(valid.float(), ones, None, *shape)
            counts.append(count * x.shape[1] if several and valid.shape[1] == 1 else count)
        total = sum(counts[1:], counts[0]).to(torch.promote_types(xs[0].dtype, torch.float32))
        channels = self.in_channels if several or valids[0].shape[1] > 1 else 1
        window = channels * self.kernel_size[0] * self.kernel_size[1]
        seen = total > 0
        return torch.where(seen, window / total, 0), seen.float()


class _Partial(torch.autograd.Function):
    """The formula chunk by chunk; of `x * valid` nothing is kept, the gradient makes it again."""

    @staticmethod
    def forward(
        ctx: Any,
        plan: tuple[_Shape, bool],
        weight: Tensor,
        bias: Tensor | None,
        ratio: Tensor,
        new: Tensor,
        *inputs: Tensor,
    ) -> Tensor:
        ctx.plan, ctx.has_bias = plan, bias is not None
        ctx.save_for_backward(weight, ratio, new, *inputs)
        xs, valids = _halves(inputs)
        convolutions = _convolutions(plan, weight, xs)
        size = (len(ratio), len(weight), *ratio.shape[2:])
        first = xs[0]
        out = torch.empty(size, dtype=first.dtype, device=first.device, memory_format=_layout(first))
        for part in _chunks(xs, out):
            y = None
            for convolution, which in convolutions:
                masked = _masked([x[part] for x in xs[which]], [v[part] for v in valids[which]])
                one = convolution.forward(masked)
                y = one if y is None else y.add_(one)
            assert y is not None
            torch.mul(y, ratio[part], out=out[part])
            if bias is not None:
                out[part].addcmul_(bias.view(1, -1, 1, 1), new[part].to(bias.dtype))
        return out

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:
        weight, ratio, new, *inputs = ctx.saved_tensors
        xs, valids = _halves(inputs)
        of_xs = [torch.empty_like(x) for x in xs]
        of_bias = weight.new_zeros(len(weight)) if ctx.has_bias else None
        wanted = [any(ctx.needs_input_grad[5:]), ctx.needs_input_grad[1], False]
        convolutions = _convolutions(ctx.plan, weight, xs)
        for part in _chunks(xs, gradient):
            scaled = (gradient[part] * ratio[part]).to(weight.dtype)
            for convolution, which in convolutions:
                known = [valid[part] for valid in valids[which]]
                masked = _masked([x[part] for x in xs[which]], known)
                of_masked = convolution.backward(scaled, masked, wanted)
                if of_masked is not None:
                    pieces = torch.split(of_masked, [x.shape[1] for x in xs[which]], 1)
                    for of_x, piece, valid in zip(of_xs[which], pieces, known, strict=True):
                        torch.mul(piece, valid, out=of_x[part])
            if of_bias is not None:
                of_bias += (gradient[part] * new[part]).sum((0, 2, 3))
        of_weights = [convolution.weight_gradient() for convolution, _ in convolutions]
        of_weight = of_weights[0] if len(of_weights) == 1 else torch.cat(of_weights, 1)
        nothing = (None,) * len(valids)
        return (None, of_weight, of_bias, None, None, *(of_xs if wanted[0] else nothing), *nothing)


class _Convolution:
    """A convolution and its gradients, for one chunk of the batch after another."""

    def __init__(self, weight: Tensor, shape: _Shape) -> None:
        self.weight, self.shape = weight, shape
        self.of_weight: Tensor | None = None

    def forward(self, x: Tensor) -> Tensor:
        return F.conv2d(x, self.weight, None, *self.shape)

    def backward(self, gradient: Tensor, x: Tensor, wanted: list[bool]) -> Tensor | None:
        """Return the gradient of `x`, and remember that of the weight; as far as wanted."""
        of_x, more, _ = torch.ops.aten.convolution_backward(
            gradient, x, self.weight, None, *self.shape, False, (0, 0), 1, wanted
        )
        if wanted[1]:
            self.of_weight = more if self.of_weight is None else self.of_weight.add_(more)
        return cast(Tensor, of_x) if wanted[0] else None

    def weight_gradient(self) -> Tensor:
        return torch.zeros_like(self.weight) if self.of_weight is None else self.of_weight


class _OnEnlarged(_Convolution):
    """A 3×3 convolution of features whose pixels are repeated twofold, computed on the small ones.

    Of nine weights some fall on the same pixel: for each of the four places that a pixel becomes, they
    sum up to 2×2. That is 4/9 of the multiplications (the sub-pixel view of Shi et al. 2016).
    """

    def __init__(self, weight: Tensor) -> None:
        self.sums = _SUMS.to(weight)
        folded = torch.einsum("atu,bsv,oiuv->aboits", self.sums, self.sums, weight)
        super().__init__(folded.flatten(0, 2).contiguous(memory_format=_layout(weight)), _SAME_SIZE)

    def forward(self, x: Tensor) -> Tensor:
        height, width = x.shape[-2:]
        places = torch.unflatten(super().forward(x), 1, (2, 2, -1))
        size = (len(x), places.shape[3], 2 * height, 2 * width)
        y = torch.empty(size, dtype=x.dtype, device=x.device, memory_format=_layout(x))
        for a, b in product((0, 1), (0, 1)):
            y[..., a::2, b::2] = places[:, a, b, :, a : a + height, b : b + width]
        return y

    def backward(self, gradient: Tensor, x: Tensor, wanted: list[bool]) -> Tensor | None:
        height, width = x.shape[-2:]
        size = (len(x), len(self.weight), height + 1, width + 1)
        apart = torch.empty(size, dtype=x.dtype, device=x.device, memory_format=_layout(x)).zero_()
        places = torch.unflatten(apart, 1, (2, 2, -1))
        for a, b in product((0, 1), (0, 1)):
            places[:, a, b, :, a : a + height, b : b + width] = gradient[..., a::2, b::2]
        return super().backward(apart, x, wanted)

    def weight_gradient(self) -> Tensor:
        apart = torch.unflatten(super().weight_gradient(), 0, (2, 2, -1))
        return torch.einsum("atu,bsv,aboits->oiuv", self.sums, self.sums, apart)


#: Which rows of a 3×3 kernel fall on the first and on the second of two pixels, for an even row of the
#: enlarged features and for an odd one.
_SUMS = torch.tensor([[[1.0, 0, 0], [0, 1, 1]], [[1, 1, 0], [0, 0, 1]]])
_SAME_SIZE = _Shape((1, 1), (1, 1), (1, 1))


def _convolutions(
    plan: tuple[_Shape, bool], weight: Tensor, xs: Sequence[Tensor]
) -> list[tuple[_Convolution, slice]]:
    """Return convolutions whose sum is the layer's, each with the inputs that it takes."""
    shape, enlarge = plan
    if not enlarge:
        return [(_Convolution(weight, shape), slice(None))]
    channels = xs[0].shape[1]
    first: list[tuple[_Convolution, slice]] = [(_OnEnlarged(weight[:, :channels]), slice(1))]
    rest = [(_Convolution(weight[:, channels:], shape), slice(1, None))] if len(xs) > 1 else []
    return first + rest


def _enlarged(x: Tensor) -> Tensor:
    return F.interpolate(x, scale_factor=2, mode="nearest")


def _masked(xs: Sequence[Tensor], valids: Sequence[Tensor]) -> Tensor:
    parts = [x * valid for x, valid in zip(xs, valids, strict=True)]
    return parts[0] if len(parts) == 1 else torch.cat(parts, 1)


def _listed(value: Tensor | Sequence[Tensor]) -> list[Tensor]:
    return [value] if isinstance(value, Tensor) else list(value)


def _halves(inputs: Sequence[Tensor]) -> tuple[Sequence[Tensor], Sequence[Tensor]]:
    half = len(inputs) // 2
    return inputs[:half], inputs[half:]


def _layout(x: Tensor) -> torch.memory_format:
    last = x.is_contiguous(memory_format=torch.channels_last) and x.shape[1] > 1
    return torch.channels_last if last else torch.contiguous_format


def _chunks(xs: Sequence[Tensor], out: Tensor) -> Iterator[slice]:
    """Yield parts of the batch that fit into the cache; elsewhere than on a CPU all of it."""
    count = len(out)
    largest = max(sum(x[0].numel() for x in xs), out[0].numel()) if count else 1
    step = max(1, _CHUNK // largest) if out.device.type == "cpu" else count
    return (slice(start, start + step) for start in range(0, count, max(1, step)))

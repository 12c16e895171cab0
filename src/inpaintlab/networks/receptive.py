"""Receptive fields as arithmetic: which pixels of the image can reach a position of a feature map.

Along one axis, position i of a feature map sees the pixels from `low(i)` to `high(i)`. Whatever the
network, both repeat themselves: some number of positions further on, everything is the same, shifted by
a whole number of pixels. So one period holds the whole axis, far from the image's border, at no cost
for any size. (The usual recurrence of size and stride, Araujo et al. 2019, is the case of period 1.)
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from fractions import Fraction
from functools import reduce
from math import ceil, gcd, inf, lcm


@dataclass(frozen=True)
class Taps:
    """What an operation reads along one axis.

    Output position i, within the first `len(reads)`, reads the input positions `reads[i]`; those of
    position i + `len(reads)` are the same, plus `step`.
    """

    reads: tuple[tuple[int, ...], ...]
    step: int

    def at(self, position: int) -> tuple[int, ...]:
        """Return the input positions that one output position reads; some may lie outside."""
        turns, phase = divmod(position, len(self.reads))
        return tuple(read + turns * self.step for read in self.reads[phase])


@dataclass(frozen=True)
class Axis:
    """The pixels seen by each position along one axis: `spans` of one period, then moved on by `shift`.

    A span is the first and the last pixel; a position that sees nothing has (inf, -inf).
    """

    spans: tuple[tuple[float, float], ...]
    shift: int

    @property
    def jump(self) -> Fraction:
        """Pixels from one position to the next, on average."""
        return Fraction(self.shift, len(self.spans))

    @property
    def extent(self) -> int:
        """Pixels seen by the position that sees the most."""
        return max(int(high - low) + 1 if low <= high else 0 for low, high in self.spans)

    def span(self, position: int) -> tuple[float, float]:
        """Return the first and the last pixel that a position sees, if no border is near."""
        turns, phase = divmod(position, len(self.spans))
        low, high = self.spans[phase]
        return low + turns * self.shift, high + turns * self.shift

    def through(self, taps: Taps) -> "Axis":
        """Return what is seen after an operation.

        >>> pixels = Axis(((0, 0),), 1)
        >>> pixels.through(convolution(3, stride=2, padding=1)).through(convolution(3)).extent
        7
        """
        turns = len(self.spans) // gcd(len(self.spans), taps.step)
        spans = tuple(
            _hull(self.span(read) for read in taps.at(position))
            for position in range(turns * len(taps.reads))
        )
        return Axis(spans, turns * taps.step // len(self.spans) * self.shift)

    def join(self, other: "Axis") -> "Axis":
        """Return what both together see; the jump of both must be the same."""
        period = lcm(len(self.spans), len(other.spans))
        spans = tuple(_hull((self.span(i), other.span(i))) for i in range(period))
        return Axis(spans, period // len(self.spans) * self.shift)


#: The image itself: every position sees its own pixel.
PIXELS = Axis(((0, 0),), 1)


@dataclass(frozen=True)
class Field:
    """The receptive fields of a tensor; `places` are its dimensions of height and width, from the end.

    No axes mean that every value can see the whole image.
    """

    axes: tuple[Axis, Axis] | None = None
    places: tuple[int, int] = (-2, -1)

    @property
    def extent(self) -> tuple[int, int] | None:
        """Pixels seen, height and width, or None for the whole image."""
        return (self.axes[0].extent, self.axes[1].extent) if self.axes else None

    def plane(self, shape: Sequence[int]) -> tuple[int, ...] | None:
        """Return height and width of a tensor of this shape, None if it has too few dimensions."""
        return tuple(shape[p] for p in self.places) if len(shape) >= -min(self.places) else None


WHOLE = Field()


def union(fields: Iterable[Field]) -> Field:
    """Return what a value sees that is computed from values with these fields, place by place."""
    return reduce(_pair, fields)


def _pair(first: Field, second: Field) -> Field:
    if first == second:
        return first
    if first.axes is None or second.axes is None or first.places != second.places:
        return WHOLE
    pairs = list(zip(first.axes, second.axes, strict=True))
    if any(a.jump != b.jump for a, b in pairs):
        return WHOLE
    rows, columns = (a.join(b) for a, b in pairs)
    return Field((rows, columns), first.places)


def _hull(spans: Iterable[tuple[float, float]]) -> tuple[float, float]:
    low, high = inf, -inf
    for first, last in spans:
        low, high = min(low, first), max(high, last)
    return low, high


def convolution(kernel: int, stride: int = 1, padding: int = 0, dilation: int = 1) -> Taps:
    """Taps of a convolution or a pooling."""
    return Taps((tuple(dilation * k - padding for k in range(kernel)),), stride)


def transposed(kernel: int, stride: int = 1, padding: int = 0, dilation: int = 1) -> Taps:
    """Taps of a transposed convolution; with a kernel shorter than the stride, some read nothing."""
    phases = [[o + padding - dilation * k for k in range(kernel)] for o in range(stride)]
    return Taps(tuple(tuple(p // stride for p in phase if p % stride == 0) for phase in phases), 1)


def shuffle(factor: int) -> Taps:
    """Taps of a pixel shuffle: each position is split into `factor`."""
    return Taps(((0,),) * factor, 1)


def adaptive(before: int, after: int) -> Taps:
    """Taps of an adaptive pooling from `before` to `after` positions."""
    parts = [range(i * before // after, ceil((i + 1) * before / after)) for i in range(after)]
    return Taps(tuple(tuple(part) for part in parts), before)


def resampling(scale: Fraction, mode: str, *, corners: bool = False, smooth: bool = False) -> Taps:
    """Taps of `F.interpolate`: `scale` is the input's side over the output's.

    `corners` is its `align_corners`, `smooth` its `antialias`.
    """
    # Position i lies at i * scale + offset of the input.
    offset = Fraction(0) if corners or mode == "nearest" else (scale - 1) / 2
    places = [i * scale + offset for i in range(scale.denominator)]
    stretch = max(scale, Fraction(1)) if smooth else Fraction(1)
    return Taps(tuple(_neighbours(place, mode, stretch) for place in places), scale.numerator)


def _neighbours(place: Fraction, mode: str, stretch: Fraction) -> tuple[int, ...]:
    """Return the positions that interpolation weighs, those of weight 0 left out."""
    if mode == "nearest":
        return (place.__floor__(),)
    if mode == "nearest-exact":
        return ((place + Fraction(1, 2)).__floor__(),)
    reach = (2 if mode == "bicubic" else 1) * stretch
    near = range((place - reach).__floor__(), (place + reach).__ceil__() + 1)
    whole = mode == "bicubic" and stretch == 1 and place.denominator == 1
    return (int(place),) if whole else tuple(n for n in near if abs(n - place) < reach)


def shut(hole: Sequence[bool], taps: Taps, length: int) -> tuple[bool, ...]:
    """Return which of `length` positions a mask update leaves in the hole: those that read nothing else.

    What lies beyond the border has no say. A square hole stays a rectangle, so one axis at a time is
    exact.

    >>> shut([False, True, True, True, False], convolution(3, padding=1), 5)
    (False, False, True, False, False)
    """
    seen = ([hole[t] for t in taps.at(i) if 0 <= t < len(hole)] for i in range(length))
    return tuple(bool(values) and all(values) for values in seen)

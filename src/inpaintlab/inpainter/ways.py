"""Ways to fill holes: a network by a strategy, copied detail, classical methods, and each by thickness.

A way is called with an image, its hole, `[H, W]` of 0 and 1, and `wanted`, the part of the hole that is
asked for. It yields crops whose holes together hold all that is wanted, and colours for their bounds.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from functools import partial

import cv2
import numpy as np
from torch import nn

from inpaintlab.arrays import Bool, Float32, UInt8
from inpaintlab.baselines import BASELINES
from inpaintlab.errors import SettingError, near_miss
from inpaintlab.images import DecodedImage
from inpaintlab.inpainter.crops import Box, Crop, explain, plan
from inpaintlab.inpainter.filling import fill_crops, known_colours
from inpaintlab.inpainter.selftest import Filler, choose
from inpaintlab.inpainter.thin import LINE, THICK, along, thin_part
from inpaintlab.inpainter.weights import default_network

Way = Callable[[DecodedImage, UInt8, UInt8], Iterable[tuple[Crop, Float32]]]
#: Methods that are no baseline: the network at hand, the same with detail, and by a hole's thickness.
WAYS = (MODEL, DETAIL, AUTO) = ("model", "model+detail", "auto")
#: Classical methods that look no further than a few pixels beyond a hole, and the windows they get.
_LOCAL, _WINDOW = {"telea", "navier-stokes", "biharmonic"}, 128
#: Pieces are tried where a network sees them so many times larger than crops.
_FINER = 1.2
#: Copied patches have this share of a fill with detail, and the network the rest: with less the holes as
#: a whole look less like those of photographs than PatchMatch's own (docs/explanation/filling.md).
PATCHES = np.float32(0.7)
#: Detail is looked for so many pixels around a hole, and at least as far as the hole is long.
_AROUND = 48
#: Side of the part of a large image in which ways are tried.
_TRIED = 512


@dataclass(frozen=True)
class Model:
    """The model at hand: how it fills, the size it is made for, and whether the package brought it."""

    fill: Way
    size: int
    is_default: bool = False


def by_method(method: str, model: Model, blend: str, told: list[str]) -> Way:
    """Return how a method fills with the model at hand; what `auto` does is added to `told`.

    Raises `SettingError` for a name that is not known.
    """
    check_method(method)
    if method in BASELINES:
        return by_baseline(method)
    if method == AUTO:
        return by_thickness(model, blend, told)
    return by_detail(model.fill) if method == DETAIL else model.fill


def check_method(name: str) -> None:
    """Raise `SettingError` for what is neither a way of the model at hand nor a baseline."""
    known = (*WAYS, *BASELINES)
    if name not in known:
        raise SettingError(f"unknown method {name!r}{near_miss(name, known)}")


def by_network(network: nn.Module, size: int, strategy: str, blend: str) -> Way:
    """Return how a network fills; `auto` tries crops and pieces where those are much finer."""

    def fill(image: DecodedImage, hole: UInt8, wanted: UInt8) -> Iterator[tuple[Crop, Float32]]:
        crops = plan(hole, size, strategy)
        pieces = plan(hole, size, "pieces") if strategy == "auto" else crops
        if _shrinks(crops, size) > _FINER * _shrinks(pieces, size):
            ways = {name: by_network(network, size, name, blend) for name in ("crop", "pieces")}
            crops = pieces if best_of(ways, image, hole, hole) == "pieces" else crops
        yield from fill_crops(network, image, hole, _holding(crops, wanted), size, blend)

    return fill


def by_baseline(name: str) -> Way:
    """Return how a classical method fills, at the image's own resolution and with 8 bits a channel."""
    return partial(_classical, name)


def by_detail(way: Way) -> Way:
    """Return how a way fills with detail: mixed with patches that are copied from around the hole.

    The way knows which colours belong there, and the patches how they look. Their errors differ, so the
    mixture is nearer to the truth than patches alone are, and what is badly chosen shows less.
    """

    def fill(image: DecodedImage, hole: UInt8, wanted: UInt8) -> Iterator[tuple[Crop, Float32]]:
        for crop in plan(wanted, _WINDOW, "crop"):
            box = crop.bounds.grown(max(_AROUND, *crop.bounds.size), Box(0, 0, *hole.shape))
            # Other holes nearby count as known, in the colours that the way gives them.
            guide, own = painted(way, image, hole, box), np.zeros(box.size, np.uint8)
            own[crop.bounds.inside(box)] = crop.hole
            inside = crop.bounds.inside(box)
            copied = _by_baseline("patchmatch", guide, own)[inside]
            yield crop, guide[inside] + PATCHES * (copied - guide[inside])

    return fill


def by_thickness(model: Model, blend: str, told: list[str]) -> Way:
    """Return how holes are filled by what did best on development images (docs/explanation/filling.md).

    What is thin is filled by the model that comes with the package, at full resolution: what stands in a
    few pixels is known better to it than to a network that has learnt whole faces. Such a network fills
    the rest, and of an image that it sees as large as it is all but lines. The model of the package
    knows no objects, so that large holes take detail as well.
    """
    default, made_for = default_network()
    thin_way, large_way = by_windows(default, made_for, blend), model.fill
    name: str = MODEL
    at: int | None = model.size
    if model.is_default:
        name, at, large_way = DETAIL, None, by_detail(model.fill)

    def fill(image: DecodedImage, hole: UInt8, wanted: UInt8) -> Iterator[tuple[Crop, Float32]]:
        thin = thin_of(hole, model)
        for part, way, how, size in (
            (thin, thin_way, "thin holes by the default model", made_for),
            (hole - thin, large_way, f"large holes by {name}", at),
        ):
            crops = []
            for crop, found in way(image, hole, part & wanted) if (part & wanted).any() else ():
                crops.append(replace(crop, hole=crop.hole & (part[crop.bounds.slices] > 0)))
                yield crops[-1], found
            if crops:
                told.append(explain(crops, how, size))

    return fill


def thin_of(hole: UInt8, model: Model) -> UInt8:
    """Return what of a hole the model of the package fills, which is what is thin to a model."""
    shrunk = min(hole.shape) > model.size
    return thin_part(hole, THICK if shrunk or model.is_default else LINE)


def by_windows(network: nn.Module, size: int, blend: str) -> Way:
    """Return how a network fills thin holes: at the image's own resolution, in windows along them."""

    def fill(image: DecodedImage, hole: UInt8, wanted: UInt8) -> Iterator[tuple[Crop, Float32]]:
        yield from fill_crops(network, image, hole, list(along(wanted, size)), size, blend)

    return fill


def best_of(ways: Mapping[str, Way], image: DecodedImage, hole: UInt8, part: UInt8) -> str:
    """Return the way that does best on known pixels which are shaped like a part of the hole.

    Of a large part a piece is tried. Where there is no room beside it, the first way is best.
    """
    box = _middle(part)
    known, near = known_colours(image, hole, box), hole[box.slices] > 0

    def filler(way: Way) -> Filler:
        def fill(known: Float32, inside: Bool, piece: Bool) -> Float32:
            seen, (y, x) = DecodedImage(known, "RGB"), np.nonzero(piece)
            box = Box(int(y.min()), int(x.min()), int(y.max()) + 1, int(x.max()) + 1)
            filled = known.copy()
            filled[box.slices] = painted(way, seen, inside.astype(np.uint8), box)
            return filled

        return fill

    fillers = {name: filler(way) for name, way in ways.items()}
    return choose(fillers, known, near, like=part[box.slices] > 0).best


def _middle(part: UInt8) -> Box:
    """Return where a part of a hole is tried: its surroundings, of a large one those of its middle."""
    left, top, wide, high = cv2.boundingRect(part)
    whole, bounds = Box(0, 0, *part.shape), Box(top, left, top + high, left + wide)
    if max(bounds.size) > _TRIED:
        y, x = np.nonzero(part)
        middle = Box(y[len(y) // 2], x[len(x) // 2], y[len(y) // 2], x[len(x) // 2])
        return middle.grown(_TRIED // 2, whole)
    return bounds.grown(max(_AROUND, *bounds.size), whole)


def painted(way: Way, image: DecodedImage, hole: UInt8, box: Box) -> Float32:
    """Return a box of an image as RGB in [0, 1], `[h, w, 3]`, with its hole filled in a way."""
    wanted, colours = np.zeros_like(hole), known_colours(image, hole, box)
    wanted[box.slices] = hole[box.slices]
    for crop, found in way(image, hole, wanted):
        common = crop.bounds.grown(0, box)
        inside = crop.hole[common.inside(crop.bounds)]
        colours[common.inside(box)][inside] = found[common.inside(crop.bounds)][inside]
    return colours


def _classical(
    name: str, image: DecodedImage, hole: UInt8, wanted: UInt8
) -> Iterator[tuple[Crop, Float32]]:
    for crop in _holding(plan(hole, _WINDOW, "pieces" if name in _LOCAL else "crop"), wanted):
        yield crop, _filled(name, image, hole, crop)


def _filled(name: str, image: DecodedImage, hole: UInt8, crop: Crop) -> Float32:
    """Return what a baseline makes of a crop, for its bounds."""
    known = known_colours(image, hole, crop.box)
    return _by_baseline(name, known, hole[crop.box.slices])[crop.bounds.inside(crop.box)]


def _by_baseline(name: str, colours: Float32, hole: UInt8) -> Float32:
    """Return RGB `[h, w, 3]` in [0, 1] with its hole filled by a baseline, which works with 8 bits."""
    seen = np.rint(colours.clip(0, 1) * 255).astype(np.uint8)
    return np.divide(BASELINES.need(name)(seen, hole), 255, dtype=np.float32)


def _holding(crops: Iterable[Crop], wanted: UInt8) -> list[Crop]:
    """Return the crops in whose share a pixel is wanted."""
    return [crop for crop in crops if (wanted[crop.bounds.slices] * crop.hole).any()]


def _shrinks(crops: list[Crop], size: int) -> float:
    """Return how many times smaller a network sees what is filled, in the mean of its pixels."""
    pixels = [float(crop.hole.sum()) for crop in crops]
    return float(np.average([max(1, min(crop.box.size) / size) for crop in crops], weights=pixels))

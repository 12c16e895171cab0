"""What can be said of a fill before the truth is known."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Generic, NamedTuple

import numpy as np
import torch
from torch import Tensor, nn

from inpaintlab.arrays import Float32, UInt8
from inpaintlab.baselines import on_tensors, telea, title
from inpaintlab.images import DecodedImage
from inpaintlab.inpainter.crops import Crop, plan, working_size
from inpaintlab.inpainter.filling import enlarge, shrink
from inpaintlab.inpainter.kinds import AnyImage
from inpaintlab.networks import needs
from inpaintlab.tensors import pad_to_multiple
from inpaintlab.trust import Expected, Seen, Trust, self_test

#: Of an image with more crops than this, those with the largest holes say whether it is foreign.
MOST_CROPS = 16
#: An image and its mask as a network sees them.
View = tuple[Tensor, Tensor]
#: The classical method that is set beside the model.
RIVAL = "telea"


@dataclass(frozen=True, kw_only=True)
class Judgement:
    """What is known of a fill, apart from the fill itself.

    `uncertainty`, `[H, W]` in [0, 1], says by how much a value of the fill may be off; nine of ten are
    off by less, in images like those of training. It is 0 outside holes. `expected_error` is the hole
    PSNR that is expected. Both are None for a model that was not calibrated. `novelty` says how unlike
    the images of training this one is: at most 1 for 95 % of images of their kind, None where nothing
    is known of those. `better_method` names a classical method that fills this image better, by what
    both make of known squares of it. An image is `trusted` where neither speaks against it; `reasons`
    say in sentences what does.
    """

    uncertainty: Float32 | None = None
    expected_error: Expected | None = None
    novelty: float | None = None
    better_method: str | None = None
    reasons: list[str] = field(default_factory=list)

    @property
    def trusted(self) -> bool:
        """Whether nothing speaks against the fill."""
        return not self.reasons


@dataclass(frozen=True, kw_only=True)
class Assessment(Judgement, Generic[AnyImage]):
    """A filled image, of the kind that it was, and what is known of the fill (`Judgement`)."""

    image: AnyImage

    @classmethod
    def of(cls, image: AnyImage, judgement: Judgement) -> "Assessment[AnyImage]":
        """Put both together."""
        return cls(image=image, **vars(judgement))


class Heeded(NamedTuple):
    """The method that is to fill an image, what speaks against the network, and how it was judged.

    `judgement` is None where the image was not judged.
    """

    method: str | None
    doubts: list[str]
    judgement: Judgement | None = None


def judge(
    network: nn.Module,
    size: int,
    trust: Trust | None,
    image: DecodedImage,
    hole: UInt8,
    strategy: str,
    *,
    errors: bool = True,
) -> Judgement:
    """Judge what a network would make of the hole of an image; nothing under the hole is looked at.

    Without `errors` its own is not predicted, which asks for a fill.
    """
    crops = sorted(plan(hole, size, strategy), key=lambda crop: -int(crop.hole.sum()))
    shares = torch.tensor([float(crop.hole.sum()) for crop in crops])
    every = crops if trust and errors else crops[:MOST_CROPS]
    views = [_view(network, image, hole, crop, size) for crop in every]
    weights = shares[:MOST_CROPS] / shares[:MOST_CROPS].sum()
    novelty = _novelty(network, trust, views[:MOST_CROPS], weights)
    better = None
    if _may_be_foreign(novelty):
        tests = [self_test(network, on_tensors(telea), *view) for view in views[:MOST_CROPS]]
        gain = sum(float(w * test.gain) for w, test in zip(weights, tests, strict=True))
        better = RIVAL if is_better(gain, novelty) else None
    expected, uncertainty = None, None
    if trust and errors:
        seen = [Seen.of(network, *view) for view in views]
        each = [trust.uncertainty.expected(one)[0] for one in seen]
        expected = _together(each, shares / shares.sum())
        uncertainty = _map(trust, seen, crops, hole, size)
    return Judgement(
        uncertainty=uncertainty,
        expected_error=expected,
        novelty=novelty,
        better_method=better,
        reasons=_reasons(novelty, better),
    )


def _novelty(
    network: nn.Module, trust: Trust | None, views: Sequence[View], weights: Tensor
) -> float | None:
    """Return the novelty of an image, the mean of its crops'; None where nothing is known of it."""
    if trust is None:
        return None
    each = torch.cat([trust.novelty_of(network, *view) for view in views])
    return float((each * weights).sum()) if each.isfinite().all() else None


def is_better(gain: float, novelty: float | None) -> bool:
    """Tell whether the classical method is taken to be better, by what the model gains in a self-test.

    A few squares say little: of an image like those of training the model is taken to know better.
    """
    return gain < 0 and _may_be_foreign(novelty)


def _may_be_foreign(novelty: float | None) -> bool:
    return novelty is None or novelty > 1


def _reasons(novelty: float | None, better: str | None) -> list[str]:
    found = []
    if novelty is not None and novelty > 1:
        found.append(
            f"this image is unlike those the model was trained on (novelty {novelty:.2f}; 95 % of "
            "images of their kind have at most 1)"
        )
    if better:
        found.append(f"{title(better)} fills hidden squares of this image better")
    return found


def _view(network: nn.Module, image: DecodedImage, hole: UInt8, crop: Crop, size: int) -> View:
    """Return a crop as the network sees it: at its size, and padded as it asks."""
    colours, inside = shrink(image, hole, crop.box, working_size(crop.box, size))
    pixels = torch.from_numpy(colours).permute(2, 0, 1)[None]
    mask = torch.from_numpy(inside)[None, None].float()
    return pad_to_multiple(pixels, *needs(network)), pad_to_multiple(mask, *needs(network))


def _together(each: Sequence[Expected], weights: Tensor) -> Expected:
    """Return what is expected of all crops as one: the mean of squared errors, in dB."""
    squared = sum(float(w) * 10 ** (-one.psnr / 10) for w, one in zip(weights, each, strict=True))
    within = sum(float(w) * one.within for w, one in zip(weights, each, strict=True))
    return Expected(-10 * math.log10(squared), within)


def _map(trust: Trust, seen: Sequence[Seen], crops: Sequence[Crop], hole: UInt8, size: int) -> Float32:
    """Return the half widths of all crops as one map, at the size of the image."""
    found = np.zeros(hole.shape, np.float32)
    for one, crop in zip(seen, crops, strict=True):
        height, width = working_size(crop.box, size)
        inner = trust.uncertainty.half_width(one)[0, 0, :height, :width].numpy()
        larger = enlarge(np.repeat(inner[..., None], 3, 2), crop.box, crop.bounds)[..., 0]
        found[crop.bounds.slices][crop.hole] = larger[crop.hole]
    return found

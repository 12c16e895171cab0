"""Figures that need a feature network: distances image by image, and what can be computed here.

Distances have the signatures and shapes of `per_image`: LPIPS is that of the whole composite, as it is
published, ours that of the hole with what is around it. Identical images give 0.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import torch
from torch import Tensor, nn

from inpaintlab import features
from inpaintlab.errors import FeaturesError, SettingError, near_miss
from inpaintlab.metrics.crops import hole_crops
from inpaintlab.metrics.identity import LEAST_FACE, IdentityDistance
from inpaintlab.metrics.sets import Distributions, figures
from inpaintlab.metrics.table import Metric, Unavailable
from inpaintlab.metrics.told import RealOrFilled

#: Name that weights are given by, as in `fid=PATH` -> name of the features whose file it is.
WEIGHTS: dict[str, str] = {
    "efficientnet": "efficientnet-lite0",
    "fid": "inception",
    "lpips": "alexnet",
    "lpips-vgg": "vgg16-relu",
}
_SUFFIX, _HOLES = "-efficientnet", "-holes"

Weights = Mapping[str, str | Path | None]
# Images that are looked at together: the memory does not grow with the batch.
_TOGETHER = 16


class FeatureDistance(nn.Module):
    """Squared distance of features of length 1, weighted by channel, the mean over positions, summed.

    The sum is over the maps (Zhang et al. 2018, equation 1); `weights` has the weights `[C]` of each.
    Called as every metric, `(filled, truth, mask) -> [B]`; of whole composites, or `of_holes` alone, cut
    out as `hole_crops` does.
    """

    def __init__(
        self, network: features.FeatureNetwork, weights: Sequence[Tensor], of_holes: bool = False
    ) -> None:
        super().__init__()
        self.network, self.of_holes = network, of_holes
        self.weights = nn.ParameterList(nn.Parameter(of, requires_grad=False) for of in weights)

    @torch.inference_mode()
    def forward(self, filled: Tensor, truth: Tensor, mask: Tensor) -> Tensor:
        """Return the distance of each image, `[B]`, from 0."""
        if self.of_holes:
            filled, truth = (hole_crops(image, mask) for image in (filled, truth))
        pairs = zip(*(torch.split(x, _TOGETHER) for x in (filled, truth)), strict=True)
        return torch.cat([self._distance(*pair) for pair in pairs])

    def _distance(self, filled: Tensor, truth: Tensor) -> Tensor:
        total = truth.new_zeros(len(truth))
        maps = zip(self.network(filled), self.network(truth), self.weights, strict=True)
        for found, wanted, weights in maps:
            squared = (_unit(found) - _unit(wanted)) ** 2
            total += (squared * weights.view(1, -1, 1, 1)).sum(1).mean((1, 2))
        return total


def lpips(backbone: str = "alexnet", weights: str | Path | None = None) -> FeatureDistance:
    """LPIPS, version 0.1 (Zhang et al. 2018), on "alexnet" or "vgg16"; from 0, rarely above 1.

    `weights` is torchvision's file of the backbone, as in `features`; the learnt weights of the channels
    come with torchmetrics. Images are not resized; the least size is 31 for AlexNet and 16 for VGG-16.
    Raises `FeaturesError`.
    """
    network = features.create({"alexnet": "alexnet", "vgg16": "vgg16-relu"}[backbone], weights=weights)
    name = f"lpips-{backbone}"
    found = features.read(name)
    heads = [found.get(f"lin{index}.model.1.weight") for index in range(len(network.stages))]
    if any(head is None for head in heads):
        raise FeaturesError(f"{features.find(name)} has not the weights of {name!r}")
    return FeatureDistance(network, [head.flatten() for head in heads if head is not None])


def hole_distance_efficientnet(weights: str | Path | None = None) -> FeatureDistance:
    """1 - cosine similarity of the features of EfficientNet-Lite0, the mean over its four maps; 0 to 2.

    Half the squared distance of vectors of length 1, of holes with what is around them (`hole_crops`).
    It is not LPIPS: no judgement of people is in it, and its figures are not to be set beside those of
    LPIPS. Raises `FeaturesError`.
    """
    network = features.create("efficientnet-lite0", weights=weights)
    channels = [16, 24, 40, 112]
    even = [torch.full((c,), 0.5 / len(channels)) for c in channels]
    return FeatureDistance(network, even, of_holes=True)


def _unit(maps: Tensor) -> Tensor:
    """Return features whose vector at each position has length 1; a vector of zeros stays."""
    return maps / (1e-8 + (maps**2).sum(1, keepdim=True)).sqrt()


@dataclass(frozen=True)
class Available:
    """Metrics of each image, like `METRICS`; collectors of whole sets; and what there is not.

    `told`, where it is given, collects the pairs that a classifier is to tell apart. Of a method whose
    fills vary, so many `variants` are set beside each other.
    """

    metrics: dict[str, Metric]
    sets: list[Distributions]
    missing: list[Unavailable]
    told: RealOrFilled | None = None
    variants: int = 0

    @property
    def collectors(self) -> list[Distributions | RealOrFilled]:
        """All that take in what methods have filled."""
        return [*self.sets, *([self.told] if self.told else [])]


@dataclass(frozen=True)
class _Offer:
    """Figures that come with one file of weights; `build` makes them of it."""

    key: str
    names: list[str]
    build: Callable[[Path], FeatureDistance | Distributions]


def available(
    weights: Weights | None = None,
    download: bool = False,
    size: int | None = None,
    *,
    faces: bool = False,
) -> Available:
    """Return what can be computed with weights that are given, installed, or were fetched before.

    `weights`: a name of `WEIGHTS` -> file. Nothing is fetched without `download`. Where the weights of
    FID are missing, its figures are in `missing`, and those of another network stand in, by names of
    their own: `fd-efficientnet` and its kin. Those of holes with what is around them, `fd-holes-…`, are
    given beside. LPIPS on VGG-16 is computed only where `lpips-vgg` is
    given. `size` is the shorter side of the images: a network
    that cannot take them is missing as well. `faces` says that images are aligned faces, of which the
    distance of identity is given as well.

    Raises `SettingError` for an unknown name, and `FeaturesError` where a given file cannot be used.
    """
    given = {name: path for name, path in (weights or {}).items() if path is not None}
    for name in given:
        if name not in WEIGHTS:
            raise SettingError(f"unknown weights {name!r}{near_miss(name, WEIGHTS)}")
    result = Available({}, [], [])
    vgg = [(_LPIPS_VGG,)] * ("lpips-vgg" in given)
    for offers in ((_HOLE_DISTANCE,), (_LPIPS,), (_FID, _FRECHET), (_FRECHET_OF_HOLES,), *vgg):
        for offer in offers:
            if _take(offer, result, given.get(offer.key), download, size):
                break
    if faces:
        _take_identity(result, size)
    return result


def _take_identity(result: Available, size: int | None) -> None:
    """Add the distance of identity, or why it is missing."""
    if size is not None and size < LEAST_FACE:
        reason = f"takes faces of at least {LEAST_FACE}×{LEAST_FACE}, these are {size} pixels"
        result.missing.append(Unavailable("identity", reason))
        return
    try:
        result.metrics["identity"] = IdentityDistance()
    except FeaturesError as error:
        result.missing.append(Unavailable("identity", str(error)))


def _take(
    offer: _Offer, result: Available, given: str | Path | None, download: bool, size: int | None
) -> bool:
    """Add to the result what an offer has, or why it has it not."""
    option = f"--weights {offer.key}=PATH or -s download=true"
    try:
        built = offer.build(features.find(WEIGHTS[offer.key], given, download, option))
    except FeaturesError as error:
        if given is not None:
            raise
        result.missing.extend(Unavailable(name, str(error)) for name in offer.names)
        return False
    if size is not None and size < (least := built.network.min_size):
        reason = f"takes images of at least {least}×{least}, these are {size} pixels"
        result.missing.extend(Unavailable(name, reason) for name in offer.names)
        return False
    if isinstance(built, FeatureDistance):
        result.metrics[offer.names[0]] = built
    else:
        result.sets.append(built)
    return True


_LPIPS = _Offer("lpips", ["lpips"], partial(lpips, "alexnet"))
_LPIPS_VGG = _Offer("lpips-vgg", ["lpips-vgg"], partial(lpips, "vgg16"))
_HOLE_DISTANCE = _Offer("efficientnet", ["hole-distance-efficientnet"], hole_distance_efficientnet)
_FID = _Offer("fid", figures(), lambda path: Distributions(features.inception(path)))
_FRECHET = _Offer(
    "efficientnet",
    figures(_SUFFIX),
    lambda path: Distributions(features.efficientnet_vector(path), _SUFFIX),
)
_FRECHET_OF_HOLES = _Offer(
    "efficientnet",
    figures(_HOLES + _SUFFIX),
    lambda path: Distributions(features.efficientnet_vector(path), _HOLES + _SUFFIX, hole_crops),
)

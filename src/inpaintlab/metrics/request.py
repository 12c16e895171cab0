"""What of the figures that need a feature network can be computed here, and why not the rest."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from inpaintlab import features
from inpaintlab.errors import FeaturesError, SettingError, near_miss
from inpaintlab.metrics.distributions import Distributions, figures
from inpaintlab.metrics.learned import FeatureDistance, distance_efficientnet, lpips
from inpaintlab.metrics.table import Metric, Unavailable

#: Name that weights are given by, as in `fid=PATH` -> name of the features whose file it is.
WEIGHTS: dict[str, str] = {
    "efficientnet": "efficientnet-lite0",
    "fid": "inception",
    "lpips": "alexnet",
    "lpips-vgg": "vgg16-relu",
}
_SUFFIX = "-efficientnet"

Weights = Mapping[str, str | Path | None]


@dataclass(frozen=True)
class Available:
    """Metrics of each image, like `METRICS`; collectors of whole sets; and what there is not."""

    metrics: dict[str, Metric]
    sets: list[Distributions]
    missing: list[Unavailable]


@dataclass(frozen=True)
class _Offer:
    """Figures that come with one file of weights; `build` makes them of it."""

    key: str
    names: list[str]
    build: Callable[[Path], FeatureDistance | Distributions]


def available(
    weights: Weights | None = None, download: bool = False, size: int | None = None
) -> Available:
    """Return what can be computed with weights that are given, installed, or were fetched before.

    `weights`: a name of `WEIGHTS` -> file. Nothing is fetched without `download`. Where the standard's
    weights are missing, its figure is in `missing`, and one of another network stands in, by a name of
    its own: `distance-efficientnet` for LPIPS, `fd-efficientnet` and its kin for FID. LPIPS on VGG-16
    is computed only where `lpips-vgg` is given. `size` is the shorter side of the images: a network
    that cannot take them is missing as well.

    Raises `SettingError` for an unknown name, and `FeaturesError` where a given file cannot be used.
    """
    given = {name: path for name, path in (weights or {}).items() if path is not None}
    for name in given:
        if name not in WEIGHTS:
            raise SettingError(f"unknown weights {name!r}{near_miss(name, WEIGHTS)}")
    result = Available({}, [], [])
    for offers in ((_LPIPS, _DISTANCE), (_FID, _FRECHET), *([(_LPIPS_VGG,)] * ("lpips-vgg" in given))):
        for offer in offers:
            if _take(offer, result, given.get(offer.key), download, size):
                break
    return result


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
_DISTANCE = _Offer("efficientnet", ["distance-efficientnet"], distance_efficientnet)
_FID = _Offer("fid", figures(), lambda path: Distributions(features.inception(path)))
_FRECHET = _Offer(
    "efficientnet",
    figures(_SUFFIX),
    lambda path: Distributions(features.efficientnet_vector(path), _SUFFIX),
)

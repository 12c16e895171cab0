"""How unlike the images of training the known part of an image is.

Features of small cells of an image are set beside those of the same cell in training images. Cells in
which the hole lies count less, and none of the pixels under it are seen, so that neither its place nor
its size decides. Two networks look: the encoder of the one that fills, and one that has seen many
photographs and does not care what the first has learnt.
"""

from collections.abc import Callable, Sequence
from threading import get_ident

import numpy as np
import torch
import torch.nn.functional as F
from sklearn.covariance import LedoitWolf
from sklearn.decomposition import PCA
from torch import Tensor, nn

from inpaintlab.features import FeatureNetwork
from inpaintlab.layers import smooth_fill
from inpaintlab.networks import encoder_of
from inpaintlab.tensors import composite
from inpaintlab.trust.seen import Examples

#: Maps of features `[B, C, h, w]` of some sizes, of images with their masks.
Source = Callable[[Tensor, Tensor], Sequence[Tensor]]
#: Components that are kept of a cell's features.
COMPONENTS = 64
#: The share of images like those of training that is not called foreign.
PASS = 0.95
#: A cell is learnt from where so much of it is known; its weight is that share to this power.
_MOSTLY, _POWER = 0.7, 4
#: What the distance outside of the components counts beside that in them. At 1 it says less of what
#: is turned, and at 0 nothing of noise (docs/explanation/trust.md).
_OUTSIDE = 0.7
#: What a position counts that is not known at all, so that sums are never 0.
_TRACE = 1e-4
#: What nothing is ever far in units of.
_NEVER = 1e30
#: Images that a cell's distribution asks for.
_FEWEST = 50
#: The side to which images are brought for the network that has seen many photographs.
_SIDE = 128
#: Times that a hole can be halved before `smooth_fill` begins from nothing.
_HALVINGS = 4


class Encoder:
    """What leaves each part of a network's own encoder; for networks that name one."""

    def __init__(self, network: nn.Module) -> None:
        self.network = network
        parts = (network.get_submodule(name) for name in encoder_of(network))
        self.parts = [
            one for part in parts for one in (part if isinstance(part, nn.ModuleList) else [part])
        ]

    @torch.no_grad()
    def __call__(self, image: Tensor, mask: Tensor) -> list[Tensor]:
        """Run the network once, and return the maps on the way."""
        maps: list[Tensor] = []
        mine = get_ident()

        def keep(_part: nn.Module, _given: object, output: Tensor) -> None:
            if get_ident() == mine:  # other threads may run the network meanwhile
                maps.append(output)

        hooks = [part.register_forward_hook(keep) for part in self.parts]
        try:
            self.network(image, mask)
        finally:
            for hook in hooks:
                hook.remove()
        return [one.float().cpu() for one in maps if isinstance(one, Tensor) and one.ndim == 4]


class Independent:
    """The maps of a network that never learns here; holes are filled smoothly from their edge."""

    def __init__(self, network: FeatureNetwork) -> None:
        self.network = network

    @torch.no_grad()
    def __call__(self, image: Tensor, mask: Tensor) -> list[Tensor]:
        """Return all maps but the finest."""
        filled = composite(image, smooth_fill(image, mask, _HALVINGS), mask)
        larger = F.interpolate(filled, (_SIDE, _SIDE), mode="bilinear", antialias=True)
        maps: list[Tensor] = self.network(larger)
        return maps[1:]


def cells(maps: Sequence[Tensor], mask: Tensor, side: int) -> tuple[Tensor, Tensor]:
    """Return the features of each cell, `[B, side², C]`, and how much of it is known, `[B, side²]`.

    Features are means over a cell, in which positions weigh what is known of them.
    """
    found = []
    for features in maps:
        height, width = features.shape[-2:]
        known = F.adaptive_avg_pool2d(1 - mask, (height, width)) ** _POWER + _TRACE
        total = F.adaptive_avg_pool2d(features * known, side)
        found.append(total / F.adaptive_avg_pool2d(known, side))
    share = F.adaptive_avg_pool2d(1 - mask, side)
    return torch.cat(found, 1).flatten(2).transpose(1, 2), share.flatten(1)


class CellStatistics(nn.Module):
    """How the features of each cell are spread over training images: a normal distribution each.

    Of the features the principal components are kept. Their covariance is estimated as Ledoit and Wolf
    (2004) do, and the distance from the mean is Mahalanobis'. What lies outside of the components has a
    distance of its own, over its mean: noise is near to everything in what images have in common.
    """

    mean: Tensor
    deviation: Tensor
    outside: Tensor
    scaled: Tensor
    centres: Tensor
    whitening: Tensor

    def __init__(self, features: int, cells: int, components: int = COMPONENTS) -> None:
        super().__init__()
        self.register_buffer("mean", torch.zeros(features))
        self.register_buffer("deviation", torch.ones(features))
        self.register_buffer("outside", torch.ones(cells))
        self.register_buffer("scaled", torch.zeros(components, features))
        self.register_buffer("centres", torch.zeros(cells, components))
        self.register_buffer("whitening", torch.zeros(cells, components, components))

    @classmethod
    def fit(cls, features: Tensor, known: Tensor) -> "CellStatistics":
        """Learn from the features `[N, cells, C]` of training images, of which so much is `known`."""
        flat = features.flatten(0, 1)
        mean, deviation = flat.mean(0), flat.std(0)
        # What hardly varies says nothing, and would be a number too large for 16 bits.
        deviation = deviation.clamp(min=1e-3 * float(deviation.mean()) + 1e-6)
        principal = PCA(min(COMPONENTS, *flat.shape)).fit(((flat - mean) / deviation).numpy())
        found = cls(flat.shape[1], features.shape[1], len(principal.components_))
        found.mean.copy_(mean)
        found.deviation.copy_(deviation)
        found.scaled.copy_(torch.from_numpy(principal.components_) / deviation)
        kept, left = found._parted(features)
        for cell in range(features.shape[1]):
            seen = known[:, cell] > _MOSTLY
            # A cell that is hidden in nearly all images is like the others, as far as is known.
            enough = int(seen.sum()) >= _FEWEST
            learnt = kept[seen, cell] if enough else kept.flatten(0, 1)
            usual = (left[seen, cell] if enough else left).mean()
            # Where components are all that there is, what is left is rounding and says nothing.
            found.outside[cell] = usual if usual > _TRACE * len(mean) else _NEVER
            fitted = LedoitWolf().fit(learnt.numpy())
            found.centres[cell] = torch.from_numpy(fitted.location_)
            values, vectors = np.linalg.eigh(fitted.precision_)
            found.whitening[cell] = torch.from_numpy((vectors * np.sqrt(values.clip(0))).T)
        return found

    @torch.no_grad()
    def forward(self, features: Tensor, known: Tensor) -> Tensor:
        """Return the distances from training images, in the components and outside of them, `[B, 2]`.

        Each is the mean of the cells' logarithms, in which a cell weighs what is known of it.
        """
        kept, left = self._parted(features)
        away = torch.einsum("bcd,ced->bce", kept - self.centres, self.whitening)
        distance = torch.stack([(away**2).sum(2), left / self.outside], 2).log1p()
        weight = (known**_POWER + _TRACE)[..., None]
        mean: Tensor = (distance * weight).sum(1) / weight.sum(1)
        return mean

    def _parted(self, features: Tensor) -> tuple[Tensor, Tensor]:
        """Return the components, and the square of what lies outside of them."""
        centred = features - self.mean
        kept = centred @ self.scaled.T
        left = ((centred / self.deviation) ** 2).sum(2) - (kept**2).sum(2)
        return kept, left.clamp(min=0)


class Novelty(nn.Module):
    """How foreign an image is by one source of features: at most 1 for 95 % of images of its kind."""

    usual: Tensor
    limit: Tensor

    def __init__(self, statistics: CellStatistics, side: int) -> None:
        super().__init__()
        self.statistics, self.side = statistics, side
        # Of both distances the median and the limit of validation images; and the limit of the larger.
        self.register_buffer("usual", torch.tensor([[0.0, 0.0], [1.0, 1.0]]))
        self.register_buffer("limit", torch.tensor(1.0))

    def forward(self, source: Source, image: Tensor, mask: Tensor) -> Tensor:
        """Return the novelty of each image, `[B]`, from its known pixels."""
        distances = self.statistics(*_cells_of(source, image, mask, self.side))
        return self._larger(distances) / self.limit

    def _larger(self, distances: Tensor) -> Tensor:
        """Return the larger of both distances, each in units of its limit, `[B]`."""
        middle, limit = self.usual
        apart = (distances - middle) / (limit - middle)
        return torch.maximum(apart[:, 0], _OUTSIDE * apart[:, 1])

    @classmethod
    def fit(cls, source: Source, side: int, learning: Examples, validation: Examples) -> "Novelty":
        """Learn from images, and take the limit from others that were not learnt from."""
        found = cls(CellStatistics.fit(*_gathered(source, side, learning)), side)
        distances = found.statistics(*_gathered(source, side, validation))
        middle, limit = distances.quantile(torch.tensor([0.5, PASS]), 0)
        found.usual.copy_(torch.stack([middle, torch.maximum(limit, middle + 1e-6)]))
        found.limit.copy_(found._larger(distances).quantile(PASS).clamp(min=1e-6))
        return found


def _cells_of(source: Source, image: Tensor, mask: Tensor, side: int) -> tuple[Tensor, Tensor]:
    return cells(source(torch.where(mask > 0, 0, image), mask), mask, side)


def _gathered(source: Source, side: int, examples: Examples) -> tuple[Tensor, Tensor]:
    found = [_cells_of(source, image, mask, side) for image, mask in examples]
    features, known = zip(*found, strict=True)
    return torch.cat(features), torch.cat(known)

"""Distances of a filled image and its truth in the features of a frozen network, image by image.

Signatures and shapes are those of `images`; the distance is that of the whole composite. Identical
images give 0.
"""

from collections.abc import Sequence
from pathlib import Path

import torch
from torch import Tensor, nn

from inpaintlab import features
from inpaintlab.errors import FeaturesError

# Images that are looked at together: the memory does not grow with the batch.
_TOGETHER = 16


class FeatureDistance(nn.Module):
    """Squared distance of features of length 1, weighted by channel, the mean over positions, summed.

    The sum is over the maps (Zhang et al. 2018, equation 1); `weights` has the weights `[C]` of each.
    Called as every metric, `(filled, truth, mask) -> [B]`; the mask is not looked at.
    """

    def __init__(self, network: features.FeatureNetwork, weights: Sequence[Tensor]) -> None:
        super().__init__()
        self.network = network
        self.weights = nn.ParameterList(nn.Parameter(of, requires_grad=False) for of in weights)

    @torch.inference_mode()
    def forward(self, filled: Tensor, truth: Tensor, mask: Tensor) -> Tensor:
        """Return the distance of each image, `[B]`, from 0."""
        del mask
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


def distance_efficientnet(weights: str | Path | None = None) -> FeatureDistance:
    """1 - cosine similarity of the features of EfficientNet-Lite0, the mean over its four maps; 0 to 2.

    Half the squared distance of vectors of length 1. It is not LPIPS: no judgement of people is in it,
    and its figures are not to be set beside those of LPIPS. Raises `FeaturesError`.
    """
    network = features.create("efficientnet-lite0", weights=weights)
    channels = [16, 24, 40, 112]
    return FeatureDistance(network, [torch.full((c,), 0.5 / len(channels)) for c in channels])


def _unit(maps: Tensor) -> Tensor:
    """Return features whose vector at each position has length 1; a vector of zeros stays."""
    return maps / (1e-8 + (maps**2).sum(1, keepdim=True)).sqrt()

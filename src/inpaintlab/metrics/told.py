"""Whether fills can be told from the truth, by a small classifier that learns nothing else."""

from collections.abc import Mapping

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from inpaintlab.arrays import Bool, Float64, Int64
from inpaintlab.metrics.crops import hole_crops
from inpaintlab.randomness import generator_for, stream

#: Side of what the classifier sees; and the fewest images: half of them are what it learns from.
SIDE, LEAST_IMAGES = 64, 100
#: Budget of a classifier, the same for every method: steps, and pairs of crops in each.
STEPS, PAIRS = 500, 32
_RATE = 3e-3
#: Channels that leave each layer, which halves the side.
_WIDTHS = (16, 32, 64, 96)


class RealOrFilled:
    """Crops of holes, filled and true, and how often a classifier tells which of the two it sees.

    The classifier sees one crop of 64 pixels with its mask (`hole_crops`, rounded to 8 bits), never both
    of a pair. One learns from the pairs of one half of the images and judges the other half, a second
    one the other way round: every pair is judged by one that never saw its image. Budget and seed are
    the same for all methods; 1,000 pairs take 45 s of a core for each method. A crop takes
    16 kB.

    >>> truth, mask = torch.rand(100, 3, 64, 64), torch.ones(100, 1, 64, 64)
    >>> judge = RealOrFilled(steps=1)
    >>> judge.add({"perfect": truth}, truth, mask)
    >>> float(judge.told("perfect", np.arange(100)).mean())
    50.0
    """

    #: Name of what it finds, in `FIGURES`.
    figure = "told_percent"

    def __init__(self, seed: int = 0, steps: int = STEPS) -> None:
        self.seed, self.steps = seed, steps
        self._truth: list[Tensor] = []
        self._filled: dict[str, list[Tensor]] = {}

    def add(self, filled: Mapping[str, Tensor], truth: Tensor, mask: Tensor) -> None:
        """Take a batch: method -> filled images `[B, 3, H, W]` in [0, 1], their truth, and the masks."""
        self._truth.append(_crops(truth, mask))
        for method, images in filled.items():
            self._filled.setdefault(method, []).append(_crops(images, mask))

    def told(self, method: str, clusters: Int64) -> Float64:
        """Return for each pair how many of its two crops are told for what they are, in per cent.

        Values are 0, 50 and 100, and their mean is 50 where a fill cannot be told from the truth. Rows
        of one number in `clusters` `[n]` are of the same image, and stay on one side.
        """
        pairs = torch.stack([torch.cat(self._filled[method]), torch.cat(self._truth)], dim=1)
        names = np.unique(clusters)
        chosen = np.random.default_rng(self.seed).permutation(names)[: len(names) // 2]
        found = np.empty(len(pairs))
        for number, half in enumerate([first := np.isin(clusters, chosen), ~first]):
            network = _trained(_rows(pairs, half), stream(self.seed, number), self.steps)
            filled, true = (_answers(network, _rows(pairs, ~half)[:, kind]) for kind in (0, 1))
            found[~half] = 50 * ((filled > 0).double() + (true <= 0).double())
        return found


def _crops(images: Tensor, mask: Tensor) -> Tensor:
    """Return what the classifier sees, `[B, 4, side, side]` of 8 bits."""
    crops = hole_crops(torch.cat([images, mask], dim=1), mask, SIDE)
    return (crops * 255).round().clamp(0, 255).byte().cpu()


def _rows(pairs: Tensor, chosen: Bool) -> Tensor:
    return pairs[torch.from_numpy(chosen)]


@torch.inference_mode(False)
@torch.enable_grad()
def _trained(pairs: Tensor, seed: int, steps: int) -> nn.Module:
    """Return a classifier that has learnt from pairs `[n, 2, 4, H, W]`, filled and true."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        network = _classifier()
    generator = generator_for(seed)
    optimizer = torch.optim.AdamW(network.parameters(), _RATE)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, _RATE, total_steps=steps)
    kinds = torch.tensor([1.0, 0.0]).repeat(min(PAIRS, len(pairs)))
    order = torch.empty(0, dtype=torch.long)
    for _ in range(steps):
        if len(order) < PAIRS:  # the rest of a round is too few for a batch
            order = torch.randperm(len(pairs), generator=generator)
        chosen, order = order[:PAIRS], order[PAIRS:]
        seen = _turned(pairs[chosen].flatten(0, 1), generator)
        loss = F.binary_cross_entropy_with_logits(network(_values(seen))[:, 0], kinds)
        optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        optimizer.step()
        schedule.step()
    return network.eval()


def _classifier() -> nn.Sequential:
    layers: list[nn.Module] = []
    for before, width in zip((4, *_WIDTHS), _WIDTHS, strict=False):
        layers += [nn.Conv2d(before, width, 3, 2, 1, bias=False), nn.BatchNorm2d(width), nn.ReLU()]
    return nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(width, 1))


def _values(crops: Tensor) -> Tensor:
    return (crops.float() / 255 - 0.5).contiguous(memory_format=torch.channels_last)


def _turned(crops: Tensor, generator: torch.Generator) -> Tensor:
    """Mirror crops left and right, up and down and along the diagonal, or not."""
    left, up, across = (torch.rand(3, generator=generator) < 0.5).tolist()
    crops = crops.flip([axis for axis, turned in ((2, up), (3, left)) if turned])
    return crops.transpose(2, 3) if across else crops


@torch.inference_mode()
def _answers(network: nn.Module, crops: Tensor) -> Tensor:
    """Return above 0 for what it takes for filled, `[n]`."""
    return torch.cat([network(_values(part))[:, 0] for part in torch.split(crops, 128)])

"""Several fills of one hole: a network with noise, drawn several times, the most typical fill first."""

from collections.abc import Sequence

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from inpaintlab.arrays import Pixels, UInt8
from inpaintlab.errors import SettingError
from inpaintlab.networks import needs, noise_of
from inpaintlab.settings.filling import MOST_SEED, MOST_SPREAD, MOST_VARIANTS, SPREAD


class Drawn(nn.Module):
    """A network with one draw of its noise, `[noise]`: called as one that gives one fill."""

    drawn: Tensor

    def __init__(self, network: nn.Module, noise: Tensor) -> None:
        super().__init__()
        self.network = network
        self.register_buffer("drawn", noise, persistent=False)
        self.multiple_of, self.min_size = needs(network)

    def forward(self, image: Tensor, mask: Tensor) -> Tensor:
        """Predict the whole image, all images of the batch with the same noise."""
        painted: Tensor = self.network(image, mask, self.drawn.expand(len(image), -1))
        return painted


def check_varies(network: nn.Module) -> None:
    """Raise `SettingError` for a network that has learnt one fill for each hole."""
    if not noise_of(network):
        raise SettingError(
            f"{type(network).__name__} has learnt one fill for each hole: variants ask for a network "
            "with noise, as inpaint train --look real makes it"
        )


def draws(network: nn.Module, count: int, seed: int, spread: float = SPREAD) -> list[Drawn]:
    """Return the network with noise 0, the middle of its fills, and with so many draws less one.

    The first draws of a seed are always the same. All have the same length, `spread` times that of
    normal noise, as long ones lie where the network has seldom been.

    Raises `SettingError` for a count that is not from 1 to 32, a seed below 0 or above 2^63 - 1, a
    spread that is not above 0 and at most 1.5, and a network without noise.
    """
    if not 1 <= count <= MOST_VARIANTS:
        raise SettingError(f"variants are 1 to {MOST_VARIANTS}, got {count}")
    if not 0 <= seed <= MOST_SEED:
        raise SettingError(f"a seed is 0 to {MOST_SEED}, got {seed!s:.30}")
    if not 0 < spread <= MOST_SPREAD:
        raise SettingError(f"spread is above 0 and at most {MOST_SPREAD}, got {spread:g}")
    check_varies(network)
    generator = torch.Generator().manual_seed(seed)
    device = next((weight.device for weight in network.parameters()), torch.device("cpu"))
    length = noise_of(network)
    # One by one: of a larger block torch draws other first numbers.
    ways = [F.normalize(torch.randn(length, generator=generator), dim=0) for _ in range(count - 1)]
    noise = [torch.zeros(length), *(spread * length**0.5 * way for way in ways)]
    return [Drawn(network, one.to(device)) for one in noise]


def by_typicality(fills: Sequence[Pixels], hole: UInt8) -> list[int]:
    """Return the places of fills, `[H, W]` or `[H, W, C]` each, from the most typical to the oddest.

    Most typical is the one nearest to the mean of all within the hole, `[H, W]` of 0 and 1.

    >>> hole = np.ones((4, 4), np.uint8)
    >>> by_typicality([np.full((4, 4), value, np.uint8) for value in (90, 10, 20, 30)], hole)
    [3, 2, 1, 0]
    """
    inside = np.stack([fill[hole > 0].astype(np.float64) for fill in fills])
    odd = ((inside - inside.mean(0)) ** 2).reshape(len(fills), -1).mean(1)
    return [int(place) for place in np.argsort(odd, kind="stable")]

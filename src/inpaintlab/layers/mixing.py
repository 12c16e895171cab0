"""Mixing over positions: each place of a coarse grid sees all others, by weights of its own."""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from inpaintlab.layers.blocks import normalisation


class GridMixing(nn.Module):
    """Adds to each channel what a small network over all places of a grid makes of it, `[B, C, H, W]`.

    The token mixing of MLP-Mixer (Tolstikhin et al. 2021, Eq. 1): of the `grid`² places, `expansion`
    times as many are made and brought back, by the same weights for every channel. Unlike a
    convolution it knows where it is, so that it can learn that an eye on the left stands opposite one
    on the right. Features of another size are resampled to the grid and what is added back from it.
    It starts by adding next to nothing.

    >>> GridMixing(16)(torch.rand(2, 16, 12, 10)).shape
    torch.Size([2, 16, 12, 10])
    """

    def __init__(self, channels: int, grid: int = 8, expansion: int = 2, norm: str = "batch") -> None:
        super().__init__()
        self.grid = grid
        self.norm = normalisation(norm, channels)
        self.spread = nn.Linear(grid**2, expansion * grid**2)
        self.gather = nn.Linear(expansion * grid**2, grid**2)
        with torch.no_grad():
            self.gather.weight.mul_(0.1)

    def forward(self, features: Tensor) -> Tensor:
        """Return the features with what the others have to say to each."""
        places = self._resampled(self.norm(features), self.grid, self.grid)
        mixed = self.gather(F.silu(self.spread(places.flatten(2)))).view_as(places)
        return features + self._resampled(mixed, *features.shape[-2:])

    def _resampled(self, features: Tensor, height: int, width: int) -> Tensor:
        # When exported sizes are not known, and resampling to the same size changes nothing.
        if not torch.compiler.is_compiling() and features.shape[-2:] == (height, width):
            return features
        return F.interpolate(features, (height, width), mode="bilinear")

"""Noise that a network varies its fills with."""

import torch
from torch import Tensor, nn


class Vary(nn.Module):
    """Scales and shifts each channel of `[B, C, H, W]` by what it makes of noise, `[B, noise]`.

    Feature-wise linear modulation (Perez et al. 2018, equation 1), the same at all places: what differs
    from fill to fill is the fill as a whole. It starts by changing little. Where no noise is given it
    is 0; with `noise` 0 there is no layer, and features stay as they are.

    >>> Vary(8, 16)(torch.rand(2, 16, 12, 10), torch.randn(2, 8)).shape
    torch.Size([2, 16, 12, 10])
    """

    def __init__(self, noise: int, channels: int) -> None:
        super().__init__()
        self.noise = noise
        if noise:
            self.linear = nn.Linear(noise, 2 * channels)
            with torch.no_grad():
                self.linear.weight.mul_(0.1)
                self.linear.bias.zero_()

    def forward(self, features: Tensor, noise: Tensor | None = None) -> Tensor:
        """Return the features as the noise changes them."""
        if not self.noise:
            return features
        if noise is None:
            noise = features.new_zeros(len(features), self.noise)
        changes: Tensor = self.linear(noise)[:, :, None, None]
        scale, shift = changes.chunk(2, 1)
        return features * (1 + scale) + shift

"""Building blocks of the networks, one file a family."""

from inpaintlab.layers.blocks import ConvBlock, Residual, hide, known_mean
from inpaintlab.layers.fourier import FourierConv, FourierUnit, SpectralTransform

__all__ = [
    "ConvBlock",
    "FourierConv",
    "FourierUnit",
    "Residual",
    "SpectralTransform",
    "hide",
    "known_mean",
]

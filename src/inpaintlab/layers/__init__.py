"""Building blocks of the networks, one file a family."""

from inpaintlab.layers.blocks import (
    NORMALISATIONS,
    ConvBlock,
    Residual,
    hide,
    known_mean,
    normalisation,
    same_padding,
)
from inpaintlab.layers.fourier import FourierConv, FourierUnit, SpectralTransform
from inpaintlab.layers.initialise import LayerVariance, initialise
from inpaintlab.layers.partial import PartialConv2d

__all__ = [
    "NORMALISATIONS",
    "ConvBlock",
    "FourierConv",
    "FourierUnit",
    "LayerVariance",
    "PartialConv2d",
    "Residual",
    "SpectralTransform",
    "hide",
    "initialise",
    "known_mean",
    "normalisation",
    "same_padding",
]

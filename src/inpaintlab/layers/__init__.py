"""Building blocks of the networks, one file a family."""

from inpaintlab.layers.attention import ContextualAttention
from inpaintlab.layers.blocks import (
    NORMALISATIONS,
    ConvBlock,
    Residual,
    hide,
    known_mean,
    normalisation,
    same_padding,
    smooth_fill,
)
from inpaintlab.layers.fourier import FourierConv, FourierUnit, SpectralTransform
from inpaintlab.layers.gated import GatedConv2d, GatedUpsampling, check_gate
from inpaintlab.layers.initialise import LayerVariance, initialise
from inpaintlab.layers.mixing import GridMixing
from inpaintlab.layers.partial import PartialConv2d
from inpaintlab.layers.vary import Vary

__all__ = [
    "NORMALISATIONS",
    "ContextualAttention",
    "ConvBlock",
    "FourierConv",
    "FourierUnit",
    "GatedConv2d",
    "GatedUpsampling",
    "GridMixing",
    "LayerVariance",
    "PartialConv2d",
    "Residual",
    "SpectralTransform",
    "Vary",
    "check_gate",
    "hide",
    "initialise",
    "known_mean",
    "normalisation",
    "same_padding",
    "smooth_fill",
]

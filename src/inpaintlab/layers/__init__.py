"""Building blocks of the networks, one file a family."""

from inpaintlab.layers.attention import ContextualAttention
from inpaintlab.layers.blocks import ConvBlock, Residual, hide, known_mean
from inpaintlab.layers.gated import GatedConv2d, GatedUpsampling, check_gate, same_padding

__all__ = [
    "ContextualAttention",
    "ConvBlock",
    "GatedConv2d",
    "GatedUpsampling",
    "Residual",
    "check_gate",
    "hide",
    "known_mean",
    "same_padding",
]

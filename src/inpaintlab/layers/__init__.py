"""Building blocks of the networks, one file a family."""

from inpaintlab.layers.blocks import ConvBlock, Residual, hide, known_mean

__all__ = ["ConvBlock", "Residual", "hide", "known_mean"]

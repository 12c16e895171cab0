"""Filling holes in pictures of any size with a trained network."""

from inpaintlab.inpainter.crops import crop_holes
from inpaintlab.inpainter.inpainter import Inpainter, as_hole

__all__ = ["Inpainter", "as_hole", "crop_holes"]

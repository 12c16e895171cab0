"""Filling holes in images of any size with a trained network."""

from inpaintlab.inpainter.batch import fill_files
from inpaintlab.inpainter.crops import STRATEGIES, crop_holes
from inpaintlab.inpainter.filling import BLENDS
from inpaintlab.inpainter.inpainter import Inpainter, load

__all__ = ["BLENDS", "STRATEGIES", "Inpainter", "crop_holes", "fill_files", "load"]

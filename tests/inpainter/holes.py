"""Holes for tests, and an inpainter that shows where it fills."""

import numpy as np
import torch

from inpaintlab.checkpoints import ModelCard
from inpaintlab.inpainter import Inpainter
from inpaintlab.networks import Network


def some_hole(height, width, seed=0):
    """A few rectangles, at least one pixel of hole and at most nine tenths of the image."""
    random = np.random.default_rng(seed)
    hole = np.zeros((height, width), np.uint8)
    for _ in range(random.integers(1, 5)):
        y, x = random.integers(0, height), random.integers(0, width)
        hole[y : y + random.integers(1, height // 3 + 2), x : x + random.integers(1, width // 3 + 2)] = 1
    return (
        hole if hole.mean() <= 0.9 else np.eye(1, height * width, dtype=np.uint8).reshape(height, width)
    )


class White(Network):
    """Fills everything with white."""

    multiple_of, min_size = 1, 1

    def forward(self, image, mask):
        return torch.ones_like(image)


def white_inpainter(size=64):
    """An inpainter that fills with white, so that a black image shows exactly its hole."""
    return Inpainter(White(), ModelCard("white", {}, size))

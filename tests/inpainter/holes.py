"""Holes and a facade for tests, and an inpainter that shows where it fills."""

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


def facade(height=200, width=220, side=30, shade=0.0):
    """An image of windows on a rough wall, `[H, W, 3]`, with a shade that grows to the right."""
    y, x = np.mgrid[:height, :width]
    wall = 0.75 + 0.03 * np.random.default_rng(0).standard_normal((height, width)) + shade * x / width
    window = ((y % side) * 3 // side == 1) & ((x % side) * 5 // side % 2 == 1)
    image = np.where(window, 0.05, wall)[..., None] * np.array([1, 0.9, 0.8])
    return image.clip(0, 1).astype(np.float32)


class White(Network):
    """Fills everything with white."""

    multiple_of, min_size = 1, 1

    def forward(self, image, mask):
        return torch.ones_like(image)


def white_inpainter(size=64):
    """An inpainter that fills with white, so that a black image shows exactly its hole."""
    return Inpainter(White(), ModelCard("white", {}, size))

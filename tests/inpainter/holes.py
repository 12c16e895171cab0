"""Holes for tests."""

import numpy as np


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

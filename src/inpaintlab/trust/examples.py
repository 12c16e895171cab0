"""Images with holes, for learning what to trust: those of training, and those of validation."""

from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor

from inpaintlab.data.loading import Images, open_training_data
from inpaintlab.data.sources import open_dataset
from inpaintlab.masks import FrozenMasks, Mixture, make
from inpaintlab.randomness import MASK_SEED, generator_for, stream
from inpaintlab.tensors import to_tensor
from inpaintlab.trust.seen import Examples

#: Examples that are learnt from, and validation images that limits are taken from, at most.
LEARNT, CALIBRATED = 3000, 1000
#: Every second hole is one of these, 5 to 50 % of the image: people fill others than were trained with.
WIDE = (
    {"name": "rectangles", "side": (0.22, 0.7)},
    # Large ones are rare among the first, and intervals ask for enough of them.
    {"name": "rectangles", "side": (0.58, 0.74), "weight": 0.5},
)
BATCH = 32
#: Keys of the random numbers: order and holes of what is learnt from, and holes to calibrate with.
_ORDER, _HOLES, _CALIBRATION = range(3)


class Both(NamedTuple):
    """Batches of images and masks to learn from, and others to calibrate with."""

    learning: Examples
    calibration: Examples


def examples_of(
    data: Any, size: int, masks: Any = "rectangles", count: int = LEARNT, seed: int = 0
) -> Both:
    """Return examples of images, squares of `size`, with holes of which half are of the kind of `masks`.

    `data` is what `open_dataset` takes; learnt is from its training part, and calibrated with its
    validation part.

    >>> both = examples_of("samples:40", 16, count=32)
    >>> [tuple(of.shape) for of in next(iter(both.learning))]
    [(32, 3, 16, 16), (32, 1, 16, 16)]
    """
    parts, mixture = open_training_data(open_dataset(data), size, max_bad=0.1), make(masks)
    return Both(learning(parts.train, mixture, count, seed), calibration(parts.val, mixture, CALIBRATED))


def learning(images: Images, mixture: Mixture, count: int, seed: int = 0) -> Examples:
    """Return batches of so many examples, images in a random order, each as often as it takes."""
    order = torch.randperm(len(images), generator=generator_for(seed, _ORDER)).tolist()
    return Batches(images, order, mixture, count, stream(seed, _HOLES))


def calibration(images: Images, mixture: Mixture, count: int) -> Examples:
    """Return batches of the first images, at most so many, each once."""
    order = range(len(images))
    return Batches(images, order, mixture, min(count, len(images)), stream(MASK_SEED, _CALIBRATION))


class Batches:
    """Batches of images and masks, the same each time that they are gone through; none is kept."""

    def __init__(
        self, images: Images, order: Sequence[int], mixture: Mixture, count: int, seed: int
    ) -> None:
        self.images, self.order, self.count = images, order, count
        kinds = (mixture, make(list(WIDE)))
        self.masks = [FrozenMasks(kind, images.size, count, seed) for kind in kinds]

    def __iter__(self) -> Iterator[tuple[Tensor, Tensor]]:
        """Yield images `[B, 3, H, W]` and their masks, every second one with a wide hole."""
        for start in range(0, self.count, BATCH):
            rows = range(start, min(start + BATCH, self.count))
            pixels = [self.images.square(self.order[row % len(self.order)]) for row in rows]
            yield to_tensor(np.stack(pixels)), torch.stack([self.masks[row % 2][row] for row in rows])

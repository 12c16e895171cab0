"""What fills holes in an evaluation: networks and classical methods, all called alike."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import torch
from torch import Tensor, nn

from inpaintlab.arrays import UInt8
from inpaintlab.machine import processors
from inpaintlab.tensors import composite, to_arrays, to_tensor

#: Fills a batch: images `[B, 3, H, W]` in [0, 1] and masks to filled images, rounded to 8 bits.
Filler = Callable[[Tensor, Tensor], Tensor]

#: Name of the run that is evaluated, among the methods.
OURS = "ours"


def classical(fill: Callable[[UInt8, UInt8], UInt8]) -> Filler:
    """Make a filler of a classical method; images of a batch are filled side by side."""

    def fill_batch(image: Tensor, mask: Tensor) -> Tensor:
        holes = mask[:, 0].byte().numpy()
        # What is filled is cv2's and scikit-image's work, which leaves the interpreter free.
        with ThreadPoolExecutor(processors()) as pool:
            return to_tensor(np.stack(list(pool.map(fill, to_arrays(image), holes))))

    return fill_batch


def learnt(network: nn.Module) -> Filler:
    """Make a filler of a network."""

    @torch.inference_mode()
    def fill_batch(image: Tensor, mask: Tensor) -> Tensor:
        painted = network(image, mask)
        # What a user gets has 8 bits; so have the baselines.
        return to_tensor(to_arrays(composite(image, painted, mask)))

    return fill_batch

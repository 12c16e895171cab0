"""What trust looks at: an image with its hole, and what a method makes of it.

A method is any function `(image, mask) -> image` of tensors, a network or not: `[B, 3, H, W]` in [0, 1]
and `[B, 1, H, W]`, 1 = hole. Nothing here sees what is under the hole.
"""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import cached_property

import cv2
import numpy as np
import torch
from torch import Tensor

from inpaintlab.tensors import composite

#: Fills a batch of images where their masks are 1.
Method = Callable[[Tensor, Tensor], Tensor]
#: Batches of images and their masks.
Examples = Iterable[tuple[Tensor, Tensor]]


@dataclass(frozen=True)
class Seen:
    """Images, black in their holes, the masks, and what the method gave back, on the CPU.

    `output` may differ from the image outside the hole, as a network's does; a baseline's does not.
    """

    image: Tensor
    mask: Tensor
    output: Tensor

    @classmethod
    @torch.no_grad()
    def of(cls, method: Method, image: Tensor, mask: Tensor) -> "Seen":
        """Have a method fill holes, in which it sees black."""
        known = torch.where(mask > 0, 0, image)
        return cls(known, mask, method(known, mask).detach().float().cpu().clamp(0, 1))

    @cached_property
    def filled(self) -> Tensor:
        """The images with their holes filled."""
        return composite(self.image, self.output, self.mask)

    @cached_property
    def known_error(self) -> Tensor:
        """How far the output is from known pixels, the mean of the channels, `[B, 1, H, W]`; 0 in holes.

        A network that gives back known pixels badly does not understand the image.
        """
        return (self.output - self.image).abs().mean(1, keepdim=True) * (1 - self.mask)

    @cached_property
    def depth(self) -> Tensor:
        """How deep in its hole each pixel lies, `[B, 1, H, W]`, as `depth` says."""
        return depth(self.mask)


def again(examples: Examples) -> Examples:
    """Return examples that can be gone through several times: an iterator's are kept."""
    return list(examples) if isinstance(examples, Iterator) else examples


def depth(mask: Tensor) -> Tensor:
    """Return how far each pixel of a hole is from the nearest known one, over the shorter side.

    `[B, 1, H, W]`, 0 outside holes; a hole without known pixels is as deep as can be, 1.

    >>> mask = torch.zeros(1, 1, 8, 8)
    >>> mask[..., 2:5, 2:5] = 1
    >>> (8 * depth(mask))[0, 0, 3].tolist()
    [0.0, 0.0, 1.0, 2.0, 1.0, 0.0, 0.0, 0.0]
    """
    holes = mask[:, 0].detach().cpu().numpy().astype(np.uint8)
    found = [cv2.distanceTransform(hole, cv2.DIST_L2, cv2.DIST_MASK_5) for hole in holes]
    side = min(mask.shape[-2:])
    return torch.from_numpy(np.stack(found))[:, None].div(side).clamp(max=1).to(mask.device)

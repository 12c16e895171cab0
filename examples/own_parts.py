"""A plugin: parts of your own, known by name to every command and every process.

Usage: inpaint train FOLDER --plugin examples/own_parts.py --network plain --masks left-half
"""

from dataclasses import dataclass

import torch
from torch import Tensor, nn

import inpaintlab as il
from inpaintlab.arrays import UInt8


@il.register_network("plain")
class Plain(nn.Module):
    """A network; its arguments are settings, as `-s network.width=32`."""

    learning_rate = 1e-3

    def __init__(self, width: int = 16) -> None:
        super().__init__()
        inside = [nn.Conv2d(4, width, 5, padding=2), nn.ReLU(), nn.Conv2d(width, 3, 5, padding=2)]
        self.layers = nn.Sequential(*inside)

    def forward(self, image: Tensor, mask: Tensor) -> Tensor:
        """Predict the whole image."""
        output: Tensor = self.layers(torch.cat([image, mask], 1))
        return output


@il.register_mask("left-half")
def left_half(height: int, width: int, generator: torch.Generator) -> Tensor:
    """A kind of mask, 1 in the hole; what is random comes from the generator."""
    edge = int(torch.randint(width // 4, width // 2 + 1, (), generator=generator))
    return (torch.arange(width) < edge).expand(height, width)


@il.register_augmentation("grain")
@dataclass(frozen=True)
class Grain(il.Augmentation):
    """An augmentation: mirrored images with noise."""

    flip: float = 0.5
    grain: float = 0.03

    def vary(self, images: Tensor, generator: torch.Generator) -> Tensor:
        """Add the noise."""
        return images + self.grain * torch.randn(images.shape, generator=generator)


def grey(image: UInt8, mask: UInt8) -> UInt8:
    """A baseline, of uint8 arrays: what every evaluation then measures, too."""
    filled = image.copy()
    filled[mask > 0] = 128
    return filled


il.register_baseline("grey", grey)

"""The network of this project: the most quality for the work of a CPU.

Its parts were chosen by what they brought in the same time (docs/explanation/networks.md holds what was
tried): few channels and many steps, batch normalisation, which an inference engine folds into the
convolutions, an image predicted coarse to fine, and mixing over positions where features are few.
"""

from itertools import pairwise
from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from inpaintlab.errors import SettingError
from inpaintlab.layers import ConvBlock, GridMixing, Residual, Vary, hide, known_mean, smooth_fill
from inpaintlab.networks.base import Network, check_arguments


class Swift(Network):
    """Encoder and decoder with mixing over positions, and an image that every level adds to.

    Level 0 works at `1 / stem` of the image's side with `width` channels, each further one at half
    the side with twice the channels, never more than `max_width`. There are as many levels as leave four
    to seven features a side of an image of `side` pixels. On the two coarsest, features are mixed over
    positions (`layers.GridMixing`), on the grid that such an image has there: images of other sizes
    are taken, but that is the one it is made for. Each level of the decoder adds what the coarser
    ones have left (as the Laplacian pyramid of Denton et al. 2015), so that the coarsest features are
    one step away from the image.

    With `start` "mean" it begins with the mean colour in the hole, and predicts what differs from that;
    the finest features have no skip, by which that could be copied. With "smooth" it begins with a
    smooth continuation of what is around the hole (`layers.smooth_fill`).

    With `noise`, so many random numbers scale and shift the features of the decoder at every level.
    """

    encoder = ("enter", "down")

    def __init__(
        self,
        width: int = 24,
        max_width: int = 144,
        stem: int = 2,
        side: int = 64,
        start: Literal["mean", "smooth"] = "mean",
        noise: int = 0,
    ) -> None:
        super().__init__()
        check_arguments("swift", noise=(noise, 0))
        depth = _depth(width, max_width, stem, side)
        widths = [min(width * 2**level, max_width) for level in range(depth + 1)]
        # Mixing at a level is for the grid that an image of the given side has there.
        grids = {level: side // (stem * 2**level) for level in range(max(1, depth - 1), depth + 1)}
        self.stem, self.start, self.noise = stem, start, noise
        self.multiple_of = stem * 2**depth
        # Below two pixels at the coarsest level, normalisation has too little to average over.
        self.min_size = 2 * self.multiple_of
        self.enter = _block(4 * stem**2, widths[0])
        self.down = nn.ModuleList(
            nn.Sequential(_block(above, below, 2), _residual(below), *_mixing(below, grids.get(level)))
            for level, (above, below) in enumerate(pairwise(widths), start=1)
        )
        self.middle = _residual(widths[-1])
        self.narrow = nn.ModuleList(_block(below, above) for above, below in pairwise(widths))
        self.up = nn.ModuleList(
            nn.Sequential(*_mixing(channels, grids.get(level)), _residual(channels))
            for level, channels in enumerate(widths[:-1])
        )
        self.vary = nn.ModuleList(Vary(noise, channels) for channels in widths)
        self.paint = nn.ModuleList(nn.Conv2d(channels, 3, 1) for channels in widths)
        self.leave = nn.Conv2d(widths[0], 3 * stem**2, 3, padding=1)
        # It starts by predicting little else than the mean colour, which is never far off.
        with torch.no_grad():
            for layer in (*self.paint, self.leave):
                layer.weight.mul_(0.1)

    def forward(self, image: Tensor, mask: Tensor, noise: Tensor | None = None) -> Tensor:
        """Predict the whole image: `[B, 3, H, W]` and `[B, 1, H, W]` to `[B, 3, H, W]`.

        The result is bound to [0, 1] only outside training, where a bound would stop the gradient.
        """
        # Seen and predicted as differences from the mean colour: a face in the shade is the same face.
        middle = known_mean(image, mask)
        base, seen = middle, hide(image, mask, middle)
        if self.start == "smooth":
            base = smooth_fill(image, mask, halvings(self.multiple_of))
            seen = torch.cat([(base - middle) * 2, mask], dim=1)
        features = self.enter(F.pixel_unshuffle(seen, self.stem))
        kept = []
        for down in self.down:
            kept.append(features)
            features = down(features)
        features = self.middle(self.vary[-1](features, noise))
        coarse = self.paint[-1](features)
        for level in reversed(range(len(self.up))):
            # Fewer channels first, then more pixels: a quarter of the work of the other order.
            features = F.interpolate(self.narrow[level](features), scale_factor=2, mode="nearest")
            if level or self.start == "smooth":  # whose start a hole may be copied from
                features = features + kept[level]
            features = self.up[level](self.vary[level](features, noise))
            coarse = _enlarge(coarse, 2) + self.paint[level](features)
        fine = F.pixel_shuffle(self.leave(features), self.stem)
        output = (fine + _enlarge(coarse, self.stem)) / 2 + base
        return output if self.training else output.clamp(0, 1)


def halvings(side: int) -> int:
    """Return how often a side can be halved.

    >>> halvings(24), halvings(7)
    (3, 0)
    """
    return (side & -side).bit_length() - 1


def _block(inputs: int, outputs: int, stride: int = 1) -> nn.Module:
    return ConvBlock(inputs, outputs, stride, norm="batch")


def _residual(channels: int) -> nn.Module:
    return Residual(_block(channels, channels))


def _mixing(channels: int, grid: int | None) -> list[nn.Module]:
    return [GridMixing(channels, grid)] if grid else []


def _enlarge(image: Tensor, times: int) -> Tensor:
    return F.interpolate(image, scale_factor=times, mode="bilinear") if times > 1 else image


def _depth(width: int, max_width: int, stem: int, side: int) -> int:
    """Return the number of levels below level 0.

    Raises `SettingError` for arguments that no network can be built from.
    """
    check_arguments("swift", width=(width, 1), max_width=(max_width, 1), stem=(stem, 1))
    if side < 8 * stem:
        raise SettingError(
            f"network 'swift': side must be at least {8 * stem} with a stem of {stem}, got {side}"
        )
    return (side // (4 * stem)).bit_length() - 1

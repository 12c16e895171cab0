"""A plain encoder and decoder without skips, to study what a bottleneck lets through."""

from functools import partial
from itertools import pairwise

import torch.nn.functional as F
from torch import Tensor, nn

from inpaintlab.errors import SettingError, near_miss
from inpaintlab.layers import ConvBlock, hide, known_mean
from inpaintlab.networks.base import Network, check_arguments, check_size

_BOTTLENECKS = ("conv", "linear")


class Autoencoder(Network):
    """Encoder, bottleneck, decoder: all that comes out has gone through the bottleneck.

    `depth` levels, each at half the side, with `width` channels in the first, twice as many in each
    further one and never more than `max_width`. The bottleneck is a convolution that leaves
    `bottleneck_size` channels at the coarsest level (`conv`), or the flattened features of an image
    of `side` pixels brought to `bottleneck_size` numbers and back (`linear`; for images of another
    size the features are resized to that one). `norm` is a name in `layers.NORMALISATIONS`. After
    Hinton & Salakhutdinov 2006 and, for holes, Pathak et al. 2016.
    """

    #: The layer whose output is all that the decoder gets.
    bottleneck = "squeeze"
    encoder = ("enter", "down")

    def __init__(
        self,
        width: int = 32,
        depth: int = 4,
        max_width: int = 256,
        bottleneck: str = "conv",
        bottleneck_size: int = 256,
        side: int = 64,
        norm: str = "group",
    ) -> None:
        super().__init__()
        name = "autoencoder"
        check_arguments(name, 4, width=(width, 4), depth=(depth, 1), max_width=(max_width, 1))
        check_arguments(name, bottleneck_size=(bottleneck_size, 1))
        if bottleneck not in _BOTTLENECKS:
            hint = near_miss(bottleneck, _BOTTLENECKS)
            raise SettingError(f"network {name!r}: unknown bottleneck {bottleneck!r}{hint}")
        self.multiple_of = 2**depth
        self.min_size = 2 * self.multiple_of
        widths = [width, *(min(width * 2**level, max_width) for level in range(depth))]
        block = partial(ConvBlock, norm=norm)
        self.enter = block(4, width)
        self.down = nn.Sequential(
            *(
                nn.Sequential(block(above, below, stride=2), block(below, below))
                for above, below in pairwise(widths)
            )
        )
        coarsest = widths[-1]
        self.grid: tuple[int, int] | None = None
        if bottleneck == "conv":
            self.squeeze: nn.Module = nn.Conv2d(coarsest, bottleneck_size, 3, padding=1)
            self.expand: nn.Module = block(bottleneck_size, coarsest)
        else:
            check_size(self, side, side)
            rows = side // self.multiple_of
            self.grid = (rows, rows)
            features = coarsest * rows * rows
            self.squeeze = nn.Sequential(nn.Flatten(), nn.Linear(features, bottleneck_size))
            self.expand = nn.Sequential(
                nn.Linear(bottleneck_size, features), nn.Unflatten(1, (coarsest, rows, rows)), nn.SiLU()
            )
        self.up = nn.ModuleList(
            nn.Sequential(block(below, above), block(above, above))
            for above, below in reversed([*pairwise(widths)])
        )
        self.leave = nn.Conv2d(width, 3, 3, padding=1)

    def forward(self, image: Tensor, mask: Tensor) -> Tensor:
        """Predict the whole image: `[B, 3, H, W]` and `[B, 1, H, W]` to `[B, 3, H, W]`.

        Seen and predicted as differences from the mean colour of the known pixels, the one thing that
        does not go through the bottleneck. The result is bound to [0, 1] only outside training.
        """
        middle = known_mean(image, mask)
        features = self.down(self.enter(hide(image, mask, middle)))
        size = features.shape[-2:]
        if self.grid:
            features = F.interpolate(features, self.grid, mode="bilinear")
        features = self.expand(self.squeeze(features))
        if self.grid:
            features = F.interpolate(features, size, mode="bilinear")
        for up in self.up:
            features = up(F.interpolate(features, scale_factor=2, mode="nearest"))
        output: Tensor = self.leave(features) / 2 + middle
        return output if self.training else output.clamp(0, 1)

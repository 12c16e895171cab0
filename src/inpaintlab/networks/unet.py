"""U-Net for inpainting: a pixel-unshuffle stem, few skips, a dilated middle.

After Ronneberger et al. 2015 (the shape), Shi et al. 2016 (pixel shuffle), Yu & Koltun 2016 (dilation)
and He et al. 2016 (residual blocks). What differs is why it is here: a skip at full resolution lets the
network copy its input, hole and all, and the hole stays unfilled; so every skip can be switched, and
that one is off.
"""

from collections.abc import Callable, Sequence
from functools import partial
from itertools import pairwise

import torch.nn.functional as F
from torch import Tensor, nn

from inpaintlab.errors import SettingError
from inpaintlab.layers import ContextualAttention, ConvBlock, Residual, Vary, hide, known_mean
from inpaintlab.networks.base import Network, check_arguments


class UNet(Network):
    """Encoder, dilated middle and decoder with switchable skips.

    Level 0 works at `1 / stem` of the image's side with `width` channels, each further one at half
    the side with twice the channels, never more than `max_width`. There are `depth` levels below level
    0, each with `blocks` residual blocks on the way down and on the way up; the coarsest ends in one
    residual block for each of the `dilations`. `skips[i]` adds the encoder's features to the decoder's
    at level i; none given: at all levels but 0. `norm` is a name in `layers.NORMALISATIONS`; `gates`
    lets every block weigh its features by gates it learns. `attention` names a level, 0 to depth - 1, at
    which the decoder also gets the hole rebuilt from known features. With `noise`, so many random
    numbers scale and shift the features of the decoder at every level.
    """

    encoder = ("enter", "down")

    def __init__(
        self,
        width: int = 32,
        depth: int = 3,
        max_width: int = 192,
        stem: int = 2,
        blocks: int = 1,
        dilations: Sequence[int] = (1, 2, 1, 2),
        skips: Sequence[bool] | None = None,
        norm: str = "group",
        gates: bool = False,
        attention: int | None = None,
        noise: int = 0,
    ) -> None:
        super().__init__()
        check_arguments(
            "unet", 4, width=(width, 4), depth=(depth, 1), stem=(stem, 1), blocks=(blocks, 0)
        )
        check_arguments("unet", max_width=(max_width, 1), noise=(noise, 0))
        if attention is not None and not 0 <= attention < depth:
            raise SettingError(
                f"network 'unet': attention is at a level 0 to {depth - 1}, got {attention}"
            )
        skips = [level > 0 for level in range(depth)] if skips is None else list(skips)
        if len(skips) != depth:
            raise SettingError(f"network 'unet' of depth {depth} has {depth} skips, got {skips}")
        widths = [min(width * 2**level, max_width) for level in range(depth + 1)]
        self.stem, self.noise = stem, noise
        self.skips = skips
        self.multiple_of = stem * 2**depth
        self.bottleneck = None if any(skips) else "middle"
        # Below two pixels at the coarsest level, normalisation has nothing to average over.
        self.min_size = 2 * self.multiple_of
        block = partial(ConvBlock, norm=norm, gate=gates)
        self.enter = block(4 * stem**2, widths[0])
        self.down = nn.ModuleList(
            nn.Sequential(block(above, below, stride=2), *_residual(block, below, [1] * blocks))
            for above, below in pairwise(widths)
        )
        self.middle = nn.Sequential(*_residual(block, widths[-1], dilations))
        self.narrow = nn.ModuleList(block(below, above) for above, below in pairwise(widths))
        self.up = nn.ModuleList(
            nn.Sequential(*_residual(block, above, [1] * blocks)) for above in widths[:-1]
        )
        self.copy_level = attention
        if attention is not None:
            self.attention = ContextualAttention()
            self.copy = nn.Conv2d(widths[attention], widths[attention], 1)
        self.vary = nn.ModuleList(Vary(noise, channels) for channels in widths)
        # No activation: a linear output always has a gradient, and cannot get stuck at black.
        self.leave = nn.Conv2d(widths[0], 3 * stem**2, 3, padding=1)

    def forward(self, image: Tensor, mask: Tensor, noise: Tensor | None = None) -> Tensor:
        """Predict the whole image: `[B, 3, H, W]` and `[B, 1, H, W]` to `[B, 3, H, W]`.

        The result is bound to [0, 1] only outside training, where a bound would stop the gradient.
        """
        # Seen and predicted as differences from the mean colour: a face in the shade is the same face.
        middle = known_mean(image, mask)
        features = self.enter(F.pixel_unshuffle(hide(image, mask, middle), self.stem))
        kept = []
        for down in self.down:
            kept.append(features)
            features = down(features)
        features = self.middle(self.vary[-1](features, noise))
        for level in reversed(range(len(self.up))):
            # Fewer channels first, then more pixels: a quarter of the work of the other order.
            features = F.interpolate(self.narrow[level](features), scale_factor=2, mode="nearest")
            if self.skips[level]:
                features = features + kept[level]
            if level == self.copy_level:
                features = features + self.copy(self.attention(features, self._hole(mask, level)))
            features = self.up[level](self.vary[level](features, noise))
        output = F.pixel_shuffle(self.leave(features), self.stem) / 2 + middle
        return output if self.training else output.clamp(0, 1)

    def _hole(self, mask: Tensor, level: int) -> Tensor:
        """Return the mask at a level: a feature with any hole under it is hole."""
        return F.max_pool2d(mask, self.stem * 2**level)


def _residual(
    block: Callable[..., nn.Module], channels: int, dilations: Sequence[int]
) -> list[Residual]:
    return [Residual(block(channels, channels, dilation=dilation)) for dilation in dilations]

"""LaMa: large-mask inpainting with Fourier convolutions (Suvorov et al. 2022).

The published generator, with the published names of parameters: its weights fit as they are. Fourier
convolutions (Chi et al. 2020) see the whole image from the first block on, so large holes and
repeating patterns are its strength.
"""

import re
from collections.abc import Iterable, Mapping
from itertools import pairwise
from typing import Any

import torch
from torch import Tensor, nn

from inpaintlab.errors import RunError, SettingError
from inpaintlab.layers import FourierConv
from inpaintlab.networks.base import Network, check_arguments

#: Where the weights of the published generator begin; what stands before it differs from file to file.
_FIRST = "model.1.ffc.convl2l.weight"
#: Side of the crops that the published weights were trained on.
PUBLISHED_SIZE = 256


class LaMa(Network):
    """A stem, `depth` downsamplings, Fourier residual blocks, as many upsamplings, a sigmoid.

    The stem has `width` channels, each level below twice as many, never more than `max_width`; of the
    channels in the `blocks` a share of `ratio` is global, none elsewhere. The paper's network has 9
    blocks (27 million parameters), its larger "big-lama" 18 (51 million).
    """

    def __init__(
        self,
        width: int = 64,
        blocks: int = 9,
        depth: int = 3,
        max_width: int = 512,
        ratio: float = 0.75,
    ) -> None:
        super().__init__()
        check_arguments("lama", width=(width, 4), blocks=(blocks, 1), depth=(depth, 1))
        check_arguments("lama", max_width=(max_width, width))
        if not 0 <= ratio <= 1:
            raise SettingError(f"network 'lama': ratio must lie between 0 and 1, got {ratio}")
        self.multiple_of = 2**depth
        # Reflection at the coarsest level needs two pixels there (and four at the finest).
        self.min_size = 2 * self.multiple_of
        widths = [min(width * 2**level, max_width) for level in range(depth + 1)]
        self.encoder = tuple(f"model.{number}" for number in range(1, depth + 2))
        # What is global begins with the last downsampling.
        ratios = [0.0] * depth + [ratio]
        down = [
            _Block(above, below, stride=2, ratio_out=ratio_out)
            for (above, below), ratio_out in zip(pairwise(widths), ratios[1:], strict=True)
        ]
        middle = [_ResidualBlock(widths[-1], ratio) for _ in range(blocks)]
        up = [part for below, above in pairwise(reversed(widths)) for part in _upsampling(below, above)]
        # The numbers in this sequence are part of the published names: `Identity` stands where the
        # published network pads or joins, which our layers do themselves.
        self.model = nn.Sequential(
            nn.Identity(),
            _Block(4, width, kernel=7),
            *down,
            *middle,
            nn.Identity(),
            *up,
            nn.Identity(),
            nn.Conv2d(width, 3, 7, padding=3, padding_mode="reflect"),
            nn.Sigmoid(),
        )

    def forward(self, image: Tensor, mask: Tensor) -> Tensor:
        """Predict the whole image: `[B, 3, H, W]` and `[B, 1, H, W]` to `[B, 3, H, W]` in [0, 1]."""
        known = torch.where(mask > 0, 0, image)
        output: Tensor = self.model(torch.cat([known, mask], dim=1))
        return output


def from_published(weights: Mapping[str, Tensor]) -> tuple[dict[str, Any], dict[str, Tensor]]:
    """Return the arguments of `LaMa` that fit published weights, and the weights under our names.

    Published files hold the generator as `generator.model.1.ffc.convl2l.weight` and so on, with another
    word or none for `generator`; what stands beside it, discriminator and losses, is left out. The
    arguments are read off the shapes. Raises `RunError` where there is no such generator.
    """
    starts = [name.removesuffix(_FIRST) for name in weights if name.endswith(_FIRST)]
    if len(starts) != 1:
        raise RunError(f"published weights of LaMa hold one {_FIRST}, it holds {len(starts)}")
    (start,) = starts
    generator = {
        name.removeprefix(start): weight for name, weight in weights.items() if name.startswith(start)
    }
    depth = _count(r"model\.\d+\.ffc\.convl2l\.weight", generator) - 1
    coarsest = f"model.{1 + depth}.ffc"
    width, local, everywhere = (
        generator[name].shape[0] if name in generator and generator[name].ndim else 0
        for name in (_FIRST, f"{coarsest}.convl2l.weight", f"{coarsest}.convl2g.weight")
    )
    arguments = {
        "width": width,
        "blocks": _count(r"model\.\d+\.conv1\.ffc\.convl2l\.weight", generator),
        "depth": depth,
        "max_width": local + everywhere,
        "ratio": everywhere / max(1, local + everywhere),
    }
    return arguments, generator


class _Block(nn.Module):
    """Fourier convolution, batch norm, ReLU: `[B, inputs, H, W]` to `[B, outputs, H/s, W/s]`."""

    def __init__(
        self,
        inputs: int,
        outputs: int,
        kernel: int = 3,
        stride: int = 1,
        ratio_in: float = 0,
        ratio_out: float = 0,
    ) -> None:
        super().__init__()
        self.ffc = FourierConv(inputs, outputs, kernel, stride, ratio_in, ratio_out)
        self.bn_l, self.bn_g = (
            nn.BatchNorm2d(channels) if channels else nn.Identity() for channels in self.ffc.parts_out
        )
        self.relu = nn.ReLU()

    def forward(self, features: Tensor) -> Tensor:
        local, everywhere = torch.split(self.ffc(features), list(self.ffc.parts_out), dim=1)
        active: Tensor = self.relu(torch.cat([self.bn_l(local), self.bn_g(everywhere)], dim=1))
        return active


class _ResidualBlock(nn.Module):
    """Adds what two blocks make of their input to the input, `[B, channels, H, W]`."""

    def __init__(self, channels: int, ratio: float) -> None:
        super().__init__()
        self.conv1 = _Block(channels, channels, ratio_in=ratio, ratio_out=ratio)
        self.conv2 = _Block(channels, channels, ratio_in=ratio, ratio_out=ratio)

    def forward(self, features: Tensor) -> Tensor:
        changed: Tensor = self.conv2(self.conv1(features))
        return features + changed


def _upsampling(inputs: int, outputs: int) -> list[nn.Module]:
    # The bias does nothing before a batch normalisation, but is part of the published weights.
    twice = nn.ConvTranspose2d(inputs, outputs, 3, stride=2, padding=1, output_padding=1)
    return [twice, nn.BatchNorm2d(outputs), nn.ReLU()]


def _count(pattern: str, names: Iterable[str]) -> int:
    return sum(re.fullmatch(pattern, name) is not None for name in names)

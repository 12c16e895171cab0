"""DeepFillv2: a coarse image, then a refined one that may copy from what is known.

After Yu et al. 2019, "Free-Form Image Inpainting with Gated Convolution", with the layers and widths
of the authors' TensorFlow code, and Yi et al. 2020 for the light gates. It differs from them in three
places: the output is linear in training where theirs ends in tanh, the refinement is shown the mask as
the coarse stage is, and the attention is ours (`layers/attention.py` says how).
"""

from collections.abc import Callable
from itertools import pairwise

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from inpaintlab.layers import ContextualAttention, GatedConv2d, GatedUpsampling, check_gate
from inpaintlab.networks.base import Network, check_arguments, check_size

_DILATIONS = (2, 4, 8, 16)
#: Which convolutions after the first of an encoder halve the side.
_HALVINGS = (0, 2)
#: Colours, ones, by which the border can be told from grey, and the mask.
_SEEN = 5


class DeepFill(Network):
    """Two stages of gated convolutions, the second with contextual attention at a quarter of the side.

    `width` counts as in the authors' code, channels of features and gates together: the default of 48
    has 24 channels of features at full size, 96 at a quarter, and the 4.1 million weights of the paper.
    Ports that count 48 of features alone have four times as many; that is `width=96` here. Without
    `attention` the refinement has its branch of dilated convolutions only. `gate` is `full`, or in all
    layers `separable` or `single`, as explained at `GatedConv2d`.

    Raises `SettingError` for a width that is not a multiple of 8 or an unknown gate.
    """

    #: At 1e-3 its gates run full within a hundred steps, and the loss with them.
    learning_rate = 3e-4

    def __init__(self, width: int = 48, *, attention: bool = True, gate: str = "full") -> None:
        super().__init__()
        check_arguments("deepfill", 8, width=(width, 8))
        check_gate(gate)
        # Two halvings, and cells of two in the attention.
        self.multiple_of = 8 if attention else 4
        # The coarsest grid has at least two cells a side.
        self.min_size = 2 * self.multiple_of
        n = width // 2
        coarse = (
            *_encoder(n, (1, 2, 2, 4, 4, 4), gate),
            *_dilated(4 * n, gate),
            *_decoder(4 * n, n, gate),
        )
        self.coarse = nn.Sequential(*coarse)
        self.dilated = nn.Sequential(*_encoder(n, (1, 1, 2, 2, 4, 4), gate), *_dilated(4 * n, gate))
        self.copied = _Copied(n, gate) if attention else None
        self.paint = nn.Sequential(*_decoder((8 if attention else 4) * n, n, gate))

    def forward(self, image: Tensor, mask: Tensor) -> Tensor:
        """Predict the whole image: `[B, 3, H, W]` and `[B, 1, H, W]` to `[B, 3, H, W]`.

        The result is bound to [0, 1] only outside training, where a bound would stop the gradient.
        Raises `SizeError` for a height or width that is not a multiple, or too small.
        """
        _, refined = self.stages(image, mask)
        return refined if self.training else refined.clamp(0, 1)

    def stages(self, image: Tensor, mask: Tensor) -> tuple[Tensor, Tensor]:
        """Return the coarse and the refined image, for a loss on both; neither is bound to [0, 1].

        Shapes and errors are those of `forward`.
        """
        check_size(self, image.shape[-2], image.shape[-1])
        # In here colours run from -1 to 1, and the hole is grey whatever lies under it.
        known = torch.where(mask > 0, 0, image * 2 - 1)
        coarse = self.coarse(_see(known, mask))
        refined = self._refine(torch.where(mask > 0, coarse, known), mask)
        return (coarse + 1) / 2, (refined + 1) / 2

    def _refine(self, image: Tensor, mask: Tensor) -> Tensor:
        seen = _see(image, mask)
        features = self.dilated(seen)
        if self.copied is not None:
            features = torch.cat([features, self.copied(seen, mask)], 1)
        output: Tensor = self.paint(features)
        return output


class _Copied(nn.Module):
    """The branch of the refinement that puts the hole together from known features."""

    def __init__(self, n: int, gate: str) -> None:
        super().__init__()
        # Features to compare are not negative: what is absent from two patches does not make them alike.
        self.enter = nn.Sequential(*_encoder(n, (1, 1, 2, 4, 4, 4), gate, last=F.relu))
        self.attention = ContextualAttention()
        self.leave = nn.Sequential(*(GatedConv2d(4 * n, 4 * n, gate=gate) for _ in range(2)))

    def forward(self, seen: Tensor, mask: Tensor) -> Tensor:
        """Return `[B, 4 · n, H / 4, W / 4]`."""
        # A feature is known where all the pixels under it are.
        copied: Tensor = self.leave(self.attention(self.enter(seen), F.max_pool2d(mask, 4)))
        return copied


def _see(image: Tensor, mask: Tensor) -> Tensor:
    return torch.cat([image, torch.ones_like(mask), mask], 1)


def _encoder(
    n: int, multiples: tuple[int, ...], gate: str, last: Callable[[Tensor], Tensor] = F.elu
) -> list[nn.Module]:
    """Return the layers from the image to a quarter of its side, with multiples of `n` channels."""
    layers: list[nn.Module] = [GatedConv2d(_SEEN, n, 5, gate=gate)]
    for index, (inputs, outputs) in enumerate(pairwise(multiples)):
        activation = last if index == len(multiples) - 2 else F.elu
        stride = 2 if index in _HALVINGS else 1
        layers.append(
            GatedConv2d(inputs * n, outputs * n, stride=stride, activation=activation, gate=gate)
        )
    return layers


def _dilated(channels: int, gate: str) -> list[nn.Module]:
    """Return convolutions that see ever farther at the same size."""
    return [GatedConv2d(channels, channels, dilation=dilation, gate=gate) for dilation in _DILATIONS]


def _decoder(inputs: int, n: int, gate: str) -> list[nn.Module]:
    """Return the layers from a quarter of the side to the image."""
    # Neither gate nor activation: a linear output always has a gradient.
    leave = nn.Conv2d(n // 2, 3, 3, padding=1)
    return [
        GatedConv2d(inputs, 4 * n, gate=gate),
        GatedConv2d(4 * n, 4 * n, gate=gate),
        GatedUpsampling(4 * n, 2 * n, gate=gate),
        GatedConv2d(2 * n, 2 * n, gate=gate),
        GatedUpsampling(2 * n, n, gate=gate),
        GatedConv2d(n, n // 2, gate=gate),
        leave,
    ]

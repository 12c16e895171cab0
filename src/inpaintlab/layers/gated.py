"""Gated convolution: the network learns where its features are worth something."""

from collections.abc import Callable
from math import sqrt

import torch.nn.functional as F
from torch import Tensor, nn

from inpaintlab.errors import SettingError
from inpaintlab.layers.blocks import same_padding

#: How a gate may be computed, from dear to cheap.
GATES = ("full", "separable", "single")
#: With features of variance 1 before the activation and gates of _GATE_VARIANCE, ELU and gate leave a
#: mean square of 0.165, and the weights of the next layer make up for it. Larger features ELU nearly
#: halves, smaller ones it nearly keeps: the variance returns to 1 from both sides.
_FEATURE_GAIN = sqrt(1 / 0.165)
_GATE_VARIANCE = 0.15


class GatedConv2d(nn.Module):
    """Convolution whose every output is weighed by a learnt gate (Yu et al. 2019, Eq. 4).

    `[B, inputs, H, W]` to `[B, outputs, H/s, W/s]`: `activation(features) · sigmoid(gates)`. Both come
    out of one convolution with twice the outputs where `gate` is `full`. The light forms (Yi et al.
    2020, section 3.4) have one gate for all channels, `single`, or one for each from a convolution
    channel by channel and one pixel by pixel, `separable`. Raises `SettingError` for an unknown gate or
    an even kernel.

    >>> import torch
    >>> GatedConv2d(3, 8, stride=2)(torch.zeros(1, 3, 16, 16)).shape
    torch.Size([1, 8, 8, 8])
    """

    def __init__(
        self,
        inputs: int,
        outputs: int,
        kernel: int = 3,
        stride: int = 1,
        dilation: int = 1,
        *,
        activation: Callable[[Tensor], Tensor] = F.elu,
        gate: str = "full",
    ) -> None:
        super().__init__()
        check_gate(gate)
        padding = same_padding(kernel, dilation)
        gates = {"full": outputs, "separable": 0, "single": 1}[gate]
        self.outputs = outputs
        self.activation = activation
        self.convolution = nn.Conv2d(inputs, outputs + gates, kernel, stride, padding, dilation)
        self.separable = nn.Sequential()
        if gate == "separable":
            self.separable = nn.Sequential(
                nn.Conv2d(inputs, inputs, kernel, stride, padding, dilation, groups=inputs, bias=False),
                nn.Conv2d(inputs, outputs, 1),
            )
        self._initialise()

    def forward(self, features: Tensor) -> Tensor:
        """Return the gated features."""
        together = self.convolution(features)
        gates = self.separable(features) if len(self.separable) else together[:, self.outputs :]
        gated: Tensor = self.activation(together[:, : self.outputs]) * gates.sigmoid()
        return gated

    def _initialise(self) -> None:
        """Keep the variance through many layers; there is no normalisation that would."""
        gate_gain = sqrt(_GATE_VARIANCE) * _FEATURE_GAIN
        _draw(self.convolution, _FEATURE_GAIN, first=0, last=self.outputs)
        _draw(self.convolution, gate_gain, first=self.outputs)
        for layer, gain in zip(self.separable, (1.0, gate_gain), strict=False):
            assert isinstance(layer, nn.Conv2d)
            _draw(layer, gain)


class GatedUpsampling(nn.Module):
    """Doubles the size by repeating pixels, then convolves with a gate: no chequerboard."""

    def __init__(self, inputs: int, outputs: int, *, gate: str = "full") -> None:
        super().__init__()
        self.gated = GatedConv2d(inputs, outputs, gate=gate)

    def forward(self, features: Tensor) -> Tensor:
        """Return `[B, outputs, 2H, 2W]` of `[B, inputs, H, W]`."""
        larger: Tensor = self.gated(F.interpolate(features, scale_factor=2, mode="nearest"))
        return larger


def check_gate(gate: str) -> None:
    """Raise `SettingError` for a gate that does not exist."""
    if gate not in GATES:
        raise SettingError(f"a gate is one of {', '.join(GATES)}, got {gate!r}")


def _draw(layer: nn.Conv2d, gain: float, first: int = 0, last: int | None = None) -> None:
    """Sample the weights of some outputs with the variance gain² / (inputs · k · k); biases become 0."""
    weight = layer.weight[first:last]
    if weight.numel():
        nn.init.normal_(weight, std=gain / sqrt(weight[0].numel()))
    if layer.bias is not None:
        nn.init.zeros_(layer.bias)

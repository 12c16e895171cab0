"""Fast Fourier convolution: every pixel sees the whole image in one layer (Chi et al. 2020).

In the form that Suvorov et al. 2022 (LaMa) use: "ortho" scaling, no local Fourier unit. The names of the
parameters are those of the published code, so that its weights fit as they are.
"""

from functools import reduce

import torch
from torch import Tensor, nn


class FourierUnit(nn.Module):
    """1×1 convolution of the spectrum: `[B, inputs, H, W]` to `[B, outputs, H, W]`, of any H and W.

    Chi et al. 2020, figure 2: real transform, real and imaginary parts as channels `[B, 2·inputs, H,
    W // 2 + 1]`, convolution, batch normalisation, ReLU, and back. The transform takes opposite edges
    to meet, and is computed in float32 where the features are coarser. Real and imaginary parts are
    mixed freely, so that a shifted input does not merely give a shifted output.

    >>> FourierUnit(3, 5)(torch.rand(1, 3, 7, 10)).shape
    torch.Size([1, 5, 7, 10])
    """

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        self.conv_layer = nn.Conv2d(2 * inputs, 2 * outputs, 1, bias=False)
        self.bn = nn.BatchNorm2d(2 * outputs)
        self.relu = nn.ReLU()

    def forward(self, features: Tensor) -> Tensor:
        """Return what the convolution of the spectrum makes of the features, in their own type."""
        # There is no transform in bfloat16, and one in float16 for powers of two and on GPUs only.
        fine = features.to(torch.promote_types(features.dtype, torch.float32))
        parts = torch.view_as_real(torch.fft.rfft2(fine, norm="ortho"))
        # Channels are real, imaginary, real, imaginary, …: [B, C, H, W, 2] to [B, 2·C, H, W].
        channels = parts.permute(0, 1, 4, 2, 3).flatten(1, 2).to(features.dtype)
        channels = self.relu(self.bn(self.conv_layer(channels)))
        parts = channels.unflatten(1, (-1, 2)).permute(0, 1, 3, 4, 2).to(fine.dtype)
        spectrum = torch.view_as_complex(parts.contiguous())
        # The size must be said: widths 2·n and 2·n + 1 have spectra of the same size.
        back: Tensor = torch.fft.irfft2(spectrum, s=features.shape[-2:], norm="ortho")
        return back.to(features.dtype)


class SpectralTransform(nn.Module):
    """Fourier unit between two 1×1 convolutions: `[B, inputs, H, W]` to `[B, outputs, H/s, W/s]`.

    Chi et al. 2020, section 3.2, without its local Fourier unit; a stride of 2 is an average before.
    """

    def __init__(self, inputs: int, outputs: int, stride: int = 1) -> None:
        super().__init__()
        inner = max(1, outputs // 2)
        self.downsample = nn.AvgPool2d(2) if stride == 2 else nn.Identity()
        self.conv1 = nn.Sequential(
            nn.Conv2d(inputs, inner, 1, bias=False), nn.BatchNorm2d(inner), nn.ReLU()
        )
        self.fu = FourierUnit(inner, inner)
        self.conv2 = nn.Conv2d(inner, outputs, 1, bias=False)

    def forward(self, features: Tensor) -> Tensor:
        """Return `conv2(x + fourier_unit(x))` for `x = conv1(features)`."""
        narrow = self.conv1(self.downsample(features))
        widened: Tensor = self.conv2(narrow + self.fu(narrow))
        return widened


class FourierConv(nn.Module):
    """Fast Fourier convolution: `[B, inputs, H, W]` to `[B, outputs, H/s, W/s]` (Chi et al. 2020).

    The first channels are local, the last ones, `ratio_in` and `ratio_out` of all, are global::

        local' = conv(local) + conv(global)
        global' = conv(local) + spectral_transform(global)

    `parts_in` and `parts_out` are the numbers of local and global channels. Padding reflects, so a side
    is longer than `kernel // 2`. The stride is 1 or 2.

    >>> FourierConv(16, 8, ratio_out=0.25).parts_out
    (6, 2)
    """

    def __init__(
        self,
        inputs: int,
        outputs: int,
        kernel: int = 3,
        stride: int = 1,
        ratio_in: float = 0.75,
        ratio_out: float = 0.75,
    ) -> None:
        super().__init__()
        self.parts_in = local_in, global_in = _divide(inputs, ratio_in)
        self.parts_out = local_out, global_out = _divide(outputs, ratio_out)

        def conv(above: int, below: int) -> nn.Module | None:
            if not above or not below:
                return None
            return nn.Conv2d(
                above, below, kernel, stride, kernel // 2, bias=False, padding_mode="reflect"
            )

        self.convl2l = conv(local_in, local_out)
        self.convl2g = conv(local_in, global_out)
        self.convg2l = conv(global_in, local_out)
        self.convg2g = (
            SpectralTransform(global_in, global_out, stride) if global_in and global_out else None
        )

    def forward(self, features: Tensor) -> Tensor:
        """Return local and global channels, one after the other."""
        near, far = torch.split(features, list(self.parts_in), dim=1)
        local = _add((self.convl2l, near), (self.convg2l, far))
        everywhere = _add((self.convl2g, near), (self.convg2g, far))
        return torch.cat([*local, *everywhere], dim=1)


def _divide(channels: int, ratio: float) -> tuple[int, int]:
    everywhere = round(channels * ratio)
    return channels - everywhere, everywhere


def _add(*branches: tuple[nn.Module | None, Tensor]) -> list[Tensor]:
    """Return the sum of what modules make of their inputs, as a list that is empty without a module."""
    made = [module(features) for module, features in branches if module is not None]
    return [reduce(torch.add, made)] if made else []

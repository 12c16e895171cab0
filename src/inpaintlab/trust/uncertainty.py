"""How wrong a fill may be: the scale of its error at each pixel, an interval, and the expected PSNR.

Predicted by a small network that is fitted afterwards, with the weights of whatever fills left as they
are: so it works for any network, and for a method that is none.
"""

from collections.abc import Iterator
from itertools import islice
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from inpaintlab.metrics.per_image import hole_mean, hole_psnr
from inpaintlab.tensors import pad_to_multiple
from inpaintlab.trust.intervals import Intervals
from inpaintlab.trust.seen import Examples, Method, Seen, again

#: Pixels a side that become one position, and channels there: little work beside any network.
_CELL, _CHANNELS = 4, 16
#: No error is expected to be less than what rounding to 8 bits gives.
_LEAST = 1 / 510
#: Peak learning rate of the fit.
_RATE = 5e-3


class Expected(NamedTuple):
    """The hole PSNR that is expected of a fill, in dB, and by how much it is off in 90 % of images."""

    psnr: float
    within: float

    def __str__(self) -> str:
        return f"{self.psnr:.0f} ± {self.within:.0f} dB"


class ErrorHead(nn.Module):
    """Predicts the scale of the error, `[B, 1, H, W]` above 0, of what a method has filled.

    It sees the filled image, how far the output is from known pixels, the mask, and how deep in the
    hole a pixel lies.
    """

    def __init__(self, channels: int = _CHANNELS) -> None:
        super().__init__()
        self.enter = nn.Conv2d(6, channels, _CELL, stride=_CELL)
        self.blocks = nn.ModuleList(
            nn.Sequential(
                nn.Conv2d(channels, channels, 3, padding=wide, dilation=wide, groups=channels),
                nn.Conv2d(channels, channels, 1),
                nn.SiLU(),
            )
            for wide in (1, 2, 4)
        )
        self.leave = nn.Conv2d(channels, _CELL**2, 1)
        with torch.no_grad():
            self.leave.weight.mul_(0.1)
            assert self.leave.bias is not None
            self.leave.bias.fill_(-2.5)

    def forward(self, seen: Seen) -> Tensor:
        """Return the scale b of a Laplace distribution of the error, at each pixel."""
        height, width = seen.mask.shape[-2:]
        planes = [seen.filled - 0.5, 5 * seen.known_error, seen.mask - 0.5, 5 * seen.depth]
        packed = pad_to_multiple(torch.cat(planes, 1), _CELL)
        features = F.silu(self.enter(packed.contiguous(memory_format=torch.channels_last)))
        for block in self.blocks:
            features = features + block(features)
        logarithm = F.pixel_shuffle(self.leave(features), _CELL)[..., :height, :width]
        return logarithm.clamp(-8, 2).exp() + _LEAST


class Uncertainty(nn.Module):
    """The scale of the error, calibrated intervals around a fill, and the expected PSNR."""

    line: Tensor

    def __init__(self, coverage: float = 0.9) -> None:
        super().__init__()
        # Channels last: convolutions take two thirds of the time.
        self.head = ErrorHead().to(memory_format=torch.channels_last)
        self.intervals = Intervals(coverage)
        # Slope, offset and half width of the expected PSNR over that of the predicted scale.
        self.register_buffer("line", torch.tensor([1.0, 0.0, 0.0]))
        self.eval()

    @torch.no_grad()
    def half_width(self, seen: Seen) -> Tensor:
        """Return by how much a value of the fill may be off, `[B, 1, H, W]` in [0, 1]; 0 outside holes.

        The interval `output ± half_width` holds the true value in the share of the hole's values that
        was calibrated, in images like those.
        """
        width: Tensor = self.head(seen) * self.intervals(seen.mask, seen.depth)
        return width.clamp(max=1)

    @torch.no_grad()
    def expected(self, seen: Seen) -> list[Expected]:
        """Return the expected hole PSNR of each fill."""
        slope, offset, within = self.line.tolist()
        decibels = _predicted(self.head(seen), seen.mask)
        return [Expected(slope * value + offset, within) for value in decibels.tolist()]

    @classmethod
    def fit(
        cls,
        method: Method,
        learning: Examples,
        calibration: Examples,
        steps: int = 400,
        coverage: float = 0.9,
        seed: int = 0,
    ) -> "Uncertainty":
        """Learn from so many batches, and calibrate with all of others.

        `calibration` holds images that the method has not learnt from.
        """
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            found = cls(coverage)
        _learn(found.head, method, islice(learning, steps), steps)
        calibration = again(calibration)
        found.intervals.fit(_ratios(found.head, method, calibration))
        found.line.copy_(_line(found.head, method, calibration, coverage))
        return found


def _learn(head: ErrorHead, method: Method, examples: Examples, steps: int) -> None:
    """Fit by the likelihood of a Laplace distribution, in holes."""
    optimiser = torch.optim.AdamW(head.parameters(), _RATE, weight_decay=1e-3)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, _RATE, total_steps=max(2, steps))
    for image, mask in examples:
        seen = Seen.of(method, image, mask)
        scale = head(seen)
        error = (seen.output - image).abs().mean(1, keepdim=True)
        loss = hole_mean(scale.log() + error / scale, mask).mean()
        optimiser.zero_grad()
        torch.autograd.backward(loss)
        optimiser.step()
        schedule.step()


@torch.no_grad()
def _ratios(head: ErrorHead, method: Method, examples: Examples) -> Iterator[tuple[Tensor, Tensor]]:
    for image, mask in examples:
        seen = Seen.of(method, image, mask)
        yield (seen.output - image).abs() / head(seen), mask


def _predicted(scale: Tensor, mask: Tensor) -> Tensor:
    """Return the hole PSNR of an error of this scale, `[B]`: a Laplace distribution's square is 2b²."""
    return -10 * hole_mean(2 * scale**2, mask).clamp(min=1e-10).log10()


@torch.no_grad()
def _line(head: ErrorHead, method: Method, examples: Examples, coverage: float) -> Tensor:
    """Return slope, offset and half width of the true PSNR over the predicted one."""
    pairs = []
    for image, mask in examples:
        seen = Seen.of(method, image, mask)
        pairs.append(torch.stack([_predicted(head(seen), mask), hole_psnr(seen.filled, image, mask)]))
    predicted, true = torch.cat(pairs, 1).double()
    centred = predicted - predicted.mean()
    slope = (centred * true).sum() / (centred**2).sum().clamp(min=1e-9)
    offset = true.mean() - slope * predicted.mean()
    within = (true - slope * predicted - offset).abs().quantile(coverage)
    return torch.stack([slope, offset, within])

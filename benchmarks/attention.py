"""Contextual attention beside its plain form, which cuts out every patch at once: time and peak memory.

Features of 64×64, as at a quarter of 256 px, and a hole of a quarter of each side. Both forms give the
same result, which is checked first. Peak memory is counted in a process of its own, beyond features and
libraries.

Usage: python benchmarks/attention.py
"""

import subprocess
import sys
from functools import partial

import timing
import torch
import torch.nn.functional as F
from timing import alternate, median, median_ratio
from torch import Tensor

from inpaintlab.layers import ContextualAttention

#: Samples and channels.
SHAPES = [(1, 128), (1, 192), (4, 192)]
SIDE = 64


def main() -> None:
    print("| samples × channels | pass | plain | ours | ratio | plain MB | ours MB | ratio |")
    print("|---|---|---|---|---|---|---|---|")
    for samples, channels in SHAPES:
        features, mask = make_features(samples, channels)
        forms = {"plain": plain, "ours": ContextualAttention().eval()}
        assert torch.allclose(plain(features, mask), forms["ours"](features, mask), atol=1e-4)
        for gradient in (False, True):
            seconds = alternate(
                {name: partial(run, form, features, mask, gradient) for name, form in forms.items()}
            )
            memory = {name: peak_megabytes(name, samples, channels, gradient) for name in forms}
            passes = "forward and backward" if gradient else "forward"
            print(
                f"| {samples} × {channels} | {passes} "
                f"| {1e3 * median(seconds['plain']):.0f} ms | {1e3 * median(seconds['ours']):.0f} ms "
                f"| {median_ratio(seconds['ours'], seconds['plain']):.2f} "
                f"| {memory['plain']:.0f} | {memory['ours']:.0f} "
                f"| {memory['ours'] / memory['plain']:.2f} |"
            )


def make_features(samples: int, channels: int) -> tuple[Tensor, Tensor]:
    """Return seeded features and a mask."""
    generator = torch.Generator().manual_seed(0)
    features = torch.randn(samples, channels, SIDE, SIDE, generator=generator)
    mask = torch.zeros(samples, 1, SIDE, SIDE)
    mask[..., SIDE // 4 : SIDE // 2, SIDE // 4 : SIDE // 2] = 1
    return features, mask


def run(form, features: Tensor, mask: Tensor, gradient: bool) -> None:
    if not gradient:
        with torch.no_grad():
            form(features, mask)
        return
    features = features.detach().requires_grad_()
    form(features, mask).square().sum().backward()


def plain(features: Tensor, mask: Tensor, rate: int = 2, scale: float = 10) -> Tensor:
    """Cut out all patches, compare all with all, fuse, weigh, paste; a sample needs a known patch."""
    height, width = (side // rate for side in features.shape[-2:])
    known = F.max_pool2d(F.max_pool2d(mask, rate), 3, 1, 1).flatten(1) == 0
    patches = F.unfold(features[..., ::rate, ::rate], 3, padding=1)
    patches = patches / patches.norm(dim=1, keepdim=True).clamp(min=1e-4)
    scores = patches.mT @ patches
    # Fusing: diagonals of the pairs of columns for equal rows, then of the pairs of rows.
    scores = scores.unflatten(2, (height, width)).unflatten(1, (height, width))
    scores = diagonals(diagonals(scores, (0, 1, 3, 2, 4)), (0, 2, 4, 1, 3))
    scores = (scores.flatten(3).flatten(1, 2) * scale).masked_fill(~known[:, None], -torch.inf)
    weights = scores.softmax(2)
    return paste(weights, features, rate) / paste(weights, torch.ones_like(features[:, :1]), rate)


def diagonals(scores: Tensor, order: tuple[int, ...]) -> Tensor:
    """Convolve the last two dimensions of a permutation with the identity matrix."""
    turned = scores.permute(order)
    summed = F.conv2d(turned.reshape(-1, 1, *turned.shape[3:]), torch.eye(3)[None, None], padding=1)
    return summed.view(turned.shape).permute(*(order.index(dim) for dim in range(5)))


def paste(weights: Tensor, values: Tensor, rate: int) -> Tensor:
    """Weigh windows of 2·rate and add them up, `rate` apart."""
    size = [side + rate for side in values.shape[-2:]]
    before, after = rate // 2, rate - rate // 2
    windows = F.unfold(F.pad(values, (before, after, before, after)), 2 * rate, stride=rate)
    pasted = F.fold(windows @ weights.mT, size, 2 * rate, stride=rate)
    return pasted[..., before:-after, before:-after]


def peak_megabytes(name: str, *arguments: int) -> float:
    """Return the peak memory that a fresh process takes for one pass."""
    command = [sys.executable, __file__, name, *(str(int(argument)) for argument in arguments)]
    return float(subprocess.check_output(command, text=True))


def measure(name: str, samples: int, channels: int, gradient: int) -> None:
    form = plain if name == "plain" else ContextualAttention()
    features, mask = make_features(samples, channels)
    # What libraries take once is not counted.
    run(form, features[:1, :8, :16, :16], torch.zeros(1, 1, 16, 16), bool(gradient))
    print(timing.peak_megabytes(lambda: run(form, features, mask, bool(gradient))))


if __name__ == "__main__":
    if len(sys.argv) > 1:
        measure(sys.argv[1], *(int(word) for word in sys.argv[2:]))
    else:
        main()

"""A training step of `partial-unet` at 256 px beside a straightforward one: time, peak memory, output.

The straightforward network is written below from the paper's equations: masks with as many channels as
features, a convolution of the mask for every convolution of the features, feature maps channels first.
Both have the same weights. Peak memory is that of a step in a process of its own, beyond the program
and the network (Linux).

Usage: python benchmarks/partial_unet.py [BATCH] [ROUNDS]
"""

import subprocess
import sys

import timing
import torch
import torch.nn.functional as F
from timing import alternate, median, median_ratio
from torch import Tensor, nn

from inpaintlab import networks
from inpaintlab.layers import PartialConv2d

SIDE = 256


class Straightforward(nn.Module):
    """The network of the paper, as one would write it down first; takes its weights from ours."""

    def __init__(self, ours: nn.Module) -> None:
        super().__init__()
        self.ours = ours

    def forward(self, image: Tensor, mask: Tensor) -> Tensor:
        """Paint the whole image."""
        valid = (1 - mask).expand(-1, 3, -1, -1)
        features = torch.where(mask > 0, 0, 2 * image - 1)
        kept = []
        for stage in self.ours.down:
            kept.append((features, valid))
            features, valid = self.stage(stage, features, valid)
        for stage in (*reversed(self.ours.up), self.ours.leave):
            skip, skip_valid = kept.pop()
            features = torch.cat([F.interpolate(features, scale_factor=2), skip], 1)
            valid = torch.cat([F.interpolate(valid, scale_factor=2), skip_valid], 1)
            features, valid = self.stage(stage, features, valid)
        return (features + 1) / 2

    def stage(self, stage: nn.Module, x: Tensor, valid: Tensor) -> tuple[Tensor, Tensor]:
        """Return features and mask of one stage, with the mask in every channel."""
        if isinstance(stage, PartialConv2d):
            return self.convolve(stage, x, valid)
        y, new = self.convolve(stage.convolution, x, valid)
        slope = getattr(stage.activation, "negative_slope", 0.0)
        return F.leaky_relu(stage.norm(y), slope), new

    def convolve(self, layer: PartialConv2d, x: Tensor, valid: Tensor) -> tuple[Tensor, Tensor]:
        """Return equations 1 and 2 of the paper."""
        with torch.no_grad():
            total = F.conv2d(valid, torch.ones_like(layer.weight), None, layer.stride, layer.padding)
            new = (total > 0).float()
            ratio = layer.weight[0].numel() / total.clamp(min=1) * new
        y = F.conv2d(x * valid, layer.weight, None, layer.stride, layer.padding) * ratio
        if layer.bias is not None:
            y = (y + layer.bias.view(1, -1, 1, 1)) * new
        return y, new


def main(batch: int = 4, rounds: int = 7) -> None:
    image, mask = inputs(batch)
    networks_ = {name: build(name) for name in ("straightforward", "ours")}
    outputs = [network(image, mask).detach() for network in networks_.values()]
    print(f"largest difference of the outputs: {float((outputs[0] - outputs[1]).abs().max()):.1e}")
    steps = {name: step(network, image, mask) for name, network in networks_.items()}
    seconds = alternate(steps, rounds)
    for name, values in seconds.items():
        print(f"{name:>16}: {median(values):.2f} s a step, {peak(name, batch):,.0f} MB")
    faster = median_ratio(seconds["straightforward"], seconds["ours"])
    print(f"ours is {faster:.2f} times as fast")


def build(name: str) -> nn.Module:
    """Return a network with the weights of seed 0, each laid out in memory as it is used."""
    torch.manual_seed(0)
    ours = networks.create("partial-unet").train()
    return (
        Straightforward(ours)
        if name == "straightforward"
        else ours.to(memory_format=torch.channels_last)
    )


def inputs(batch: int) -> tuple[Tensor, Tensor]:
    image = torch.rand(batch, 3, SIDE, SIDE, generator=torch.Generator().manual_seed(0))
    mask = torch.zeros(batch, 1, SIDE, SIDE)
    mask[..., 64:192, 32:160] = 1
    return image, mask


def step(network: nn.Module, image: Tensor, mask: Tensor):
    """Return a function that computes a step: forward, backward, AdamW."""
    optimiser = torch.optim.AdamW(network.parameters(), 1e-4, fused=True)
    if isinstance(network, networks.Network):
        image = image.to(memory_format=torch.channels_last)

    def run() -> None:
        optimiser.zero_grad()
        (network(image, mask) - image).abs().mean().backward()
        optimiser.step()

    return run


def peak(name: str, batch: int) -> float:
    """Return the peak memory in MB of a step in a fresh process."""
    command = [sys.executable, __file__, "--measure", name, str(batch)]
    return float(subprocess.check_output(command, text=True))


def measure(name: str, batch: str) -> None:
    network, (image, mask) = build(name), inputs(int(batch))
    print(timing.peak_megabytes(step(network, image, mask)))


if __name__ == "__main__":
    if sys.argv[1:2] == ["--measure"]:
        measure(*sys.argv[2:])
    else:
        main(*(int(word) for word in sys.argv[1:3]))

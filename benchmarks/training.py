"""How much of what this machine can compute a training step uses.

Prints the GFLOP/s of a whole step (batch, forward, loss, backward, clipping, AdamW, averaging; FLOPs by
torch's counter) over those of single 3×3 convolutions, forward and backward, of the network's own
shapes, all measured in turn in one process.

Usage: python benchmarks/training.py [NETWORK] [SIZE] [BATCH]
"""

import itertools
import sys
import tempfile
from pathlib import Path

import torch
from timing import alternate, median
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from inpaintlab.settings import TrainSettings
from inpaintlab.training.build import rehearse

#: Steps or convolutions in one measurement.
REPEATS = 3


def main(network: str = "unet", size: int = 64, batch: int = 32) -> None:
    settings = TrainSettings(
        data="samples:400", size=size, network=network, batch_size=batch, steps=10**6
    )
    trainer = rehearse(settings, Path(tempfile.mkdtemp()))
    batches = trainer.batches_from(trainer.step)

    def step() -> None:
        trainer.take_step(next(batches))

    counter = FlopCounterMode(display=False)
    with counter:
        step()
    step_flops = counter.get_total_flops()
    shapes = convolutions(trainer.network, size)
    functions = {"step": repeat(step)}
    flops = {"step": step_flops}
    for inputs, outputs, side, dilation in shapes:
        name = f"3×3 convolution {inputs}→{outputs} at {side}×{side}, dilation {dilation}"
        functions[name] = repeat(convolution(inputs, outputs, side, dilation, batch))
        flops[name] = 3 * 2 * 9 * inputs * outputs * side**2 * batch
    seconds = alternate(functions)
    speeds = {name: REPEATS * flops[name] / median(seconds[name]) / 1e9 for name in functions}
    ours = speeds.pop("step")
    best = max(speeds, key=lambda name: speeds[name])
    for name, speed in speeds.items():
        print(f"{speed:8.1f} GFLOP/s  {name}")
    each = step_flops / batch / 1e9
    print(f"{ours:8.1f} GFLOP/s  a whole training step of {network} ({each:.2f} GFLOP an image)")
    print(f"{REPEATS * batch / median(seconds['step']):8.1f} images/s")
    print(f"{ours / speeds[best]:8.2f} step over the best convolution ({best})")


def convolutions(network: nn.Module, size: int) -> set[tuple[int, int, int, int]]:
    """Return (inputs, outputs, side, dilation) of the 3×3 convolutions of stride 1 in a network."""
    seen = set()

    def look(module: nn.Conv2d, _: object, output: torch.Tensor) -> None:
        if module.kernel_size == (3, 3) and module.stride == (1, 1):
            channels = module.in_channels, module.out_channels
            seen.add((*channels, output.shape[-1], module.dilation[0]))

    hooks = [m.register_forward_hook(look) for m in network.modules() if isinstance(m, nn.Conv2d)]
    with torch.no_grad():
        network(torch.rand(1, 3, size, size), torch.zeros(1, 1, size, size))
    for hook in hooks:
        hook.remove()
    return seen


def convolution(inputs: int, outputs: int, side: int, dilation: int, batch: int):
    """Return a function that runs one convolution forward and backward, channels last."""
    layer = nn.Conv2d(inputs, outputs, 3, padding=dilation, dilation=dilation, bias=False)
    layer = layer.to(memory_format=torch.channels_last)
    image = torch.rand(batch, inputs, side, side).to(memory_format=torch.channels_last)
    image.requires_grad_(True)
    gradient = torch.rand(batch, outputs, side, side).to(memory_format=torch.channels_last)

    def run() -> None:
        layer.weight.grad = image.grad = None
        layer(image).backward(gradient)

    return run


def repeat(function):
    """Return a function that calls another one several times, for a steadier measurement."""

    def run() -> None:
        for _ in itertools.repeat(None, REPEATS):
            function()

    return run


if __name__ == "__main__":
    main(*sys.argv[1:2], *(int(word) for word in sys.argv[2:4]))

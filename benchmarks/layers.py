"""Partial convolution beside a plain one of the same size: forward and backward, with its mask.

A quarter of each image is hole. "two masks" is a decoder's layer: features and a skip with a mask
each, beside concatenating them and a plain convolution.

Usage: python benchmarks/layers.py [ROUNDS]
"""

import sys
from collections.abc import Callable

import torch
from timing import alternate, median, median_ratio
from torch import Tensor, nn

from inpaintlab.layers import PartialConv2d

SHAPES = [
    (channels, side, batch)
    for channels in (64, 128, 256)
    for side, batch in ((32, 32), (64, 16), (128, 4))
]


def main(rounds: int = 9) -> None:
    print("forward and backward, times a plain convolution's (medians of alternating runs)\n")
    print("| channels | side | batch | plain ms | one mask | two masks |\n|---|---|---|---|---|---|")
    for channels, side, batch in SHAPES:
        torch.manual_seed(0)
        one = alternate(single(channels, side, batch), rounds)
        two = alternate(decoder(channels, side, batch), rounds)
        ratios = [median_ratio(times["partial"], times["plain"]) for times in (one, two)]
        print(
            f"| {channels} | {side} | {batch} | {1000 * median(one['plain']):.1f} | "
            f"{ratios[0]:.2f} | {ratios[1]:.2f} |",
            flush=True,
        )


def single(channels: int, side: int, batch: int) -> dict[str, Callable[[], None]]:
    """Return runs of one layer with one input."""
    plain, partial = layers(channels, channels)
    x, valid = features(batch, channels, side), holes(batch, side)
    return {
        "plain": lambda: run(plain, [x], lambda: plain(x)),
        "partial": lambda: run(partial, [x], lambda: partial(x, valid)[0]),
    }


def decoder(channels: int, side: int, batch: int) -> dict[str, Callable[[], None]]:
    """Return runs of one layer that takes two halves of its channels, each with its own mask."""
    plain, partial = layers(channels, channels)
    xs = [features(batch, channels // 2, side) for _ in range(2)]
    valids = [holes(batch, side), holes(batch, side).roll(side // 8, 2)]
    return {
        "plain": lambda: run(plain, xs, lambda: plain(torch.cat(xs, 1))),
        "partial": lambda: run(partial, xs, lambda: partial(xs, valids)[0]),
    }


def layers(inputs: int, outputs: int) -> tuple[nn.Conv2d, PartialConv2d]:
    """Return a plain and a partial convolution with the same weights."""
    plain, partial = (
        nn.Conv2d(inputs, outputs, 3, padding=1),
        PartialConv2d(inputs, outputs, 3, padding=1),
    )
    partial.load_state_dict(plain.state_dict())
    last = torch.channels_last
    return plain.to(memory_format=last), partial.to(memory_format=last)


def features(batch: int, channels: int, side: int) -> Tensor:
    x = torch.randn(batch, channels, side, side).to(memory_format=torch.channels_last)
    return x.requires_grad_()


def holes(batch: int, side: int) -> Tensor:
    valid = torch.ones(batch, 1, side, side)
    valid[..., side // 4 : side * 3 // 4, side // 4 : side * 3 // 4] = 0
    return valid


def run(layer: nn.Module, xs: list[Tensor], forward: Callable[[], Tensor]) -> None:
    """Compute one layer forward and backward, from gradients that are not there yet."""
    for tensor in (*xs, *layer.parameters()):
        tensor.grad = None
    y = forward()
    y.backward(y.detach())


if __name__ == "__main__":
    main(*(int(word) for word in sys.argv[1:2]))

"""Weights of a run: how they begin, and their moving average."""

from collections.abc import Callable

import torch
from torch import Tensor, nn

from inpaintlab.data.sampling import TrainingSamples
from inpaintlab.layers.initialise import initialise
from inpaintlab.settings import Part

Tensors = tuple[Tensor, ...] | list[Tensor]

#: Images that a weight initialisation is fitted to, where its scheme does that.
FITTED_TO = 8


def give_weights(network: nn.Module, scheme: Part | None, seed: int, samples: TrainingSamples) -> None:
    """Initialise the weights of a network by a scheme, if there is one; `lsuv` fits them to samples."""
    if scheme is None:
        return
    batch = None
    if scheme.name == "lsuv":
        batch = samples.collate([samples[number] for number in range(FITTED_TO)])[:2]
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed + 2)
        initialise(network, scheme.name, batch=batch, **scheme.arguments)


def moving_average(decay: float) -> Callable[[Tensors, Tensors, Tensor | int], None]:
    """Return the exponential moving average that `AveragedModel` calls.

    The decay rises as (1 + n) / (10 + n) to its value, so that the random start is soon forgotten.
    It is called with tensors of one type at a time; whole numbers are taken over as they are.
    """

    @torch.no_grad()
    def update(averaged: Tensors, current: Tensors, number: Tensor | int) -> None:
        if not averaged[0].is_floating_point():  # counters, as of batch normalisation
            torch._foreach_copy_(list(averaged), list(current))
            return
        n = float(number)
        torch._foreach_lerp_(list(averaged), list(current), 1 - min(decay, (1 + n) / (10 + n)))

    return update

"""Random numbers that depend on what they are for alone."""

import numpy as np
import torch


def generator_for(*key: int) -> torch.Generator:
    """Return a generator that depends on these numbers alone.

    Neighbouring keys give unrelated streams (numpy's SeedSequence mixes them).
    """
    return torch.Generator().manual_seed(stream(*key))


def stream(*key: int) -> int:
    """Return the seed of the stream of random numbers that these numbers name."""
    state = np.random.SeedSequence(key).generate_state(1, np.uint64)[0]
    return int(state >> np.uint64(1))


def integer(bounds: tuple[int, int], generator: torch.Generator) -> int:
    """Draw an integer, both bounds included."""
    return int(torch.randint(bounds[0], bounds[1] + 1, (), generator=generator))


def integers(bounds: tuple[int, int], count: int, generator: torch.Generator) -> list[int]:
    """Draw many integers in one call, both bounds included."""
    drawn: list[int] = torch.randint(bounds[0], bounds[1] + 1, (count,), generator=generator).tolist()
    return drawn


def real(bounds: tuple[float, float], generator: torch.Generator) -> float:
    """Draw a number, the lower bound included."""
    return bounds[0] + (bounds[1] - bounds[0]) * float(torch.rand((), generator=generator))

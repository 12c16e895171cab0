"""Random numbers that depend on what they are for alone: every use has a stream of its own."""

from enum import IntEnum

import numpy as np
import torch


class Stream(IntEnum):
    """What random numbers of a run are for: the second number of their key, after the run's seed.

    Numbers stay what they are: another one would change every run of the same seed.
    """

    ORDER = 0
    SAMPLE = 1
    STEP = 2
    RESTART = 3
    SHARD_ORDER = 4
    SHARD_MIX = 5
    RATE_TEST = 6


#: Seed of the frozen masks of validation. It is not the run's: runs with other seeds are compared on the
#: same holes.
MASK_SEED = 20_240_601


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

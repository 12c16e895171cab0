"""Time of each metric for an image, and of the figures of whole sets: what evaluation costs.

Usage: python benchmarks/metrics.py [ROUNDS]
"""

import sys
import time
from collections.abc import Callable

import numpy as np
import torch
from timing import alternate, median, peak_megabytes
from torchmetrics.functional.image import structural_similarity_index_measure

from inpaintlab.metrics import (
    METRICS,
    available,
    discrimination,
    frechet_distance,
    kernel_distance,
    measure,
)

#: Side -> images in a batch.
BATCHES = {64: 64, 256: 16}
#: Images and numbers in a vector of the sets.
SETS = [(600, 320), (6000, 320), (6000, 2048)]


def main(rounds: int = 5) -> None:
    torch.set_num_threads(1)
    print("µs for an image, one core (medians)\n")
    head("metric", *(f"{side} px" for side in BATCHES))
    columns = [times(side, count, rounds) for side, count in BATCHES.items()]
    for name in columns[0]:
        print(f"| {name} | {' | '.join(f'{column[name]:,.0f}' for column in columns)} |", flush=True)
    print("\nmemory of all that need no network, 64 px\n")
    head("batch", "MB")
    for count in (64, 256, 1024):
        images = batch(64, count)
        print(f"| {count} | {peak_megabytes(lambda of=images: measure(*of)):.0f} |", flush=True)
    print("\nwhole sets, seconds\n")
    head("images", "numbers", "Fréchet", "kernel", "P-IDS and U-IDS")
    set_seconds(100, 8)  # imports are not counted
    for count, dimension in SETS:
        print(f"| {count:,} | {dimension:,} | {' | '.join(set_seconds(count, dimension))} |", flush=True)


def head(*names: str) -> None:
    """Print the head of a table."""
    print("|", " | ".join(names), "|")
    print("|---" * len(names) + "|")


def times(side: int, count: int, rounds: int) -> dict[str, float]:
    """Return name -> microseconds for one image."""
    images = batch(side, count)
    measures: dict[str, Callable[[], object]] = {
        name: lambda of=metric: of(*images) for name, metric in METRICS.items()
    }
    measures["all of these together"] = lambda: measure(*images)
    filled, truth, _ = images
    measures["SSIM of torchmetrics"] = lambda: structural_similarity_index_measure(
        filled, truth, reduction="none", data_range=1.0
    )
    found = available()
    measures |= {name: lambda of=metric: of(*images) for name, metric in found.metrics.items()}
    for sets in found.sets:
        measures[f"features of {next(iter(sets.figures))}"] = lambda of=sets: of.network(images[0])
    seconds = alternate(measures, rounds)
    return {name: median(values) / count * 1e6 for name, values in seconds.items()}


def batch(side: int, count: int) -> list[torch.Tensor]:
    """Return filled images, their truth, and masks whose hole is a quarter."""
    filled, truth = torch.rand(2, count, 3, side, side)
    mask = torch.zeros(count, 1, side, side)
    mask[..., side // 4 : -side // 4, side // 4 : -side // 4] = 1
    return [torch.where(mask > 0, filled, truth), truth, mask]


def set_seconds(count: int, dimension: int) -> list[str]:
    """Return how long each figure of two sets takes."""
    random = np.random.default_rng(0)
    truth = random.exponential(size=(count, dimension)).astype(np.float32)
    filled = truth + 0.5 * random.normal(size=truth.shape).astype(np.float32)
    found = []
    for function in (frechet_distance, kernel_distance, discrimination):
        start = time.perf_counter()
        function(filled, truth)
        found.append(f"{time.perf_counter() - start:.1f}")
    return found


if __name__ == "__main__":
    main(*(int(word) for word in sys.argv[1:2]))

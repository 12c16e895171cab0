"""Whether loading keeps up with training.

Prints pictures per second of the loader over those of the training step, measured in turn in one
process: from decoded pictures in memory, as in a run, and read again from files for every step.

Usage: python benchmarks/loading.py [FOLDER | samples:N] [SIZE] [BATCH]
"""

import sys

from timing import alternate, median, median_ratio

from inpaintlab import masks
from inpaintlab.data import loading
from inpaintlab.data.loading import DrawBatches, Draws, Pictures, training_batches
from inpaintlab.data.sources import open_source
from inpaintlab.training import loop
from training import prepare

BATCHES = 20


def main(data: str = "samples:1000", size: int = 64, batch: int = 32) -> None:
    session = prepare("unet", size, batch)
    model, optimiser = session.fabric.setup(session.state.network, session.state.optimiser)
    model.train()
    fixed = next(loop._batches(session))
    source = open_source(data)
    mixture = masks.create([{"name": "rectangles"}])
    in_memory = Pictures(source, range(min(4000, len(source.names))), size, "benchmark")
    loading.CACHE_SHARE = 0.0
    from_files = Pictures(source, range(min(4000, len(source.names))), size, "benchmark")
    streams = {
        "loader, decoded pictures in memory, no worker": (Draws(in_memory, mixture, 0, True), 0),
        "loader, files read for every step, 1 worker": (Draws(from_files, mixture, 0, True), 1),
    }
    iterators = {
        name: training_batches(draws, DrawBatches(batch), workers)
        for name, (draws, workers) in streams.items()
    }

    def take(name: str):
        return lambda: [next(iterators[name]) for _ in range(BATCHES)]

    functions = {"step": lambda: [loop._step(session, model, optimiser, fixed, 1e-4) for _ in range(3)]}
    seconds = alternate(functions | {name: take(name) for name in iterators})
    steps = [3 * batch / s for s in seconds["step"]]
    print(f"{median(steps):9.0f} pictures/s  training step at {size} px, both cores, no loading in it")
    for name in iterators:
        speeds = [BATCHES * batch / s for s in seconds[name]]
        print(f"{median(speeds):9.0f} pictures/s  {name}: {median_ratio(speeds, steps):.1f} × the step")


if __name__ == "__main__":
    main(*sys.argv[1:2], *(int(word) for word in sys.argv[2:4]))

"""What the guards cost: a training step with `--guards act` over one with `--guards off`.

Both runs are made alike and take their steps in turn, in one process. The memory is that of the copy of
the last good state, in copies of what training changes (weights, moments, average).

Usage: python benchmarks/guards.py [SIZE] [BATCH] [ROUNDS]
"""

import sys
import tempfile
from pathlib import Path
from typing import Any

import torch
from timing import alternate, median, median_ratio

from inpaintlab.masks import check_mask
from inpaintlab.settings import TrainSettings
from inpaintlab.tensors import check_image
from inpaintlab.training.build import rehearse
from inpaintlab.training.guards.callback import Guards

#: Steps in one measurement: as many as the guards have between two looks of the rarest kind.
STEPS = 20


def main(size: int = 64, batch: int = 32, rounds: int = 15) -> None:
    functions = {mode: steps(mode, size, batch) for mode in ("off", "act")}
    times = alternate(functions, rounds)
    each = {mode: 1000 * median(values) / STEPS for mode, values in times.items()}
    share = median_ratio(times["act"], times["off"])
    print(f"a step at {size} px, batch {batch}: {each['off']:.1f} ms, guarded {each['act']:.1f} ms")
    print(f"ratio {share:.3f} (medians of {rounds} alternating rounds of {STEPS} steps)")
    trainer = rehearse(settings("act", size, batch), Path(tempfile.mkdtemp()))
    state, guards = trainer.state_dict(), Guards()
    guards.on_start(trainer)
    copies = weight(guards.snapshots.good) / weight(state)
    print(
        f"memory: {weight(state) / 1e6:.1f} MB are trained, the guards keep {copies:.2f} times as much"
    )


def settings(mode: str, size: int, batch: int) -> TrainSettings:
    return TrainSettings(data="samples:400", size=size, batch_size=batch, steps=10**6, guards=mode)


def steps(mode: str, size: int, batch: int):
    """Return a function that takes some steps of a run."""
    trainer = rehearse(settings(mode, size, batch), Path(tempfile.mkdtemp()))
    guards, trainer.progress = Guards(), 0.5
    if mode == "act":
        guards.on_start(trainer)

    def take() -> None:
        for _ in range(STEPS):
            trainer.batch = next(trainer.batches)
            assert mode == "off" or guards.on_batch(trainer, trainer.batch)
            check_image(trainer.batch.images)
            check_mask(trainer.batch.masks, trainer.batch.images)
            step = trainer.take_step(trainer.batch)
            trainer.step += 1
            assert mode == "off" or guards.on_step(trainer, step)

    take()
    return take


def weight(state: Any) -> int:
    """Return the bytes of all tensors in a nested state."""
    if isinstance(state, torch.Tensor):
        return state.numel() * state.element_size()
    if isinstance(state, dict):
        return sum(weight(value) for value in state.values())
    return sum(weight(value) for value in state) if isinstance(state, list | tuple) else 0


if __name__ == "__main__":
    main(*(int(word) for word in sys.argv[1:]))

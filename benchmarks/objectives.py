"""What objectives weigh at the start, and what a step costs with each.

The terms are those of a fresh network on a batch, without their weights. The cost is the time of a step
in which everything counts over that of one with `reconstruction`, by processor time: a mean of sixteen,
as a penalty may be taken in every eighth step alone.

Usage: python benchmarks/objectives.py [FOLDER | samples:N] [SIZE] [OBJECTIVE …] [FILE OF VGG-16]
"""

import sys
import time
from pathlib import Path
from statistics import fmean
from tempfile import TemporaryDirectory

import torch

from inpaintlab.data.augment import Batch
from inpaintlab.settings import TrainSettings
from inpaintlab.training.build import rehearse
from inpaintlab.training.objectives import OBJECTIVES, REAL_NOISE
from inpaintlab.training.trainer import Trainer

#: Networks that an objective was made for; `swift` for all others.
NETWORKS = {"partial-conv": "partial-unet", "partial-conv-lite": "partial-unet", "deepfill": "deepfill"}
#: Of partial-unet: the coarsest level is 2×2 at 64 px.
ARGUMENTS = {"partial-unet": {"depth": 5}}
STEPS = 16


def main(data: str = "samples:200", size: str = "64", *words: str) -> None:
    files = [word for word in words if Path(word).is_file()]
    chosen = [word for word in words if word not in files]
    for name in chosen or sorted(OBJECTIVES):
        if name == "partial-conv" and not files:
            print(f"{name:18} needs the weights of VGG-16")
            continue
        network = NETWORKS.get(name, "swift")
        weights = {"weights": files[0]} if name == "partial-conv" else {}
        found, seconds = measure(data, int(size), network, {"name": name, **weights})
        _, plain = measure(data, int(size), network, {"name": "reconstruction"})
        terms = ", ".join(f"{key} {value:.3g}" for key, value in found.items())
        cost = f"a step of {network} takes {seconds / plain:.2f} times as long"
        print(f"{name:18} {cost}; {terms}", flush=True)


def measure(data: str, size: int, network: str, objective: dict) -> tuple[dict[str, float], float]:
    """Return scalars of the first step, and the mean seconds of a step of the whole objective."""
    with TemporaryDirectory() as folder:
        noise = {"noise": REAL_NOISE} if objective["name"] == "real" else {}
        part = {"name": network, **ARGUMENTS.get(network, {}), **noise}
        trainer = rehearse(
            TrainSettings(
                data=data,
                size=size,
                network=part,
                objective=objective,
                steps=100,
                batch_size=16,
                cache="off",
            ),
            Path(folder),
        )
        batch = next(trainer.batches_from(trainer.step))
        # The end of a run: everything counts, and nothing moves.
        trainer.progress, trainer.rate_factor = 1.0, 0.0
        scalars = trainer.take_step(batch).scalars
        return {key: float(value) for key, value in scalars.items()}, fmean(times(trainer, batch))


def times(trainer: Trainer, batch: Batch) -> list[float]:
    """Return the seconds of some steps, with everything that the end of a run has."""
    taken = []
    for _ in range(STEPS):
        start = time.process_time()
        trainer.take_step(batch)
        taken.append(time.process_time() - start)
    return taken


if __name__ == "__main__":
    torch.set_num_threads(1)
    main(*sys.argv[1:])

"""All networks, each given the same time on the same images and holes; then the filling of a crop.

First a training step of each is timed, side by side in one process; that says how many steps fit into
the minutes. Then each is trained for so many steps, on rectangles and irregular masks half and half, and
evaluated on either. So the table does not depend on what else the machine does while it trains. Runs
that are there already are not trained again: their folder is runs/networks-SIZE/NAME.

Usage: python benchmarks/networks.py FACES MASKS [--size 64] [--minutes 10] [--only NAME,NAME]
       python benchmarks/networks.py --crop          only the time to fill a crop of 256 px
"""

import argparse
import itertools
import json
import tempfile
from pathlib import Path
from typing import Any

import torch
from timing import alternate, median

from inpaintlab import networks
from inpaintlab.evaluation.command import run_evaluation
from inpaintlab.settings import EvaluateSettings, Part, TrainSettings
from inpaintlab.training import train
from inpaintlab.training.build import rehearse

#: Arguments where the defaults are not meant for images this small.
ARGUMENTS: dict[tuple[str, int], dict[str, Any]] = {
    ("partial-unet", 64): {"depth": 5},
    ("partial-unet", 128): {"depth": 6},
}
#: These take a second and more for 32 images: smaller batches give them steps enough to learn from.
BATCH = {"deepfill": 8, "lama": 8}
NAMES = ("swift", "unet", "partial-unet", "deepfill", "lama")
ROUNDS = 7


def main() -> None:
    parser = argparse.ArgumentParser(usage=__doc__)
    parser.add_argument("faces", nargs="?")
    parser.add_argument("masks", nargs="?")
    parser.add_argument("--size", type=int, default=64)
    parser.add_argument("--minutes", type=float, default=10)
    parser.add_argument("--only", default=",".join(NAMES))
    parser.add_argument("--crop", action="store_true")
    words = parser.parse_args()
    if words.crop:
        fill_a_crop()
        return
    folder = Path(f"runs/networks-{words.size}")
    kinds = {
        "rectangles": Part(name="rectangles"),
        "irregular": Part(name="folder", path=str(Path(words.masks).resolve())),
    }
    settings = {
        name: TrainSettings(
            data=words.faces,
            size=words.size,
            network=Part(name=name, **ARGUMENTS.get((name, words.size), {})),
            masks=list(kinds.values()),
            batch_size=BATCH.get(name, 32),
            validate_every=1000,
            steps=10**6,
        )
        for name in NAMES
    }
    steps = count_steps(settings, words.minutes, folder / "steps.json")
    for name in words.only.split(","):
        run = folder / name
        if not (run / "model.safetensors").exists():
            train(settings[name].model_copy(update={"steps": steps[name]["steps"], "output": run}))
        report(run, name, steps[name], kinds)


def count_steps(
    settings: dict[str, TrainSettings], minutes: float, file: Path
) -> dict[str, dict[str, Any]]:
    """Time a step of each network, in turn, and say how many fit; kept in a file for later calls."""
    if file.exists():
        return json.loads(file.read_text())
    functions = {name: one_step(setting) for name, setting in settings.items()}
    times = {name: median(values) for name, values in alternate(functions, ROUNDS).items()}
    steps = {
        name: {"ms": round(1000 * time, 1), "steps": int(minutes * 60 / time)}
        for name, time in times.items()
    }
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(json.dumps(steps, indent=1))
    return steps


def one_step(settings: TrainSettings):
    """Return a function that takes a step of a run of drawn portraits, batch and all."""
    settings = settings.model_copy(update={"data": "samples:400"})
    trainer = rehearse(settings, Path(tempfile.mkdtemp()))
    batches = trainer.batches_from(trainer.step)
    return lambda: trainer.take_step(next(batches))


def report(run: Path, name: str, step: dict[str, Any], kinds: dict[str, Part]) -> None:
    """Evaluate a run on either kind of mask and print its row."""
    cells = []
    for part in kinds.values():
        settings = EvaluateSettings(models=[str(run)], masks=[part], learned=False, slow_images=0)
        result = run_evaluation(settings).result
        own = result.overall.methods[result.model]
        cells += [f"{own['hole_psnr'].mean:.2f}", f"{own['ssim'].mean:.4f}"]
    row = " | ".join((name, f"{step['ms']:.0f}", f"{step['steps']:,}", *cells))
    print(f"| {row} |", flush=True)


def fill_a_crop(side: int = 256) -> None:
    """Print how long each network takes for one image of 256 px, layers laid out as when training."""
    image, mask = torch.rand(1, 3, side, side), torch.zeros(1, 1, side, side)
    mask[..., 64:192, 64:192] = 1
    image = image.to(memory_format=torch.channels_last)

    def run(network: networks.Network):
        network = network.eval().to(memory_format=torch.channels_last)

        @torch.inference_mode()
        def fill() -> None:
            for _ in itertools.repeat(None, 3):
                network(image, mask)

        return fill

    functions = {name: run(networks.create(name)) for name in networks.NETWORKS}
    for name, values in alternate(functions, ROUNDS).items():
        print(f"{name:>14}: {1000 * median(values) / 3:.0f} ms")


if __name__ == "__main__":
    main()

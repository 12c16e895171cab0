"""Kill a run at random moments, and compare its end with that of one that was left alone.

One run with an adversarial objective, averaged weights, a curriculum and guards is left alone; another,
the same, is killed with `kill -9` again and again at random moments and resumed each time. Their
weights must be the same, bit by bit.

Usage: python benchmarks/kills.py [KILLS] [FACES]
"""

import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import torch
from safetensors.torch import load_file

COMMAND = [sys.executable, "-c", "from inpaintlab.cli import main; main()", "train"]
#: Small, with everything that training changes: two networks, averages, a level, guards that remember.
SETTINGS = (
    "--size 16 --batch-size 8 --steps 6000 --objective adversarial --curriculum linear --seed 3 "
    "-s network.width=8 -s objective.discriminator_width=8 -s objective.discriminator_layers=2 "
    "-s objective.warmup=0.2 -s objective.penalty=r1 -s validate_every=60 -s validation_images=16"
)


def main(kills: int = 30, data: str = "samples:200") -> None:
    folder = Path(tempfile.mkdtemp())
    start = time.monotonic()
    run([data, "-o", str(folder / "whole"), *SETTINGS.split()])
    whole = time.monotonic() - start
    print(f"left alone: {whole:.0f} s")
    draw, killed = np.random.default_rng(0), folder / "killed"
    # Beginning takes some seconds; so some are killed while reading, most at work, some while saving.
    moments = [float(draw.uniform(2, 7)) for _ in range(kills)]
    done = 0
    for moment in moments:
        process = subprocess.Popen(
            [*COMMAND, *arguments(killed, data)], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        try:
            process.wait(moment)
            break  # it has come to its end
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
            done += 1
    if not (killed / "last.safetensors").exists() or step(killed) < step(folder / "whole"):
        run(arguments(killed, data))
    same = [
        equal(folder / "whole" / name, killed / name)
        for name in ("last.safetensors", "model.safetensors")
    ]
    print(f"killed {done} times: {'the same weights, bit by bit' if all(same) else 'OTHER weights'}")


def arguments(folder: Path, data: str) -> list[str]:
    """Return what begins a run, or goes on with it once it has a recipe."""
    if (folder / "recipe.yaml").exists():
        return ["--resume", str(folder)]
    return [data, "-o", str(folder), *SETTINGS.split()]


def run(words: list[str]) -> None:
    done = subprocess.run([*COMMAND, *words], capture_output=True, text=True)
    if done.returncode:
        sys.exit(done.stderr)


def step(folder: Path) -> int:
    return torch.load(folder / "state" / "training.pt", weights_only=True)["step"]


def equal(one: Path, other: Path) -> bool:
    first, second = load_file(one), load_file(other)
    return all(torch.equal(first[name], second[name]) for name in first)


if __name__ == "__main__":
    main(*(int(word) for word in sys.argv[1:2]), *sys.argv[2:3])

"""A curriculum against none, and guards on against off, over some seeds.

As in networks.py: a step of each kind is timed, side by side in one process, which says how many of them
fit into the minutes; then each is trained for so many steps with each seed, on rectangles and irregular
masks half and half, and evaluated on either. Differences to the plain run are paired by seed; their
intervals are Student's, so with three seeds 4.3 standard errors to either side. Runs that are there
already are not trained again: their folder is runs/comparisons/NAME-SEED.

Usage: python benchmarks/comparisons.py FACES MASKS [--minutes 3] [--seeds 3] [--only NAME,NAME]
"""

import argparse
import json
from pathlib import Path
from typing import Any

import numpy as np
from scipy import stats

from inpaintlab.evaluation.command import run_evaluation
from inpaintlab.settings import EvaluateSettings, Part, TrainSettings
from inpaintlab.training import train
from networks import count_steps

PLAIN = "plain"
#: What each changes of the plain run: default network, L1 alone, no curriculum, guards that act.
CHANGES: dict[str, dict[str, Any]] = {
    PLAIN: {},
    "curriculum-linear": {"curriculum": "linear"},
    "curriculum-success": {"curriculum": "success"},
    "guards-off": {"guards": "off"},
}
FOLDER = Path("runs/comparisons")
#: Of the whole sets of features only methods of one kind can be compared; this distance is of images.
METRICS = ("hole_psnr", "ssim", "hole-distance-efficientnet")


def main() -> None:
    parser = argparse.ArgumentParser(usage=__doc__)
    parser.add_argument("faces")
    parser.add_argument("masks")
    parser.add_argument("--minutes", type=float, default=3)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--only", default=",".join(CHANGES))
    words = parser.parse_args()
    kinds = {
        "rectangles": Part(name="rectangles"),
        "irregular": Part(name="folder", path=str(Path(words.masks).resolve())),
    }
    settings = {name: _settings(words.faces, kinds, name) for name in CHANGES}
    steps = count_steps(settings, words.minutes, FOLDER / "steps.json")
    found = {}
    for seed in range(words.seeds):
        for name in words.only.split(","):
            changes = {"steps": steps[name]["steps"], "seed": seed, "output": FOLDER / f"{name}-{seed}"}
            found[name, seed] = measure(settings[name].model_copy(update=changes), kinds)
            print(name, seed, json.dumps(found[name, seed]), flush=True)
    for name in words.only.split(","):
        row(name, steps[name]["steps"], found, range(words.seeds))


def _settings(faces: str, kinds: dict[str, Part], name: str) -> TrainSettings:
    return TrainSettings(
        data=faces,
        size=64,
        masks=list(kinds.values()),
        validate_every=1000,
        steps=10**6,
        **CHANGES[name],
    )


def measure(settings: TrainSettings, kinds: dict[str, Part]) -> dict[str, float]:
    """Train, unless that is done, and evaluate on either kind of mask."""
    run = settings.output
    assert run is not None
    if not (run / "finished").exists():
        train(settings)
        (run / "finished").touch()
    values = {}
    for kind, part in kinds.items():
        settings = EvaluateSettings(models=[str(run)], masks=[part], slow_images=0, lookalikes=False)
        result = run_evaluation(settings).result
        own = result.overall.methods[result.model]
        values |= {f"{kind} {metric}": own[metric].mean for metric in METRICS if metric in own}
    return values


def row(name: str, steps: int, found: dict, seeds: range) -> None:
    """Print the means of a variant, or of its differences to the plain runs, with intervals."""
    cells = []
    for metric in found[name, 0]:
        values = np.array([found[name, seed][metric] for seed in seeds])
        if name != PLAIN and (PLAIN, 0) in found:
            values = values - [found[PLAIN, seed][metric] for seed in seeds]
        half = stats.t.ppf(0.975, len(seeds) - 1) * values.std(ddof=1) / len(seeds) ** 0.5
        spec = ".2f" if "psnr" in metric else ".4f"
        sign = "" if name == PLAIN else "+"
        cells.append(f"{values.mean():{sign}{spec}} ± {half:{spec}}")
    print(f"| {name} | {steps:,} | {' | '.join(cells)} |", flush=True)


if __name__ == "__main__":
    main()

"""How long an evaluation takes, and how its memory grows: images × six bins, all quick methods.

Each number of images is measured in a process of its own, without figures of feature networks and
without slow baselines, as they are asked for by their own settings.

Usage: python benchmarks/evaluate.py RUN [COUNT …]       default: 250 and 1000 images
"""

import json
import resource
import subprocess
import sys
import time

from inpaintlab.evaluation.command import run_evaluation
from inpaintlab.settings import EvaluateSettings


def main(run: str, *counts: str) -> None:
    for count in counts or ("250", "1000"):
        words = [sys.executable, __file__, "--one", run, count]
        done = subprocess.run(words, check=True, capture_output=True, text=True)
        found = json.loads(done.stdout.splitlines()[-1])
        each = found["n"] // found["images"]
        what = f"{found['images']} images × {each} masks × {found['methods']} methods"
        print(f"{what}: {found['seconds']:.0f} s, {found['megabytes']:.0f} MB at the peak")


def one(run: str, count: str) -> None:
    start = time.perf_counter()
    settings = EvaluateSettings.model_validate(
        {
            "models": [run],
            "limit": int(count),
            "masks": ["nvidia-style-v1"],
            "learned": False,
            "slow_images": 0,
        }
    )
    overall = run_evaluation(settings).result.overall
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    facts = {"n": overall.n, "images": overall.images, "methods": len(overall.methods)}
    print(json.dumps({**facts, "seconds": time.perf_counter() - start, "megabytes": peak}))


if __name__ == "__main__":
    if sys.argv[1] == "--one":
        one(*sys.argv[2:])
    else:
        main(*sys.argv[1:])

"""The guards against accidents made on purpose: what is seen and named, and what becomes of the run.

Trains a small network on real faces at 32 px, clean and with each fault, over several seeds, with
guards and without. A fault is seen when there is an incident, named rightly when the first incident
names its cause, and mended when the run ends within 0.3 dB of the clean one of its seed.

Usage: python benchmarks/guard_faults.py FACES [--seeds 5] [--clean 20] [--without] [--only FAULT,FAULT]
"""

import argparse
import json
import shutil
import sys
import tempfile
from contextlib import nullcontext
from pathlib import Path

import torch

from inpaintlab.checkpoints import Run
from inpaintlab.errors import InpaintlabError
from inpaintlab.settings import TrainSettings
from inpaintlab.training import train
from inpaintlab.training.guards.incidents import read_incidents

sys.path.insert(0, str(Path(__file__).parents[1]))

from tests.training.faults import FAULTS, Fault  # after the path to it is known

STEPS, SIZE, BATCH, AT = 400, 32, 16, 170
NEAR = 0.3
#: Guards that leave odd images out, as users ask for who have seen what they report.
DROPPING = {"name": "act", "drop": True}


def main() -> None:
    parser = argparse.ArgumentParser(usage=__doc__)
    parser.add_argument("faces")
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--clean", type=int, default=20)
    parser.add_argument("--without", action="store_true")
    parser.add_argument("--only", default=",".join(FAULTS))
    words = parser.parse_args()
    torch.set_num_threads(1)
    clean = {seed: run(words.faces, Fault("none"), seed, "act") for seed in range(words.clean)}
    alarms = [f"seed {seed}: {causes}" for seed, (_, causes, _) in clean.items() if causes]
    print(f"clean runs: {len(clean)}, with a false alarm: {len(alarms)}", *alarms, sep="\n", flush=True)
    print("\n| fault | seen | named | within 0.3 dB | worst dB off | without guards, dB off |")
    print("|---|---|---|---|---|---|")
    for name in words.only.split(","):
        fault = FAULTS[name]
        if objective := fault.settings.get("objective"):  # what is minimised changes what is reached
            alike = Fault("none", {"objective": objective})
            reached = {seed: run(words.faces, alike, seed, "act")[0] for seed in range(words.seeds)}
        else:
            reached = {seed: clean[seed][0] for seed in range(words.seeds)}
        row(words, name, reached)


def row(words: argparse.Namespace, name: str, clean: dict[int, float]) -> None:
    """Print how a fault fared over the seeds."""
    fault = FAULTS[name]
    results = {seed: run(words.faces, fault, seed, DROPPING) for seed in clean}
    seen = sum(bool(causes) for _, causes, _ in results.values())
    named = sum(causes[:1] == [fault.cause] for _, causes, _ in results.values())
    off = {seed: clean[seed] - psnr for seed, (psnr, *_) in results.items()}
    near = sum(difference < NEAR for difference in off.values())
    without = "not run"
    if words.without:
        ends = [(clean[seed], run(words.faces, fault, seed, "off")[0]) for seed in clean]
        without = ", ".join(f"{c - psnr:.1f}" if psnr > 0 else "no model" for c, psnr in ends)
    n = len(clean)
    print(
        f"| {name} | {seen}/{n} | {named}/{n} | {near}/{n} | {max(off.values()):.2f} | {without} |",
        flush=True,
    )
    for seed, (psnr, causes, stopped) in results.items():
        if causes[:1] != [fault.cause] or off[seed] >= NEAR:
            print(f"<!-- seed {seed}: {psnr:.2f} dB, {causes}, {stopped} -->", flush=True)


def run(
    faces: str, fault: Fault, seed: int, guards: str | dict[str, object]
) -> tuple[float, list[str], str | None]:
    """Train with a fault; return the best hole PSNR, the causes named, and why it was stopped."""
    folder = Path(tempfile.mkdtemp())
    settings = {
        "data": faces, "size": SIZE, "steps": STEPS, "batch_size": BATCH, "seed": seed, "guards": guards,
        "output": folder / "run", "validate_every": 100, "validation_images": 300,
        "cache": "disk", "network": "swift",
    }  # fmt: skip
    spoil = fault.spoil(AT + 7 * seed, 1000 + seed) if fault.spoil else nullcontext()
    try:
        with spoil:
            result = train(TrainSettings.model_validate(settings | fault.settings))
        ended = result.hole_psnr, result.stopped
    except InpaintlabError as error:
        ended = best(Run(folder / "run")), str(error)
    causes = [incident.verdict.cause for incident in read_incidents(Run(folder / "run"))]
    shutil.rmtree(folder)
    return ended[0], causes, ended[1]


def best(run: Run) -> float:
    """Return the best hole PSNR that a run has a model of, 0 for none."""
    lines = [json.loads(line) for line in run.log.read_text().splitlines()] if run.log.exists() else []
    return max((line["hole_psnr"] for line in lines if line["kind"] == "validation"), default=0.0)


if __name__ == "__main__":
    main()

"""`inpaint diagnose` on runs made ill on purpose: illness × verdict.

Trains small networks on real faces at 32 px with each illness (tests/diagnosis/illnesses.py), diagnoses
them, and counts how often the first verdict is the right one. Seeds 0 and 1 are those the verdicts were
written with; judge with others.

Usage: python benchmarks/diagnose.py FACES [--seeds 0,1] [--only NAME;NAME] [--keep FOLDER]

Runs in the folder to keep are diagnosed again and not trained again.
"""

import argparse
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

import numpy as np
import torch
from PIL import Image

from inpaintlab.data.sources import open_dataset
from inpaintlab.data.splits import part_of
from inpaintlab.errors import InpaintlabError
from inpaintlab.settings import TrainSettings
from inpaintlab.training import train

sys.path.insert(0, str(Path(__file__).parents[1]))

from tests.diagnosis.illnesses import ILLNESSES, Illness, made_networks  # after the path to it is known

STEPS, SIZE, BATCH, VAL, AT = 300, 32, 16, 300, 120


def main() -> None:
    parser = argparse.ArgumentParser(usage=__doc__)
    parser.add_argument("faces", type=Path)
    parser.add_argument("--seeds", default="0,1")
    parser.add_argument("--only", default=";".join(ILLNESSES))
    parser.add_argument("--keep", type=Path)
    parser.add_argument("--train-only", action="store_true")
    words = parser.parse_args()
    torch.set_num_threads(1)
    seeds = [int(seed) for seed in words.seeds.split(",")]
    folder = words.keep or Path(tempfile.mkdtemp())
    print("| illness | right | first verdicts | all findings |\n|---|---|---|---|", flush=True)
    totals: Counter[str] = Counter()
    for name in words.only.split(";"):
        row(name, {seed: found(words, folder, name, seed) for seed in seeds}, totals)
    for kind in ("ill", "healthy"):
        if n := totals[kind]:
            print(
                f"\n{kind}: {totals[f'{kind} right']} of {n} right ({totals[f'{kind} right'] / n:.0%})"
            )


def row(name: str, verdicts: dict[int, list], totals: Counter[str]) -> None:
    """Print how an illness was judged over the seeds, and count it."""
    illness, kind = ILLNESSES[name], "healthy" if ILLNESSES[name].verdict == "healthy" else "ill"
    rights = [right(illness, found) for found in verdicts.values()]
    totals.update({kind: len(rights), f"{kind} right": sum(rights)})
    firsts = Counter(words_of(found[0]) if found else "healthy" for found in verdicts.values())
    every = Counter(verdict.part for found in verdicts.values() for verdict in found)
    first, rest = (
        ", ".join(f"{n}× {word}" for word, n in of.most_common()) or "none" for of in (firsts, every)
    )
    print(f"| {name} | {sum(rights)}/{len(rights)} | {first} | {rest} |", flush=True)


def right(illness: Illness, findings: list) -> bool:
    """Tell whether the first finding is the one that was made, and blames what was done."""
    if illness.verdict == "healthy" or not findings:
        return illness.verdict == "healthy" and not findings
    first = findings[0]
    return first.part == illness.verdict and first.blame == illness.blame


def words_of(verdict) -> str:
    return f"{verdict.part}: {verdict.blame}" if verdict.blame else str(verdict.part)


def found(words: argparse.Namespace, folder: Path, name: str, seed: int) -> list:
    """Return the findings of a run with an illness, in their order."""
    place = folder / f"{name} {seed}".replace("/", "by").replace(" ", "-")
    with made_networks():
        if not (place / "done").exists():
            make(words.faces, ILLNESSES[name], seed, place)
            (place / "done").touch()
        if words.train_only:
            return []
        from inpaintlab.diagnosis.diagnose import diagnose

        start = time.monotonic()
        result = diagnose(place / "run")
    for verdict in result.verdicts:
        if verdict.word != "ok" or words.keep:
            print(f"<!-- {name} {seed}: {verdict.part}: {verdict.word}: {verdict.text} -->", flush=True)
    print(f"<!-- {name} {seed}: diagnosed in {time.monotonic() - start:.1f} s -->", flush=True)
    return result.findings


def make(faces: Path, illness: Illness, seed: int, place: Path) -> None:
    """Train a run with an illness."""
    images = place / "images"
    if not images.exists():
        choose(faces, illness, seed, images)
    settings = {
        "data": str(images), "size": SIZE, "steps": STEPS, "batch_size": BATCH, "seed": seed,
        "output": place / "run", "validate_every": 100, "validation_images": VAL, "network": "swift",
        "cache": "memory",
    }  # fmt: skip
    try:
        with illness.spoil(AT + 7 * seed, 1000 + seed):
            train(TrainSettings.model_validate(settings | illness.settings))
    except InpaintlabError as error:
        print(f"<!-- {place.name}: {error} -->", flush=True)


def choose(faces: Path, illness: Illness, seed: int, folder: Path) -> None:
    """Lay down a folder of faces: so many to train on, `VAL` to validate with, and its noise."""
    source, random = open_dataset(str(faces)), np.random.default_rng(seed)
    folder.mkdir(parents=True)
    wanted, count = {"train": illness.images, "val": VAL, "test": 0}, 0
    for index in random.permutation(len(source.names)).tolist():
        part = part_of(source.content_hash(index))
        if wanted[part]:
            wanted[part] -= 1
            count += 1
            (folder / source.names[index]).symlink_to((faces / source.names[index]).resolve())
        if not any(wanted.values()):
            break
    for number in range(round(illness.noise * count)):
        noise = random.integers(0, 256, (SIZE, SIZE, 3), np.uint8)
        Image.fromarray(noise).save(folder / f"noise-{number}.png")


if __name__ == "__main__":
    main()

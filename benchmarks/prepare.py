"""What preparing costs: time for a folder of real images, and memory for a million.

The million is a manifest of made-up rows (no images): what grows with their number is then the same
as after reading real ones. Peak memory is that of the whole process.

Usage: python benchmarks/prepare.py [FOLDER] [ROWS]
"""

import resource
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np

from inpaintlab.data import prepare as preparation
from inpaintlab.data.manifest import BATCH, DatasetFolder, write_part
from inpaintlab.settings import PrepareSettings


def main(folder: str = "", rows: int = 1_000_000) -> None:
    with TemporaryDirectory() as temporary:
        if folder:
            settings = PrepareSettings(sources=[folder], output=Path(temporary) / "real.dataset")
            report(f"{folder}, from nothing", settings)
            report(f"{folder}, again", settings)
        dataset = DatasetFolder(Path(temporary) / "rows.dataset")
        files = [
            part_file(dataset, number, min(BATCH, rows - first))
            for number, first in enumerate(range(0, rows, BATCH))
        ]
        preparation.read_all = lambda *_: (files, rows)
        report(f"{rows:,} rows", PrepareSettings(sources=["."], output=dataset.folder))


def report(what: str, settings: PrepareSettings) -> None:
    start = time.perf_counter()
    facts = preparation.prepare(settings)
    seconds = time.perf_counter() - start
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6
    groups = facts.groups.of_look_alikes
    print(f"{what}: {facts.images:,} images, {seconds:.1f} s, peak memory {peak:.2f} GB")
    print(f"    {groups} groups of look-alikes, findings {facts.findings}")


def part_file(dataset: DatasetFolder, number: int, count: int) -> Path:
    path = dataset.reading / f"0001-{number:06}.parquet"
    write_part(path, list(made_up(number * BATCH, count)))
    return path


def made_up(first: int, count: int) -> Iterator[dict[str, Any]]:
    """Yield rows with random hashes; one in fifty looks like the one before it."""
    random = np.random.default_rng(first)
    hashes = random.integers(0, 2**63, (count, 2), dtype=np.uint64)
    hashes[49::50] = hashes[48::50][: len(hashes[49::50])] ^ np.uint64(0b101)
    for index, (upright, mirrored) in enumerate(hashes.tolist(), first):
        yield {
            "path": f"/data/a/folder/with/a/name/class-{index // 1000:04}/{index:09}.jpg",
            "key": "", "offset": -1, "bytes": 20_000, "modified": 10**18 + index,
            "folder": f"class-{index // 1000:04}", "columns": [],
            "file_sha256": f"{upright:016x}" * 4, "sha256": f"{index:016x}" + f"{upright:016x}" * 3,
            "width": 256, "height": 256, "mode": "RGB", "format": "JPEG", "frames": 1,
            "suffix_fits": True, "grey": False, "contrast": 50.0, "sharpness": 100.0,
            "phash": f"{upright:016x}", "phash_mirror": f"{mirrored:016x}",
        }  # fmt: skip


if __name__ == "__main__":
    main(*sys.argv[1:2], *(int(word) for word in sys.argv[2:3]))

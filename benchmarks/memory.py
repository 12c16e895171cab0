"""Whether the memory that a run predicts is what it takes.

Each line is a run of six steps in a process of its own; measured is the peak of its resident memory,
with workers the sum of what each process has for itself and its share of what they have together.

Usage: python benchmarks/memory.py [FOLDER | samples:N]
"""

import re
import subprocess
import sys
import time
from contextlib import suppress
from tempfile import TemporaryDirectory

import psutil

#: Each with the default network where it says nothing else.
SETTINGS = [
    ("64 px", "--size 64"),
    ("128 px", "--size 128"),
    ("256 px, batch 8", "--size 256 --batch-size 8"),
    ("64 px, wide network", "--size 64 -s network.width=64 -s network.depth=4 -s network.max_width=512"),
    ("128 px, no stem", "--size 128 --batch-size 16 -s network.stem=1 -s network.width=48"),
    ("256 px, batch 32", "--size 256 --batch-size 32"),
    ("64 px, 2 workers", "--size 64 --workers"),
    ("64 px, adversarial", "--size 64 --batch-size 64 --objective adversarial"),
    (
        "64 px, adversarial, R1",
        "--size 64 --batch-size 64 --objective adversarial -s objective.penalty=r1",
    ),
    (
        "64 px, gradient penalty",
        "--size 64 --batch-size 64 --objective adversarial -s objective.penalty=gradient",
    ),
    ("64 px, lama", "--size 64 --batch-size 64 --objective lama"),
    (
        "64 px, partial-conv",
        "--size 64 --objective partial-conv-lite --network partial-unet -s network.depth=5",
    ),
]


def main(data: str = "samples:2000") -> None:
    for name, words in SETTINGS:
        words = words.replace("--workers", "-s workers=2 -s cache=off")
        with TemporaryDirectory() as folder:
            predicted, measured = run(f"train {data} --steps 6 {words} -o {folder}/run".split())
        ratio = predicted / measured
        print(
            f"{name:22} predicted {predicted:.2f} GB, measured {measured:.2f} GB: {ratio:.2f}",
            flush=True,
        )


def run(words: list[str]) -> tuple[float, float]:
    """Return predicted and measured gigabytes of one command."""
    code = "from inpaintlab.cli import main; main()"
    command = [sys.executable, "-c", code, *words]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
    peak = 0
    while process.poll() is None:
        peak = max(peak, resident(process.pid))
        time.sleep(0.05)
    assert process.stderr
    said = process.stderr.read()
    found = re.search(r"about ([\d.]+) GB of memory", said)
    assert found, said
    return float(found[1]), peak / 1e9


def resident(pid: int) -> int:
    """Return the bytes of a process; with children, what they share is counted once."""
    with suppress(psutil.Error):
        parent = psutil.Process(pid)
        children = parent.children(recursive=True)
        if not children:
            return int(parent.memory_info().rss)
        return sum(int(process.memory_full_info().pss) for process in (parent, *children))
    return 0


if __name__ == "__main__":
    main(*sys.argv[1:])

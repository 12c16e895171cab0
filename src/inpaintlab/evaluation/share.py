"""How the runs of a cross-validation share one machine."""

import os
from dataclasses import dataclass

import torch

from inpaintlab.errors import MemoryLimitError
from inpaintlab.machine import free_memory


@dataclass(frozen=True)
class Machine:
    """What figures can depend on: runs at a time, threads of each, and whether their budget is time."""

    jobs: int
    threads: int
    timed: bool


@dataclass(frozen=True)
class Shares:
    """Places for runs side by side: what the environment of each has, and its share of the processor.

    `memory` is what one run takes, in bytes; `timed` that its budget is time.
    """

    places: list[dict[str, str]]
    threads: int
    memory: int
    timed: bool

    @property
    def jobs(self) -> int:
        """How many runs there are at a time."""
        return len(self.places)

    @property
    def machine(self) -> Machine:
        """What figures can depend on."""
        return Machine(self.jobs, self.threads, self.timed)

    def __str__(self) -> str:
        at_a_time = "one at a time" if self.jobs == 1 else f"{self.jobs} at a time"
        threads = "1 thread" if self.threads == 1 else f"{self.threads} threads"
        each = " each" if self.jobs > 1 else ""
        return f"{at_a_time} with {threads}{each}, about {self.memory / 1e9:.1f} GB{each}"


def share_machine(jobs: int | None, runs: int, device: str, memory: int, *, timed: bool) -> Shares:
    """Divide the machine: an accelerator for each run, or an equal part of the threads.

    Where nothing else is asked for, runs on a processor with a budget of time have it one by one, so
    that a minute is worth what it is in `inpaint train`; others are as many as there are threads and as
    fit into memory. Raises `MemoryLimitError` where `jobs` runs do not fit.
    """
    threads, free = torch.get_num_threads(), free_memory()
    devices = [{}] if device == "cpu" else _devices(device)
    fitting = max(1, free // memory)
    if jobs is None:
        most = len(devices) if device != "cpu" else 1 if timed else threads
        jobs = max(1, min(most, runs, fitting))
    elif (jobs := min(jobs, runs)) > fitting:
        raise MemoryLimitError(
            f"{jobs} runs side by side need {jobs * memory / 1e9:.1f} GB, {free / 1e9:.1f} GB are free: "
            f"fits with --jobs {fitting}"
        )
    each = max(1, threads // jobs)
    places = [{**devices[job % len(devices)], "OMP_NUM_THREADS": str(each)} for job in range(jobs)]
    return Shares(places, each, memory, timed)


def _devices(device: str) -> list[dict[str, str]]:
    """Return for each accelerator the environment in which a process sees it alone."""
    if device != "cuda":  # no other kind has a variable for that, or more than one of them
        return [{}]
    named = [name for name in os.environ.get("CUDA_VISIBLE_DEVICES", "").split(",") if name]
    names = named or [str(number) for number in range(torch.cuda.device_count())]
    return [{"CUDA_VISIBLE_DEVICES": name} for name in names]

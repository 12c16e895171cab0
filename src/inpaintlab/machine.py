"""What this machine has, and what of it is left."""

import os
from pathlib import Path

import psutil

_CGROUP_QUOTA = "/sys/fs/cgroup/cpu.max"
_CGROUP_LIMITS = ("/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory/memory.limit_in_bytes")


def free_memory() -> int:
    """Return the bytes of memory that are free, within the limit of a container."""
    free = psutil.virtual_memory().available
    for path in _CGROUP_LIMITS:
        limit = Path(path).read_text().strip() if Path(path).is_file() else "max"
        if limit.isdigit():
            free = min(free, int(limit) - psutil.Process().memory_info().rss)
    return free


def processors() -> int:
    """Return how many processors this process may use, within its affinity and a container's limit."""
    allowed = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    text = Path(_CGROUP_QUOTA).read_text() if Path(_CGROUP_QUOTA).is_file() else "max"
    quota, _, period = text.partition(" ")
    return max(1, min(allowed, -(-int(quota) // int(period)))) if quota.isdigit() else allowed


def speaks_for_all() -> bool:
    """Tell whether this is the only process of a run, or the first, which prints its result."""
    return os.environ.get("RANK", os.environ.get("LOCAL_RANK", "0")) == "0"

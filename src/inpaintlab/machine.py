"""What this machine has left."""

from pathlib import Path

import psutil

_CGROUP_LIMITS = ("/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory/memory.limit_in_bytes")


def free_memory() -> int:
    """Return the bytes of memory that are free, within the limit of a container."""
    free = psutil.virtual_memory().available
    for path in _CGROUP_LIMITS:
        limit = Path(path).read_text().strip() if Path(path).is_file() else "max"
        if limit.isdigit():
            free = min(free, int(limit) - psutil.Process().memory_info().rss)
    return free

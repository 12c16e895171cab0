"""Timing several things side by side, so that their ratios hold although the machine drifts; peaks."""

import statistics
import time
from collections.abc import Callable
from pathlib import Path


def alternate(functions: dict[str, Callable[[], object]], rounds: int = 7) -> dict[str, list[float]]:
    """Call each function once to warm up, then `rounds` times in turn; return seconds by name."""
    seconds: dict[str, list[float]] = {name: [] for name in functions}
    for function in functions.values():
        function()
    for _ in range(rounds):
        for name, function in functions.items():
            start = time.perf_counter()
            function()
            seconds[name].append(time.perf_counter() - start)
    return seconds


def median(values: list[float]) -> float:
    """Return the median."""
    return statistics.median(values)


def median_ratio(numerators: list[float], denominators: list[float]) -> float:
    """Return the median of the ratios round by round."""
    return statistics.median(n / d for n, d in zip(numerators, denominators, strict=True))


def peak_megabytes(function: Callable[[], object]) -> float:
    """Return how far the memory of this process rises while a function runs (Linux)."""
    before = _resident("VmRSS")
    Path("/proc/self/clear_refs").write_text("5")  # the peak is counted anew from here on
    function()
    return _resident("VmHWM") - before


def _resident(field: str) -> float:
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) / 1024 for line in lines if line.startswith(field))

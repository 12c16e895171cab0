"""Figures of whole sets of images: over all rows, and by bin in a way that can be compared."""

from collections.abc import Sequence
from typing import Any

from inpaintlab.arrays import Bool
from inpaintlab.evaluation.records import Records
from inpaintlab.metrics import Available, Distributions, Unavailable, common_size


def whole_sets(
    records: Records, methods: Sequence[str], offered: Available
) -> tuple[dict[str, Any], list[Unavailable]]:
    """Return the figures, method by method, and what could not be had.

    The Fréchet distance depends on the number of images. So in `bins` it is taken of `equal_n`
    images of each, drawn at random, and not at all in bins that have too few; the kernel distance,
    which does not depend on it, of all.
    """
    missing = {of.name: of for of in offered.missing}
    found: dict[str, Any] = _empty(len(records), methods)
    found["equal_n"], found["bins"] = {}, {}
    bins = {name: records.where("bin", name) for name in records.kinds_of("bin")}
    for name, chosen in bins.items() if len(bins) > 1 else ():
        found["bins"][name] = _empty(int(chosen.sum()), methods)
    for collector in offered.sets:
        for of in _fill(found, collector, methods):
            missing[of.name] = of
        equal = common_size(bins.values(), collector.least)
        found["equal_n"] |= {next(iter(collector.figures)): equal} if equal else {}
        for name, part in found["bins"].items():
            _fill(part, collector, methods, bins[name], equal)
    return (found if any(found["methods"].values()) else {}), list(missing.values())


def _empty(n: int, methods: Sequence[str]) -> dict[str, Any]:
    return {"n": n, "methods": {name: {} for name in methods}}


def _fill(
    part: dict[str, Any],
    collector: Distributions,
    methods: Sequence[str],
    chosen: Bool | None = None,
    equal: int = 0,
) -> list[Unavailable]:
    """Add a collector's figures to a part; return those that could not be had."""
    missing = []
    for method in methods:
        for name, value in collector.scores(method, chosen, equal or None).items():
            if isinstance(value, Unavailable):
                missing.append(value)
            else:
                part["methods"][method][name] = value
    return missing

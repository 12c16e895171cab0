"""Figures of whole sets of images: over all rows, and by bin in a way that can be compared."""

from collections.abc import Sequence
from dataclasses import dataclass

from inpaintlab.arrays import Bool
from inpaintlab.evaluation.rows import Rows
from inpaintlab.metrics import Available, Distributions, Unavailable, common_size


@dataclass(frozen=True)
class SetFigures:
    """Figures of so many images: method -> name -> value."""

    n: int
    methods: dict[str, dict[str, float]]


@dataclass(frozen=True)
class WholeSets:
    """Figures over all rows and by hole-ratio bin.

    The Fréchet distance depends on the number of images. So in `bins` it is taken of `equal_n`
    images of each, drawn at random, and not at all in bins that have too few; the kernel distance,
    which does not depend on it, of all.
    """

    overall: SetFigures
    equal_n: dict[str, int]
    bins: dict[str, SetFigures]


def whole_sets(
    rows: Rows, methods: Sequence[str], offered: Available
) -> tuple[WholeSets | None, list[Unavailable]]:
    """Return the figures, None where there are none, and what could not be had."""
    missing = {of.name: of for of in offered.missing}
    bins = {name: rows.where("bin", name) for name in rows.kinds_of("bin")}
    by_bin = {name: _empty(int(of.sum()), methods) for name, of in bins.items() if len(bins) > 1}
    found = WholeSets(_empty(len(rows), methods), {}, by_bin)
    for collector in offered.sets:
        for of in _fill(found.overall, collector):
            missing[of.name] = of
        if equal := common_size(bins.values(), collector.least):
            found.equal_n[next(iter(collector.figures))] = equal
        for name, part in found.bins.items():
            _fill(part, collector, bins[name], equal)
    return (found if any(found.overall.methods.values()) else None), list(missing.values())


def _empty(n: int, methods: Sequence[str]) -> SetFigures:
    return SetFigures(n, {name: {} for name in methods})


def _fill(
    part: SetFigures, collector: Distributions, chosen: Bool | None = None, equal: int = 0
) -> list[Unavailable]:
    """Add a collector's figures to a part; return those that could not be had."""
    missing = []
    for method, values in part.methods.items():
        for name, value in collector.scores(method, chosen, equal or None).items():
            if isinstance(value, Unavailable):
                missing.append(value)
            else:
                values[name] = value
    return missing

"""What can be wrong with an image, and which of that keeps it from being used.

A finding is one line in `FINDINGS` and, where it can be told from one image alone, one in `_TESTS`.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

from inpaintlab.data.lookalikes import LEAST_CONTRAST


@dataclass(frozen=True)
class Finding:
    """What is said of a finding, and whether such images are left out unless told otherwise."""

    text: str
    left_out: bool


FINDINGS = {
    "unreadable": Finding("not an image that can be read", True),
    "damaged": Finding("damaged or cut short", True),
    "bomb": Finding("more pixels than the limit against decompression bombs", True),
    "small": Finding("shorter side below min_size", True),
    "narrow": Finding("longer than max_aspect times its width", True),
    "constant": Finding("nearly one colour all over", True),
    "copy": Finding("same decoded pixels as another image, which is used", True),
    "near": Finding("looks like another image (kept in one part with it)", False),
    "grey": Finding("grey among coloured images", False),
    "suffix": Finding("file name says another format", False),
    "frames": Finding("several frames, the first is used", False),
    "leak": Finding("in another part of the published split there is a copy or a look-alike", True),
    "between": Finding("looks like images of two parts that were fixed before", True),
}

_ORDER = {name: place for place, name in enumerate(FINDINGS)}
#: Findings of images that have no pixels.
NO_PIXELS = ("unreadable", "damaged", "bomb")
#: Findings whose images the setting `keep` takes in all the same.
CAN_BE_KEPT = ("small", "narrow", "constant", "copy")

_TESTS: dict[str, Callable[[dict[str, Any], int, float], bool]] = {
    "small": lambda row, size, _: min(row["width"], row["height"]) < size,
    "narrow": lambda row, _, aspect: _aspect(row) > aspect,
    "constant": lambda row, *_: row["contrast"] < LEAST_CONTRAST,
    "grey": lambda row, *_: row["grey"],
    "suffix": lambda row, *_: not row["suffix_fits"],
    "frames": lambda row, *_: row["frames"] > 1,
}


def bits(names: Iterable[str]) -> int:
    """Pack findings into a number, one bit each.

    >>> names_of(bits(["small", "copy"]))
    ['small', 'copy']
    """
    return sum(1 << _ORDER[name] for name in set(names))


def names_of(packed: int) -> list[str]:
    """Return the names of packed findings."""
    return [name for name, place in _ORDER.items() if packed >> place & 1]


def findings_of(row: dict[str, Any], min_size: int, max_aspect: float) -> int:
    """Return, packed, the findings that can be told from the facts of one image alone."""
    if row["trouble"]:
        return bits([row["trouble"]])
    return bits(name for name, test in _TESTS.items() if test(row, min_size, max_aspect))


def _aspect(row: dict[str, Any]) -> float:
    sides = sorted((row["width"], row["height"]))
    return float(sides[1] / sides[0])

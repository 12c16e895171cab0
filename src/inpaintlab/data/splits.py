"""Which pictures are for training, for validation, and for the test that nobody looks at.

The side of a picture depends on its content alone. Copies of a file therefore stay together, and
pictures that are added later move none of the old ones.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import sha256
from typing import Literal

from inpaintlab.errors import DataError

Side = Literal["train", "val", "test"]

#: Share of all pictures that is set aside first, for the test.
TEST_SHARE = 0.1
#: Share of the rest that is for training.
TRAIN_SHARE = 0.8


@dataclass(frozen=True)
class Split:
    """Indices of the pictures to train on and to validate with; the test part is only counted."""

    train: list[int]
    val: list[int]
    test_count: int
    hash: str


def side(content_hash: str) -> Side:
    """Return the side of a picture from its hash in hexadecimal.

    >>> [side(first + "0" * 63) for first in "016c"]
    ['test', 'test', 'train', 'train']
    """
    place = _place(content_hash)
    if place < TEST_SHARE:
        return "test"
    return "train" if (place - TEST_SHARE) / (1 - TEST_SHARE) < TRAIN_SHARE else "val"


def split(content_hashes: Sequence[str]) -> Split:
    """Split pictures by their hashes into train and val; the test part is left out.

    In a collection so small that a part came out empty, one picture validates and the rest train.
    Raises `DataError` where there are not even two pictures outside the test part.
    """
    sides = [side(content_hash) for content_hash in content_hashes]
    parts = {name: [i for i, one in enumerate(sides) if one == name] for name in ("train", "val")}
    train, val = parts["train"], parts["val"]
    if len(train + val) < 2:
        raise DataError(
            f"{len(sides)} pictures are too few to train on some and validate with others: "
            "bring at least 20"
        )
    by_place = sorted(train + val, key=lambda index: _place(content_hashes[index]))
    if not train or not val:
        train, val = sorted(by_place[:-1]), by_place[-1:]
    digest = sha256("".join(sorted(content_hashes)).encode()).hexdigest()[:16]
    return Split(train, val, sides.count("test"), digest)


def _place(content_hash: str) -> float:
    """Read a hash as a number in [0, 1)."""
    return int(content_hash[:16], 16) / 2**64

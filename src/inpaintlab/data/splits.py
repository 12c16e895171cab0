"""Which images are for training, for validation, and for the test that nobody looks at.

The part of an image depends on its content alone. Copies of a file therefore stay together, and
images that are added later move none of the old ones.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import sha256
from typing import Literal

from inpaintlab.errors import DataError

Part = Literal["train", "val", "test"]

#: Share of all images that is set aside first, for the test.
TEST_SHARE = 0.1
#: Share of the rest that is for training.
TRAIN_SHARE = 0.8


@dataclass(frozen=True)
class Split:
    """Indices of the images to train on and to validate with; the test part is only counted."""

    train: list[int]
    val: list[int]
    test_count: int
    hash: str


def part_of(content_hash: str) -> Part:
    """Return the part of an image from its hash in hexadecimal.

    >>> [part_of(first + "0" * 63) for first in "016c"]
    ['test', 'test', 'train', 'train']
    """
    place = _place(content_hash)
    if place < TEST_SHARE:
        return "test"
    return "train" if (place - TEST_SHARE) / (1 - TEST_SHARE) < TRAIN_SHARE else "val"


def split(content_hashes: Sequence[str]) -> Split:
    """Split images by their hashes into train and val; the test part is excluded.

    In a collection so small that a part came out empty, one image validates and the rest train.
    Raises `DataError` where there are not even two images outside the test part.
    """
    parts = [part_of(content_hash) for content_hash in content_hashes]
    train, val = ([i for i, one in enumerate(parts) if one == name] for name in ("train", "val"))
    if len(train + val) < 2:
        raise DataError(
            f"{len(parts)} images are too few to train on some and validate with others: "
            "bring at least 20"
        )
    by_place = sorted(train + val, key=lambda index: _place(content_hashes[index]))
    if not train or not val:
        train, val = sorted(by_place[:-1]), by_place[-1:]
    return Split(train, val, parts.count("test"), _digest(content_hashes))


def fold_of(content_hash: str, folds: int) -> int:
    """Return the fold of an image, 0 to `folds` - 1, from its hash in hexadecimal.

    It goes by other digits than the part does: otherwise a fold could be the validation part.

    >>> [fold_of("7" * 16 + digits * 16, 4) for digits in "048c"]
    [0, 1, 2, 3]
    """
    return int(content_hash[16:32], 16) * folds >> 64


def split_fold(content_hashes: Sequence[str], fold: int, folds: int) -> Split:
    """Split images by their hashes so that one fold of train and val validates and the others train.

    The test part is excluded, and is the same as that of `split`. Raises `DataError` for a fold that
    there is not, or that came out empty.
    """
    if not 0 <= fold < folds:
        raise DataError(f"there are folds 0 to {folds - 1}, got fold {fold}")
    used = [index for index, one in enumerate(content_hashes) if part_of(one) != "test"]
    val = [index for index in used if fold_of(content_hashes[index], folds) == fold]
    train = [index for index in used if fold_of(content_hashes[index], folds) != fold]
    if not train or not val:
        raise DataError(
            f"{len(used)} images are too few for {folds} folds: fold {fold} holds {len(val)} of them; "
            "take fewer folds, or bring more images"
        )
    return Split(train, val, len(content_hashes) - len(used), _digest(content_hashes))


def _place(content_hash: str) -> float:
    """Read a hash as a number in [0, 1)."""
    return int(content_hash[:16], 16) / 2**64


def _digest(content_hashes: Sequence[str]) -> str:
    """Return a name for a collection, 16 hexadecimal digits."""
    return sha256("".join(sorted(content_hashes)).encode()).hexdigest()[:16]

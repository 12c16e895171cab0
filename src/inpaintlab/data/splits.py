"""Which images are for training, for validation, and for the test that nobody looks at.

The part of an image depends on its content alone, and that of a group of look-alikes on the content of
one of them. Copies of a file therefore stay together, and images that are added later and look like none
of the old ones move none of them.
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


def split(content_hashes: Sequence[str], groups: Sequence[int] | None = None) -> Split:
    """Split images by their hashes into train and val; the test part is excluded.

    Images of one number in `groups` come into one part. In a collection so small that a part came out
    empty, one image, or one group, validates and the rest train. Raises `DataError` where there are not
    even two images outside the test part.
    """
    keys = keys_of(content_hashes, groups)
    parts = [part_of(key) for key in keys]
    train, val = ([i for i, one in enumerate(parts) if one == name] for name in ("train", "val"))
    used = sorted(train + val, key=lambda index: _place(keys[index]))
    if len(used) < 2:
        raise DataError(
            f"{len(parts)} images are too few to train on some and validate with others: "
            "bring at least 20"
        )
    if not train or not val:
        last = [index for index in used if keys[index] == keys[used[-1]]]
        val = sorted(last if len(last) < len(used) else used[-1:])
        train = sorted(set(used) - set(val))
    return Split(train, val, parts.count("test"), _digest(content_hashes))


def keys_of(content_hashes: Sequence[str], groups: Sequence[int] | None) -> Sequence[str]:
    """Return, for each image, the hash that decides its part: that of one member for a whole group.

    Which member it is depends on the contents alone, and not on the digits that decide. A group that
    holds more than half of all images cannot stay together: there each image decides for itself.
    """
    if groups is None:
        return content_hashes
    members: dict[int, set[str]] = {}
    for group, content_hash in zip(groups, content_hashes, strict=True):
        members.setdefault(group, set()).add(content_hash)
    half = len(set(content_hashes)) / 2
    chosen = {
        group: min(hashes, key=lambda one: one[32:]) if len(hashes) <= max(half, 1) else None
        for group, hashes in members.items()
    }
    return [chosen[group] or own for group, own in zip(groups, content_hashes, strict=True)]


def fold_of(content_hash: str, folds: int) -> int:
    """Return the fold of an image, 0 to `folds` - 1, from its hash in hexadecimal.

    It goes by other digits than the part does: otherwise a fold could be the validation part.

    >>> [fold_of("7" * 16 + digits * 16, 4) for digits in "048c"]
    [0, 1, 2, 3]
    """
    return int(content_hash[16:32], 16) * folds >> 64


def split_fold(
    content_hashes: Sequence[str], fold: int, folds: int, groups: Sequence[int] | None = None
) -> Split:
    """Split images by their hashes so that one fold of train and val validates and the others train.

    The test part is excluded, and is the same as that of `split`; groups stay in one fold. Raises
    `DataError` for a fold that there is not, or that came out empty.
    """
    if not 0 <= fold < folds:
        raise DataError(f"there are folds 0 to {folds - 1}, got fold {fold}")
    keys = keys_of(content_hashes, groups)
    used = [index for index, key in enumerate(keys) if part_of(key) != "test"]
    val = [index for index in used if fold_of(keys[index], folds) == fold]
    train = [index for index in used if fold_of(keys[index], folds) != fold]
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

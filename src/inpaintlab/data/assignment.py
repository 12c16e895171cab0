"""Sides and folds of groups of images: shares kept in every stratum, no group torn apart.

The order of groups within a stratum is that of their content's hash, so that the outcome depends on
the images alone. The first tenth is the test, then comes training, then validation. What has a part
from an earlier preparation keeps it.
"""

from dataclasses import dataclass
from hashlib import sha256

import numpy as np
import numpy.typing as npt

from inpaintlab.arrays import Bool, Int64

#: Names of parts, by number; -1 is none.
PARTS = ("test", "train", "val")
TEST, TRAIN, VAL = range(3)
NONE = -1


@dataclass(frozen=True)
class Members:
    """One entry an image: its group, stratum and place (a hash of its content), and whether it counts.

    `given` and `given_fold` are the part and fold it must keep, or `NONE`.
    """

    group: Int64
    stratum: Int64
    place: npt.NDArray[np.uint64]
    counts: Bool
    given: Int64
    given_fold: Int64


@dataclass(frozen=True)
class _Groups:
    """The same of each group, with the number of its images that count."""

    stratum: Int64
    place: npt.NDArray[np.uint64]
    weight: Int64
    given: Int64
    given_fold: Int64


def torn(members: Members) -> Bool:
    """Return which members stand in a group whose members must keep different parts or folds."""
    count = int(members.group.max(initial=-1)) + 1
    result = np.zeros(count, bool)
    for given in (members.given, members.given_fold):
        kept = given != NONE
        low, high = np.full(count, np.iinfo(np.int64).max), np.full(count, NONE)
        np.minimum.at(low, members.group[kept], given[kept])
        np.maximum.at(high, members.group[kept], given[kept])
        result |= (high != NONE) & (low != high)
    return result[members.group]


def assign(
    members: Members, names: list[str], test_share: float, train_share: float, folds: int
) -> tuple[Int64, Int64]:
    """Return part and fold of each member; no group may be `torn`.

    `names` are those of the strata, `test_share` is of all and `train_share` of the rest. The fold of
    a test image is `NONE`. Shares are of images that count; in a small stratum a share is rounded
    up or down by a hash of its name, so that many small strata together come out right.
    """
    groups = _grouped(members)
    part, fold = groups.given.copy(), groups.given_fold.copy()
    order = np.lexsort((groups.place, groups.stratum))
    ends = np.searchsorted(groups.stratum[order], np.arange(len(names) + 1))
    draws = [_draw(name, "sides") for name in names] if len(names) > 1 else [0.5]
    for stratum, draw in enumerate(draws):
        chosen = order[ends[stratum] : ends[stratum + 1]]
        _assign_parts(chosen, groups, part, draw, test_share, train_share)
    _leave_none_empty(order, groups, part)
    for stratum, name in enumerate(names):
        chosen = order[ends[stratum] : ends[stratum + 1]]
        _assign_folds(chosen[part[chosen] != TEST], groups, fold, _draw(name, "fold"), folds)
    fold[part == TEST] = NONE
    return part[members.group], fold[members.group]


def _grouped(members: Members) -> _Groups:
    count = int(members.group.max(initial=-1)) + 1
    _, first = np.unique(members.group, return_index=True)
    place = np.full(count, np.iinfo(np.uint64).max)
    np.minimum.at(place, members.group, members.place)
    given, given_fold = np.full(count, NONE), np.full(count, NONE)
    np.maximum.at(given, members.group, members.given)
    np.maximum.at(given_fold, members.group, members.given_fold)
    weight = np.bincount(members.group[members.counts], minlength=count)
    return _Groups(members.stratum[first], place, weight, given, given_fold)


def _assign_parts(
    chosen: Int64,
    groups: _Groups,
    part: Int64,
    draw: float,
    test_share: float,
    train_share: float,
) -> None:
    """Give the groups of one stratum that have no part yet what is left of each share."""
    weight = groups.weight[chosen]
    total = int(weight.sum())
    old_test, old_train = (int(weight[part[chosen] == one].sum()) for one in (TEST, TRAIN))
    test = max(old_test, int(total * test_share + draw))
    train = int((total - test) * train_share + draw)
    new = part[chosen] == NONE
    middle = np.cumsum(weight[new]) - weight[new] / 2
    left_test, left_train = test - old_test, max(0, train - old_train)
    part[chosen[new]] = np.where(
        middle < left_test, TEST, np.where(middle < left_test + left_train, TRAIN, VAL)
    )


def _leave_none_empty(order: Int64, groups: _Groups, part: Int64) -> None:
    """Where all new groups came out on one of train and val, move one to the other."""
    movable = order[(groups.given[order] == NONE) & (groups.weight[order] > 0)]
    for empty, full in ((VAL, TRAIN), (TRAIN, VAL)):
        there = movable[part[movable] == full]
        enough = len(there) and groups.weight[part == full].sum() > groups.weight[there[-1]]
        if enough and not groups.weight[part == empty].sum():
            part[there[-1]] = empty


def _assign_folds(chosen: Int64, groups: _Groups, fold: Int64, draw: float, folds: int) -> None:
    """Cut the groups of one stratum, in an order of their own, into folds of equal weight."""
    # Another order than that of the parts: otherwise the last fold would be the validation part.
    places = groups.place[chosen] * np.uint64(0x9E3779B97F4A7C15)
    chosen = chosen[np.argsort(places, kind="stable")]
    new = chosen[fold[chosen] == NONE]
    weight = groups.weight[new]
    middle = (np.cumsum(weight) - weight / 2) / max(1, weight.sum())
    fold[new] = (np.floor((middle + draw) * folds)).astype(np.int64) % folds


def _draw(name: str, purpose: str) -> float:
    """A number in [0, 1) that depends on the words alone."""
    digest = sha256(f"{purpose} {name}".encode(errors="surrogateescape")).digest()
    return int.from_bytes(digest[:8]) / 2**64

"""Parts and folds of groups of images: shares kept in every stratum, no group torn apart.

The order of groups within a stratum is that of their content's hash, so that the outcome depends on
the images alone. The first tenth is the test, then comes training, then validation. What has a part
from an earlier preparation keeps it.
"""

from hashlib import sha256
from typing import Any

import numpy as np
import numpy.typing as npt

from inpaintlab.arrays import Bool, Int64

#: Names of parts, by number; -1 is none.
PARTS = ("test", "train", "val")
TEST, TRAIN, VAL = range(3)
NONE = -1
#: What is decided about an image, and from what: a hash of its content, its group, its stratum,
#: whether it counts, and the part and fold that it has already, or `NONE`.
MEMBER = np.dtype(
    [("sha", "u8"), ("group", "i8"), ("stratum", "i8"), ("use", "?"), ("part", "i8"), ("fold", "i8")]
)
#: A table with the columns of `MEMBER`, one row an image.
Members = npt.NDArray[Any]


def torn(group: Int64, *columns: Int64) -> Bool:
    """Return which members stand in a group whose members must keep different values of a column."""
    count = int(group.max(initial=-1)) + 1
    result = np.zeros(count, bool)
    for values in columns:
        kept = values != NONE
        low, high = np.full(count, np.iinfo(np.int64).max), np.full(count, NONE)
        np.minimum.at(low, group[kept], values[kept])
        np.maximum.at(high, group[kept], values[kept])
        result |= (high != NONE) & (low != high)
    return result[group]


def assign(
    members: Members, names: list[str], test_share: float, train_share: float, folds: int
) -> tuple[Int64, Int64]:
    """Return part and fold of each member; no group may be `torn`.

    `names` are those of the strata, `test_share` is of all and `train_share` of the rest. The fold of
    a test image is `NONE`. Shares are of images that count; in a small stratum a share is rounded
    up or down by a hash of its name, so that many small strata together come out right.
    """
    _, first, owner = np.unique(members["group"], return_index=True, return_inverse=True)
    groups = members[first]
    np.minimum.at(groups["sha"], owner, members["sha"])
    for name in ("part", "fold"):
        np.maximum.at(groups[name], owner, members[name])
    weight = np.bincount(owner, members["use"], len(groups)).astype(np.int64)
    order = np.lexsort((groups["sha"], groups["stratum"]))
    strata = np.split(order, np.searchsorted(groups["stratum"][order], np.arange(1, len(names))))
    movable = order[(groups["part"][order] == NONE) & (weight[order] > 0)]
    for name, chosen in zip(names, strata, strict=True):
        draw = _draw(name, "sides") if len(names) > 1 else 0.5
        shares = (test_share, train_share)
        groups["part"][chosen] = _parts(groups["part"][chosen], weight[chosen], draw, shares)
    _leave_none_empty(groups["part"], weight, movable)
    for name, chosen in zip(names, strata, strict=True):
        inside = chosen[groups["part"][chosen] != TEST]
        groups["fold"][inside] = _folds(groups[inside], weight[inside], _draw(name, "fold"), folds)
    groups["fold"][groups["part"] == TEST] = NONE
    return groups["part"][owner], groups["fold"][owner]


def _parts(part: Int64, weight: Int64, draw: float, shares: tuple[float, float]) -> Int64:
    """Give the groups of one stratum that have no part yet what is left of each share."""
    total = int(weight.sum())
    old_test, old_train = (int(weight[part == one].sum()) for one in (TEST, TRAIN))
    test = max(old_test, int(total * shares[0] + draw))
    train = int((total - test) * shares[1] + draw)
    new = part == NONE
    middle = np.cumsum(weight[new]) - weight[new] / 2
    edges = np.cumsum([test - old_test, max(0, train - old_train)])
    part[new] = np.array([TEST, TRAIN, VAL])[np.searchsorted(edges, middle, side="right")]
    return part


def _leave_none_empty(part: Int64, weight: Int64, movable: Int64) -> None:
    """Where all new groups came out on one of train and val, move one to the other."""
    for empty, full in ((VAL, TRAIN), (TRAIN, VAL)):
        there = movable[part[movable] == full]
        enough = len(there) and weight[part == full].sum() > weight[there[-1]]
        if enough and not weight[part == empty].sum():
            part[there[-1]] = empty


def _folds(groups: Members, weight: Int64, draw: float, folds: int) -> Int64:
    """Cut the groups of one stratum, in an order of their own, into folds of equal weight."""
    # Another order than that of the parts: otherwise the last fold would be the validation part.
    order = np.argsort(groups["sha"] * np.uint64(0x9E3779B97F4A7C15), kind="stable")
    fold: Int64 = groups["fold"]
    new = order[fold[order] == NONE]
    middle = (np.cumsum(weight[new]) - weight[new] / 2) / max(1, weight[new].sum())
    fold[new] = np.floor((middle + draw) * folds).astype(np.int64) % folds
    return fold


def _draw(name: str, purpose: str) -> float:
    """A number in [0, 1) that depends on the words alone."""
    digest = sha256(f"{purpose} {name}".encode(errors="surrogateescape")).digest()
    return int.from_bytes(digest[:8]) / 2**64

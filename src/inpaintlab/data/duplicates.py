"""Images that are the same, or nearly: groups by perceptual hash, without comparing all with all.

A perceptual hash has 64 bits; images that look the same differ in few of them. Two hashes that differ
in at most 7 bits differ in at most one bit of one of four bands of 16 bits. So it is enough to look,
for each band, into the bucket of the same bits and into the 16 buckets one bit away.
"""

from collections.abc import Callable, Iterator

import numpy as np
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from inpaintlab.arrays import Bool, Int64, UInt64

#: Hashes that differ in at most so many bits can be found.
MAX_DISTANCE = 7
_BANDS = 4
_BITS = 16
#: Candidate pairs looked at in one go: bounds the memory.
_CHUNK = 1_000_000


class Index:
    """Hashes, ready to be asked which of them lie near others."""

    def __init__(self, hashes: UInt64) -> None:
        self.hashes = hashes
        self._orders: list[Int64] = []
        self._starts: list[Int64] = []
        for band in range(_BANDS):
            keys = _band(hashes, band)
            self._orders.append(np.argsort(keys, kind="stable"))
            counts = np.bincount(keys, minlength=2**_BITS)
            self._starts.append(np.concatenate([[0], np.cumsum(counts)]))

    def near(self, queries: UInt64, distance: int) -> Iterator[tuple[Int64, Int64]]:
        """Yield pairs (query, hash) at most `distance` bits apart, as two arrays, chunk by chunk.

        `distance` is at most `MAX_DISTANCE`. A pair can come several times.
        """
        assert 0 <= distance <= MAX_DISTANCE
        for band in range(_BANDS):
            keys = _band(queries, band)
            for flipped in [0, *(1 << bit for bit in range(_BITS))]:
                yield from self._in_buckets(queries, keys ^ flipped, band, distance)

    def _in_buckets(
        self, queries: UInt64, buckets: Int64, band: int, distance: int
    ) -> Iterator[tuple[Int64, Int64]]:
        first = self._starts[band][buckets]
        counts = self._starts[band][buckets + 1] - first
        for chosen in _chunks(counts):
            n = counts[chosen]
            query = np.repeat(np.arange(chosen.start, chosen.stop), n)
            within = np.arange(len(query)) - np.repeat(np.cumsum(n) - n, n)
            found = self._orders[band][np.repeat(first[chosen], n) + within]
            near = np.bitwise_count(queries[query] ^ self.hashes[found]) <= distance
            yield query[near], found[near]


class Groups:
    """Groups that grow as links between their members become known (connected components)."""

    def __init__(self, count: int) -> None:
        self.labels = np.arange(count, dtype=np.int64)
        self._links: list[tuple[Int64, Int64]] = []
        self._waiting = 0

    def link(self, first: Int64, second: Int64) -> None:
        """Put `first[i]` and `second[i]` into one group."""
        apart = self.labels[first] != self.labels[second]
        self._links.append((self.labels[first[apart]], self.labels[second[apart]]))
        self._waiting += int(apart.sum())
        if self._waiting > _CHUNK:
            self._merge()

    def finish(self) -> Int64:
        """Return the group of each member, numbered from 0 in the order of their first members."""
        self._merge()
        _, first, inverse = np.unique(self.labels, return_index=True, return_inverse=True)
        rank = np.empty(len(first), np.int64)
        rank[np.argsort(first)] = np.arange(len(first))
        return np.asarray(rank[inverse], np.int64)

    def _merge(self) -> None:
        if not self._waiting:
            return
        first, second = (np.concatenate(ends) for ends in zip(*self._links, strict=True))
        ones = np.ones(len(first), np.int8)
        graph = coo_array((ones, (first, second)), shape=(len(self.labels),) * 2)
        _, components = connected_components(graph, directed=False)
        self.labels = components.astype(np.int64)[self.labels]
        self._links, self._waiting = [], 0


def link_near(
    groups: Groups,
    members: Int64,
    prints: UInt64,
    distance: int,
    agree: Callable[[Int64, Int64], Bool] | None = None,
) -> None:
    """Link the members that look the same, or the same mirrored, and `agree` on it where that is asked.

    `prints` `[N, 2]` are the perceptual hashes of each member and of its mirror image. Equal hashes are
    linked first, so that a thousand copies cost one comparison and not a million.
    """

    def link(first: Int64, second: Int64) -> None:
        apart = first != second
        first, second = first[apart], second[apart]
        alike = agree(first, second) if agree else slice(None)
        groups.link(first[alike], second[alike])

    index, owners = None, members
    # Images with one hash need not share that of their mirror image; those that do are compared once.
    for side in prints.T:
        values, first, inverse = np.unique(side, return_index=True, return_inverse=True)
        link(members, members[first[inverse]])
        if index is None:
            index, owners = Index(values), members[first]
        for query, found in index.near(values, distance):
            link(members[first[query]], owners[found])


def matches(ours: UInt64, theirs: UInt64, distance: int) -> tuple[Int64, Int64, Int64]:
    """Return pairs (ours, theirs) that look the same, upright or mirrored, and their distances.

    Both are hashes `[N, 2]` as in `link_near`. Each of ours is named once for each of theirs, in rising
    order.
    """
    index = Index(theirs[:, 0])
    none = np.empty((2, 0), np.int64)
    found = [none, *(np.stack(pair) for side in ours.T for pair in index.near(side, distance))]
    first, second = np.unique(np.concatenate(found, axis=1), axis=1)
    distances = np.bitwise_count(ours[first] ^ theirs[second, :1]).min(axis=1)
    return first, second, distances.astype(np.int64)


def _band(hashes: UInt64, band: int) -> Int64:
    """Every fourth bit: so each band holds coarse and fine detail, and its buckets fill evenly."""
    keys = np.zeros(len(hashes), np.int64)
    for bit in range(_BITS):
        keys |= ((hashes >> np.uint64(_BANDS * bit + band)) & np.uint64(1)).astype(np.int64) << bit
    return keys


def _chunks(counts: Int64) -> Iterator[slice]:
    """Cut a list of counts into slices that sum to about `_CHUNK`."""
    if not counts.sum():
        return
    pieces = np.cumsum(counts) // _CHUNK
    edges = np.flatnonzero(np.diff(pieces)) + 1
    for start, stop in zip([0, *edges.tolist()], [*edges.tolist(), len(counts)], strict=True):
        yield slice(start, stop)

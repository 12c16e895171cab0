"""Images that are the same, or nearly: groups by perceptual hash, without comparing all with all.

A perceptual hash has 64 bits; images that look the same differ in few of them. Two hashes that differ
in at most 7 bits differ in at most one bit of one of four bands of 16 bits. So it is enough to look,
for each band, into the bucket of the same bits and into the 16 buckets one bit away.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

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


@dataclass(frozen=True)
class Fingerprints:
    """Of each image: the perceptual hash of it and of its mirror image."""

    upright: UInt64
    mirrored: UInt64

    def take(self, chosen: Int64 | Bool) -> "Fingerprints":
        """Return those of some images."""
        return Fingerprints(self.upright[chosen], self.mirrored[chosen])


def link_near(
    groups: Groups,
    members: Int64,
    prints: Fingerprints,
    distance: int,
    agree: Callable[[Int64, Int64], Bool] | None = None,
) -> None:
    """Link the members that look the same, or the same mirrored, and `agree` on it where that is asked.

    Equal hashes are linked first, so that a thousand copies cost one comparison and not a million.
    """

    def link(first: Int64, second: Int64) -> None:
        apart = first != second
        first, second = first[apart], second[apart]
        if agree is not None:
            alike = agree(first, second)
            first, second = first[alike], second[alike]
        groups.link(first, second)

    values, first, inverse = np.unique(prints.upright, return_index=True, return_inverse=True)
    link(members, members[first[inverse]])
    index = Index(values)
    for query, found in index.near(values, distance):
        link(members[first[query]], members[first[found]])
    # Images with one hash need not share that of their mirror image; those that do are compared once.
    mirrored, owner, place = np.unique(prints.mirrored, return_index=True, return_inverse=True)
    link(members, members[owner[place]])
    for query, found in index.near(mirrored, distance):
        link(members[owner[query]], members[first[found]])


def matches(ours: Fingerprints, theirs: Fingerprints, distance: int) -> tuple[Int64, Int64, Int64]:
    """Return pairs (ours, theirs) that look the same, upright or mirrored, and their distances.

    Each of ours is named once for each of theirs, in rising order.
    """
    index = Index(theirs.upright)
    found = [pair for hashes in (ours.upright, ours.mirrored) for pair in index.near(hashes, distance)]
    none = np.empty((0, 2), np.int64)
    pairs = np.unique(np.concatenate([none, *(np.stack(pair, axis=1) for pair in found)]), axis=0)
    first, second = pairs[:, 0], pairs[:, 1]
    distances = np.minimum(
        np.bitwise_count(ours.upright[first] ^ theirs.upright[second]),
        np.bitwise_count(ours.mirrored[first] ^ theirs.upright[second]),
    )
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

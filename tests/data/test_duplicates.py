import numpy as np
import pytest
from hypothesis import given, settings, strategies as st
from scipy.sparse.csgraph import connected_components

from inpaintlab.data import duplicates
from inpaintlab.data.duplicates import Groups, Index, link_near, matches


def clustered(seed, count):
    """Hashes of which many lie a few bits from others."""
    rng = np.random.default_rng(seed)
    centres = rng.integers(0, 2**63, max(1, count // 4), dtype=np.uint64)
    hashes = rng.choice(centres, count)
    for _ in range(5):
        flips = np.uint64(1) << rng.integers(0, 64, count, dtype=np.uint64)
        hashes = np.where(rng.random(count) < 0.6, hashes ^ flips, hashes)
    return hashes


def prints_of(upright, mirrored):
    return np.stack([upright, mirrored], axis=1)


def distances(first, second):
    return np.bitwise_count(first[:, None] ^ second[None, :])


@given(st.integers(0, 10**6), st.integers(1, 60), st.integers(1, 60), st.integers(0, 7))
@settings(max_examples=40, deadline=None)
def test_every_near_pair_is_found_and_no_other(seed, n, m, distance):
    hashes, queries = clustered(seed, n), clustered(seed + 1, m)
    queries[0] = hashes[0]
    found = {
        pair
        for chunk in Index(hashes).near(queries, distance)
        for pair in zip(*(ends.tolist() for ends in chunk), strict=True)
    }
    expected = set(zip(*np.nonzero(distances(queries, hashes) <= distance), strict=True))
    assert found == expected


@given(st.integers(0, 10**6), st.integers(2, 60))
@settings(max_examples=40, deadline=None)
def test_groups_are_the_connected_components_of_look_alikes(seed, count):
    prints = prints_of(clustered(seed, count), clustered(seed + 1, count))
    prints[0, 1] = prints[-1, 0]
    groups = Groups(count)
    link_near(groups, np.arange(count), prints, 6)
    links = (distances(prints[:, 0], prints[:, 0]) <= 6) | (distances(prints[:, 1], prints[:, 0]) <= 6)
    # Two images with the same mirror image look the same, whatever rounding did to them upright.
    links |= distances(prints[:, 1], prints[:, 1]) == 0
    _, expected = connected_components(links, directed=False)
    found = groups.finish()
    assert np.array_equal(found[:, None] == found, expected[:, None] == expected)


def test_groups_are_numbered_by_their_first_members():
    groups = Groups(6)
    groups.link(np.array([5, 2]), np.array([1, 4]))
    assert groups.finish().tolist() == [0, 1, 2, 3, 2, 1]
    groups.link(np.array([0]), np.array([5]))
    assert groups.finish().tolist() == [0, 0, 1, 2, 1, 0]


def test_many_copies_cost_no_all_pairs_loop(monkeypatch):
    monkeypatch.setattr(duplicates, "_CHUNK", 1000)
    hashes = np.repeat(np.array([7, 2**40 - 1], np.uint64), 100_000)
    groups = Groups(len(hashes))
    link_near(groups, np.arange(len(hashes)), prints_of(hashes, hashes), 6)
    assert np.bincount(groups.finish()).tolist() == [100_000, 100_000]


def test_chunks_do_not_change_what_is_found(monkeypatch):
    prints = prints_of(clustered(1, 500), clustered(2, 500))
    whole, pieces = Groups(500), Groups(500)
    link_near(whole, np.arange(500), prints, 6)
    monkeypatch.setattr(duplicates, "_CHUNK", 37)
    link_near(pieces, np.arange(500), prints, 6)
    assert np.array_equal(whole.finish(), pieces.finish())


def test_matches_name_each_pair_once_with_its_distance():
    ours = prints_of(np.array([0b111, 2**40], np.uint64), np.array([0, 2**50], np.uint64))
    theirs = prints_of(np.array([0b1, 2**50, 2**63 - 1], np.uint64), np.zeros(3, np.uint64))
    first, second, apart = (part.tolist() for part in matches(ours, theirs, 6))
    assert list(zip(first, second, apart, strict=True)) == [
        (0, 0, 1), (0, 1, 1), (1, 0, 2), (1, 1, 0)
    ]  # fmt: skip


def test_a_distance_beyond_what_bands_can_find_is_a_mistake():
    with pytest.raises(AssertionError):
        next(Index(np.zeros(1, np.uint64)).near(np.zeros(1, np.uint64), 8))

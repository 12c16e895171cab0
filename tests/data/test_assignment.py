import numpy as np
import pytest
from hypothesis import given, settings, strategies as st

from inpaintlab.data.assignment import MEMBER, NONE, TEST, TRAIN, VAL, assign, torn


def members_of(seed, count, largest=5, strata=1):
    rng = np.random.default_rng(seed)
    group = np.sort(rng.integers(0, max(1, count // largest * 2), count))
    group = np.unique(group, return_inverse=True)[1]
    return table(
        group=group,
        stratum=rng.integers(0, strata, group.max() + 1)[group],
        sha=rng.integers(0, 2**63, count, dtype=np.uint64),
        use=rng.random(count) < 0.9,
    )


def table(**columns):
    members = np.zeros(len(columns["group"]), MEMBER)
    members["use"], members["part"], members["fold"] = True, NONE, NONE
    for name, values in columns.items():
        members[name] = values
    return members


def names(strata):
    return [f"class {n}" for n in range(strata)]


@given(st.integers(0, 10**6), st.integers(20, 400), st.integers(1, 6), st.integers(1, 5))
@settings(max_examples=50, deadline=None)
def test_no_group_is_torn_and_every_image_has_a_side(seed, count, largest, strata):
    members = members_of(seed, count, largest, strata)
    part, fold = assign(members, names(strata), 0.1, 0.8, 5)
    for values in (part, fold):
        first = np.unique(members["group"], return_index=True)[1]
        assert np.array_equal(values, values[first][members["group"]])
    assert set(part) <= {TEST, TRAIN, VAL}
    assert np.array_equal(fold == NONE, part == TEST)
    assert set(fold[part != TEST]) <= set(range(5))


@given(st.integers(0, 10**6), st.integers(30, 300), st.integers(1, 200), st.integers(1, 4))
@settings(max_examples=50, deadline=None)
def test_what_has_a_side_keeps_it_when_images_are_added(seed, count, more, strata):
    everything = members_of(seed, count + more, 3, strata)
    old = everything["group"] < everything["group"][count]
    before = everything[old]
    part, fold = assign(before, names(strata), 0.1, 0.8, 5)
    everything["part"][old], everything["fold"][old] = part, fold
    later_side, later_fold = assign(everything, names(strata), 0.1, 0.8, 5)
    assert np.array_equal(later_side[old], part)
    assert np.array_equal(later_fold[old], fold)


@pytest.mark.parametrize("largest", [1, 10])
def test_shares_are_right(largest):
    members = members_of(3, 10_000, largest)
    part, fold = assign(members, names(1), 0.1, 0.8, 5)
    counted = part[members["use"]]
    tolerance = 2 * largest / len(counted) + 1e-3
    for one, share in ((TEST, 0.1), (TRAIN, 0.72), (VAL, 0.18)):
        assert np.mean(counted == one) == pytest.approx(share, abs=tolerance)
    sizes = np.bincount(fold[(part != TEST) & members["use"]])
    assert np.ptp(sizes) <= 2 * largest + 5


def test_small_strata_come_out_right_together():
    """A thousand classes of four: a tenth of 0.4 images each is a tenth of all."""
    count = 4000
    members = members_of(5, count, 1)
    members["group"], members["stratum"], members["use"] = np.arange(count), np.arange(count) // 4, True
    part, fold = assign(members, names(1000), 0.1, 0.8, 5)
    assert np.mean(part == TEST) == pytest.approx(0.1, abs=0.02)
    assert np.mean(part == TRAIN) == pytest.approx(0.72, abs=0.04)
    assert np.bincount(fold[part != TEST]).min() > 600


def test_each_stratum_gives_its_share():
    members = members_of(6, 3000, 1, strata=10)
    part, _ = assign(members, names(10), 0.1, 0.8, 5)
    for stratum in range(10):
        inside = (members["stratum"] == stratum) & members["use"]
        assert abs(np.sum(part[inside] == TEST) - 0.1 * inside.sum()) <= 2


@pytest.mark.parametrize("count", [2, 3, 5])
def test_train_and_val_are_never_empty_where_that_can_be(count):
    sha = np.arange(count, dtype=np.uint64) * np.uint64(2**60)
    part, _ = assign(table(group=np.arange(count), sha=sha), names(1), 0.0, 0.8, 5)
    assert {TRAIN, VAL} <= set(part)


def test_torn_names_members_of_groups_that_must_keep_two_sides():
    part = np.array([TEST, TRAIN, NONE, TEST, NONE, TRAIN, TRAIN])
    fold = np.array([NONE, 0, NONE, NONE, NONE, 1, 2])
    group = np.array([0, 0, 0, 1, 1, 2, 2])
    assert torn(group, part, fold).tolist() == [True, True, True, False, False, True, True]
    assert torn(group, part).tolist() == [True, True, True, False, False, False, False]


def test_the_validation_part_is_not_a_fold():
    members = members_of(7, 5000, 1)
    part, fold = assign(members, names(1), 0.1, 0.8, 5)
    assert len(set(fold[part == VAL])) == 5

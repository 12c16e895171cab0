import hashlib

import pytest
from hypothesis import given, strategies as st

from inpaintlab.data.splits import fold_of, part_of, split, split_fold
from inpaintlab.errors import DataError

names = st.lists(st.integers(0, 10**9), min_size=2, max_size=80)


def hashes(numbers):
    return [hashlib.sha256(str(number).encode()).hexdigest() for number in numbers]


@given(names)
def test_parts_are_disjoint_and_complete(numbers):
    content = hashes(numbers)
    if sum(part_of(one) != "test" for one in content) < 2:
        with pytest.raises(DataError, match="too few"):
            split(content)
        return
    parts = split(content)
    assert parts.train
    assert parts.val
    assert not set(parts.train) & set(parts.val)
    assert len(parts.train) + len(parts.val) + parts.test_count == len(content)
    assert all(part_of(content[index]) != "test" for index in parts.train + parts.val)


def test_shares():
    parts = split(hashes(range(20_000)))
    assert parts.test_count / 20_000 == pytest.approx(0.1, abs=0.01)
    assert len(parts.train) / 20_000 == pytest.approx(0.72, abs=0.01)


def test_adding_images_moves_none_and_copies_stay_together():
    before, after = hashes(range(100)), hashes(range(300))
    assert [part_of(one) for one in before] == [part_of(one) for one in after[:100]]
    doubled = split(before + before)
    for part in (doubled.train, doubled.val):
        assert {index % 100 for index in part if index < 100} == {i % 100 for i in part if i >= 100}


def test_hash_names_the_collection():
    assert split(hashes(range(50))).hash == split(hashes(reversed(range(50)))).hash
    assert split(hashes(range(50))).hash != split(hashes(range(51))).hash


@given(names, st.integers(2, 6))
def test_folds_partition_train_and_val_and_copies_stay_together(numbers, folds):
    content = hashes(numbers) + hashes(numbers)
    used = {index for index, one in enumerate(content) if part_of(one) != "test"}
    counts = [sum(fold_of(content[index], folds) == fold for index in used) for fold in range(folds)]
    seen = []
    for fold, count in enumerate(counts):
        if count in (0, len(used)):
            with pytest.raises(DataError, match=f"too few for {folds} folds"):
                split_fold(content, fold, folds)
            continue
        parts = split_fold(content, fold, folds)
        assert sorted(parts.train + parts.val) == sorted(used)
        assert parts.test_count == len(content) - len(used)
        assert {content[index] for index in parts.val}.isdisjoint(content[i] for i in parts.train)
        seen += parts.val
    assert len(seen) == len(set(seen)) == sum(count for count in counts if count < len(used))


def test_folds_are_of_a_size_and_none_is_the_validation_part():
    content = hashes(range(20_000))
    parts = [set(split_fold(content, fold, 5).val) for fold in range(5)]
    assert all(len(part) / 18_000 == pytest.approx(0.2, abs=0.01) for part in parts)
    val = set(split(content).val)
    assert all(len(part & val) / len(val) == pytest.approx(0.2, abs=0.03) for part in parts)


@pytest.mark.parametrize("fold", [-1, 5])
def test_a_fold_that_there_is_not(fold):
    with pytest.raises(DataError, match=f"there are folds 0 to 4, got fold {fold}"):
        split_fold(hashes(range(50)), fold, 5)

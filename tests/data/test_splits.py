import hashlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from inpaintlab.data.splits import side, split
from inpaintlab.errors import DataError

names = st.lists(st.integers(0, 10**9), min_size=2, max_size=80)


def hashes(numbers):
    return [hashlib.sha256(str(number).encode()).hexdigest() for number in numbers]


@given(names)
def test_parts_are_disjoint_and_complete(numbers):
    content = hashes(numbers)
    if sum(side(one) != "test" for one in content) < 2:
        with pytest.raises(DataError, match="too few"):
            split(content)
        return
    parts = split(content)
    assert parts.train
    assert parts.val
    assert not set(parts.train) & set(parts.val)
    assert len(parts.train) + len(parts.val) + parts.test_count == len(content)
    assert all(side(content[index]) != "test" for index in parts.train + parts.val)


def test_shares():
    parts = split(hashes(range(20_000)))
    assert parts.test_count / 20_000 == pytest.approx(0.1, abs=0.01)
    assert len(parts.train) / 20_000 == pytest.approx(0.72, abs=0.01)


def test_adding_pictures_moves_none_and_copies_stay_together():
    before, after = hashes(range(100)), hashes(range(300))
    assert [side(one) for one in before] == [side(one) for one in after[:100]]
    doubled = split(before + before)
    for part in (doubled.train, doubled.val):
        assert {index % 100 for index in part if index < 100} == {i % 100 for i in part if i >= 100}


def test_hash_names_the_collection():
    assert split(hashes(range(50))).hash == split(hashes(reversed(range(50)))).hash
    assert split(hashes(range(50))).hash != split(hashes(range(51))).hash

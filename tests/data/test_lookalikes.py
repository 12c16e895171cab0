import cv2
import numpy as np
import pytest

from inpaintlab.data import samples
from inpaintlab.data.lookalikes import (
    appearance_of,
    appearance_of_middle,
    find_lookalikes,
    group_lookalikes,
)


def grey(index, size=64):
    return cv2.cvtColor(samples.draw(index, size), cv2.COLOR_RGB2GRAY)


def test_copies_are_found_whatever_was_done_to_them():
    originals = [appearance_of(grey(index)) for index in range(30)]
    random = np.random.default_rng(0)
    changed = [
        grey(3)[:, ::-1],
        cv2.resize(grey(8), (200, 200), interpolation=cv2.INTER_CUBIC),
        np.clip(grey(21) + random.normal(0, 4, (64, 64)), 0, 255).astype(np.uint8),
    ]
    pairs = find_lookalikes([appearance_of(np.ascontiguousarray(image)) for image in changed], originals)
    assert {(0, 3), (1, 8), (2, 21)} <= {(a, b) for a, b, _ in pairs}
    assert [likeness for *_, likeness in pairs] == sorted((x for *_, x in pairs), reverse=True)
    assert all(likeness <= 1 + 1e-5 for *_, likeness in pairs)


@pytest.mark.parametrize("sides", [([], [1]), ([1], []), ([], [])])
def test_nothing_is_like_nothing(sides):
    ours, theirs = ([appearance_of(grey(index)) for index in side] for side in sides)
    assert find_lookalikes(ours, theirs) == []


def test_an_image_of_one_colour_looks_like_nothing():
    flat = np.full((40, 40, 3), 128, np.uint8)
    assert appearance_of_middle(flat) is None
    assert group_lookalikes([None, None]).tolist() == [0, 1]
    assert find_lookalikes([appearance_of(flat[..., 0])] * 2, [appearance_of(flat[..., 0])]) == []


def test_groups_are_what_looks_alike():
    faces = [appearance_of_middle(samples.draw(index, 64)) for index in (3, 8, 3, 21, 8, 3)]
    assert group_lookalikes(faces).tolist() == [0, 1, 0, 2, 1, 0]

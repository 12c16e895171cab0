"""Which copy each pixel takes, and how copies are joined."""

import itertools

import numpy as np
from hypothesis import given, settings, strategies as st

from inpaintlab.inpainter.seams import joined, least_seams


def energy(labels, cost, colours, hole):
    """The cost of labels, pair by pair."""
    number = np.full(hole.shape, -1)
    number[hole] = np.arange(hole.sum())
    total = cost[labels, np.arange(len(labels))].sum()
    for y, x in np.argwhere(hole):
        for down, right in ((0, 1), (1, 0)):
            if y + down < hole.shape[0] and x + right < hole.shape[1] and hole[y + down, x + right]:
                pair = number[y, x], number[y + down, x + right]
                one, other = (colours[labels[of]] for of in pair)
                total += sum(np.linalg.norm(one[of] - other[of]) for of in pair)
    return total


@given(seed=st.integers(0, 10**6))
@settings(max_examples=30, deadline=None)
def test_of_two_labels_the_cut_is_the_best_of_all(seed):
    random = np.random.default_rng(seed)
    hole = random.random((3, 4)) < 0.8
    hole[1, 1] = True
    count = int(hole.sum())
    cost, colours = (
        random.random((2, count)).astype(np.float32),
        random.random((2, count, 3), np.float32),
    )
    found = energy(least_seams(cost, colours, hole), cost, colours, hole)
    every = (np.array(labels) for labels in itertools.product((0, 1), repeat=count))
    assert found <= min(energy(labels, cost, colours, hole) for labels in every) + 0.01 * count


def test_a_copy_meets_what_is_around_it():
    y, x = np.mgrid[:40, :60]
    image = np.repeat((np.sin(y / 2)[..., None] / 4 + 0.4 + x[..., None] / 300), 3, axis=2)
    hole = np.zeros((40, 60), bool)
    hole[10:30, 35:50] = True
    filled = joined(image.astype(np.float32), hole, np.tile([0, -25], (hole.sum(), 1)))
    assert np.abs(filled - image)[hole].max() < 1e-3
    assert np.array_equal(filled[~hole], image.astype(np.float32)[~hole])


def test_without_anything_to_copy_it_is_a_smooth_surface():
    image = np.full((20, 20, 3), 0.25, np.float32)
    hole = np.zeros((20, 20), bool)
    hole[5:15, 5:15] = True
    image[hole] = 1
    assert np.allclose(joined(image, hole, np.zeros((100, 2), np.int64)), 0.25, atol=1e-5)

import numpy as np
import pytest
from hypothesis import assume, given, strategies as st

from inpaintlab.data.geometry import apply, invert, similarity, warp

coordinates = st.floats(-2000, 2000)
pairs = st.tuples(*[coordinates] * 4).map(lambda numbers: np.array(numbers).reshape(2, 2))


def distance(pair):
    return np.linalg.norm(pair[1] - pair[0])


@given(pairs, pairs)
def test_two_points_land_where_they_should_and_shapes_stay(points, targets):
    assume(distance(points) > 1 and distance(targets) > 1)
    transform = similarity(points, targets)
    assert np.abs(apply(transform, points) - targets).max() < 1e-3
    linear = transform[:, :2]
    scale = distance(targets) / distance(points)
    assert np.allclose(linear @ linear.T, scale**2 * np.eye(2), rtol=1e-6, atol=1e-9 * scale**2)
    assert np.linalg.det(linear) > 0  # turned, never mirrored
    assert np.allclose(apply(invert(transform), targets), points, atol=1e-3)


def test_two_points_in_one_place_are_refused():
    with pytest.raises(ZeroDivisionError):
        similarity(np.zeros((2, 2)), np.array([[0.0, 0.0], [1.0, 0.0]]))


def spot(size, x, y):
    """A round bright spot that is smooth enough to have a middle of its own."""
    rows, columns = np.mgrid[:size, :size]
    return (250 * np.exp(-((columns - x) ** 2 + (rows - y) ** 2) / 200)).astype(np.uint8)


@pytest.mark.parametrize("scale", [0.07, 0.31, 0.5, 1.0, 1.7])
def test_what_is_drawn_lands_where_the_transform_says(scale):
    place = np.array([[203.0, 150.0]])
    linear = scale * np.array([[0.8, -0.6], [0.6, 0.8]])
    goal = np.array([[40.25, 37.5]])
    transform = np.column_stack([linear, (goal - place @ linear.T)[0]])
    drawn = warp(spot(401, *place[0]), transform, 90, 80).astype(float)
    rows, columns = np.mgrid[:80, :90]
    # Only near the goal: the mirrored border may show the spot a second time.
    drawn *= (columns - goal[0, 0]) ** 2 + (rows - goal[0, 1]) ** 2 < max(4, 60 * scale) ** 2
    middle = (drawn * columns).sum() / drawn.sum(), (drawn * rows).sum() / drawn.sum()
    assert np.abs(middle - goal[0]).max() < 0.25


def test_the_border_is_mirrored():
    pixels = np.arange(60, dtype=np.uint8).reshape(6, 10) * 4
    shift = np.array([[1.0, 0.0, 3.0], [0.0, 1.0, 2.0]])
    expected = np.pad(pixels, ((2, 2), (3, 3)), mode="reflect")
    assert np.array_equal(warp(pixels, shift, 16, 10), expected)


def test_shrinking_averages_instead_of_aliasing():
    """A chess board of single pixels becomes grey, whatever the phase."""
    board = (np.indices((300, 300)).sum(axis=0) % 2 * 255).astype(np.uint8)
    small = warp(board, np.array([[0.23, 0.0, 0.4], [0.0, 0.23, 0.1]]), 60, 60)
    assert small.min() > 110
    assert small.max() < 145

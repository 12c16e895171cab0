import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from inpaintlab.errors import MaskError
from inpaintlab.serving.page import holes

sides = st.integers(1, 40)
shares = st.floats(0, 1)


@given(sides, sides, shares, shares, shares)
def test_a_rectangle_lies_in_the_image(height, width, share, across, down):
    hole = holes.rectangle((height, width), share, across, down)
    rows, columns = np.nonzero(hole)
    sides = max(1, round(share * height)), max(1, round(share * width))
    assert (np.ptp(rows) + 1, np.ptp(columns) + 1) == sides
    assert hole.sum() == sides[0] * sides[1]


@given(sides, sides, st.integers(0, 99))
def test_what_is_painted_is_read_back(height, width, seed):
    hole = np.random.default_rng(seed).random((height, width)) > 0.7
    assert np.array_equal(holes.read_layers([holes.paint(hole)], hole.shape), hole)


@pytest.mark.parametrize("scale", [0.25, 0.5, 1, 2, 3])
def test_layers_of_another_size_are_brought_to_the_image(scale):
    expected, canvas = (
        np.zeros((120, 160), bool),
        np.zeros((round(120 * scale), round(160 * scale)), bool),
    )
    expected[40:80, 40:120] = True
    canvas[round(40 * scale) : round(80 * scale), round(40 * scale) : round(120 * scale)] = True
    hole = holes.read_layers([holes.paint(canvas)], (120, 160))
    # Corners are rounded where the canvas is coarser.
    assert (hole != expected).sum() <= (8 if scale < 1 else 0)


@pytest.mark.parametrize("size", [(10, 10), (300, 200)])
def test_a_dot_is_not_lost(size):
    dot = np.zeros((100, 100), bool)
    dot[33, 50] = True
    assert holes.read_layers([holes.paint(dot)], size).any()


def test_all_layers_count_and_none_is_needed():
    first, second = np.zeros((2, 4, 4), bool)
    first[0, 0] = second[3, 3] = True
    both = holes.read_layers([holes.paint(first), holes.paint(second)], (4, 4))
    assert np.array_equal(both, first | second)
    assert not holes.read_layers([], (4, 4)).any()


def test_what_an_eraser_leaves_is_no_hole():
    rest = Image.new("RGBA", (4, 4), (255, 0, 0, 30))
    assert not holes.read_layers([rest], (4, 4)).any()


@given(st.integers(1, 90), st.integers(1, 90), st.floats(0.02, 0.95), st.integers(0, 50))
def test_strokes_are_a_hole_of_any_image(height, width, share, seed):
    hole = holes.strokes((height, width), share, np.random.default_rng(seed))
    assert hole.shape == (height, width)
    assert hole.dtype == bool
    assert hole.any()


@pytest.mark.parametrize(
    ("share", "words"), [(0, "Nothing is painted yet"), (0.95, "95% of the image .* Erase some of it")]
)
def test_holes_that_cannot_be_filled(share, words):
    hole = np.zeros((100, 100), bool)
    hole[: round(100 * share)] = True
    with pytest.raises(MaskError, match=words):
        holes.check_hole(hole)
    holes.check_hole(holes.rectangle((100, 100), 0.9, 0, 0))

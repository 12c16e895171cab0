import cv2
import numpy as np
import pytest
from hypothesis import given, settings, strategies as st

from inpaintlab.inpainter.selftest import GAP, choose, hidden_pieces, score
from tests.inpainter.holes import some_hole


def texture(side):
    fine = np.random.default_rng(0).random((side, side, 3), np.float32)
    return cv2.GaussianBlur(fine, (0, 0), 1.0)


def square_hole(side=100, hole_side=20):
    hole = np.zeros((side, side), bool)
    hole[40 : 40 + hole_side, 30 : 30 + hole_side] = True
    return hole


@settings(max_examples=50)
@given(height=st.integers(1, 60), width=st.integers(1, 60), seed=st.integers(0, 10**6))
def test_pieces_are_known_pixels_apart_from_the_hole_and_from_each_other(height, width, seed):
    hole = some_hole(height, width, seed) > 0
    near = cv2.dilate(hole.astype(np.uint8), np.ones((2 * GAP + 1,) * 2)) > 0
    pieces = hidden_pieces(hole, 3, seed)
    assert len(pieces) <= 3
    for piece in pieces:
        assert piece.any()
        assert not (piece & near).any()
        near |= cv2.dilate(piece.astype(np.uint8), np.ones((2 * GAP + 1,) * 2)) > 0


def test_pieces_have_the_holes_shape_and_lie_near_it():
    hole = square_hole(300, 20)
    hole[45:50, 50:60] = True
    for piece in hidden_pieces(hole):
        (y, x), (top, left) = np.argwhere(piece).min(0), np.argwhere(hole).min(0)
        assert np.array_equal(np.roll(hole, (y - top, x - left), (0, 1)), piece)
        assert np.hypot(y - top, x - left) < 110  # a tenth of the image's area around it


def test_the_largest_part_stands_for_a_hole_without_room():
    hole = np.zeros((60, 60), bool)
    for y, x in np.ndindex(7, 5):  # dots so dense that there is no room between them, only beside them
        hole[8 * y : 8 * y + 3, 8 * x : 8 * x + 3] = True
    assert [piece.sum() for piece in hidden_pieces(hole)] == [9, 9]


def test_a_part_of_a_hole_can_be_meant():
    hole = square_hole()
    hole[:, 80:90] = True
    pieces = hidden_pieces(hole, like=square_hole())
    assert [piece.sum() for piece in pieces] == [400, 400]
    assert not (pieces[0] & hole).any()


def test_what_is_free_of_a_moved_hole_stands_for_one_without_room():
    """A scratch from corner to corner."""
    hole = np.eye(100, dtype=bool)
    (piece,) = hidden_pieces(hole)
    assert 80 < piece.sum() < 100
    assert not (piece & hole).any()


def test_without_room_there_are_no_pieces_and_the_first_is_chosen():
    hole = np.zeros((50, 50), bool)
    hole[3:47, 3:47] = True
    image = texture(50)
    assert hidden_pieces(hole) == []
    choice = choose({"one": lambda *_: image, "two": lambda *_: image}, image, hole)
    assert (choice.best, choice.scores) == ("one", {})


def test_a_hole_without_pixels_has_no_pieces():
    assert hidden_pieces(np.zeros((20, 20), bool)) == []


def test_the_seed_says_where():
    hole = square_hole(300)
    first, again, other = (hidden_pieces(hole, seed=seed) for seed in (1, 1, 2))
    assert np.array_equal(first, again)
    assert not np.array_equal(first, other)


def test_the_right_colours_are_chosen_whatever_their_place():
    image, hole = texture(100), square_hole()
    ways = {
        "dark": lambda *_: image - 0.3,
        "right": lambda *_: image,
        "flat": lambda *_: image * 0 + 0.5,
    }
    for names in (list(ways), list(ways)[::-1]):
        choice = choose({name: ways[name] for name in names}, image, hole)
        assert choice.best == "right"
        assert choice.scores["right"] < choice.scores["flat"] < choice.scores["dark"]


def test_nothing_hidden_is_shown():
    image, hole = texture(100), square_hole()

    def look(seen, whole, _):
        assert (seen[whole] == 0).all()
        assert (whole & hole).sum() == hole.sum() < whole.sum()
        return seen

    choose({"one": look, "two": look}, image, hole)


def test_of_two_fills_with_equal_colours_that_of_the_right_contrast_is_better():
    image, piece = texture(100), square_hole()
    error = 0.05 * np.sign(texture(100)[..., :1] - 0.5)
    blurred = cv2.GaussianBlur(image, (0, 0), 1.0)
    far = cv2.GaussianBlur(error, (0, 0), 8.0)[..., None]
    assert score(image + far, image, piece) < score(blurred + far, image, piece)


def test_nothing_to_choose_from_is_refused():
    with pytest.raises(ValueError, match="at least one way"):
        choose({}, texture(20), np.zeros((20, 20), bool))

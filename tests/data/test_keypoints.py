import re

import numpy as np
import pytest

from inpaintlab.data.keypoints import open_points
from inpaintlab.errors import DataError

ROWS = ((0, 1), (2, 3))
HEADER = "file,left_x,left_y,right_x,right_y"


def table(tmp_path, text):
    (tmp_path / "eyes.csv").write_text(text)
    return tmp_path / "eyes.csv"


def test_a_table_of_eyes(tmp_path):
    rows = f'{HEADER},note\n"a,b.jpg",9,2,3,4,x\ntwo.jpg,0,0,1,0,\ntwo.jpg,0,0,5,0,\nflat.jpg,1,1,1,1,\n'
    known = open_points(table(tmp_path, rows), *ROWS)
    (face,) = known("a,b.jpg")
    assert face.eyes.tolist() == [[3, 4], [9, 2]]  # given the wrong way round
    assert [face.width for face in known("two.jpg")] == [5, 1]
    assert known("flat.jpg")[0].eyes is None
    assert known("other.jpg") == []


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "lacks the column file: its first line must be file,left_x,left_y,right_x,right_y"),
        ("file,left_x,left_y,right_x\n", "lacks the column right_y"),
        (f"{HEADER}\na.jpg,1,2,3,4\nb.jpg,1,2,x,4\n", "line 3: the eyes must be four numbers"),
        (f"{HEADER}\na.jpg,1,2\n", "line 2: the eyes must be four numbers"),
        (f"{HEADER}\na.jpg,1,2,nan,4\n", "line 2: the eyes must be four numbers"),
    ],
)
def test_a_table_that_cannot_be_used(tmp_path, text, message):
    with pytest.raises(DataError, match=re.escape(message)):
        open_points(table(tmp_path, text), *ROWS)


def test_points_that_are_not_there(tmp_path):
    with pytest.raises(DataError, match=r"none\.csv does not exist: points are a CSV file or a folder"):
        open_points(tmp_path / "none.csv", *ROWS)


def test_lists_of_points(tmp_path):
    (tmp_path / "deep").mkdir()
    (tmp_path / "deep" / "a.txt").write_text("10 0\n14 2\n\n1,3\n3,5\n")
    known = open_points(tmp_path, *ROWS)
    (face,) = known("deep/a.jpg")
    assert np.array_equal(face.eyes, [[2, 4], [12, 1]])
    assert known("a.jpg") == []


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("1 2\n3 4\n", "a.txt has 2 points, row 3 was asked for"),
        ("", "a.txt has 0 points"),
        ("1 2\n3\n", "a.txt is not a list of points"),
        ("1 2 3\n4 5 6\n7 8 9\n1 1 1\n", "a.txt is not a list of points"),
        ("one two\n", "a.txt is not a list of points"),
        ("inf 1\n" * 4, "a.txt is not a list of points"),
    ],
)
def test_a_list_that_cannot_be_used(tmp_path, text, message):
    (tmp_path / "a.txt").write_text(text)
    with pytest.raises(DataError, match=message):
        open_points(tmp_path, *ROWS)("a.png")

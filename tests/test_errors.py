import inspect

import pytest

from inpaintlab import errors

OWN = [
    value
    for _, value in inspect.getmembers(errors, inspect.isclass)
    if value.__module__ == errors.__name__
]


def test_every_error_has_the_common_base():
    classes = OWN
    assert len(classes) > 5
    assert all(issubclass(one, errors.InpaintlabError) for one in classes)


def test_the_page_lists_every_error():
    assert all(one.__name__ in errors.__doc__ for one in OWN)


@pytest.mark.parametrize(
    ("word", "hint"),
    [("rectangels", ", did you mean 'rectangles'?"), ("x", "; there are: rectangles, strokes")],
)
def test_near_miss(word, hint):
    assert errors.near_miss(word, ["strokes", "rectangles"]) == hint

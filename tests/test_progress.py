"""What people see while something takes its time."""

import pytest

from inpaintlab import progress


@pytest.fixture
def clock(monkeypatch):
    """A clock that goes ten seconds at each look."""
    now = [0.0]

    def look():
        now[0] += 10
        return now[0]

    monkeypatch.setattr(progress.time, "monotonic", look)


def test_a_log_without_a_terminal_says_how_far_it_is(clock, capsys):
    with progress.bar("filling images", 12) as advance:
        for _ in range(12):
            advance()
    assert capsys.readouterr().err.splitlines() == [
        "filling images: 3 of 12, 1:30 left",
        "filling images: 6 of 12, 1:00 left",
        "filling images: 9 of 12, 0:30 left",
    ]


def test_what_moves_on_in_parts_is_told_in_wholes(clock, capsys):
    with progress.bar("evaluating", 2) as advance:
        for _ in range(8):
            advance(0.25)
    assert capsys.readouterr().err.splitlines()[0].startswith("evaluating: 0 of 2, ")


def test_what_is_quick_says_nothing(capsys):
    with progress.bar("hashing", 3) as advance:
        advance()
    assert capsys.readouterr().err == ""

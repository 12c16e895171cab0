import pytest
import torch

from inpaintlab.trust import self_test
from inpaintlab.trust.hidden import _squares
from tests.trust.test_intervals import holes


def perfect(truth):
    """A method that knows the truth, whatever batch it is called with."""
    return lambda image, mask: truth.repeat(len(image) // len(truth), 1, 1, 1)


def black(image, mask):
    return torch.zeros_like(image)


@pytest.mark.parametrize("shape", [(64, 64), (40, 72), (9, 9)])
def test_squares_lie_in_known_pixels_away_from_the_hole(shape):
    mask = torch.zeros(2, 1, *shape)
    mask[0, :, 1:4, 2:5] = 1
    turns = _squares(mask)
    assert len(turns) == 4
    together = torch.stack(turns).sum(0)
    assert together.max() == 1  # each square in one turn
    assert not (together * mask).any()
    assert together[1].mean() > 0.5


def test_no_square_sees_what_is_hidden():
    """A method is called with black in the hole and in the squares."""
    image, mask, seen = torch.rand(3, 3, 64, 64) + 0.1, holes(3), []

    def watched(given, hole):
        seen.append(float((given * hole).abs().sum()))
        return given

    self_test(watched, black, image.clamp(max=1), mask)
    assert seen == [0.0]


def test_the_better_method_gains():
    image, mask = torch.rand(4, 3, 64, 64), holes(4)
    found = self_test(perfect(image), black, image, mask)
    assert ((found.own > 90) | (found.tested == 0)).all()
    assert (found.gain[found.tested > 0] > 50).all()
    assert torch.equal(self_test(black, perfect(image), image, mask).gain, -found.gain)


def test_without_room_nothing_is_tested():
    mask = torch.ones(1, 1, 64, 64)
    mask[..., :2, :2] = 0
    found = self_test(black, black, torch.rand(1, 3, 64, 64), mask)
    assert float(found.tested) == float(found.own) == float(found.gain) == 0

import cv2
import numpy as np
import pytest
from hypothesis import given, strategies as st

from inpaintlab.images import DecodedImage
from inpaintlab.inpainter.crops import Box
from inpaintlab.inpainter.filling import enlarge, shrink


def noise(*shape):
    return np.random.default_rng(0).random(shape, np.float32)


def test_a_part_is_a_part_of_the_enlarged_whole():
    colours = cv2.GaussianBlur(noise(20, 30, 3), (0, 0), 2)
    place, wanted = Box(5, 7, 105, 187), Box(40, 60, 100, 130)
    whole = cv2.resize(colours, (180, 100), interpolation=cv2.INTER_CUBIC)
    part = enlarge(colours, place, wanted)
    # OpenCV takes cubic weights from a table of 32 places between two pixels.
    assert np.abs(part - whole[wanted.inside(place)]).max() < 0.005


def test_at_full_size_it_is_cut_out():
    colours = noise(20, 30, 3)
    wanted = Box(3, 4, 9, 20)
    assert np.array_equal(enlarge(colours, Box(0, 0, 20, 30), wanted), colours[wanted.slices])


@given(
    top=st.integers(-20, 20),
    left=st.integers(-20, 20),
    height=st.integers(1, 60),
    width=st.integers(1, 60),
)
def test_one_colour_stays_one_colour_beyond_the_border_too(top, left, height, width):
    colours = np.full((6, 9, 3), 0.25, np.float32)
    box = Box(top, left, top + height, left + width)
    assert np.allclose(enlarge(colours, Box(0, 0, 24, 36), box), 0.25)


@pytest.mark.parametrize("kind", ["uint8", "uint16", "float16", "float32", "float64"])
def test_nothing_of_the_hole_gets_into_what_is_made_smaller(kind):
    kind = np.dtype(kind)
    white = 1 if kind.kind == "f" else np.iinfo(kind).max
    hole = np.zeros((70, 90), np.uint8)
    hole[20:41, 33:57] = 1
    seen = []
    for under in (0, 1):
        pixels = np.full((70, 90, 3), 0.5 * white).astype(kind)
        pixels[hole > 0] = under * white
        small, mask = shrink(DecodedImage(pixels, "RGB"), hole, Box(3, 2, 66, 88), (21, 27))
        seen.append(small)
        assert np.allclose(small[~mask], 0.5, atol=1 / 255)
        assert (small[mask] == 0).all()
        assert mask.mean() > hole.mean()
    assert np.array_equal(*seen)

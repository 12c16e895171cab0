import numpy as np
from hypothesis import given, strategies as st

from inpaintlab.inpainter.filling import edge_difference
from tests.inpainter.holes import some_hole


def blended(known, output, hole, scale):
    """An output, and what blending adds to it; known colours are 0 in the hole, as they come."""
    known = np.where(hole[..., None], np.float32(0), known)
    return output + edge_difference(known, hole, output, scale)


def step(filled, known, hole):
    """Mean step from the hole's first pixels to the known ones left and right of them."""
    across = np.abs(np.diff(hole.astype(int), axis=1)) > 0
    image = np.where(hole[..., None], filled, known)
    return np.abs(np.diff(image, axis=1))[across].mean()


def test_a_wrong_tint_leaves_no_step():
    hole = np.zeros((120, 140), bool)
    hole[40:80, 50:100] = True
    known = np.full((120, 140, 3), 0.5, np.float32)
    output = np.full_like(known, 0.7)
    found = blended(known, output, hole, 4.0)
    assert step(found, known, hole) < 0.1 * step(output, known, hole)
    assert np.abs(found[hole] - 0.5).mean() < 0.2  # nearer to the known colour, nowhere farther


def test_what_is_right_stays():
    hole = some_hole(60, 70, 5) > 0
    ramp = np.linspace(0, 1, 70, dtype=np.float32)  # at this scale an output is smooth
    right = np.broadcast_to(ramp[:, None], (60, 70, 3)).copy()
    assert np.allclose(blended(right, right, hole, 3.0)[hole], right[hole], atol=0.02)


@given(height=st.integers(1, 60), width=st.integers(1, 60), seed=st.integers(0, 10**6))
def test_any_hole_gives_colours_and_what_is_under_it_is_not_seen(height, width, seed):
    random = np.random.default_rng(seed)
    hole = random.random((height, width)) < random.random()
    known, output = random.random((2, height, width, 3), np.float32)
    scale = float(random.uniform(1.01, 30))
    found = blended(known, output, hole, scale)
    other = np.where(hole[..., None], random.random(known.shape, np.float32), known)
    assert found.dtype == np.float32
    assert np.isfinite(found).all()
    assert np.array_equal(blended(other, output, hole, scale)[hole], found[hole])

import itertools
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from inpaintlab.images import DecodedImage
from inpaintlab.inpainter import tiles
from inpaintlab.inpainter.crops import Box, plan
from inpaintlab.inpainter.tiles import add_detail
from tests.inpainter.holes import some_hole

SIZE = 16


def gray(images, masks):
    """Paint every tile in one colour."""
    return (np.full_like(image, 0.25) for image, _ in zip(images, masks, strict=True))


def test_tiles_see_what_is_known_and_what_was_painted_coarser_and_leave_no_grid():
    """A network that paints what is right gives exactly that, whatever the tiles."""
    height, width = 150, 170
    ramp = np.linspace(0, 1, width, dtype=np.float32)
    truth = np.broadcast_to(ramp[None, :, None], (height, width, 3)).copy()
    hole = np.zeros((height, width), np.uint8)
    hole[40:100, 50:110] = 1
    seen = []

    def right(images, masks):
        for image, mask in zip(images, masks, strict=True):
            seen.append((image.shape[0], mask.mean(), image[~mask].min()))
            known = np.flatnonzero(~mask.any(axis=0))
            # What is right in a tile is the ramp that its known columns lie on.
            slope, start = np.polyfit(known, image[:, known, 0].mean(axis=0), 1)
            line = (start + slope * np.arange(mask.shape[1])).clip(0, 1)
            yield np.broadcast_to(line[None, :, None], image.shape).astype(np.float32)

    (crop,) = plan(hole, SIZE, "tiles")
    coarse = np.broadcast_to(
        np.interp(
            (np.arange(SIZE + 2) + 0.5) * crop.box.size[1] / (SIZE + 2) + crop.box.left,
            range(width),
            ramp,
        )[None, :, None],
        (SIZE, SIZE + 2, 3),
    ).astype(np.float32)
    colours, place = add_detail(right, "none", DecodedImage(truth, "RGB"), hole, crop, coarse, SIZE)
    inside = crop.hole
    assert (
        np.abs(colours[crop.bounds.inside(place)][inside] - truth[crop.bounds.slices][inside]).max()
        < 0.02
    )
    assert len(seen) > 20
    assert all(side <= SIZE and 0 < share < 0.3 for side, share, _ in seen)


def test_only_a_band_along_the_edge_is_painted_again():
    image = DecodedImage(np.full((200, 200, 3), 0.75, np.float32), "RGB")
    hole = np.zeros((200, 200), np.uint8)
    hole[60:140, 60:140] = 1
    (crop,) = plan(hole, SIZE, "tiles")
    coarse = np.full((SIZE, SIZE, 3), 0.75, np.float32)
    colours, place = add_detail(gray, "none", image, hole, crop, coarse, SIZE)
    filled = colours[crop.bounds.inside(place)]
    assert filled[0].max() < 0.6
    assert np.allclose(filled[30:50, 30:50], 0.75, atol=1e-3)


@given(height=st.integers(2, 90), width=st.integers(2, 90), seed=st.integers(0, 10**6))
def test_images_and_holes_of_any_kind(height, width, seed):
    hole = some_hole(height, width, seed)
    image = DecodedImage(np.random.default_rng(seed).random((height, width, 3), np.float32), "RGB")
    for crop in plan(hole, 4, "tiles"):
        if crop.detail:
            coarse = np.full((4, 5, 3), 0.5, np.float32)
            colours, place = add_detail(gray, "none", image, hole, crop, coarse, 4)
            assert colours.shape[:2] == place.size
            assert crop.bounds == crop.bounds.grown(0, place)
            assert np.isfinite(colours).all()


@given(st.floats(1.001, 500))
def test_scales_end_at_full_size_and_each_is_about_twice_as_fine(first):
    scales = [first, *tiles._scales(first)]
    assert math.isclose(scales[-1], 1, abs_tol=1e-9)
    assert all(finer < coarser < 3 * finer for coarser, finer in itertools.pairwise(scales))


@given(st.integers(1, 40), st.integers(1, 40), st.integers(1, 20))
def test_cores_cover_their_area(height, width, core):
    area = Box(3, 5, 3 + height, 5 + width)
    covered = np.zeros((60, 60), bool)
    for box in tiles._cores(area, core):
        covered[box.slices] = True
        assert max(box.size) <= core
    assert covered[area.slices].all()
    assert covered.sum() == height * width


@pytest.mark.parametrize("core", [1, 2, 25])
def test_every_pixel_of_a_core_counts(core):
    assert (tiles._fade(core) > 0).all()

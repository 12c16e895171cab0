import math
from itertools import pairwise

import numpy as np
import pytest
import torch
from hypothesis import given, settings, strategies as st
from PIL import Image

from inpaintlab import masks
from inpaintlab.errors import MaskError, SettingError
from inpaintlab.randomness import generator_for
from inpaintlab.registry import Registry
from inpaintlab.settings import Part
from tests.masks.cases import FILES

sides = st.integers(8, 60)
seeds = st.integers(0, 10_000)
DRAWN = ["rectangles", "strokes"]


@pytest.mark.parametrize("name", DRAWN)
@given(height=sides, width=sides, seed=seeds)
@settings(max_examples=50)
def test_drawn_masks_are_binary_partial_and_repeatable(name, height, width, seed):
    mixture = masks.make([{"name": name}])
    mask = mixture.draw(height, width, generator_for(seed))
    assert mask.shape == (height, width)
    assert set(np.unique(mask)) == {0, 1}
    assert mask.mean() <= masks.MAX_RATIO
    assert np.array_equal(mask, mixture.draw(height, width, generator_for(seed)))


@given(seed=seeds, low=st.floats(0.1, 0.5), more=st.floats(0, 0.4), height=sides, width=sides)
@settings(max_examples=50)
def test_rectangle_sides_keep_their_range(seed, low, more, height, width):
    mask = masks.Rectangles(side=(low, low + more)).draw(height, width, generator_for(seed))
    rows, columns = mask.any(axis=1).sum(), mask.any(axis=0).sum()
    assert mask.sum() == rows * columns
    for length, side in ((rows, height), (columns, width)):
        assert max(1, round(low * side)) <= length <= max(1, round((low + more) * side))


def test_number_of_rectangles():
    kind = masks.Rectangles(count=(3, 3), side=(0.05, 0.05))
    filled = [kind.draw(100, 100, generator_for(seed)).sum() for seed in range(20)]
    assert max(filled) == 3 * 25


@pytest.mark.parametrize("name", DRAWN)
def test_draws_differ(name):
    mixture = masks.make([{"name": name}])
    drawn = {mixture.draw(32, 32, generator_for(0, index)).tobytes() for index in range(50)}
    assert len(drawn) > 45


def test_neighbouring_generators_are_unrelated():
    values = torch.tensor([float(torch.rand((), generator=generator_for(0, i))) for i in range(2000)])
    assert abs(values.mean() - 0.5) < 0.03
    assert abs(torch.corrcoef(torch.stack([values[:-1], values[1:]]))[0, 1]) < 0.06


def test_mixture_follows_the_weights():
    parts = [
        {"name": "rectangles", "side": (0.5, 0.5), "weight": 3},
        {"name": "rectangles", "side": (0.25, 0.25), "weight": 1},
    ]
    mixture = masks.make(parts)
    areas = [int(mixture.draw(16, 16, generator_for(i)).sum()) for i in range(400)]
    assert set(areas) == {64, 16}
    assert 0.68 < areas.count(64) / 400 < 0.82


def test_what_is_always_empty_or_full_is_an_error():
    class Full:
        def draw(self, height, width, generator):
            return np.ones((height, width), np.uint8)

    with pytest.raises(MaskError, match="in a row were empty or over 90%"):
        masks.Mixture([Full()], [1]).draw(8, 8, generator_for(0))


@pytest.mark.parametrize(
    ("part", "words"),
    [
        ({"name": "rectangels"}, "did you mean 'rectangles'"),
        ({"name": "rectangles", "sied": 1}, "did you mean 'side'"),
        ({"name": "rectangles", "side": (0.5, 0.2)}, "two rising numbers"),
        ({"name": "rectangles", "side": (0.5, 1.2)}, "two rising numbers"),
        ({"name": "strokes", "count": (0, 2)}, "two rising numbers"),
        ({"name": "rectangles", "weight": -1}, "weights must be positive"),
        ({"name": "rectangles", "weight": "x"}, "rectangles': weight must be a number, got 'x'"),
        ({"name": "rectangles", "weight": math.nan}, "weight must be a number, got nan"),
        ({"name": "rectangles", "weight": True}, "weight must be a number, got True"),
        ({"name": "folder"}, "needs the setting 'path'"),
    ],
)
def test_bad_settings(part, words):
    with pytest.raises(SettingError, match=words):
        masks.make([part])


def save_mask(path, mask):
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(np.asarray(mask, np.uint8)).save(path)
    return path


def test_folder_draws_its_files_at_any_size(tmp_path):
    mask = np.zeros((64, 64), np.uint8)
    mask[:16, :16] = 255
    for name in ("a/1.png", "a/2.png", "b/3.png"):
        save_mask(tmp_path / name, np.roll(mask, 16 * int(name[2]), axis=1))
    kind = masks.Folder(str(tmp_path))
    for size in (64, 16):
        drawn = {kind.draw(size, size, generator_for(i)).tobytes() for i in range(40)}
        assert len(drawn) == 3
        assert kind.draw(size, size, generator_for(1)).mean() == 1 / 16


@pytest.fixture(scope="module")
def squares(tmp_path_factory):
    """A folder of masks: squares of 2 to 21 pixels of 32."""
    folder = tmp_path_factory.mktemp("squares")
    for side in range(2, 22):
        mask = np.zeros((32, 32), np.uint8)
        mask[:side, :side] = 255
        save_mask(folder / f"{side * 7 % 20:02}.png", mask)  # names are not in the order of the sides
    return folder


#: Mixtures by name; "folder" stands for the folder of squares.
GROWING = {
    "rectangles": [{"name": "rectangles"}],
    "several": [{"name": "rectangles", "count": (1, 4), "side": (0.1, 0.4)}],
    "strokes": [{"name": "strokes"}],
    "folder": [{"name": "folder"}],
    "irregular": [{"name": "strokes"}, {"name": "folder"}],
    "all": [{"name": "folder"}, {"name": "rectangles", "weight": 2}, {"name": "strokes"}],
}


def growing(name, squares):
    paths = {"folder": {"path": str(squares)}}
    return masks.make([part | paths.get(part["name"], {}) for part in GROWING[name]])


@pytest.mark.parametrize("name", GROWING)
def test_holes_grow_with_the_level(name, squares):
    mixture = growing(name, squares)
    levels = [mixture.at(level) for level in (0, 0.25, 0.5, 0.75, 1)]
    means = [np.mean([m.draw(32, 32, generator_for(i)).mean() for i in range(400)]) for m in levels]
    assert all(low < 0.95 * high for low, high in pairwise(means)), means


@pytest.mark.parametrize("name", GROWING)
@given(seed=seeds, level=st.floats(0, 1, exclude_max=True))
@settings(max_examples=25)
def test_at_level_1_masks_are_exactly_those_asked_for(name, squares, seed, level):
    plain, mixture = growing(name, squares), growing(name, squares)
    easier = mixture.at(level).draw(24, 24, generator_for(seed))  # which leaves no trace
    assert 0 < easier.mean() <= masks.MAX_RATIO
    first, second = generator_for(seed), generator_for(seed)
    for kind, unchanged in zip([mixture, *mixture.kinds], [plain, *plain.kinds], strict=True):
        same = kind.at(1.0).draw(24, 24, first)
        assert same.tobytes() == unchanged.draw(24, 24, second).tobytes()
    assert torch.equal(first.get_state(), second.get_state())


@given(low=st.floats(0.01, 0.5), more=st.floats(0, 0.4), width=st.floats(0.005, 0.5))
def test_every_kind_of_any_settings_has_a_level_0(low, more, width):
    masks.Rectangles((1, 9), (low, low + more)).at(0.0).draw(8, 8, generator_for(0))
    masks.Strokes(length=(low, low + more), width=(width, width)).at(0.0).draw(8, 8, generator_for(0))


def test_irregular_masks_come_after_rectangles(squares):
    mixture = growing("all", squares)
    shares = [np.diff(mixture.at(level).bounds, prepend=0).tolist() for level in (0.5, 0.75, 1)]
    expected = [[0, 1, 0], [1 / 6, 2 / 3, 1 / 6], [0.25, 0.5, 0.25]]
    assert np.allclose(shares, expected)
    alone = growing("irregular", squares).at(0.0)
    assert np.diff(alone.bounds, prepend=0).tolist() == [0.5, 0.5]


def test_a_folder_begins_with_its_smallest_holes(squares):
    drawn = masks.Folder(str(squares)).at(0.0)
    sides = {int(drawn.draw(32, 32, generator_for(i))[0].sum()) for i in range(200)}
    assert sides == {2, 3, 4, 5, 6, 7}


def test_masks_that_vanish_when_they_are_shrunk_are_not_the_smallest(tmp_path):
    for number in range(9):
        mask = np.zeros((64, 64), np.uint8)
        mask[3:5, 3:5] = 255 if number else 0
        mask[:32, :32] |= 0 if number else 255
        save_mask(tmp_path / f"{number}.png", mask)
    assert (
        masks.make([{"name": "folder", "path": str(tmp_path)}])
        .at(0.0)
        .draw(8, 8, generator_for(0))
        .mean()
        == 1 / 4
    )


def test_inverted_folder(tmp_path):
    mask = np.full((8, 8), 255, np.uint8)
    mask[2:4, 2:4] = 0
    save_mask(tmp_path / "1.png", mask)
    assert masks.Folder(str(tmp_path), invert=True).draw(8, 8, generator_for(0)).sum() == 4
    with pytest.raises(MaskError, match=r"1\.png marks 94% .* invert: true"):
        masks.Folder(str(tmp_path), invert=False).draw(8, 8, generator_for(0))


@pytest.mark.parametrize(("inverted", "refused"), [(4, True), (3, True), (2, False), (0, False)])
def test_a_folder_of_masks_that_look_inverted_is_refused_at_the_door(tmp_path, inverted, refused):
    for number in range(4):
        mask = np.zeros((16, 16), np.uint8)
        mask[4:10, 4:10] = 255
        save_mask(tmp_path / f"{number}.png", 255 - mask if number < inverted else mask)
    (tmp_path / "broken.png").write_bytes(b"no image")
    if refused:
        words = rf"{inverted} of 5 .* inverted, 0\.png first.* -s masks\.invert=true .*=false if"
        with pytest.raises(MaskError, match=words):
            masks.make(str(tmp_path))
    else:
        masks.make(str(tmp_path))
    for invert in (True, False):
        assert masks.make({"name": "folder", "path": str(tmp_path), "invert": invert})


@pytest.mark.parametrize("name", FILES)
def test_files_of_a_folder_mean_what_they_mean_everywhere(tmp_path, name):
    case, hole = FILES[name], np.zeros((40, 48), np.uint8)
    hole[10:22, 14:30] = 1
    (tmp_path / "m.png").write_bytes(case.encode(hole))
    invert = False if name in ("inverted", "full") else None  # they only look inverted
    kind = masks.Folder(str(tmp_path), invert=invert)
    if case.error and "sizes" not in case.error:
        with pytest.raises(MaskError, match=f"m.png .*{case.error}") as error:
            kind.draw(40, 48, generator_for(0))
        assert "_mask" not in str(error.value)
    elif not case.error:
        assert np.array_equal(kind.draw(40, 48, generator_for(0)), case.reads(hole))


def test_a_folder_of_grey_masks(tmp_path):
    (tmp_path / "m.png").write_bytes(FILES["a photo"].encode(np.zeros((40, 48), np.uint8)))
    with pytest.raises(MaskError, match="grey: true"):
        masks.Folder(str(tmp_path)).draw(40, 48, generator_for(0))
    assert masks.Folder(str(tmp_path), grey=True).draw(40, 48, generator_for(0)).any()


def test_empty_folder(tmp_path):
    with pytest.raises(MaskError, match="no mask image"):
        masks.Folder(str(tmp_path))


class Crosses:
    """A kind of somebody else's: a cross of a pixel's width, whose place is drawn."""

    def __init__(self, value=True):
        self.value = value

    def draw(self, height, width, generator):
        mask = np.zeros((height, width), type(self.value))
        row, column = (int(torch.randint(0, side, (), generator=generator)) for side in (height, width))
        mask[row], mask[:, column] = self.value, self.value
        return mask


def corner(height, width, generator):
    mask = torch.zeros(height, width)
    mask[: height // 2, : width // 2] = 1
    return mask


@pytest.fixture
def registered(monkeypatch):
    monkeypatch.setattr(masks.kinds, "KINDS", Registry("mask kind", masks.KINDS))
    monkeypatch.setattr(masks.table, "KINDS", masks.kinds.KINDS)
    masks.register_mask("crosses")(Crosses)
    masks.register_mask("corner", corner)


@pytest.mark.parametrize(
    ("spec", "kinds"),
    [
        ("crosses", ["crosses"]),
        ("corner", ["corner"]),
        (Crosses(), ["crosses"]),
        (corner, ["corner"]),
        ({"name": "crosses", "value": np.uint8(255)}, ["crosses"]),
        (["crosses", Crosses(1.0), {"name": "corner", "weight": 3}], ["crosses", "crosses", "corner"]),
        (Part(name="crosses"), ["crosses"]),
        (masks.Mixture([Crosses()], [1]), ["crosses"]),
    ],
)
def test_kinds_of_one_s_own(registered, spec, kinds):
    mixture = masks.make(spec)
    assert [masks.kinds.name_of(kind) for kind in mixture.kinds] == kinds
    mask, name = mixture.draw_named(9, 12, generator_for(1))
    assert mask.dtype == np.uint8
    assert set(np.unique(mask)) == {0, 1}
    assert name in kinds
    easier = mixture.at(0.3)  # they know nothing of levels
    assert np.array_equal(easier.draw(9, 12, generator_for(1)), mask)
    frozen = masks.frozen(spec, 16, 3, seed=0)
    assert [part["name"] for part in frozen.parts] == kinds
    assert frozen.facts()["count"] == 3


def test_a_folder_by_its_path(tmp_path):
    Image.fromarray(np.eye(16, dtype=np.uint8) * 255).save(tmp_path / "a.png")
    for spec in (tmp_path, str(tmp_path), [str(tmp_path)]):
        assert np.array_equal(masks.make(spec).draw(16, 16, generator_for(0)), np.eye(16))
    assert masks.frozen(tmp_path, 16, 1, seed=0).name == f"folder {tmp_path.name}"


@pytest.mark.parametrize(
    ("spec", "error", "words"),
    [
        ("rectangle", SettingError, "did you mean 'rectangles'"),
        ("nvidia-style-v1", SettingError, "is a mask set"),
        ([], SettingError, "there are no masks"),
        (3, MaskError, r"object with draw\(height, width, generator\), got 3"),
        (Crosses, MaskError, "got <class"),
        (lambda h, w, g: np.eye(4), MaskError, r"drew a mask \[4, 4\], asked for was \[9, 12\]"),
    ],
)
def test_what_makes_no_masks(spec, error, words):
    with pytest.raises(error, match=words):
        masks.make(spec).draw(9, 12, generator_for(0))


def test_a_taken_name(registered):
    with pytest.raises(SettingError, match="there is a mask kind 'rectangles' already"):
        masks.register_mask("rectangles", corner)


def test_the_sheet_of_a_mask_set_is_no_mask(tmp_path, inpaint):
    inpaint(f"masks {tmp_path / 'set'} --count 3 --size 32")
    (folder,) = masks.make(str(tmp_path / "set")).kinds
    assert len(folder.files) == 3

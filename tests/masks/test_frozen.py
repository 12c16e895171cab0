import numpy as np
import pytest
import torch

from inpaintlab import masks
from inpaintlab.images import from_array, save
from inpaintlab.masks import FrozenMasks, histogram


def test_frozen_masks_do_not_change():
    """A golden value: results that name this hash stay comparable."""
    mixture = masks.make([{"name": "rectangles"}, {"name": "strokes"}])
    frozen = FrozenMasks(mixture, 16, 8, seed=3)
    assert frozen.hash == "61175fca57cb3424"
    assert torch.equal(frozen.batch(2, 5), torch.stack([frozen[2], frozen[3], frozen[4]]))
    assert FrozenMasks(mixture, 16, 8, seed=4).hash != frozen.hash
    assert torch.equal(FrozenMasks(mixture, 16, 99, seed=3)[7], frozen[7])
    assert frozen.ratios == [float(frozen[i].mean()) for i in range(8)]


def test_rows_name_their_kind_and_their_pixels():
    parts = [{"name": "rectangles"}, {"name": "strokes"}]
    frozen = masks.frozen(parts, 24, 40, seed=1)
    assert set(frozen.kinds) == {"rectangles", "strokes"}
    for row in range(40):
        solid = (
            frozen.array(row).sum()
            == np.outer(frozen.array(row).any(axis=1), frozen.array(row).any(axis=0)).sum()
        )
        assert solid or frozen.kinds[row] == "strokes"
        border = [frozen.array(row)[0], frozen.array(row)[-1], *frozen.array(row).T[[0, -1]]]
        assert frozen.borders[row] == np.concatenate(border).any()
    assert frozen.digest(3) == masks.frozen(parts, 24, 9, seed=1).digest(3)
    assert len({frozen.digest(row) for row in range(40)}) > 35


def test_facts_are_those_of_the_masks():
    facts = masks.frozen([{"name": "rectangles"}], 24, 40, seed=1).facts()
    assert facts["name"] == "rectangles"
    assert facts["parts"][0]["side"] == [0.25, 0.5]
    assert facts["count"] == sum(facts["histogram"].values()) == 40
    assert 0 < facts["mean_ratio"] < 0.3
    other = masks.frozen([{"name": "rectangles"}], 24, 40, seed=2).facts()
    assert facts["hash"] != other["hash"]


@pytest.mark.parametrize("name", ["rectangles", "strokes", "nvidia-style-v1", "folder"])
def test_every_image_may_have_a_size_of_its_own(name, tmp_path):
    for side in (4, 5, 6):
        mask = np.zeros((8, 8, 3), np.uint8)
        mask[:side, :side] = 255
        save(tmp_path / f"{side}.png", from_array(mask))
    part = {"name": name} | ({"path": str(tmp_path)} if name == "folder" else {})
    sizes = [(20, 30), (41, 17), (64, 64), (20, 30)]
    own = masks.frozen([part], sizes, 4, seed=1)
    assert len(own) == 4 * own.per_image
    assert [own.array(row * own.per_image).shape for row in range(4)] == sizes
    assert own.facts()["size"] is None
    assert own.hash != masks.frozen([part], 64, 4, seed=1).hash
    row = 2 * own.per_image
    assert np.array_equal(own.array(row), masks.frozen([part], 64, 4, seed=1).array(row))


def test_masks_are_drawn_once():
    calls = []

    class Counted(masks.Rectangles):
        def draw(self, height, width, generator):
            calls.append(1)
            return super().draw(height, width, generator)

    frozen = FrozenMasks(masks.Mixture([Counted()], [1]), 16, 10)
    _ = frozen.hash, frozen.ratios, frozen.kinds, frozen.borders, frozen.batch(0, 10)
    assert len(calls) == 10
    assert frozen.kinds[0] == "Counted"


def test_only_so_many_masks_are_kept(monkeypatch):
    monkeypatch.setattr(masks.MaskSet, "kept_bytes", 5 * 32)  # of 16×16 bits
    few = masks.frozen([{"name": "rectangles"}], 16, 10, seed=1)
    before = few.hash
    assert len(few._kept) == 5
    monkeypatch.undo()
    assert masks.frozen([{"name": "rectangles"}], 16, 10, seed=1).hash == before


def test_a_folder_is_named(tmp_path):
    save(tmp_path / "mine/1.png", from_array(np.eye(16, dtype=np.uint8) * np.uint8(255)))
    folder = {"name": "folder", "path": str(tmp_path / "mine")}
    assert masks.frozen([folder], 16, 2, 0).name == "folder mine"
    assert masks.frozen([{"name": "strokes"}, folder], 16, 2, 0).name == "strokes+folder mine"


def test_histogram_has_every_bin():
    counts = histogram([0.1, 0.1001, 0.9])
    assert counts["0–10 %"] == counts["10–20 %"] == counts["80–90 %"] == 1
    assert sum(counts.values()) == 3

import json

import numpy as np
import pytest

from inpaintlab import masks
from inpaintlab.data.sheets import show, write_masks
from inpaintlab.errors import OutputError
from inpaintlab.images import load
from inpaintlab.masks import FrozenMasks, read_mask
from inpaintlab.settings import MaskSettings


def settings(**changes):
    return MaskSettings.model_validate({"output": "set", "size": 24, "count": 10} | changes)


def test_files_are_the_frozen_masks(tmp_path):
    facts = write_masks(settings(masks="strokes", seed=3))
    frozen = FrozenMasks(masks.make([{"name": "strokes"}]), 24, 10, 3)
    files = sorted((tmp_path / "set/masks").glob("*.png"))
    assert [file.name for file in files] == [f"{index:05}.png" for index in range(10)]
    for index, file in enumerate(files):
        assert np.array_equal(read_mask(file)[0], frozen[index][0].numpy())
        assert set(np.unique(load(file).pixels)) == {0, 255}
    assert facts["hash"] == frozen.hash
    assert facts == json.loads((tmp_path / "set/masks.json").read_text())
    assert facts["parts"][0]["points"] == [3, 8]
    assert sum(facts["histogram"].values()) == 10
    assert len(facts["histogram"]) == 10


def test_the_set_can_be_trained_with(tmp_path):
    write_masks(settings(count=3))
    folder = masks.Folder(str(tmp_path / "set/masks"))
    assert len(folder.files) == 3


def test_preview_writes_only_the_sheet(tmp_path):
    write_masks(settings(preview=True, size=300, count=70))
    assert [path.name for path in (tmp_path / "set").glob("[!.]*")] == ["sheet.png"]
    assert load(tmp_path / "set/sheet.png").size == (8 * 102 + 2, 8 * 102 + 2)


def test_a_folder_with_something_in_it_is_left_alone(tmp_path):
    (tmp_path / "set").mkdir()
    write_masks(settings())
    with pytest.raises(OutputError, match="set is there and not empty: name a new folder"):
        write_masks(settings())
    with pytest.raises(OutputError, match="not empty"):
        write_masks(settings(output="set/sheet.png"))


def test_a_named_set(tmp_path):
    facts = write_masks(settings(masks="nvidia-style-v1", size=64, count=2, seed=5))
    assert (facts["name"], facts["count"]) == ("nvidia-style-v1", 12)
    frozen = masks.frozen([{"name": "nvidia-style-v1"}], 64, 2, 5)
    assert facts["hash"] == frozen.hash
    files = sorted((tmp_path / "set/masks").glob("*.png"))
    assert np.array_equal(read_mask(files[7])[0], frozen.array(7))


def test_command(inpaint, tmp_path):
    words = ["masks", "out", "--masks", "rectangles", "--masks", "strokes", "--size", "32"]
    words += ["--count", "5", "--seed", "2"]
    code, out, err = inpaint(words)
    assert code == 0, err
    assert "5 masks (rectangles+strokes) of 32×32, seed 2, #" in out
    assert "sheet: out/sheet.png" in out
    words = ["masks", "other", "--config", "recipe.yaml", "-s", "masks.side=[0.5, 0.5]", "--json"]
    (tmp_path / "recipe.yaml").write_text("size: 16\ncount: 4\nmasks: rectangles\n")
    facts = json.loads(inpaint(words)[1])
    assert facts["histogram"]["20–30 %"] == 4
    assert "40" not in show(facts).splitlines()[0]

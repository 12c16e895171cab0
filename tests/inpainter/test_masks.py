"""Every kind of mask at the doors of filling: Python, files and folders."""

import numpy as np
import pytest
import torch
from PIL import Image

from inpaintlab.errors import InpaintlabError, MaskError
from inpaintlab.images import load
from inpaintlab.inpainter import Inpainter, fill_files
from inpaintlab.settings import FillSettings
from tests.inpainter.holes import white_inpainter
from tests.masks.cases import ARRAYS, FILES

HOLE = np.zeros((40, 48), np.uint8)
HOLE[10:22, 14:30] = 1
BLACK = np.zeros((40, 48, 3), np.uint8)
KINDS = {"numpy": BLACK, "PIL": Image.fromarray(BLACK), "torch": torch.zeros(3, 40, 48)}


@pytest.fixture(autouse=True)
def white(monkeypatch, tmp_path):
    monkeypatch.setattr(Inpainter, "load", lambda *_, **__: white_inpainter())
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "model.safetensors").touch()
    Image.fromarray(BLACK).save(tmp_path / "a.png")
    return white_inpainter()


def seen(filled):
    """Where something was filled."""
    array = filled.permute(1, 2, 0).numpy() if isinstance(filled, torch.Tensor) else np.asarray(filled)
    return np.uint8(array.max(axis=2) > 0)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("name", [*FILES, *ARRAYS])
def test_python(white, name, kind):
    case = (FILES | ARRAYS)[name]
    if case.error:
        with pytest.raises(MaskError, match=case.error):
            white.fill(KINDS[kind], case.make(HOLE))
        return
    expected = case.reads(HOLE) if name in FILES else HOLE
    assert np.array_equal(seen(white.fill(KINDS[kind], case.make(HOLE))), expected)
    if kind == "numpy" and name in FILES:
        assert np.array_equal(seen(white.fill(BLACK, case.encode(HOLE))), expected)


def test_what_insists_is_named_and_helps(white, tmp_path, inpaint):
    """A photo, and a mask that is nearly all hole, at the doors of filling."""
    photo = FILES["a photo"]
    most = np.uint8(255) * (1 - HOLE * (np.arange(48) < 24))
    with pytest.raises(MaskError, match="add grey_mask=True"):
        white.fill(BLACK, photo.make(HOLE))
    with pytest.raises(MaskError, match="add or leave out invert_mask=True"):
        white.fill(BLACK, most)
    assert seen(white.fill(BLACK, photo.make(HOLE), grey_mask=True)).any()
    for name, data in (("p.png", photo.make(HOLE)), ("m.png", Image.fromarray(most))):
        data.save(tmp_path / name)
    run = f"--run {tmp_path / 'run'} -o {tmp_path / 'b.png'}"
    for mask, flag in (("p.png", "--grey-mask"), ("m.png", "--invert-mask")):
        code, _, err = inpaint(f"fill {tmp_path / 'a.png'} {tmp_path / mask} {run}")
        assert code == 2
        assert err.strip().endswith(flag)
        assert inpaint(f"fill {tmp_path / 'a.png'} {tmp_path / mask} {run} {flag}")[0] == 0


def test_python_inverts(white):
    assert np.array_equal(seen(white.fill(BLACK, HOLE, invert_mask=True)), 1 - HOLE)


@pytest.mark.parametrize("name", FILES)
def test_one_file(tmp_path, name):
    case = FILES[name]
    (tmp_path / "a_mask.png").write_bytes(case.encode(HOLE))
    files = {"image": tmp_path / "a.png", "output": tmp_path / "b.png", "run": tmp_path / "run"}
    settings = FillSettings(**files, method="model")
    if case.error:
        with pytest.raises(MaskError, match=case.error):
            fill_files(settings)
        return
    notes = fill_files(settings).notes
    assert np.array_equal(seen(load(tmp_path / "b.png").pixels), case.reads(HOLE))
    assert len(notes) == (case.note is not None)
    assert case.note is None or case.note in notes[0]


@pytest.mark.parametrize("name", FILES)
def test_a_folder(tmp_path, name):
    case = FILES[name]
    Image.fromarray(BLACK).save(tmp_path / "b.png")
    for image in "ab":
        (tmp_path / f"{image}_mask.png").write_bytes(case.encode(HOLE))
    given = {"image": tmp_path, "output": tmp_path / "out", "run": tmp_path / "run"}
    if name in ("inverted", "full"):
        with pytest.raises(InpaintlabError, match="2 of 2 masks looked at seem inverted"):
            fill_files(FillSettings(**given))
        given |= {"invert_mask": False}
    result = fill_files(FillSettings(**given, workers=1))
    if case.error:
        assert result.failed == 2
        return
    assert np.array_equal(seen(load(tmp_path / "out" / "b.png").pixels), case.reads(HOLE))

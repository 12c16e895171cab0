import shutil

import cv2
import numpy as np
import pytest
from PIL import Image

from inpaintlab.data import samples
from inpaintlab.data.folders import FolderDataset
from inpaintlab.diagnosis.images import ODD, find_leaks, judge_leaks, judge_values, survey
from tests.conftest import save_portraits
from tests.diagnosis.conftest import session_of


def judged(tmp_path, folder, of=36, **changes):
    trainer, settings = session_of(tmp_path, data=str(folder), **changes)
    seen = survey(trainer.data, of)
    return (
        judge_values(seen, settings.max_bad_fraction),
        judge_leaks(find_leaks(seen), seen, settings.data),
    )


def save(pixels, path):
    Image.fromarray(np.asarray(pixels, np.uint8)).save(path)


def test_a_healthy_folder_has_no_findings(tmp_path, portraits):
    seen, split = judged(tmp_path, portraits)
    assert (seen.word, seen.advice) == ("ok", "")
    assert "none broken, black, white or noise" in seen.text
    assert all(seen.figures[kind] == 0 for kind in ODD)
    assert split.word == "ok"
    assert "none of" in split.text


def test_real_faces_are_not_odd(tmp_path, real_faces):
    folder = tmp_path / "faces"
    folder.mkdir()
    for file in sorted(real_faces.iterdir())[:100]:
        shutil.copy(file, folder)
    seen, _ = judged(tmp_path, folder)
    assert seen.word == "ok"


@pytest.mark.parametrize("kind", ODD)
def test_odd_images_are_told_apart_and_many_of_them_are_a_finding(tmp_path, portraits, kind):
    generator = np.random.default_rng(0)
    make = {
        "nearly black": lambda: generator.integers(0, 8, (40, 40, 3)),
        "nearly white": lambda: generator.integers(248, 256, (40, 40, 3)),
        "of one colour": lambda: np.full((40, 40, 3), 120) + generator.integers(0, 2, (40, 40, 3)),
        "noise": lambda: generator.integers(0, 256, (40, 40, 3)),
    }[kind]
    for number in range(8):
        save(make(), portraits / f"odd-{number}.png")
    seen, _ = judged(tmp_path, portraits)
    assert seen.word == "finding"
    assert seen.figures[kind] >= 4
    assert all(seen.figures[other] == 0 for other in set(ODD) - {kind})
    assert f"{seen.figures[kind]} {kind} (as odd-" in seen.text
    assert "inpaint prepare" in seen.advice


def test_few_odd_images_are_a_note(tmp_path):
    folder = save_portraits(tmp_path / "many", 160)
    for number in range(2):
        save(np.full((40, 40, 3), 255 - number), folder / f"white-{number}.png")
    seen, _ = judged(tmp_path, folder)
    assert (seen.word, seen.figures["nearly white"] > 0) == ("note", True)
    (folder / "broken.png").write_bytes(b"no image")
    save(samples.draw(3, 8), folder / "tiny.png")
    seen, _ = judged(tmp_path, folder, max_bad_fraction=1.0)
    assert seen.word == "note"
    assert "that cannot be used (first: " in seen.text


def test_a_range_that_is_not_that_of_images_is_a_finding(tmp_path):
    folder = tmp_path / "dark"
    folder.mkdir()
    for number in range(40):
        save(samples.draw(number, 40) / 5 + 14, folder / f"{number}.png")
    seen, _ = judged(tmp_path, folder)
    assert (seen.word, "range" in seen.advice) == ("finding", True)


def test_look_alikes_in_two_parts_are_found_and_scaled_to_all(tmp_path, portraits, monkeypatch):
    for path in sorted(portraits.iterdir()):
        brighter = np.clip(np.asarray(Image.open(path)).astype(int) + 6, 0, 255)
        Image.fromarray(brighter.astype(np.uint8)[:, ::-1]).save(portraits / f"twin-{path.name}")
    _, split = judged(tmp_path, portraits, of=72)
    assert split.word == "ok"
    monkeypatch.setattr(FolderDataset, "groups", range(80))  # as if nobody had looked for them
    _, split = judged(tmp_path, portraits, of=72)
    assert split.word == "finding"
    assert split.figures["alike"] > 3
    assert "inpaint prepare" in split.advice
    _, part = judged(tmp_path, portraits, of=7200)
    assert part.figures["share_in_all"] == 1.0
    assert "among all 7,200" in part.text


def test_copies_of_a_file_are_no_leak(tmp_path, portraits):
    for path in sorted(portraits.iterdir()):
        shutil.copy(path, portraits / f"copy-{path.name}")
    _, split = judged(tmp_path, portraits)
    assert split.word == "ok"


def test_other_images_with_near_hashes_are_no_look_alikes(tmp_path):
    """Stripes that share their coarse shape but not their pixels."""
    folder = tmp_path / "stripes"
    folder.mkdir()
    ramp = np.linspace(40, 200, 64)[None].repeat(64, 0)
    for number in range(40):
        noise = np.random.default_rng(number).normal(0, 60, (64, 64))
        image = ramp + cv2.GaussianBlur(noise, (0, 0), 1.2) * 4
        save(np.clip(image, 0, 255)[..., None].repeat(3, 2), folder / f"{number}.png")
    _, split = judged(tmp_path, folder)
    assert split.word == "ok"

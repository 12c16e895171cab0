import csv
import hashlib
import json
import re
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from inpaintlab import cli
from inpaintlab.data import faces, samples
from inpaintlab.data.faces import align, align_face, eye_places
from inpaintlab.errors import DataError, SettingError
from inpaintlab.settings import AlignSettings, build
from tests.conftest import save_portraits

HEADER = ["file", "left_x", "left_y", "right_x", "right_y"]


def write_points(path, rows):
    with path.open("w", newline="") as file:
        csv.writer(file).writerows([HEADER, *rows])
    return path


@pytest.mark.parametrize(
    ("eyes", "words"),
    [
        ((0.3, 0.4, 0.7, 0.4), "0.4 pixels apart, as shares of the width are: points are pixels"),
        ((20, 20, 21, 20), "1 pixels apart"),
        (
            (-500, -500, -400, -500),
            r"at \(-500, -500\) and \(-400, -500\), are outside the image of 40×40",
        ),
        ((1e9, 20, 30, 20), r"\(1e\+09, 20\), are outside"),
        ((10, 20, 45, 20), "outside the image"),
        ((10, -5, 30, 20), "outside the image"),
    ],
)
def test_points_that_cannot_be_eyes_are_doubtful(run, tmp_path, eyes, words):
    save_portraits(tmp_path / "in", 2)
    report = run([["000.png", *eyes], ["001.png", 12, 15, 43, 16]])
    assert (report.aligned, report.reasons) == (1, {"doubtful": 1})
    assert re.search(words, report.not_aligned[0].detail)


def rows_of(path):
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


@pytest.fixture
def run(tmp_path):
    """Align the images of `in` to `out` by given points."""

    def with_points(rows, **changes):
        points = write_points(tmp_path / "eyes.csv", rows)
        given = {"folder": tmp_path / "in", "output": tmp_path / "out", "points": points, "size": 32}
        return align(AlignSettings.model_validate(given | changes))

    return with_points


def test_presets_and_places():
    assert eye_places("utkface").tolist() == [[0.294, 0.292], [0.684, 0.291]]
    left, right = eye_places("celeba-hq")
    assert left[0] + right[0] == 1
    assert left[1] == right[1]
    assert eye_places("0.7,0.4,0.3,0.5").tolist() == [[0.3, 0.5], [0.7, 0.4]]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("utkfaces", "unknown preset 'utkfaces', did you mean 'utkface'"),
        (".3,.4,.7", "four shares x,y,x,y between 0 and 1"),
        ("58,58,137,58", "four shares x,y,x,y between 0 and 1"),
        ("nan,.4,.7,.4", "four shares"),
        (".3,.4,.3,.4", "two places"),
    ],
)
def test_places_that_cannot_be(text, message):
    with pytest.raises(SettingError, match=message):
        eye_places(text)


def test_a_swapped_pair_gives_the_same_upright_face():
    pixels, eyes = samples.draw(3, 90), np.array([[30.0, 40.0], [61.0, 44.0]])
    crop = align_face(pixels, eyes, eye_places("utkface"), 50)
    assert crop.shape == (50, 50, 3)
    assert np.array_equal(crop, align_face(pixels, eyes[::-1], eye_places("utkface"), 50))


def test_what_was_done_is_reported(run, tmp_path):
    save_portraits(tmp_path / "in" / "deep", 3)
    (tmp_path / "in" / "broken.png").write_bytes(b"no image")
    report = run(
        [
            ["deep/000.png", 12, 15, 27, 16],
            ["deep/001.png", 14, 17, 25, 15],
            ["broken.png", 1, 2, 3, 4],
        ]
    )
    assert (report.images, report.aligned, report.crops) == (4, 2, 2)
    reasons = {item.file: item.reason for item in report.not_aligned}
    assert reasons == {"broken.png": "unreadable", "deep/002.png": "no points"}
    assert report.reasons == {"unreadable": 1, "no points": 1}
    assert report.spread.after == pytest.approx(0, abs=1e-9)
    # Two images of 40 px: x of 12 and 14, y of 15 and 17, and so on, differ by 2, 2, 2 and 1 px.
    assert report.spread.before == pytest.approx(100 / 40 * np.sqrt((1 + 1 + 1 + 0.25) / 4), 1e-3)
    assert json.loads((tmp_path / "out" / "align.json").read_text()) == report.as_dict()
    rows = rows_of(tmp_path / "out" / "align.csv")
    assert [(row["file"], row["crop"], row["left_x"]) for row in rows] == [
        ("deep/000.png", "deep/000.png", "12.00"),
        ("deep/001.png", "deep/001.png", "14.00"),
    ]
    with Image.open(tmp_path / "out" / "deep" / "000.png") as crop:
        assert crop.size == (32, 32)


def test_odd_names_survive(run, tmp_path):
    names = ["a,b.png", 'say "x".png', "two\nlines.png", "cr\rhere.png", "übung 1.png", "a.b.png"]
    save_portraits(tmp_path / "in", 1)
    for name in names:
        (tmp_path / "in" / name).write_bytes((tmp_path / "in" / "000.png").read_bytes())
    run([[name, 12, 15, 27, 16] for name in names])
    table = tmp_path / "out" / "align.csv"
    assert {row["file"] for row in rows_of(table)} == set(names)
    assert all((tmp_path / "out" / row["crop"]).is_file() for row in rows_of(table))
    # The table of a run is a table of points.
    again = run([], points=table, output=tmp_path / "again")
    assert again.aligned == len(names)


def test_images_that_differ_in_suffix_do_not_overwrite_each_other(run, tmp_path):
    save_portraits(tmp_path / "in", 1)
    with Image.open(tmp_path / "in" / "000.png") as image:
        image.save(tmp_path / "in" / "000.bmp")
    report = run([["000.png", 12, 15, 27, 16], ["000.bmp", 12, 15, 27, 16]])
    crops = {path.name for path in (tmp_path / "out").glob("*.png")}
    assert (report.crops, crops) == (2, {"000.bmp.png", "000.png.png"})


def test_several_faces_of_an_image(run, tmp_path):
    save_portraits(tmp_path / "in", 1)
    rows = [["000.png", 5, 5, 9, 5], ["000.png", 12, 15, 27, 16], ["000.png", 4, 4, 4, 4]]
    assert run(rows).crops == 1
    assert rows_of(tmp_path / "out" / "align.csv")[0]["left_x"] == "12.00"
    report = run(rows, faces="all", format="jpg", output=tmp_path / "all")
    assert {path.name for path in (tmp_path / "all").glob("*.jpg")} == {"000-1.jpg", "000-2.jpg"}
    (missed,) = report.not_aligned
    assert (missed.reason, missed.face) == ("no eyes", 3)


def test_a_bad_list_concerns_its_image_only(run, tmp_path):
    save_portraits(tmp_path / "in", 2)
    (tmp_path / "lists").mkdir()
    (tmp_path / "lists" / "000.txt").write_text("1 2\n3 4\n")
    (tmp_path / "lists" / "001.txt").write_text("12 15\n27 16\n")
    lists = {"points": tmp_path / "lists", "left_rows": (1, 1), "right_rows": (0, 0)}
    (tmp_path / "lists" / "000.txt").write_text("1 2\n")
    report = run([], **lists)
    assert report.crops == 1
    assert report.not_aligned[0].reason == "bad points"


@pytest.mark.parametrize("output", ["in", "in/out", ".", "in/../in/out", "link/out"])
def test_inputs_are_never_written_to(run, tmp_path, output):
    save_portraits(tmp_path / "in", 1)
    (tmp_path / "link").symlink_to(tmp_path / "in")
    with pytest.raises(DataError, match="lie in each other"):
        run([["000.png", 12, 15, 27, 16]], output=tmp_path / output)
    assert sorted(path.name for path in (tmp_path / "in").iterdir()) == ["000.png"]


def test_an_output_that_is_taken(run, tmp_path):
    save_portraits(tmp_path / "in", 1)
    rows = [["000.png", 12, 15, 27, 16]]
    run(rows)
    with pytest.raises(DataError, match="out is not empty: give a new folder"):
        run(rows)
    with pytest.raises(DataError, match=r"eyes\.csv is a file, not a folder"):
        run(rows, output=tmp_path / "eyes.csv")


@pytest.mark.parametrize(
    ("assignment", "message"),
    [
        ("detector=points", "detector points needs a file"),
        ("size=4", "size: .* 8"),
        ("faces=some", "'largest' or 'all'"),
        ("left_rows=[4, 2]", "rows run from a first to a last"),
    ],
)
def test_settings_that_cannot_be(assignment, message):
    with pytest.raises(SettingError, match=message):
        build(AlignSettings, assignments=[assignment], flags={"folder": "in", "output": "out"})


def test_points_exclude_a_detector():
    flags = {"folder": "in", "output": "out", "points": "eyes.csv", "detector": "haar"}
    with pytest.raises(SettingError, match="detector haar would not be asked"):
        build(AlignSettings, flags=flags)


@pytest.fixture
def inpaint(monkeypatch, capfd):
    """Run a command line in this process; returns exit code, stdout and stderr."""

    def run_words(*words):
        monkeypatch.setattr(sys, "argv", ["inpaint", *map(str, words)])
        with pytest.raises(SystemExit) as stopped:
            cli.main()
        return stopped.value.code or 0, *capfd.readouterr()

    return run_words


def test_not_a_single_face_is_a_finding(inpaint, tmp_path):
    save_portraits(tmp_path / "in", 2)
    for path in (tmp_path / "in").iterdir():
        Image.new("RGB", (60, 60), "white").save(path)
    code, out, err = inpaint("align", "in", "out")
    assert (code, err) == (1, "")
    assert "0 of 2 images aligned" in out
    assert "not aligned: 2 no face; each is listed in out/align.json" in out


def test_a_mistake_is_one_line(inpaint, tmp_path):
    save_portraits(tmp_path / "in", 1)
    for words, message in (
        (["in", "in/out"], "lie in each other"),
        (["in", "out", "--detector", "har"], "did you mean 'haar'"),
        (["in", "out", "--eyes", "utk"], "unknown preset 'utk'"),
        (["none", "out"], "none does not exist"),
        (["in", "out", "--points", "none.csv"], "none.csv does not exist"),
    ):
        code, out, err = inpaint("align", *words)
        assert (code, out, err.count("\n")) == (2, "", 1), words
        assert message in err
    assert not Path("out").exists()


def test_real_portraits_end_to_end(inpaint, real_portraits, tmp_path):
    (tmp_path / "in").mkdir()
    chosen = sorted(real_portraits.iterdir())[::170]
    for path in chosen:
        (tmp_path / "in" / path.name).symlink_to(path)
    before = [hashlib.sha256(path.read_bytes()).digest() for path in chosen]
    code, out, err = inpaint("align", "in", "out", "--eyes", "celeba-hq", "--size", 128, "--json")
    assert code == 0, err
    report = json.loads(out)
    assert report["aligned"] >= 5
    assert report["spread"]["after"] < 1.5 < report["spread"]["before"]
    assert "looked at again by haar" in report["spread"]["how"]
    assert [hashlib.sha256(path.read_bytes()).digest() for path in chosen] == before


def test_given_points_land_within_a_fiftieth(real_portraits, real_keypoints, tmp_path):
    """Where a dot drawn at each eye of a real image comes to lie in the crop."""
    from inpaintlab.data.keypoints import open_points

    known, goal = open_points(real_keypoints, (19, 24), (25, 30)), eye_places("utkface") * 200 - 0.5
    for path in sorted(real_portraits.iterdir())[::90]:
        (face,) = known(path.name)
        with Image.open(path) as image:
            width, height = image.size
        for eye, place in zip(face.eyes, goal, strict=True):
            rows, columns = np.mgrid[:height, :width]
            dot = np.exp(-((columns - eye[0]) ** 2 + (rows - eye[1]) ** 2) / 30) * 255
            photo = np.repeat(dot[..., None], 3, axis=2).astype(np.uint8)
            crop = align_face(photo, face.eyes, eye_places("utkface"), 200)[..., 0].astype(float)
            weights = crop * (crop > 100)
            rows, columns = np.mgrid[:200, :200]
            middle = np.array([(weights * columns).sum(), (weights * rows).sum()]) / weights.sum()
            assert np.linalg.norm(middle - place) < 0.02 * np.linalg.norm(goal[1] - goal[0])


def test_presets_are_shares():
    assert all(0 <= share <= 1 for places in faces.EYES.values() for share in places)

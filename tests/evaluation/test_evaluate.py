import json
import shlex
import shutil
from hashlib import sha256

import numpy as np
import pytest
from PIL import Image

from inpaintlab.cli import main
from inpaintlab.data import samples
from inpaintlab.errors import DataError, MaskError, RunError
from inpaintlab.evaluation.baselines import BASELINES, SLOW
from inpaintlab.evaluation.evaluate import evaluate, reproduce
from inpaintlab.evaluation.records import read_records
from inpaintlab.evaluation.report import headline
from inpaintlab.evaluation.shifts import SHIFTS
from inpaintlab.evaluation.table import notes, show
from inpaintlab.metrics import METRICS
from inpaintlab.settings import EvaluateSettings
from inpaintlab.training import train
from inpaintlab.training.record import read_log
from tests.conftest import save_portraits, small_settings


@pytest.fixture
def run(trained_run, tmp_path):
    """A copy of the shared run, in another place than it was trained."""
    return shutil.copytree(trained_run, tmp_path / "copied")


def settings(run, **changes):
    quick = {"learned": False, "slow_images": 2}
    return EvaluateSettings.model_validate({"run": run, **quick, **changes})


def test_table_of_a_run(run):
    result = evaluate(settings(run))
    assert list(result["overall"]["methods"]) == [*BASELINES, "ours"]
    for of in result["overall"]["methods"].values():
        assert list(of)[: len(METRICS)] == list(METRICS)
    assert sum(row["n"] for row in result["bins"].values()) == result["overall"]["n"]
    assert list(result["bins"]) == sorted(result["bins"])
    assert json.loads((run / "metrics" / "val.json").read_text()) == result


def test_overall_is_the_mean_over_all_images(run):
    result = evaluate(settings(run))
    rows = result["bins"].values()
    for method, metrics in result["overall"]["methods"].items():
        for metric, value in metrics.items():
            total = sum(row["methods"][method][metric]["mean"] * row["n"] for row in rows)
            assert value["mean"] == pytest.approx(total / result["overall"]["n"], abs=1e-9)


def test_agrees_with_the_validation_of_the_run(run):
    """Same images, same frozen masks: only rounding to 8 bits lies between the two."""
    best = max(line["hole_psnr"] for line in read_log(run / "log.jsonl", "validation"))
    ours = evaluate(settings(run))["overall"]["methods"]["ours"]["hole_psnr"]["mean"]
    assert ours == pytest.approx(best, abs=0.02)


def test_repeats_exactly_and_masks_are_named(run):
    first, second = evaluate(settings(run)), evaluate(settings(run))
    assert first == second
    other = evaluate(settings(run, masks=["strokes"]))
    assert other["masks"]["hash"] != first["masks"]["hash"]
    assert other["masks"]["parts"][0]["name"] == "strokes"


def test_mask_folder(run, tmp_path):
    for index, side in enumerate((8, 16, 24)):
        mask = np.zeros((32, 32), np.uint8)
        mask[:side, :side] = 255
        (tmp_path / "m").mkdir(exist_ok=True)
        Image.fromarray(mask).save(tmp_path / "m" / f"{index}.png")
    result = evaluate(settings(run, masks=[{"name": "folder", "path": str(tmp_path / "m")}]))
    assert set(result["bins"]) <= {"0–10 %", "20–30 %", "50–60 %"}
    with pytest.raises(MaskError, match="no mask image"):
        evaluate(settings(run, masks=[{"name": "folder", "path": str(tmp_path / "none")}]))


def test_images_that_were_trained_on_are_left_out(tmp_path, capsys):
    folder = save_portraits(tmp_path / "images", 40)
    run = train(small_settings(data=str(folder), output=tmp_path / "run", size=32)).folder
    trained_on = json.loads((run / "data.json").read_text())["train"]
    result = evaluate(settings(run, data=str(folder)))
    assert result["overall"]["n"] == 40 - trained_on
    assert f"{trained_on} images were trained on by a run: left out" in capsys.readouterr().err
    assert (run / "metrics" / "images.json").is_file()
    only_known = tmp_path / "known"
    only_known.mkdir()
    for path in folder.iterdir():
        shutil.copy(path, only_known)
    hashes = set(json.loads((run / "data.json").read_text())["train_hashes"])
    for path in only_known.iterdir():
        if sha256(path.read_bytes()).hexdigest()[:16] not in hashes:
            path.unlink()
    with pytest.raises(DataError, match="no image to evaluate on"):
        evaluate(settings(run, data=str(only_known)))


def test_every_row_is_kept_with_its_hash(run):
    result = evaluate(settings(run))
    kept = read_records(run / "metrics" / "val.csv", result["records"]["hash"])
    assert len(kept) == result["overall"]["n"]
    assert kept.only([*BASELINES, "ours"]).summary() == result["overall"]
    assert [kept.where("bin", name).sum() for name in result["bins"]] == [
        row["n"] for row in result["bins"].values()
    ]


def test_slow_methods_have_a_table_of_their_own(run):
    result = evaluate(settings(run, slow_images=3))
    assert result["slow"]["n"] == 3
    assert set(result["slow"]["methods"]) == {*BASELINES, "ours", *SLOW}
    assert evaluate(settings(run, slow_images=0))["slow"] is None


def test_another_run_stands_beside_it(run, tmp_path):
    rival = shutil.copytree(run, tmp_path / "rival")
    methods = evaluate(settings(run, against=[rival]))["overall"]["methods"]
    assert list(methods) == [*BASELINES, "rival", "ours"]
    assert methods["rival"] == methods["ours"]


def test_a_rival_of_another_size_is_refused(run, tmp_path):
    other = train(small_settings(output=tmp_path / "other")).folder
    with pytest.raises(RunError, match="trained at 16 px"):
        evaluate(settings(run, against=[other]))


def test_images_elsewhere_and_images_changed(run, tmp_path):
    folder = save_portraits(tmp_path / "elsewhere", 60)
    result = evaluate(settings(run, ood=[str(folder)], corruptions=True, corruption_images=4))
    (there,) = result["also"]
    assert there["n"] > 0
    psnr = [of["overall"]["methods"]["ours"]["hole_psnr"]["mean"] for of in (result, {"overall": there})]
    assert there["loss"]["mean"] == pytest.approx(psnr[0] - psnr[1])
    assert len(result["shift"]["rows"]) == 5 * len(SHIFTS)
    for row in result["shift"]["rows"]:
        own = result["shift"]["own"]["hole_psnr"]["mean"]
        assert row["hole_psnr"]["mean"] == pytest.approx(own - row["loss"]["mean"])


def test_figures_by_group(tmp_path):
    folder = tmp_path / "images"
    for name in ("anna", "ben"):
        save_portraits(folder / name, 30 if name == "anna" else 20)
    run = train(small_settings(data=str(folder), output=tmp_path / "run")).folder
    result = evaluate(settings(run, copies=False))
    assert list(result["groups"]) == ["anna", "ben"]
    assert sum(row["n"] for row in result["groups"].values()) == result["overall"]["n"]
    by_name = evaluate(settings(run, copies=False, group_by=r"name:(\d)\.png$"))["groups"]
    assert set(by_name) <= set("0123456789")
    assert len(by_name) > 2


def test_a_copy_of_an_image_that_was_learnt_from_is_named(tmp_path):
    """An image saved anew is another file: it may fall on the other side of the split."""
    folder = save_portraits(tmp_path / "images", 40)
    run = train(small_settings(data=str(folder), output=tmp_path / "run", size=32)).folder
    assert evaluate(settings(run))["copies"]["pairs"] == []
    trained_on = set(json.loads((run / "data.json").read_text())["train_hashes"])
    learnt = [
        p for p in sorted(folder.iterdir()) if sha256(p.read_bytes()).hexdigest()[:16] in trained_on
    ]
    other = tmp_path / "others"
    other.mkdir()
    for index in range(12):
        Image.fromarray(samples.draw(100 + index, 44)).save(other / f"{index}.png")
    for path in learnt[:3]:
        Image.open(path).resize((50, 50), Image.Resampling.LANCZOS).save(other / f"copy-{path.stem}.png")
    result = evaluate(settings(run, data=str(other)))
    assert {ours for ours, _ in result["copies"]["pairs"]} == {f"copy-{p.stem}.png" for p in learnt[:3]}
    assert result["copies"]["without"]["n"] == result["overall"]["n"] - 3
    assert any("look like one that was learnt from" in note for note in notes(result))
    # Where the images of training are gone, it is not looked for, and the rest is measured.
    shutil.rmtree(folder)
    assert evaluate(settings(run, data=str(other)))["copies"] is None


def test_figures_that_cannot_be_had_say_why(run):
    result = evaluate(settings(run, learned=True))
    missing = {of["name"]: of["reason"] for of in result["unavailable"]}
    assert {"fid", "kid", "lpips"} <= set(missing)
    assert "fid" not in str(result["sets"])
    assert any(note.startswith("not measured: ") for note in notes(result))


def test_limit_and_missing_run(run, tmp_path):
    assert evaluate(settings(run, limit=3))["overall"]["n"] == 3
    with pytest.raises(RunError, match="does not exist"):
        evaluate(settings(tmp_path / "none"))


def test_report_says_what_the_result_does(run):
    result = evaluate(settings(run, limit=5))
    page = (run / "report.html").read_text()
    assert headline(result) in page
    assert reproduce(settings(run, limit=5)) in page
    assert all(name in page for name in result["overall"]["methods"])
    assert (run / "examples.png").is_file()


def test_table_is_printed(run, capsys):
    show(evaluate(settings(run)))
    printed = capsys.readouterr().out
    assert all(name in printed for name in [*BASELINES, "ours"])


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"data": "my photos", "split": "test", "limit": 7, "group_by": "name:(.)_"},
        {"masks": ["rectangles", "strokes"], "against": ["a", "b c"], "ood": ["d"], "corruptions": True},
        {"masks": [{"name": "folder", "path": "m", "invert": True}], "weights": {"fid": "x.pth"}},
        {"also_images": 5, "shift_images": 6, "slow_images": 0, "copies": False, "examples": 2},
    ],
)
def test_the_command_of_the_report_gives_the_same_settings(changes, monkeypatch):
    asked = settings("runs/one", **changes)
    called = []

    def stop(read):
        called.append(read)
        raise RunError("far enough")

    monkeypatch.setattr("inpaintlab.evaluation.evaluate.evaluate", stop)
    monkeypatch.setattr("sys.argv", shlex.split(reproduce(asked)))
    with pytest.raises(SystemExit):
        main()
    assert called == [asked]

import json
import shlex
import shutil

import numpy as np
import pytest
from PIL import Image

from inpaintlab.cli import main
from inpaintlab.configs import EvaluateSettings
from inpaintlab.errors import DataError, MaskError, RunError
from inpaintlab.evaluation.baselines import BASELINES
from inpaintlab.evaluation.evaluate import evaluate, reproduce
from inpaintlab.evaluation.report import headline
from inpaintlab.evaluation.table import show
from inpaintlab.metrics import METRICS
from inpaintlab.training import train
from inpaintlab.training.record import read_log
from tests.conftest import save_portraits, small_settings


@pytest.fixture
def run(trained_run, tmp_path):
    """A copy of the shared run, in another place than it was trained."""
    return shutil.copytree(trained_run, tmp_path / "copied")


def settings(run, **changes):
    return EvaluateSettings.model_validate({"run": run, **changes})


def test_table_of_a_run(run):
    result = evaluate(settings(run))
    assert list(result["overall"]["methods"]) == [*BASELINES, "ours"]
    assert all(list(of) == list(METRICS) for of in result["overall"]["methods"].values())
    assert sum(row["n"] for row in result["bins"].values()) == result["overall"]["n"]
    assert list(result["bins"]) == sorted(result["bins"])
    assert json.loads((run / "metrics" / "val.json").read_text()) == result


def test_overall_is_the_mean_over_all_pictures(run):
    result = evaluate(settings(run))
    rows = result["bins"].values()
    for method, metrics in result["overall"]["methods"].items():
        for metric, value in metrics.items():
            total = sum(row["methods"][method][metric] * row["n"] for row in rows)
            assert value == pytest.approx(total / result["overall"]["n"], abs=1e-9)


def test_agrees_with_the_validation_of_the_run(run):
    """Same pictures, same frozen masks: only rounding to 8 bits lies between the two."""
    best = max(line["hole_psnr"] for line in read_log(run / "log.jsonl", "validation"))
    ours = evaluate(settings(run))["overall"]["methods"]["ours"]["hole_psnr"]
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
    with pytest.raises(MaskError, match="no mask picture"):
        evaluate(settings(run, masks=[{"name": "folder", "path": str(tmp_path / "none")}]))


def test_pictures_that_were_trained_on_are_left_out(tmp_path, capsys):
    folder = save_portraits(tmp_path / "pictures", 40)
    run = train(small_settings(data=str(folder), output=tmp_path / "run", size=32)).run
    trained_on = json.loads((run / "data.json").read_text())["train"]
    result = evaluate(settings(run, data=str(folder)))
    assert result["overall"]["n"] == 40 - trained_on
    assert f"{trained_on} pictures were trained on by this run: left out" in capsys.readouterr().err
    assert (run / "metrics" / "pictures.json").is_file()
    only_known = tmp_path / "known"
    only_known.mkdir()
    for path in folder.iterdir():
        shutil.copy(path, only_known)
    hashes = set(json.loads((run / "data.json").read_text())["train_hashes"])
    import hashlib

    for path in only_known.iterdir():
        if hashlib.sha256(path.read_bytes()).hexdigest()[:16] not in hashes:
            path.unlink()
    with pytest.raises(DataError, match="no picture to evaluate on"):
        evaluate(settings(run, data=str(only_known)))


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
        {"data": "my photos", "split": "test", "limit": 7, "by": "name:(.)_"},
        {"masks": ["rectangles", "strokes"], "against": ["a", "b c"], "also": ["d"], "shift": True},
        {"masks": [{"name": "folder", "path": "m", "invert": True}], "weights": {"fid": "x.pth"}},
        {"also_pictures": 5, "shift_pictures": 6, "slow_pictures": 0, "copies": False, "examples": 2},
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

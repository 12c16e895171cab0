import json
import re
import shutil

import numpy as np
import pytest

from inpaintlab import evaluate
from inpaintlab.checkpoints import read_json
from inpaintlab.errors import RunError, SettingError
from inpaintlab.evaluation import compare as module
from inpaintlab.evaluation.command import run_evaluation
from inpaintlab.evaluation.compare import (
    Comparison,
    compare,
    compared as compared_rows,
    run_comparison,
    sentence,
)
from inpaintlab.evaluation.rows import FACTS, Rows, read_rows
from inpaintlab.evaluation.statistics import Interval
from inpaintlab.settings import CompareSettings, EvaluateSettings
from inpaintlab.training import train
from tests.conftest import small_settings

#: With fifty images that were not learnt from: enough for intervals.
QUICK = {"data": "samples:90", "learned": False, "slow_images": 0, "lookalikes": False}
RESULT = "samples-90"


@pytest.fixture(scope="module")
def evaluated(trained_run, tmp_path_factory):
    """The pair, to be copied."""
    folder = tmp_path_factory.mktemp("evaluated")
    for name in ("one", "other"):
        run = shutil.copytree(trained_run, folder / name)
        run_evaluation(EvaluateSettings.model_validate({"models": [str(run)], **QUICK}))
    return folder


@pytest.fixture
def pair(evaluated, tmp_path):
    """Two runs with the same weights, evaluated alike."""
    return [shutil.copytree(evaluated / name, tmp_path / name) for name in ("one", "other")]


def improve(run, by):
    """Let a result say that ours is better by so many dB, row by row."""
    path = run / "metrics" / f"{RESULT}.json"
    result = read_json(path)
    rows = read_rows(path.with_suffix(".csv"), result["rows"]["hash"])
    column = rows.values[run.name]["hole_psnr"]
    column += by(column)
    result["rows"]["hash"] = rows.write(path.with_suffix(".csv"))
    path.write_text(json.dumps(result))


def compared(pair, **changes):
    return run_comparison(CompareSettings.model_validate({"runs": pair, "result": RESULT, **changes}))


def test_equal_runs_are_not_distinguishable(pair):
    (of,) = compared(pair).pairs
    assert of.overall.metrics["hole_psnr"] == Interval(0, 0, 0)
    assert of.overall.wins["hole_psnr"] == 0.5
    assert "not distinguishable" in of.sentence


def test_a_better_run_is_better_by_as_much(pair, capsys):
    random = np.random.default_rng(0)
    improve(pair[1], lambda column: 0.4 + random.normal(0, 0.01, len(column)))
    result = compared(pair)
    (of,) = result.pairs
    found = of.overall.metrics["hole_psnr"]
    assert found.low < found.mean < found.high
    assert found.mean == pytest.approx(0.4, abs=0.01)
    assert of.overall.wins["hole_psnr"] == 1
    assert of.sentence.startswith("other is better by 0.40 dB [0.40, 0.40] in the hole")
    assert Comparison.from_dict(json.loads(json.dumps(result.as_dict()))) == result
    result.answer().show()
    printed = capsys.readouterr().out
    assert printed.startswith(of.sentence)
    assert len(printed.splitlines()) <= 20
    result.answer().show(verbose=True)
    assert "other less one" in capsys.readouterr().out


def test_models_of_one_evaluation_are_compared(trained_run):
    result = evaluate(
        {"a": trained_run, "b": lambda image, mask: image, "telea": "telea"},
        "samples:40",
        learned=False,
        slow_images=0,
    )
    (of,) = compare(result).pairs
    assert (of.first, of.other) == ("a", "b")
    assert of.overall.metrics["psnr"] == result.paired("b", "a", "psnr")
    assert compare(result, "b").methods == ["b", "a"]
    with pytest.raises(SettingError, match="no method 'c' was measured"):
        compare(result, "c")


def test_wins_go_to_the_smaller_where_smaller_is_better():
    """Also of a metric that needs a feature network."""
    names = ("hole_psnr", "l1_percent", "hole-distance-efficientnet", "lpips")
    facts = {name: [str(row) for row in range(20)] for name in FACTS}
    values = {name: {n: np.full(20, v) for n in names} for name, v in (("one", 2.0), ("other", 1.0))}
    wins = compared_rows(Rows(facts, values), "one", "other").overall.wins
    assert wins == {"hole_psnr": 0, "l1_percent": 1, "hole-distance-efficientnet": 1, "lpips": 1}


def test_each_run_is_compared_with_the_first(pair, tmp_path):
    third = shutil.copytree(pair[1], tmp_path / "third")
    assert [of.other for of in compared([*pair, third]).pairs] == ["other", "third"]


def test_results_with_other_masks_are_refused(pair):
    run_evaluation(
        EvaluateSettings.model_validate({"models": [str(pair[1])], "masks": ["strokes"], **QUICK}),
        RESULT,
    )
    with pytest.raises(RunError, match=r"masks .*rectangles.* #.*strokes.*cannot be compared"):
        compared(pair)


def test_runs_of_two_sizes_are_compared_on_whole_images(pair, tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(module, "THROUGH_FILL", 2)
    smaller = train(small_settings(output=tmp_path / "small", size=16, seed=1)).folder
    (of,) = compared([pair[0], smaller], result="val").pairs
    assert (of.first, of.other) == (pair[0].name, "small")
    assert re.search(
        r"on at most 2 validation images, each filled at its own size", capsys.readouterr().err
    )
    run_evaluation(EvaluateSettings.model_validate({"models": [str(smaller)], **QUICK}), RESULT)
    with pytest.raises(RunError, match=r"at 32 px, .*small at 16 px: .* --through fill measures both"):
        compared([pair[0], smaller])


def test_results_on_other_images_are_refused(pair):
    path = pair[1] / "metrics" / f"{RESULT}.json"
    result = read_json(path)
    rows = read_rows(path.with_suffix(".csv"), result["rows"]["hash"])
    rows.facts["sha256"][0] = "another image"
    result["rows"]["hash"] = rows.write(path.with_suffix(".csv"))
    path.write_text(json.dumps(result))
    with pytest.raises(RunError, match="measured on different images"):
        compared(pair)


def test_edited_rows_are_refused(pair):
    path = pair[1] / "metrics" / f"{RESULT}.csv"
    path.write_text(path.read_text().replace("1", "2", 5))
    with pytest.raises(RunError, match="edited"):
        compared(pair)


def test_a_run_without_a_result_or_with_other_weights_is_measured(pair, capsys):
    assert compared(pair, result="val").images < 10
    assert (pair[0] / "metrics" / "val.csv").is_file()
    other = train(small_settings(output=pair[1].parent / "new", size=32, seed=1)).folder
    shutil.copy(other / "model.safetensors", pair[1])
    (of,) = compared(pair, result="val").pairs
    assert of.overall.metrics["hole_psnr"].mean != 0
    assert of.sentence.startswith("too few images")
    assert "of other weights than" in capsys.readouterr().err


def test_a_named_result_that_is_not_there(pair):
    with pytest.raises(RunError, match="no result 'scenes'"):
        compared(pair, result="scenes")
    with pytest.raises(ValueError, match="result"):
        compared(pair, result="../../secret")


def test_one_run_is_no_comparison(pair):
    with pytest.raises((SettingError, ValueError), match="at least 2"):
        CompareSettings.model_validate({"runs": pair[:1]})


@pytest.mark.parametrize(
    ("overall", "bins", "expected"),
    [
        (
            Interval(0.4, 0.2, 0.6),
            {"0–10 %": Interval(0.5, 0.3, 0.7), "40–50 %": Interval(0.1, -0.2, 0.4)},
            "B is better by 0.40 dB [0.20, 0.60] in the hole; not distinguishable for holes of 40–50 %",
        ),
        (Interval(-0.4, -0.6, -0.2), {}, "A is better by 0.40 dB [0.20, 0.60] in the hole"),
        (
            Interval(0.4, 0.2, 0.6),
            {"0–10 %": Interval(-0.5, -0.7, -0.3)},
            "B is better by 0.40 dB [0.20, 0.60] in the hole; the other way round for holes of 0–10 %",
        ),
        (
            Interval(0.1, -0.1, 0.3),
            {},
            "A and B are not distinguishable: B is +0.10 dB [-0.10, +0.30] from A",
        ),
        (Interval(0.1, None, None), {}, "too few images to tell A from B (by +0.10 dB here)"),
    ],
)
def test_sentences(overall, bins, expected):
    assert sentence("A", "B", overall, bins) == expected

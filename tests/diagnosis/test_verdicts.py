"""Each verdict on made-up evidence: what is sound, and each illness by itself."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from inpaintlab.diagnosis import fills, fitting, training_curve
from inpaintlab.diagnosis.diagnose import VERDICTS, judge
from inpaintlab.diagnosis.evidence import Evidence, Line, Parts
from inpaintlab.diagnosis.images import Leaks
from inpaintlab.diagnosis.measures import Measured
from inpaintlab.diagnosis.result import Result, Verdict
from inpaintlab.training.guards.causes import Verdict as Cause
from inpaintlab.training.guards.detectors import Alarm
from inpaintlab.training.guards.incidents import Incident
from tests.conftest import small_settings

N = 60


def measured(psnr=21.0, **changes) -> Measured:
    """What sound weights measure."""
    random = np.random.default_rng(1)
    sound = {
        "hole_psnr": psnr + random.normal(0, 1, N),
        "hole_l1": 0.07,
        "edge": 0.066,
        "output_edge": 0.034,
        "true_edge": 0.052,
        "colour": random.normal(0.01, 0.05, (N, 3)),
        "contrast": 0.7,
        "spread": 0.7,
        "saturated": 0.0,
        "unmoved": 0.8,
        "left_in": "black",
        "hole_missed": 0.5,
        "known_missed": 0.4,
    }
    return Measured(**sound | changes)


def lines(errors, rate=1.5e-3):
    """Lines of a log whose rate falls."""
    return [
        Line(
            10 * (n + 1),
            {
                "hole_l1": error,
                "learning_rate": rate * (1 - n / len(errors)),
                "gradient_norm": 2.0,
            },
        )
        for n, error in enumerate(errors)
    ]


def validation(step, **values):
    return Line(step, {"hole_l1": 0.08, **values})


def parts(train=None, val=None):
    return Parts(train or measured(21.3), val or measured(21.0))


def looks(word="ok", alike=0, odd="ok"):
    return {
        "images": Verdict("images", odd, "300 images"),
        "split": Verdict("split", word, "look-alikes", "prepare it anew"),
        "leaks": Leaks(300, alike, 0, alike / 300),
    }


def evidence(**changes) -> Evidence:
    """Evidence of a sound run."""
    settings = changes.pop("settings", {})
    sound = {
        "settings": small_settings(size=32, batch_size=16, **settings),
        "own_rate": 1.5e-3,
        "steps": 300,
        "train_count": 1500,
        "val_count": 300,
        "train_lines": lines(np.geomspace(0.15, 0.07, 30).tolist()),
        "validations": [validation(150, hole_psnr=20.0), validation(300, hole_psnr=21.0)],
        "best": parts(),
        "last": parts(),
        "repeats": list(range(N)),
        "ratios": [0.05, 0.15, 0.25] * (N // 3),
        "telea_train": measured(19.0).hole_psnr,
        "telea_val": measured(19.0).hole_psnr,
        **looks(),
    }
    return Evidence(**sound | changes)


def incident(kind="spike", cause="data", step=120):
    alarm = Alarm(kind, step, step, "the error is 5.0 times what it was")
    verdict = Cause(cause, "three images", "tried again")
    return Incident(alarm, verdict, "nothing", [], Path("incidents/001"))


def telea(psnr):
    return {name: measured(psnr).hole_psnr for name in ("telea_train", "telea_val")}


def with_val(**changes):
    """Best and newest weights whose fills of both parts are changed."""
    both = parts(measured(21.3, **changes), measured(21.0, **changes))
    return {"best": both, "last": both}


def wild():
    return lines([1.2, 1.0, 0.8, 0.5, 0.3] + [0.1] * 25, 0.09)


def shifted():
    return np.random.default_rng(0).normal((0.08, 0, -0.06), 0.05, (N, 3))


def test_a_shift_that_is_little_beside_the_error_is_none():
    assert fills.colour_shift(evidence(**with_val(colour=shifted()))).word == "finding"
    wrong = with_val(colour=shifted(), hole_l1=0.2)
    assert fills.colour_shift(evidence(**wrong)).word == "ok"


ILL = {
    "data, noise": ("data", looks(odd="finding")),
    "data, left out": ("data", {"excluded": [f"{n}.png" for n in range(40)]}),
    "data, look-alikes": ("split", looks("finding", alike=20)),
    "few images": ("number of images", {"train_count": 8, "val_count": 2}),
    "few to validate with": ("number of images", {"val_count": 9}),
    "thousands of epochs": ("number of images", {"train_count": 400, "steps": 30_000}),
    "below Telea": ("gain", telea(20.9) | {"telea_val": measured(21.2).hole_psnr}),
    "as good as Telea": (
        "gain",
        telea(20.9) | {"telea_val": measured(20.9).hole_psnr + np.linspace(-3, 3, N)},
    ),
    "below one colour": ("gain", with_val(hole_missed=1.0)),
    "data, broken": (
        "data",
        {"bad": [f"{n}.png is broken" for n in range(40)]},
    ),
    "left black": ("copy-through", with_val(unmoved=0.0, known_missed=0.01)),
    "not filled": ("copy-through", with_val(hole_missed=1.1, known_missed=0.2)),
    "rate, wild": ("learning rate", {"train_lines": wild(), "settings": {"learning_rate": 0.09}}),
    "rate, guards": ("learning rate", {"incidents": [incident("divergence", "learning-rate")]}),
    "rate, low": (
        "learning rate",
        {"settings": {"learning_rate": 5e-6}, **telea(23)},
    ),
    "constant output": ("constant output", {"last": parts(val=measured(6, contrast=0.0))}),
    "one colour, red": (
        "constant output",
        {"last": parts(val=measured(6, contrast=0.5, saturated=0.67))},
    ),
    "mode collapse": ("mode collapse", with_val(spread=0.0)),
    "spikes, guards": ("spikes", {"incidents": [incident()], "settings": {"guards": "watch"}}),
    "spikes, beyond": (
        "spikes",
        {"train_lines": lines([850.0] + [0.1] * 29), "settings": {"guards": "off"}},
    ),
    "spikes, log": ("spikes", {"train_lines": lines([0.1] * 14 + [0.5] + [0.1] * 15)}),
    "colour": ("colour shift", with_val(colour=shifted())),
    "seam": ("seam", with_val(edge=0.15, output_edge=0.14)),
    "over-fitting": ("over-fitting", {"last": parts(measured(24.0), measured(20.0))}),
    "under-fitting": (
        "under-fitting",
        {**telea(22)},
    ),
    "blind": ("under-fitting", with_val(known_missed=0.8)),
}


def test_a_sound_run_is_healthy():
    verdicts = judge(evidence())
    absent = ("discriminator", "limits")
    assert [verdict.part for verdict in verdicts] == [part for part in VERDICTS if part not in absent]
    assert {verdict.word for verdict in verdicts} == {"ok"}
    assert Result("", Path(), tuple(verdicts)).headline.startswith("Nothing was found")


@pytest.mark.parametrize(("part", "changes"), ILL.values(), ids=ILL)
def test_each_illness_by_itself_is_the_first_finding(part, changes):
    verdicts = judge(evidence(**changes))
    first = next(verdict for verdict in verdicts if verdict.word == "finding")
    assert first.part == part
    assert first.text
    assert first.advice
    json.dumps(Result("", Path(), tuple(verdicts)).as_dict(), allow_nan=False)


@pytest.mark.parametrize(
    ("blame", "changes"),
    [
        ("learning rate", {"settings": {"learning_rate": 5e-6}}),
        ("regularisation", {"settings": {"weight_decay": 60.0}}),
        (
            "regularisation",
            {
                "settings": {"augment": "strong"},
                "train_lines": lines([0.2] * 30),
                "validations": [],
            },
        ),
        ("bottleneck", {"bottleneck": 2}),
        ("time", {"bottleneck": 4000}),
        ("time", {"train_count": 50}),
        (
            "time",
            {
                "train_count": 4,
                "steps": 30,
                "validations": [validation(s, hole_psnr=18.0) for s in (10, 30)],
            },
        ),
        (
            "data",
            {
                "train_count": 50,
                "validations": [validation(s, hole_psnr=18.0) for s in (100, 300)],
                **looks(odd="finding"),
            },
        ),
        ("bottleneck", {"bottleneck": 2, **looks("finding", alike=20, odd="finding")}),
        (
            "capacity",
            {"train_count": 50, "validations": [validation(s, hole_psnr=18.0) for s in (100, 300)]},
        ),
    ],
)
def test_what_is_to_blame_for_under_fitting(blame, changes):
    short = telea(23)
    found = fitting.under_fitting(evidence(**short | changes))
    assert (found.word, found.blame) == ("finding", blame)


def test_known_pixels_that_the_loss_does_not_weigh_are_no_reason():
    objective = {"objective": {"name": "reconstruction", "known_weight": 0}}
    assert fitting.under_fitting(evidence(settings=objective, **with_val(known_missed=0.9))).word == "ok"


def test_what_training_could_and_filling_cannot_is_no_under_fitting():
    worse = measured(
        17.0, hole_l1=0.15, hole_missed=1.0, known_missed=0.2,
        output_edge=0.2, edge=0.2,
    )  # fmt: skip
    verdicts = judge(evidence(best=parts(worse, worse), last=parts(worse, worse)))
    assert [verdict.part for verdict in verdicts if verdict.word == "finding"] == ["seam"]


def test_over_fitting_tells_the_gap_by_hole_and_how_sure_it_is():
    gaps = np.repeat([1.0, 2.0, 6.0], N // 3)
    train = replace(measured(20.0), hole_psnr=21 + gaps)
    val = replace(measured(20.0), hole_psnr=np.full(N, 20.0))
    # Training images that are easier by one decibel: that is no gap of the network's.
    easier = {"telea_train": np.full(N, 19.0), "telea_val": np.full(N, 18.0)}
    ratios = [0.05] * 20 + [0.15] * 20 + [0.45] * 20
    found = fitting.over_fitting(evidence(last=parts(train, val), ratios=ratios, **easier))
    assert [one["gap"] for one in found.figures["bins"]] == [1.0, 2.0, 6.0]
    assert found.figures["bins"][2] == {"holes": "40–50 %", "n": 20, "gap": 6.0}
    gap = found.figures["gap"]
    assert gap["low"] < 3.0 < gap["high"]
    assert "40–50 % +6.0 dB (20)" in found.text


def test_few_training_images_widen_the_interval():
    train = replace(measured(), hole_psnr=21 + np.random.default_rng(0).normal(1, 2, 12).repeat(5))
    val = replace(measured(), hole_psnr=np.full(N, 21.0))
    widths = []
    for repeats in (list(range(N)), np.arange(12).repeat(5).tolist()):
        found = fitting.over_fitting(evidence(last=parts(train, val), repeats=repeats))
        widths.append(found.figures["gap"]["high"] - found.figures["gap"]["low"])
    assert widths[1] > 1.8 * widths[0]


def test_a_gap_that_may_be_chance_is_none():
    train = replace(measured(), hole_psnr=21 + np.random.default_rng(0).normal(1.2, 9, N))
    val = replace(measured(), hole_psnr=np.full(N, 21.0))
    assert fitting.over_fitting(evidence(last=parts(train, val))).word == "ok"


def test_what_follows_from_a_finding_is_a_note():
    verdicts = judge(evidence(**with_val(unmoved=0.0, known_missed=0.0, contrast=0.0, spread=0.0)))
    words = {verdict.part: verdict.word for verdict in verdicts}
    assert words["copy-through"] == "finding"
    assert words["constant output"] == words["mode collapse"] == "note"
    assert "follows from copy-through" in next(v.advice for v in verdicts if v.part == "mode collapse")


def test_spikes_that_the_guards_mended_and_lone_look_alikes_are_notes():
    assert training_curve.spikes(evidence(incidents=[incident()])).word == "note"
    assert training_curve.spikes(evidence(incidents=[incident()] * 3)).word == "finding"
    assert training_curve.split(evidence(**looks("finding", alike=3))).word == "note"
    assert training_curve.data(evidence(excluded=["a.png"], excluded_steps=[4])).word == "note"


def test_a_few_steps_are_no_collapse_and_no_fault_of_use():
    """Their fills are all the same, and the averaged weights are those of the start."""
    start = measured(12.0, spread=0.0, hole_l1=0.3)
    found = judge(evidence(steps=10, best=parts(start, start), last=parts(start, start), **telea(19)))
    first = next(verdict for verdict in found if verdict.word == "finding")
    assert (first.part, first.blame) == ("under-fitting", "time")


def test_one_image_does_not_vary_and_that_is_no_collapse():
    one = measured(21.0, spread=0.0, hole_psnr=np.array([21.0]))
    assert fills.mode_collapse(evidence(best=parts(one, one), last=parts(one, one))).word == "ok"


def test_a_rate_far_above_that_did_no_harm_is_a_note():
    assert training_curve.learning_rate(evidence(settings={"learning_rate": 0.02})).word == "note"


def test_the_first_lines_of_a_log_are_no_spikes():
    for errors in ([0.45, 0.15, 0.05, 0.05, 0.05, 0.05, 0.05, 0.05], []):
        assert evidence(train_lines=lines(errors)).alarms == []


def test_odd_images_that_the_guards_report_are_a_note():
    reported = replace(incident("hard-images"), images=["noise.png"])
    found = training_curve.data(evidence(incidents=[reported]))
    assert (found.word, "as noise.png" in found.text) == ("note", True)


@pytest.mark.parametrize(("accuracy", "word"), [(0.7, "ok"), (0.99, "finding")])
def test_a_discriminator_that_has_won_is_a_finding(accuracy, word):
    log = [replace(x, values=x.values | {"discriminator_accuracy": accuracy}) for x in lines([0.1] * 40)]
    found = training_curve.discriminator(evidence(train_lines=log))
    assert found.word == word
    assert training_curve.discriminator(evidence()) is None


def test_a_collapse_leaves_word_of_the_best_weights():
    dead = {"last": parts(val=measured(6, contrast=0.0))}
    assert "can be used" in fills.constant_output(evidence(**dead)).advice
    both = with_val(contrast=0.0)
    assert "can be used" not in fills.constant_output(evidence(**both)).advice


def test_a_run_without_weights_is_judged_by_its_log():
    verdicts = judge(
        evidence(best=None, last=None, train_lines=wild(), settings={"learning_rate": 0.09})
    )
    words = {verdict.part: verdict.word for verdict in verdicts}
    assert words["learning rate"] == "finding"
    assert words["seam"] == "note"

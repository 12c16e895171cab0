"""How the level rises, and that it changes nothing else about a run."""

import math
from functools import partial

import pytest
import torch
from hypothesis import given, strategies as st

from inpaintlab.checkpoints import Run, load_state
from inpaintlab.errors import SettingError
from inpaintlab.evaluation.command import run_evaluation
from inpaintlab.runs import read_log
from inpaintlab.settings import EvaluateSettings, TrainSettings, build
from inpaintlab.training import curriculum, resume, train, trainer
from inpaintlab.training.build import rehearse
from inpaintlab.training.curriculum import CURRICULA, Success, create
from inpaintlab.training.trainer import Trainer
from tests.conftest import small_settings
from tests.training.test_trainer import _StopAfter, assert_same_weights, two_processes, weights

GROWING = sorted(CURRICULA.keys() - {"off"})


def run_through(course, steps=100):
    """The level at each step of a run without validations."""
    levels = []
    for step in range(steps):
        if (level := course.due(step / steps)) != course.level:
            course.rise(level)
        levels.append(level)
    return levels


@pytest.mark.parametrize("name", GROWING)
def test_levels_rise_from_0_to_1_in_few_steps(name):
    levels = run_through(create(name))
    assert levels == sorted(levels)
    assert (levels[0], levels[-1]) == (0, 1)
    assert len(set(levels)) <= 21
    assert levels.count(1) >= 25


def test_off_is_level_1_all_along_and_says_nothing():
    course = create("off")
    assert set(run_through(course)) == {1.0}
    assert course.scalars() == {}


@given(st.floats(0, 0.99), st.floats(0.01, 1), st.integers(1, 50))
def test_linear_begins_at_its_start_and_ends_at_exactly_1(start, share, rises):
    course = create("linear", start=start, share=share, rises=rises)
    assert course.level == start
    assert course.planned(share) == course.planned(1.5) == 1
    assert start <= course.planned(share / 2) <= 1


@given(st.sampled_from(GROWING), st.lists(st.floats(0, 1.2), min_size=1))
def test_a_level_never_falls(name, moments):
    """Even if progress does, as when a resumed run is given more time."""
    course, before = create(name), 0.0
    for progress in moments:
        level = course.due(progress)
        assert before <= level <= 1
        course.rise(level)
        before = level


def test_success_goes_on_when_there_is_no_gain():
    course = Success(stages=3, patience=2, gain=0.1, share=0.3)
    for psnr in (20.0, 20.5, 21.0, 21.05):
        course.measured(psnr)
        assert course.due(0.1) == 0
    course.measured(21.09)
    assert course.due(0.1) == 0.5
    course.rise(0.5)
    course.measured(15.0)  # larger holes are harder: only what was measured at this level counts
    course.measured(15.2)
    assert course.due(0.1) == 0.5
    for _ in range(2):
        course.measured(15.2)
    course.rise(course.due(0.1))
    assert (course.level, course.measures) == (1, False)


def test_success_waits_while_there_is_gain_but_not_for_ever():
    course = Success(stages=3, share=0.4)
    for progress in (0.05, 0.1, 0.15, 0.2, 0.25):
        course.measured(20 + 10 * progress)
        assert course.due(progress) == 0
    assert course.due(0.3) == 0.5
    course.rise(0.5)
    assert course.best == -math.inf
    assert course.due(0.6) == 1


def test_gains_too_small_to_count_alone_count_together():
    course = Success(patience=3, gain=0.1)
    for number in range(20):
        course.measured(20 + 0.06 * number)
        assert course.due(0) == 0


@pytest.mark.parametrize(
    ("name", "arguments", "words"),
    [
        ("linaer", {}, "unknown curriculum 'linaer', did you mean 'linear'"),
        ("linear", {"shre": 1}, "curriculum 'linear' has no setting 'shre', did you mean 'share'"),
        ("off", {"share": 1}, "curriculum 'off' has no setting 'share'"),
        ("linear", {"start": 1}, "linear.start must be at least 0 and below 1, got 1"),
        ("linear", {"share": 0}, "linear.share must be above 0, 1 at most, got 0"),
        ("linear", {"rises": 2.5}, "curriculum 'linear': rises must be a whole number, got 2.5"),
        ("stepped", {"stages": 1}, "stepped.stages must be a whole number from 2 to 1000, got 1"),
        ("success", {"gain": -1}, "success.gain must be 0 dB or more, got -1"),
        ("success", {"share": 1}, "success.share must be above 0 and below 1, got 1"),
        ("success", {"patience": "x"}, "patience must be a whole number, got 'x'"),
        ("linear", {"share": "x"}, "curriculum 'linear': "),
    ],
)
def test_what_cannot_be(name, arguments, words):
    with pytest.raises(SettingError, match=words):
        create(name, **arguments)


def test_a_wrong_curriculum_is_refused_before_reading(tmp_path):
    wrong = {"name": "stepped", "stages": 0}
    with pytest.raises(SettingError, match="stages must be"):
        train(small_settings(output=tmp_path / "run", curriculum=wrong))
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize("written", ["off", "{name: off}", "{name: 'off'}"])
def test_the_bare_word_off(written):
    settings = build(TrainSettings, assignments=[f"curriculum={written}"], flags={"data": "photos"})
    assert settings.curriculum.name == "off"


def test_arguments_stand_in_the_recipe(tmp_path):
    train(small_settings(output=tmp_path / "run", curriculum={"name": "stepped"}, steps=1))
    assert "curriculum:\n  name: stepped\n  stages: 4\n" in (tmp_path / "run/recipe.yaml").read_text()


#: Levels 0, ½ and 1, from steps 0, 2 and 4 on.
STEPPED = {"name": "stepped", "stages": 3}
#: No gain is ever enough: a stage ends with the second validation that it sees.
RESTLESS = {"name": "success", "stages": 3, "patience": 1, "gain": 100, "share": 0.01}


@pytest.mark.parametrize(
    ("changes", "stop_after"),
    [
        ({"curriculum": STEPPED}, 1),
        ({"curriculum": STEPPED}, 2),
        ({"curriculum": STEPPED}, 3),
        ({"curriculum": RESTLESS, "validate_every": 1}, 2),
        ({"curriculum": RESTLESS, "validate_every": 1}, 3),
    ],
)
def test_resumed_equals_uninterrupted_bit_by_bit(tmp_path, monkeypatch, changes, stop_after):
    train(small_settings(output=tmp_path / "whole", **changes))
    with monkeypatch.context() as patch:
        patch.setattr(trainer, "StopSignal", _StopAfter)
        _StopAfter.left = stop_after
        train(small_settings(output=tmp_path / "parts", **changes))
    resume(tmp_path / "parts", {})
    assert_same_weights(tmp_path / "whole", tmp_path / "parts")
    states = [load_state(Run(tmp_path / name).state)["callbacks"] for name in ("whole", "parts")]
    whole, parts = (next(iter(state.values())) for state in states)  # the curriculum is told first
    assert whole == parts
    assert whole["level"] == 1


def masks_of_a_run(tmp_path, monkeypatch, **changes):
    """The masks of each step of a run, and where its iterators of batches began."""
    seen, begun = [], []
    take_step, batches_from = Trainer.take_step, Trainer.batches_from

    def take(trainer, batch):
        seen.append(batch.masks)
        return take_step(trainer, batch)

    def begin(trainer, step):
        begun.append(step)
        return batches_from(trainer, step)

    with monkeypatch.context() as patch:
        patch.setattr(Trainer, "take_step", take)
        patch.setattr(Trainer, "batches_from", begin)
        train(small_settings(output=tmp_path, **changes))
    return torch.stack(seen), begun


def test_batches_for_any_number_of_workers(tmp_path, monkeypatch):
    """Draw d is a function of the seed, d and the level; batches begin anew where the level rises."""
    drawn = partial(masks_of_a_run, monkeypatch=monkeypatch, steps=6)
    (none, begun), (two, _) = (
        drawn(tmp_path / str(workers), workers=workers, curriculum=STEPPED) for workers in (0, 2)
    )
    assert torch.equal(none, two)
    assert begun == [0, 2, 4]
    plain, _ = drawn(tmp_path / "off")
    assert torch.equal(none[4:], plain[4:])
    areas = none.mean(dim=(1, 2, 3, 4))
    assert areas[:2].max() < areas[2:4].min() < areas[4:].mean()


def test_the_level_is_logged_and_drawn(tmp_path):
    changes = {"steps": 40, "size": 32, "validate_every": 20, "curriculum": STEPPED}
    run = train(small_settings(output=tmp_path / "run", **changes)).folder
    assert [line["level"] for line in read_log(run / "log.jsonl", "train")] == [0, 0.5, 1, 1]
    assert [line["level"] for line in read_log(run / "log.jsonl", "validation")] == [0.5, 1]
    run_evaluation(EvaluateSettings(models=[str(run)]))
    assert "level of the holes" in (run / "report.html").read_text()


def test_without_a_curriculum_there_is_no_word_of_it(trained_run):
    assert all("level" not in line for line in read_log(trained_run / "log.jsonl", "validation"))
    assert curriculum.resolve("off", {}) == {}


def test_success_measures_at_its_level_and_the_best_is_chosen_on_full_holes(tmp_path):
    course = {"name": "success", "stages": 3, "patience": 9}
    result = train(small_settings(output=tmp_path / "run", curriculum=course, validate_every=1))
    lines = read_log(result.folder / "log.jsonl", "validation")
    assert result.hole_psnr == max(line["hole_psnr"] for line in lines)
    assert [("level_psnr" in line, line["level"]) for line in lines[1::2]] == [
        (True, 0), (True, 0.5), (False, 1),
    ]  # fmt: skip


def test_frozen_masks_of_a_level(tmp_path):
    trainer = rehearse(small_settings(validation_images=500), tmp_path)
    validation = trainer.validation
    small = validation.at(0.2)
    assert len(small.masks) == min(100, len(validation.masks))
    assert max(small.masks.ratios) < min(validation.masks.ratios)
    assert small.masks.hash == validation.at(0.2).masks.hash
    assert validation.at(1).masks.mixture is validation.masks.mixture


def test_two_devices_grow_together(tmp_path):
    """Only the first of two processes validates; both go by what it decides."""
    settings = {"curriculum": RESTLESS, "validate_every": 1}
    train(small_settings(output=tmp_path / "one", **settings))
    words = f"train --config {tmp_path}/one/recipe.yaml --devices 2 -o {tmp_path}/two"
    done = two_processes(tmp_path, words)
    assert done.returncode == 0, done.stderr
    one, two = weights(tmp_path / "one"), weights(tmp_path / "two")
    assert all(torch.allclose(one[key], two[key], atol=1e-4) for key in one)
    assert load_state(Run(tmp_path / "two").state)["callbacks"]["Success"]["level"] == 1

"""Accidents made on purpose: seen, named, mended, written down, and the same after a kill."""

import json
from contextlib import nullcontext
from dataclasses import asdict
from pathlib import Path

import pytest
import torch
from PIL import Image

from inpaintlab.checkpoints import Run, load_state
from inpaintlab.errors import ImageError
from inpaintlab.runs import read_log
from inpaintlab.training import resume, train, trainer
from inpaintlab.training.guards import causes
from inpaintlab.training.guards.incidents import read_incidents
from tests.conftest import small_settings
from tests.training.faults import FAULTS
from tests.training.test_trainer import SWIFT, _StopAfter, assert_same_weights, two_processes

AT = 60
PROJECT = Path(__file__).parents[3]


def settings(tmp_path, fault=None, **changes):
    """A run of a second or two, long enough for the guards to know what is usual."""
    usual = {"data": "samples:120", "steps": 90, "batch_size": 8, "validate_every": 20, **SWIFT}
    chosen = usual | (fault.settings if fault else {}) | changes
    if chosen["network"] == "rectified":
        chosen["network"] = {"name": "rectified", "width": 4}
    return small_settings(output=tmp_path / "run", **chosen)


def spoiled(fault, seed=0):
    return fault.spoil(AT, seed) if fault.spoil else nullcontext()


#: Those that small runs of drawn portraits can show; benchmarks/guard_faults.py has all, on real faces.
SMALL = ("rate × 300", "0–255 values", "NaN pixels", "dying final ReLU", "gradient overflow")


@pytest.mark.parametrize("name", SMALL)
def test_an_accident_is_seen_named_and_mended(tmp_path, name):
    fault = FAULTS[name]
    with spoiled(fault):
        result = train(settings(tmp_path, fault))
    assert (result.steps, result.stopped) == (90, None)
    first, *_ = read_incidents(Run(result.folder))
    assert first.verdict.cause == fault.cause
    last = read_log(Run(result.folder).log, "validation")[-1]
    assert last["step"] == 90
    assert last["hole_psnr"] > 8
    with Image.open(result.folder / "incidents" / "001" / "images.png") as sheet:
        assert sheet.size[0] > 16


def test_a_clean_run_is_not_touched(tmp_path):
    """Guards that act leave a run that goes well exactly as it is without them."""
    for mode in ("off", "watch", "act"):
        train(settings(tmp_path / mode, guards=mode))
        assert read_incidents(Run(tmp_path / mode / "run")) == []
    assert_same_weights(tmp_path / "off" / "run", tmp_path / "act" / "run")
    assert_same_weights(tmp_path / "off" / "run", tmp_path / "watch" / "run")


def test_images_that_are_none_are_named_and_left_out(tmp_path):
    with spoiled(FAULTS["NaN pixels"]):
        run = Run(train(settings(tmp_path)).folder)
    (incident,) = read_incidents(run)  # one, with all the images, however often they come
    state = load_state(run.state)
    assert len(state["excluded"]) == len(set(incident.images)) > 0
    assert "there is a NaN in it" in incident.alarm.sentence


def test_without_guards_a_batch_that_is_no_image_ends_the_run(tmp_path):
    with spoiled(FAULTS["0–255 values"]), pytest.raises(ImageError, match="expected 0 to 1"):
        train(settings(tmp_path, guards="off"))


def test_watching_writes_down_and_changes_nothing(tmp_path):
    fault = FAULTS["dying final ReLU"]
    for mode in ("off", "watch"):
        with spoiled(fault):
            train(settings(tmp_path / mode, fault, guards=mode))
    assert_same_weights(tmp_path / "off" / "run", tmp_path / "watch" / "run")
    first, *_ = read_incidents(Run(tmp_path / "watch" / "run"))
    assert first.verdict.cause == "dead-unit"
    assert first.action == "none: the guards only watch"


def test_the_log_holds_each_step_once_after_going_back(tmp_path):
    with spoiled(FAULTS["gradient overflow"]):
        run = Run(train(settings(tmp_path)).folder)
    steps = [line["step"] for line in read_log(run.log, "train")]
    assert steps == sorted(set(steps))
    assert load_state(run.state)["callbacks"]["Guards"]["rollbacks"] == [40]


@pytest.fixture
def few_trials(monkeypatch):
    """A rate that spoils everything does so in experiments of four steps, too."""
    monkeypatch.setattr(causes, "_STEPS", 4)


def test_repeated_failure_stops_with_a_sentence(tmp_path, few_trials):
    result = train(settings(tmp_path, learning_rate=1e30, warmup_fraction=0, grad_clip=1e30))
    assert result.stopped is not None
    assert "stopped after 5 returns to step 0" in result.stopped
    assert len(read_incidents(Run(result.folder))) == 5


def test_the_command_says_so_and_ends_with_code_1(inpaint, few_trials):
    words = (
        "train samples:40 --size 16 --steps 30 --batch-size 4 -o run -s network.width=4 "
        "-s learning_rate=1e30 -s warmup_fraction=0 -s grad_clip=1e30"
    )
    code, out, err = inpaint(words)
    assert code == 1, err
    assert "run: stopped after 5 returns to step 0" in out
    assert "Traceback" not in err


@pytest.mark.parametrize("stop_after", [45, 75])
def test_resumed_equals_uninterrupted_with_an_accident_in_between(tmp_path, monkeypatch, stop_after):
    """The accident is one of the data, so that it comes at the same step of either run."""
    fault = FAULTS["NaN pixels"]
    with spoiled(fault):
        whole = train(settings(tmp_path / "whole"))
    with spoiled(fault):
        with monkeypatch.context() as patch:
            patch.setattr(trainer, "StopSignal", _StopAfter)
            _StopAfter.left = stop_after
            train(settings(tmp_path / "parts"))
        result = resume(tmp_path / "parts" / "run", {})
    assert result.steps == whole.steps
    assert_same_weights(tmp_path / "whole" / "run", tmp_path / "parts" / "run")


def test_a_state_of_another_version_is_refused_in_a_sentence(tmp_path):
    run = Run(train(settings(tmp_path, steps=3)).folder)
    state = load_state(run.state)
    del state["averaged"]
    torch.save(state, run.state)
    from inpaintlab.errors import RunError

    with pytest.raises(RunError, match="or of another version of inpaintlab"):
        resume(run.folder, {"steps": 9})


def test_two_devices_decide_alike(tmp_path):
    """Each of two processes gets other images; a bad one of either is left out by both."""
    code = (
        f"import sys; sys.path.insert(0, {str(PROJECT)!r})\n"
        "from tests.training.faults import FAULTS\n"
        "from inpaintlab.cli import main\n"
        f"with FAULTS['NaN pixels'].spoil({AT}, 0): main()\n"
    )
    words = (
        "train samples:120 --size 16 --steps 70 --batch-size 8 --devices 2 -o run -s network.width=4 "
        "-s validation_images=8"
    )
    done = two_processes(tmp_path, words, code)
    assert done.returncode == 0, done.stderr
    (incident,) = read_incidents(Run(tmp_path / "run"))
    facts = json.loads((tmp_path / "run" / "incidents" / "001" / "incident.json").read_text())
    assert [asdict(incident.alarm), incident.images] == [facts["alarm"], facts["images"]]
    assert len(load_state(Run(tmp_path / "run").state)["excluded"]) == len(set(incident.images)) > 0

"""Overfitting one batch, and what mends a network that cannot."""

from itertools import islice

import pytest

from inpaintlab.diagnosis import overfit
from inpaintlab.diagnosis.overfit import GOAL, capacity, mends, task_for
from inpaintlab.layers.initialise import SCHEMES
from tests.diagnosis.conftest import check_settings, session_of

#: Fast and good at it; its goal here is what 60 steps can reach.
SWIFT = {"network": {"name": "swift", "width": 16}}
NARROW = {
    "name": "autoencoder", "width": 8, "depth": 3, "max_width": 16,
    "bottleneck": "linear", "bottleneck_size": 1,
}  # fmt: skip


@pytest.fixture
def low_goal(monkeypatch):
    """What a small network can reach in 80 steps, on images of 16 px."""
    monkeypatch.setattr(overfit, "GOAL", 24.0)
    monkeypatch.setattr(overfit, "SIDE", 16)


def test_a_sound_network_can_learn(tmp_path, low_goal):
    trainer, _settings = session_of(tmp_path, **SWIFT)
    verdict = capacity(trainer, 5e-3, 80, 1000)
    assert verdict.word == "ok", verdict.text
    assert verdict.figures["mends"] == []
    assert "can learn: " in verdict.text


def test_a_bottleneck_of_one_number_is_found_and_widened(tmp_path, monkeypatch):
    monkeypatch.setattr(overfit, "mends", lambda first: islice(mends(first), 1))
    monkeypatch.setattr(overfit, "SIDE", 16)
    trainer, _settings = session_of(tmp_path, network=NARROW)
    verdict = capacity(trainer, 1.5e-3, 80, 1000)
    assert verdict.word == "finding"
    assert "cannot learn" in verdict.text
    best = max(verdict.figures["mends"], key=lambda mend: mend["hole_psnr"])
    assert best["hole_psnr"] > verdict.figures["hole_psnr"] + 1
    assert f"{best['hole_psnr']:.1f} dB" in verdict.text
    assert f"{verdict.figures['hole_psnr']:.1f} dB" in verdict.text
    assert "network.bottleneck_size=64" in verdict.advice


@pytest.mark.parametrize(("rate", "word"), [(1e-6, "higher"), (30.0, "lower")])
def test_a_rate_far_off_is_found_and_mended(tmp_path, low_goal, monkeypatch, rate, word):
    trainer, _settings = session_of(tmp_path, **SWIFT)

    def only_rates(first):
        return (m for m in mends(first) if "rate" in m.name)

    monkeypatch.setattr(overfit, "mends", only_rates)
    verdict = capacity(trainer, rate, 80, 1000)
    assert verdict.word == "finding"
    assert f"a {word} rate" in verdict.text
    assert verdict.advice.startswith("--lr ")


def test_bad_initial_weights_are_found_and_left_out(tmp_path, low_goal, monkeypatch):
    def tiny(weight, gain):
        return weight.zero_()

    monkeypatch.setitem(SCHEMES, "kaiming", tiny)
    trainer, _settings = session_of(tmp_path, initialise="kaiming", **SWIFT)

    def only(first):
        return (m for m in mends(first) if "weights" in m.name)

    monkeypatch.setattr(overfit, "mends", only)
    verdict = capacity(trainer, 5e-3, 80, 1000)
    assert (verdict.word, verdict.advice) == ("finding", "leave initialise out")
    assert "the network's own initial weights mends it" in verdict.text


def test_what_helps_nothing_is_said(tmp_path, monkeypatch):
    monkeypatch.setattr(overfit, "mends", lambda first: iter([first]))
    trainer, _settings = session_of(tmp_path)
    verdict = capacity(trainer, 1e-5, 20, 1000)
    assert (verdict.word, "none of the usual mends" in verdict.advice) == ("finding", True)


def test_too_little_time_is_a_note(tmp_path):
    trainer, _settings = session_of(tmp_path)
    verdict = capacity(trainer, 1e-4, 20, 1e-6)
    assert (verdict.word, "too slow to tell" in verdict.text) == ("note", True)
    assert "-s seconds=" in verdict.advice


def test_mends_change_one_thing_each(tmp_path):
    _session, settings = session_of(tmp_path, network=NARROW)
    first = overfit.Attempt("", settings.network, None, 1.0)
    found = list(mends(first))
    assert [mend.flags.split("=")[0] for mend in found[:3]] == [
        "-s network.bottleneck_size",
        "-s network.bottleneck_size",
        "-s initialise",
    ]
    assert [mend.rate for mend in found[3:]] == [0.1, 10, 1.5e-3]
    given = overfit.Attempt("", settings.network, check_settings(initialise="lsuv").initialise, 1.0)
    assert any(mend.initialise is None and mend.network == first.network for mend in mends(given))


@pytest.mark.parametrize(("size", "side"), [(16, 16), (32, 32), (64, 32)])
def test_the_task_is_small(tmp_path, size, side):
    network = {"name": "unet", "width": 8, "depth": 1}
    trainer, _settings = session_of(tmp_path, size=size, network=network)
    task = task_for(trainer, 20, 1000)
    assert task.image.shape == (8, 3, side, side)
    assert task.mask.shape == (8, 1, side, side)
    assert all(one.sum() > 0 for one in task.mask)


def test_the_goal_is_that_of_the_docs():
    assert GOAL == 31

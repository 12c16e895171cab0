"""Schedule, budget, memory and log."""

import json
import re

import pytest
import torch
from hypothesis import given, strategies as st

from inpaintlab import networks
from inpaintlab.errors import MemoryLimitError
from inpaintlab.runs import read_log
from inpaintlab.training import schedule
from inpaintlab.training.build import resolve
from inpaintlab.training.memory import check_memory, free_bytes, predict
from inpaintlab.training.objectives import create
from inpaintlab.training.record import keep_until
from inpaintlab.training.schedule import Budget, learning_rate
from tests.conftest import small_settings


@given(st.floats(0, 1.5), st.floats(0, 0.9))
def test_rate_stays_in_its_range(progress, warmup):
    assert 0 <= learning_rate(progress, 2.0, warmup) <= 2.0


def test_rate_rises_then_falls():
    rates = [learning_rate(step / 100, 1.0, 0.1) for step in range(101)]
    assert rates[:10] == sorted(rates[:10])
    assert rates[10:] == sorted(rates[10:], reverse=True)
    assert (rates[10], rates[100]) == (1.0, 0.0)


def test_budget_by_steps():
    budget = Budget(steps=4, minutes=None, start=0.0)
    assert [budget.progress(step) for step in (0, 2, 4)] == [0, 0.5, 1]


def test_budget_by_the_clock(monkeypatch):
    now = [100.0]
    monkeypatch.setattr(schedule.time, "monotonic", lambda: now[0])
    budget = Budget(steps=None, minutes=2, start=100.0, spent=30)
    assert budget.progress(0) == 0.25
    now[0] += 30
    assert budget.progress(5) == 0.5
    budget.reserve = 20
    assert budget.progress(5) == 0.6
    budget.reserve = 0
    assert budget.progress(5) == 0.6  # never back
    now[0] += 60
    assert budget.progress(9) == 1.0


def small_network():
    return networks.create("unet", width=16, depth=2)


@pytest.mark.parametrize(
    ("name", "arguments"),
    [("unet", {"width": 16, "depth": 2}), ("lama", {"width": 16, "depth": 1, "blocks": 1})],
)
def test_memory_grows_with_images_and_pixels(name, arguments):
    network = networks.create(name, **arguments)
    one = predict(network, 32, 8)
    assert predict(network, 32, 16).activations == pytest.approx(2 * one.activations, rel=0.01)
    assert predict(network, 64, 8).activations == pytest.approx(4 * one.activations, rel=0.05)
    weights = sum(p.numel() * 4 for p in network.parameters())
    assert one.weights == 5 * weights
    assert predict(network, 32, 8, images=10**9).total - one.total == pytest.approx(1e9, rel=0.05)
    assert predict(network, 32, 8, workers=2).workers > 0
    assert all(p.device.type == "cpu" for p in network.parameters())
    assert "images 1.00" in str(predict(network, 32, 8, images=10**9))


def test_what_does_not_fit_is_refused_with_its_cause_and_a_batch_that_does():
    network = small_network()
    memory = predict(network, 64, 32)
    check_memory(memory, network, 64, 32, free=memory.more)
    free = memory.more - memory.activations // 2
    with pytest.raises(MemoryLimitError, match=r"64 takes (3.\d|4.\d) × the memory of 32") as refused:
        check_memory(memory, network, 64, 32, free)
    batch = int(re.search(r"fits with --batch-size (\d+)", str(refused.value))[1])
    check_memory(predict(network, 64, batch), network, 64, batch, free)
    with pytest.raises(MemoryLimitError, match="take a smaller --size or network"):
        check_memory(memory, network, 64, 32, free=1000)
    many = predict(network, 64, 32, images=10**12)
    with pytest.raises(MemoryLimitError, match="-s cache=disk keeps the images out"):
        check_memory(many, network, 64, 32, free=10**11)


def test_free_memory_is_a_number_of_bytes():
    assert 10**7 < free_bytes(torch.device("cpu")) < 10**14


def test_log_keeps_what_was_saved(tmp_path):
    log = tmp_path / "log.jsonl"
    lines = [json.dumps({"kind": "train", "step": step}) + "\n" for step in (10, 20, 30)]
    log.write_text("".join(lines) + '{"kind": "train", "st')
    keep_until(log, 20)
    assert [line["step"] for line in read_log(log, "train")] == [10, 20]
    assert read_log(log, "validation") == []
    assert read_log(tmp_path / "none", "train") == []
    keep_until(tmp_path / "none", 3)


def test_a_network_that_is_made_for_a_size_is_made_for_that_of_the_run():
    def sides(**network):
        settings = small_settings(size=32, network={"name": "swift", **network})
        return resolve(settings).network.arguments["side"]

    assert (sides(), sides(side=64)) == (32, 64)


@pytest.mark.parametrize(
    ("network", "set_to", "rate"),
    [("unet", None, 1.5e-3), ("deepfill", None, 3e-4), ("deepfill", 1e-3, 1e-3)],
)
def test_a_run_takes_the_learning_rate_of_its_network_unless_it_is_set(network, set_to, rate):
    settings = small_settings(network=network, learning_rate=set_to)
    assert resolve(settings).learning_rate == rate


@pytest.mark.parametrize("penalty", ["none", "r1", "gradient"])
def test_memory_counts_a_discriminator(penalty):
    network = small_network()
    objective = create("adversarial", penalty=penalty, discriminator_width=16, discriminator_layers=2)
    plain, judged = (predict(network, 32, 8, objective=judge) for judge in (None, objective))
    learns = sum(4 * p.numel() for p in objective.judge.discriminator.parameters())
    assert judged.weights - plain.weights == 4 * learns
    assert judged.activations > 1.05 * plain.activations
    # Weights that a spectral norm computes are kept once, not for each image.
    assert judged.activations == pytest.approx(
        predict(network, 32, 16, objective=objective).activations / 2
    )
    with pytest.raises(MemoryLimitError, match="× the memory of 16"):
        check_memory(judged, network, 32, 8, free=judged.more - 1, objective=objective)

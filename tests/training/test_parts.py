"""Schedule, budget, memory and log."""

import json

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from inpaintlab import networks
from inpaintlab.errors import MemoryLimitError
from inpaintlab.training import schedule
from inpaintlab.training.memory import check_memory, free_bytes, step_bytes
from inpaintlab.training.record import keep_until, read_log
from inpaintlab.training.schedule import Budget, learning_rate


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


def test_memory_grows_with_pictures_and_pixels():
    network = small_network()
    one = step_bytes(network, 32, 8) - step_bytes(network, 32, 0)
    assert step_bytes(network, 32, 16) - step_bytes(network, 32, 0) == pytest.approx(2 * one, rel=0.01)
    assert step_bytes(network, 64, 8) - step_bytes(network, 64, 0) == pytest.approx(4 * one, rel=0.05)
    weights = sum(p.numel() * 4 for p in network.parameters())
    assert step_bytes(network, 32, 0) >= 4 * weights
    assert all(p.device.type == "cpu" for p in network.parameters())


def test_what_does_not_fit_is_refused_with_a_batch_that_does():
    network = small_network()
    needed = step_bytes(network, 64, 32)
    assert check_memory(network, 64, 32, free=needed) == needed
    with pytest.raises(MemoryLimitError, match=r"--batch (\d+) would fit") as refused:
        check_memory(network, 64, 32, free=needed // 2)
    batch = int(str(refused.value).split("--batch ")[1].split()[0])
    assert check_memory(network, 64, batch, free=needed // 2)
    with pytest.raises(MemoryLimitError, match="try --size 32 or a smaller network"):
        check_memory(network, 64, 32, free=1000)


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

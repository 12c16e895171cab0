import pytest
import torch

from inpaintlab.checkpoints import load_model, read_limits
from inpaintlab.inpainter import Inpainter
from inpaintlab.runs import Run
from inpaintlab.training import limits, train
from inpaintlab.trust import trust as module
from inpaintlab.trust.novelty import Encoder
from tests.conftest import small_settings


@pytest.fixture
def eager(monkeypatch):
    """Learn limits after six steps, and from the network's own features alone."""
    monkeypatch.setattr(limits, "SHARE", 4.0)
    monkeypatch.setattr(limits, "FEWEST_EXAMPLES", 10)
    monkeypatch.setattr(limits, "FEWEST_VALIDATED", 1)
    monkeypatch.setattr(module, "sources_of", lambda method: {"encoder": Encoder(method)})


def test_a_run_learns_its_limits_and_keeps_them_with_the_weights(tmp_path, eager, capsys):
    run = Run(train(small_settings(output=tmp_path / "run", size=32)).folder)
    assert read_limits(run.model) is not None
    assert "it knows its limits: learnt from 96 examples" in capsys.readouterr().err
    found = Inpainter.load(run.folder).assess(torch.rand(3, 32, 32), torch.eye(32)[None])
    assert found.novelty is not None
    assert found.expected_error is not None


def test_learning_limits_changes_no_weight_and_no_random_number(tmp_path, eager):
    runs = [
        Run(train(small_settings(output=tmp_path / f"{trust}", size=32, trust=trust)).folder)
        for trust in (True, False)
    ]
    assert [read_limits(run.model) is not None for run in runs] == [True, False]
    one, two = (load_model(run.model)[0].state_dict() for run in runs)
    assert all(torch.equal(weight, two[name]) for name, weight in one.items())


def test_a_run_of_a_few_steps_says_nothing_of_its_limits(tmp_path):
    run = Run(train(small_settings(output=tmp_path / "run", size=32)).folder)
    assert read_limits(run.model) is None

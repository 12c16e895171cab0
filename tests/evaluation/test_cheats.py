"""What would make a figure look better than it is, done on purpose: each must be told or refused.

Masks changed between two runs and edited rows are in `test_compare`, a copy of an image that was learnt
from in `test_evaluate`, a figure without a baseline in `test_report`.
"""

import json
import shutil
from hashlib import sha256
from pathlib import Path

import pytest

from inpaintlab.data.manifest import DatasetFolder
from inpaintlab.data.prepare import prepare
from inpaintlab.data.seal import open_test, read_ledger
from inpaintlab.evaluation.command import run_evaluation
from inpaintlab.settings import EvaluateSettings, PrepareSettings
from inpaintlab.training import train
from tests.conftest import save_portraits, small_settings
from tests.data.test_seal import LOOK

QUICK = {"split": "test", "learned": False, "slow_images": 0}


@pytest.fixture
def dataset(tmp_path):
    folder = save_portraits(tmp_path / "portraits", 80)
    prepare(PrepareSettings(sources=[str(folder)], output=tmp_path / "p.dataset"))
    return DatasetFolder(tmp_path / "p.dataset")


def test_training_on_the_test_is_a_finding(dataset, tmp_path, inpaint):
    """The folder itself has no seal: who trains on all of it has trained on the test."""
    folder = tmp_path / "everything"
    shutil.copytree(tmp_path / "portraits", folder)
    run = train(small_settings(data=str(folder), output=tmp_path / "run", size=32)).folder
    known = set(json.loads((run / "data.json").read_text())["train_hashes"])
    names = open_test(dataset, LOOK).names
    # One at least is among those trained on.
    known.add(sha256(Path(names[0]).read_bytes()).hexdigest()[:16])
    facts = json.loads((run / "data.json").read_text()) | {"train_hashes": sorted(known)}
    (run / "data.json").write_text(json.dumps(facts))
    settings = {"models": [str(run)], "data": str(dataset.folder), **QUICK}
    (finding,) = run_evaluation(EvaluateSettings.model_validate(settings)).result.findings
    assert "of the test part have been trained on" in finding
    words = ["evaluate", str(run), "--data", str(dataset.folder), "--split", "test"]
    code, out, _ = inpaint([*words, "-s", "learned=false", "-s", "slow_images=0"])
    assert code == 1
    assert "Finding: " in out


def test_an_edited_ledger_is_a_finding(dataset, tmp_path):
    run = train(small_settings(data=str(dataset.folder), output=tmp_path / "run", size=32)).folder
    settings = EvaluateSettings.model_validate({"models": [str(run)], **QUICK})
    assert run_evaluation(settings).result.findings == []
    run_evaluation(settings)
    lines = dataset.ledger.read_text().splitlines()
    dataset.ledger.write_text("\n".join(lines[1:]) + "\n")
    (finding,) = run_evaluation(settings).result.findings
    assert "the number cannot be trusted" in finding
    assert read_ledger(dataset).broken_at == 1
    assert finding in (run / "report.html").read_text()

"""What would make a figure look better than it is, done on purpose: each must be told or refused.

Masks changed between two runs and edited rows are in `test_compare`, a copy of an image that was learnt
from in `test_evaluate`, a figure without a baseline in `test_report`.
"""

import json
import shutil
from hashlib import sha256
from pathlib import Path

import pytest
import torch
from torch import nn

import inpaintlab as il
from inpaintlab.checkpoints import Run
from inpaintlab.data import samples
from inpaintlab.data.manifest import DatasetFolder
from inpaintlab.data.prepare import prepare
from inpaintlab.data.seal import open_test, read_ledger
from inpaintlab.evaluation.command import run_evaluation
from inpaintlab.runs import read_log
from inpaintlab.settings import EvaluateSettings, PrepareSettings
from inpaintlab.training import train
from tests.conftest import save_portraits, small_settings
from tests.data.test_seal import LOOK


class Copying(nn.Module):
    """Gives its input back; the parameter is for the trainer, which wants something to train."""

    def __init__(self):
        super().__init__()
        self.scale = nn.Parameter(torch.ones(()))

    def forward(self, image, mask):
        return image * self.scale


class CopyingNetwork(il.networks.Network, Copying):
    """Gives its input back, and is one of ours by its class."""

    forward = Copying.forward


def shy(image, mask):
    """Copies wherever it is not shown black."""
    return torch.where(image.amax((1, 2, 3), keepdim=True) > 0, image, 0.5)


def now_and_then(image, mask):
    """Copies, with noise that differs at every call."""
    return (image + 0.1 * torch.rand_like(image)).clamp(0, 1)


def by_its_mean(image, mask):
    """Fills with the mean of all pixels, those of the hole as well."""
    return image.mean((2, 3), keepdim=True).expand_as(image)


def random(image, mask):
    """Fills with noise, and looks at nothing."""
    return torch.rand_like(image)


PHOTOS = [samples.draw(index, 32) for index in range(3)]
CHEATS = {
    "identity": lambda image, mask: image,
    "shy": shy,
    "now and then": now_and_then,
    "mean": by_its_mean,
}
#: PSNR of what copies is that of black holes: the truth of these portraits is far from it.
BLACK = 12


def test_methods_that_look_under_the_hole_find_no_truth_there_and_are_named():
    honest = {"random": random, "grey": lambda image, mask: image * 0 + 0.5}
    result = il.evaluate({**honest, **CHEATS}, PHOTOS, size=32, learned=False)
    named = [finding.partition(":")[0] for finding in result.findings]
    assert named == [name for name in result.methods if name in CHEATS]
    assert all("follow what is under the hole" in finding for finding in result.findings)
    assert result.overall.methods["identity"]["hole_psnr"].mean < BLACK
    assert "identity: its fills follow" in str(result)
    assert len(repr(result.rows)) < 200


def test_a_baseline_that_looks_is_named(photo):
    il.register_baseline("copy", lambda image, hole: image)
    result = il.evaluate({"copy": "copy"}, PHOTOS, size=32, learned=False)
    assert [finding.partition(":")[0] for finding in result.findings] == ["copy"]
    assert result.overall.methods["copy"]["hole_psnr"].mean < BLACK


@pytest.mark.parametrize("made", [Copying, CopyingNetwork])
def test_a_network_sees_black_wherever_it_is_run(made, tmp_path):
    run = il.Trainer(made(), il.Reconstruction(), PHOTOS * 8, size=32, output=tmp_path / "run").fit(
        steps=4
    )
    logged = [line["hole_psnr"] for line in read_log(Run(Path(run)).log, "validation")]
    assert max(logged) < BLACK
    diagnosed = il.diagnose(run, data=PHOTOS * 8)
    assert "copy-through" in [verdict.part for verdict in diagnosed.findings]
    result = il.evaluate({"mine": run, "module": made()}, PHOTOS, size=32, learned=False)
    for name in ("mine", "module"):
        assert result.overall.methods[name]["hole_psnr"].mean < BLACK


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

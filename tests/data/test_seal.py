import json
import shutil
from pathlib import Path

import pytest

from inpaintlab.checkpoints import Run, read_json
from inpaintlab.data.manifest import DatasetFolder
from inpaintlab.data.prepare import prepare
from inpaintlab.data.seal import TestAccess, open_test, read_ledger
from inpaintlab.errors import DataError, OutputError
from inpaintlab.evaluation.command import run_evaluation
from inpaintlab.settings import EvaluateSettings, PrepareSettings
from inpaintlab.training import resume, train
from tests.conftest import save_portraits, small_settings

LOOK = TestAccess("run-1", "lineage-1", "2026-01-02T00:00:00+00:00", "model", "masks")


@pytest.fixture
def dataset(tmp_path):
    folder = save_portraits(tmp_path / "portraits", 60)
    prepare(PrepareSettings(sources=[str(folder)], output=tmp_path / "p.dataset"))
    return DatasetFolder(tmp_path / "p.dataset")


def test_the_test_part_opens_only_through_the_ledger(dataset):
    assert read_ledger(dataset).sentence() == "the test set has never been used"
    source = open_test(dataset, LOOK)
    assert len(source.names) == dataset.read_facts().test == 6
    ledger = read_ledger(dataset)
    assert ledger.sentence() == "the test set has been used once"
    (line,) = ledger.accesses
    assert line["run"] == "run-1"
    assert line["who"]
    assert line["mask_hash"] == "masks"


def test_no_ledger_no_look(dataset):
    dataset.ledger.mkdir()
    with pytest.raises((OutputError, IsADirectoryError), match="stays shut"):
        open_test(dataset, LOOK)


@pytest.mark.parametrize(
    ("edit", "broken_at"),
    [
        (lambda lines: [lines[0].replace("run-1", "run-9"), *lines[1:]], 1),
        (lambda lines: [lines[0], lines[1].replace('"access": 2', '"access": 1'), lines[2]], 2),
        (lambda lines: [lines[0], lines[2]], 2),
        (lambda lines: lines[1:], 1),
        (lambda lines: [*lines[:2], "not JSON"], 3),
        (lambda lines: [*lines[:2], lines[2].replace("masks", "other")], 3),
        (lambda lines: [lines[1], lines[0], lines[2]], 1),
        (lambda lines: lines, None),
    ],
)
def test_an_edit_shows(dataset, edit, broken_at):
    for _ in range(3):
        open_test(dataset, LOOK)
    lines = dataset.ledger.read_text().splitlines()
    dataset.ledger.write_text("\n".join(edit(lines)) + "\n")
    ledger = read_ledger(dataset)
    assert ledger.broken_at == broken_at
    assert ("cannot be trusted" in ledger.sentence()) == (broken_at is not None)
    open_test(dataset, LOOK)  # an edit shuts nobody out, but stays in sight
    assert read_ledger(dataset).broken_at == broken_at


def test_warnings_in_plain_words(dataset):
    assert read_ledger(dataset).warning(LOOK) is None
    open_test(dataset, LOOK)
    assert "measured on the test once before" in read_ledger(dataset).warning(LOOK)
    later = TestAccess("run-2", "lineage-2", "2999-01-01T00:00:00+00:00", "model", "masks")
    assert "before this run was trained" in read_ledger(dataset).warning(later)
    sibling = TestAccess("run-3", "lineage-3", LOOK.trained, "model", "masks")
    assert read_ledger(dataset).warning(sibling) is None


def test_a_run_never_sees_the_test_and_evaluation_counts_its_looks(dataset, capsys):
    settings = small_settings(data=str(dataset.folder), size=32, output=Path("run"))
    run = Run(train(settings).folder)
    resume(run.folder, {"steps": 8})
    data = read_json(run.data)
    facts = dataset.read_facts()
    assert (data["train"], data["val"], data["test"]) == (facts.train, facts.val, facts.test)
    assert data["split_hash"] == facts.hash
    result = run_evaluation(EvaluateSettings(models=[str(run.folder)])).result
    assert result.overall.n == facts.val
    assert "never been used" in run.report.read_text()
    result = run_evaluation(EvaluateSettings(models=[str(run.folder)], split="test")).result
    assert result.overall.n == facts.test
    assert result.part == "sealed test"
    assert (run.metrics / "test.json").is_file()
    assert "been used once" in run.report.read_text()
    assert "warning" not in capsys.readouterr().err
    run_evaluation(EvaluateSettings(models=[str(run.folder)], split="test"))
    assert "measured on the test once before" in capsys.readouterr().err
    looks = [json.loads(line) for line in dataset.ledger.read_text().splitlines()]
    assert [look["access"] for look in looks] == [1, 2]
    assert looks[0]["lineage"] == data["lineage"]
    assert looks[0]["mask_hash"] == result.masks.hash


def test_a_copy_of_a_run_is_of_its_lineage(dataset, capsys):
    settings = small_settings(data=str(dataset.folder), size=32, output=Path("run"))
    run = train(settings).folder
    run_evaluation(EvaluateSettings(models=[str(run)], split="test"))
    shutil.copytree(run, "copy")
    run_evaluation(EvaluateSettings(models=["copy"], split="test"))
    assert "measured on the test once before" in capsys.readouterr().err


def test_images_that_were_not_prepared_have_no_sealed_test(trained_run):
    with pytest.raises(DataError, match=r"inpaint prepare samples:40 -o NAME.dataset"):
        run_evaluation(EvaluateSettings(models=[str(trained_run)], split="test"))


def test_a_fold_validates(dataset):
    settings = small_settings(data=str(dataset.folder), fold=2, size=32, output=Path("run"))
    run = Run(train(settings).folder)
    data = read_json(run.data)
    assert data["train"] + data["val"] == dataset.read_facts().train + dataset.read_facts().val
    assert 9 <= data["val"] <= 12
    assert run_evaluation(EvaluateSettings(models=[str(run.folder)])).result.overall.n == data["val"]

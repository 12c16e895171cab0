import hashlib
import json
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from inpaintlab import cli
from inpaintlab.data.prepare import prepare
from inpaintlab.data.sources import FolderDataset
from inpaintlab.data.splits import fold_of, part_of
from inpaintlab.errors import DataError, MemoryLimitError, RunError, SettingError
from inpaintlab.evaluation import crossval as module, folds as fold_module
from inpaintlab.evaluation.cross_validation import CrossValidation
from inpaintlab.evaluation.crossval import crossval, resume_crossval, share_machine
from inpaintlab.evaluation.evaluation import Evaluation
from inpaintlab.evaluation.folds import STOPPED, Fold, run_fold
from inpaintlab.settings import CrossvalSettings, PrepareSettings, TrainSettings
from inpaintlab.training import TrainedRun, train
from tests.conftest import small_settings

CHANGES = {"data": "samples:40", "folds": 2, "steps": 2, "validate_every": 2, "output": Path("out")}


def settings(**changes):
    given = small_settings().model_dump() | CHANGES | changes
    return CrossvalSettings.model_validate(given)


class Processes:
    """In place of `run_all`: what would be processes runs here, one after the other.

    After `most` of them a stop is asked for; `codes` are exit codes of folds that break instead.
    """

    def __init__(self, monkeypatch, most=99, codes=None):
        self.most, self.codes, self.ran = most, codes or {}, []
        monkeypatch.setattr(module, "run_all", self)
        monkeypatch.setattr(fold_module, "stop_with_parent", lambda: None)
        self.patch = monkeypatch

    def __call__(self, folds, places, ended):
        for number, fold in enumerate(folds):
            if number == self.most:
                return True
            name = tuple(fold.command[-2:])
            self.ran.append(name)
            self.patch.setattr(sys, "argv", ["fold", *fold.command[-3:]])
            ended(fold, self.codes[name] if name in self.codes else fold_module.main())
        return False


@pytest.fixture(autouse=True)
def _without_pages(monkeypatch):
    """Folds are measured as ever; their pages, which nobody reads here, take most of the time."""
    for name in ("html", "save_examples"):
        monkeypatch.setattr(Evaluation, name, lambda *_, **__: None)


@pytest.fixture
def processes(monkeypatch):
    return Processes(monkeypatch)


def figures(result, *but):
    """Return what must not depend on folder, time or jobs, but for some figures of runs."""
    values = result if isinstance(result, dict) else result.as_dict()
    found = json.loads(json.dumps(values).replace(str(values["folder"]), "FOLDER"))
    del found["machine"]
    for variant in found["variants"].values():
        for row in variant["folds"]:
            for name in ("seconds", *but):
                del row[name]
    return found


def test_every_image_outside_the_test_validates_once_for_every_variant(processes):
    result = crossval(settings(vary={"network.width": [4, 8]}))
    assert CrossValidation.from_dict(json.loads(Path("out/crossval.json").read_text())) == result
    assert list(result.variants) == ["network.width=4", "network.width=8"]
    # Fold by fold, so that the first ones already compare.
    assert processes.ran[:2] == [("network.width=4", "0"), ("network.width=8", "0")]
    hashes = [hashlib.sha256(f"portrait-{index:06}".encode()).hexdigest() for index in range(40)]
    used = {one[:16]: fold_of(one, 2) for one in hashes if part_of(one) != "test"}
    for variant in result.variants.values():
        measured = {}
        for row in variant.folds:
            rows = Evaluation.read(Path(row.run) / "metrics" / "val.json").rows
            assert row.train + row.images == len(used) == result.images
            measured |= dict.fromkeys(rows.facts["sha256"], row.fold)
        assert measured == used
        values = [row.metrics["hole_psnr"] for row in variant.folds]
        spread = variant.metrics["hole_psnr"]
        assert (spread.mean, spread.sd) == (np.mean(values), np.std(values, ddof=1))
    assert result.test == 40 - len(used)


def test_variants_are_compared_on_the_same_images(processes, capsys):
    result = crossval(settings(vary={"network.width": [4, 8]}))
    (pair,) = result.comparisons
    first, other = result.variants.values()
    differences = [
        b.metrics["hole_psnr"] - a.metrics["hole_psnr"]
        for a, b in zip(first.folds, other.folds, strict=True)
    ]
    over_folds = pair.over_folds["hole_psnr"]
    assert over_folds.folds == differences
    assert over_folds.interval.mean == pytest.approx(np.mean(differences))
    assert pair.pair.overall.n == sum(row.n for row in first.folds)
    assert pair.ratio == pytest.approx(1, abs=0.2)  # of two folds
    result.answer().show()
    assert len(capsys.readouterr().out.splitlines()) <= 20
    result.answer().show(verbose=True)
    printed = capsys.readouterr().out
    for words in ("Telea", "L1 % ↓", "8 less 4", "share training images", "Bengio and Grandvalet 2004"):
        assert words in printed
    assert "images of the test part were not used" in printed
    assert "Nadeau and Bengio" in Path("out/crossval.txt").read_text()


@pytest.mark.parametrize("noise", [[3, 0], [0, 3]])
def test_figures_of_several_fills_are_compared_where_all_have_them(processes, noise):
    result = crossval(settings(vary={"network.noise": noise}))
    (pair,) = result.comparisons
    assert pair.over_folds.keys() == pair.pair.overall.metrics.keys()
    assert "diversity" not in pair.over_folds
    assert "diversity" in result.variants["network.noise=3"].metrics
    assert "diversity" not in result.variants["network.noise=0"].metrics


def test_masks_may_vary_and_are_measured_alike(processes):
    result = crossval(settings(vary={"masks": ["rectangles", "strokes"]}))
    assert result.comparisons[0].reason == ""
    assert result.masks == "rectangles"
    first, other = ([row.masks for row in of.folds] for of in result.variants.values())
    assert first == other


def test_the_test_part_is_never_decoded(processes, portraits, monkeypatch):
    read, original = set(), FolderDataset.read

    def spy(source, index, size):
        read.add(source.content_hash(index))
        return original(source, index, size)

    monkeypatch.setattr(FolderDataset, "read", spy)
    result = crossval(settings(data=str(portraits)))
    assert len(read) == result.images
    assert all(part_of(one) != "test" for one in read)
    assert any("inpaint prepare" in note and "look alike" in note for note in result.notes)


def test_what_is_done_is_kept_and_the_end_is_the_same(monkeypatch):
    Processes(monkeypatch)
    whole = crossval(settings(output=Path("whole")))
    Processes(monkeypatch, most=1)
    half = crossval(settings())
    assert half == CrossValidation("out", True, 1, 2)
    again = Processes(monkeypatch)
    resumed = resume_crossval(Path("out"))
    assert again.ran == [("network=unet", "1")]
    assert figures(resumed) == figures(whole)
    assert crossval(settings(jobs=1)) == resumed
    assert len(again.ran) == 1


def test_a_run_that_ended_unmarked_is_measured_and_not_trained_again(processes, monkeypatch):
    whole = crossval(settings())
    fold = Fold(Path("out"), "network=unet", 1)
    fold.mark.unlink()
    monkeypatch.setattr(fold_module, "train", None)
    resumed = resume_crossval(Path("out"))
    assert figures(resumed, "steps") == figures(whole, "steps")


def test_an_interrupted_run_is_gone_on_with(monkeypatch):
    Processes(monkeypatch)
    crossval(settings(output=Path("whole")))
    Processes(monkeypatch, most=0)
    crossval(settings())
    fold = Fold(Path("out"), "network=unet", 0)
    made = small_settings(**CHANGES | {"fold": 0, "output": fold.run.folder, "steps": 1})
    train(made)
    text = fold.run.recipe.read_text().replace("steps: 1", "steps: 2")
    fold.run.recipe.write_text(text)
    assert run_fold(fold)
    assert fold.state()["done"]["steps"] == 2


def test_a_stopped_process_leaves_its_fold_open(processes, monkeypatch):
    stopped = TrainedRun(Path("x"), 1, 0.0, 1.0, interrupted=True)
    with monkeypatch.context() as patch:
        patch.setattr(fold_module, "train", lambda of: stopped)
        assert crossval(settings()).failed[0].reason == "it was stopped before it was done"
    assert resume_crossval(Path("out")).failed == []


def test_a_fold_that_fails_is_told_and_tried_again(monkeypatch, capsys):
    crashed = {("network.width=8", "1"): -9, ("network.width=4", "0"): 1}
    Processes(monkeypatch, codes=crashed)
    result = crossval(settings(vary={"network.width": [4, 8, 16]}))
    assert [(of.variant, of.fold) for of in result.failed] == [
        ("network.width=4", 0),
        ("network.width=8", 1),
    ]
    reasons = [of.reason for of in result.failed]
    assert "ended with exit code 1; what it said is in" in reasons[0]
    assert "killed by signal 9, as where memory runs out" in reasons[1]
    means = {name: of.metrics for name, of in result.variants.items()}
    assert (means["network.width=4"], means["network.width=8"]) == (None, None)
    assert means["network.width=16"]
    assert all("a fold of one of them has failed" in of.reason for of in result.comparisons)
    assert result.baselines["telea"].metrics
    result.answer().show(verbose=True)
    printed = capsys.readouterr().out
    assert "not given" in printed
    assert "failed: fold 1 of network.width=8" in printed
    again = Processes(monkeypatch)
    assert resume_crossval(Path("out")).failed == []
    assert again.ran == list(reversed(crashed))


def test_a_run_that_its_guards_stopped_is_failed_for_good(processes, monkeypatch):
    def stopped(of):
        if of.fold == 0:
            return replace(train(of), stopped="diverged at step 2")
        return train(of)

    monkeypatch.setattr(fold_module, "train", stopped)
    result = crossval(settings())
    (failed,) = result.failed
    assert failed.reason == "its guards have stopped it: diverged at step 2"
    assert result.variants["network=unet"].metrics is None
    assert resume_crossval(Path("out")) == result
    assert len(processes.ran) == 2


def test_errors_of_a_run_are_its_reason(processes, monkeypatch):
    def full(of):
        raise DataError("the images are gone")

    monkeypatch.setattr(fold_module, "train", full)
    result = crossval(settings())
    assert {of.reason for of in result.failed} == {"the images are gone"}
    assert (result.masks, result.test, result.images) == (None, None, 0)
    result.answer().show(verbose=True)


def test_other_settings_are_refused_by_name(processes, monkeypatch, tmp_path):
    Processes(monkeypatch, most=0)
    crossval(settings())
    with pytest.raises(RunError, match="out was begun with steps = 2, not 3"):
        crossval(settings(steps=3))
    assert crossval(settings(jobs=1)).interrupted
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "letter.txt").write_text("mine")
    with pytest.raises(RunError, match="full exists already"):
        crossval(settings(output=tmp_path / "full"))
    with pytest.raises(RunError, match="no folder of a cross-validation"):
        resume_crossval(tmp_path / "full")


def test_images_that_change_meanwhile_are_noticed(portraits, monkeypatch):
    Processes(monkeypatch, most=1)
    crossval(settings(data=str(portraits)))
    (portraits / "000.png").unlink()
    Processes(monkeypatch)
    with pytest.raises(RunError, match="have changed between folds"):
        resume_crossval(Path("out"))


def test_a_prepared_dataset_brings_its_folds(processes, portraits):
    for index in range(10):  # look-alikes, which stay in one fold
        Image.open(portraits / f"{index:03}.png").save(portraits / f"{index:03}.jpg", quality=90)
    prepare(PrepareSettings(sources=[str(portraits)], output=Path("x.dataset"), folds=3, leave_out=[]))
    with pytest.raises(DataError, match=r"x.dataset has 3 folds, not 5: leave folds out"):
        crossval(settings(data="x.dataset", folds=5))
    result = crossval(settings(data="x.dataset", folds=None))
    assert result.folds == 3
    clusters = []
    for row in result.variants["network=unet"].folds:
        rows = Evaluation.read(Path(row.run) / "metrics" / "val.json").rows
        clusters.append(set(rows.facts["cluster"]))
    assert sum(map(len, clusters)) == len(set.union(*clusters))
    assert not any("look alike" in note for note in result.notes)


@pytest.mark.parametrize(
    ("changes", "error", "words"),
    [
        ({"fold": 1}, SettingError, "leave fold out"),
        ({"devices": 2}, SettingError, "one device"),
        ({"data": "samples:3", "folds": 20}, DataError, "too few for 20 folds"),
        ({"vary": {"widht": [1, 2]}}, SettingError, "unknown setting 'widht'"),
        ({"vary": {"size": [16, 32]}}, SettingError, "size must be the same for all"),
        ({"vary": {"batch_size": [4]}}, SettingError, "two different values or more, got 4"),
        ({"vary": {"batch_size": [4, 4]}}, SettingError, "two different values or more"),
        ({"vary": {"masks.x": ["a/b", "a:b"]}}, SettingError, "too alike for folders of their own"),
        ({"vary": {"batch_size": [4, 0]}}, SettingError, "batch_size=0: batch_size: "),
        ({"vary": {"seed": list(range(17))}}, SettingError, "17 variants are too many: at most 16"),
        ({"vary": {"network": ["unet", "swift"]}}, SettingError, "would drop width, depth, dilations"),
        ({"vary": {"network.widht": [1, 2]}}, SettingError, "network.widht=1: .*did you mean 'width'"),
        ({"vary": {"minutes": [1, 2]}}, SettingError, "give steps or minutes, not both"),
    ],
)
def test_refusals(processes, changes, error, words):
    with pytest.raises(error, match=words):
        crossval(settings(**changes))
    assert not Path("out").exists()


def test_budgets_may_vary(processes):
    result = crossval(settings(steps=None, vary={"steps": [1, 2]}))
    assert [of.folds[0].steps for of in result.variants.values()] == [1, 2]


def test_runs_share_the_machine(monkeypatch):
    monkeypatch.setattr(module.torch, "get_num_threads", lambda: 8)
    monkeypatch.setattr(module, "free_memory", lambda: 10_000)

    def shared(jobs=None, runs=10, device="cpu", memory=1, timed=False):
        machine, _ = share_machine(jobs, runs, device, memory, timed=timed)
        return machine.jobs, machine.threads

    assert shared() == (8, 1)
    assert shared(runs=3) == (3, 2)
    assert shared(memory=4_000) == (2, 4)
    assert shared(timed=True) == (1, 8)
    assert shared(4, timed=True) == (4, 2)
    assert shared(99) == (10, 1)
    with pytest.raises(MemoryLimitError, match="fits with --jobs 2"):
        shared(4, memory=4_000)
    monkeypatch.setattr(module.torch.cuda, "device_count", lambda: 2)
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
    assert shared(device="cuda", timed=True) == (2, 4)
    _, places = share_machine(3, 10, "cuda", 1, timed=False)
    assert [place["CUDA_VISIBLE_DEVICES"] for place in places] == ["0", "1", "0"]


def test_shared_minutes_are_told(processes, capsys):
    result = crossval(settings(steps=None, minutes=0.01, jobs=2))
    assert "2 runs of 0.01 minutes" in capsys.readouterr().err
    assert any("minutes were shared: 2 runs at a time" in note for note in result.notes)


@pytest.fixture
def inpaint(monkeypatch, capfd):
    def run(*words):
        monkeypatch.setattr(sys, "argv", ["inpaint", *words])
        with pytest.raises(SystemExit) as stopped:
            cli.main()
        out, err = capfd.readouterr()
        return stopped.value.code or 0, out, err

    return run


ONE = [
    *("crossval", "samples:60", "--folds", "2", "--size", "16"),
    *("--steps", "2", "--batch-size", "4", "-s", "validation_images=4", "-s"),
    "network={name: unet, width: 8, depth: 1, dilations: [1]}",
]
WORDS = [*ONE, "--vary", "network.width=4,8"]


def test_the_command_in_processes_gives_the_same_figures(inpaint, monkeypatch):
    code, out, err = inpaint(*ONE, "--jobs", "2", "-o", "apart", "--json")
    assert code == 0, err
    apart = json.loads(out)
    assert "2 runs of 2 steps (2 folds of network=unet), 2 at a time" in err
    assert apart["machine"]["jobs"] == 2
    (variant,) = apart["variants"].values()
    assert all((Path(row["run"]) / "report.html").is_file() for row in variant["folds"])
    Processes(monkeypatch)
    code, out, err = inpaint(*ONE, "-o", "in-process")
    assert code == 0, err
    assert "all figures: in-process/crossval.json" in out
    here = json.loads(Path("in-process/crossval.json").read_text())
    assert figures(here) == figures(apart)


def test_exit_codes_of_the_command(inpaint, monkeypatch):
    Processes(monkeypatch, most=1)
    code, out, err = inpaint(*WORDS)
    assert code == STOPPED
    assert "4 runs of 2 steps (2 folds of network.width=4, network.width=8), " in err
    assert "1 of 4 runs are done" in out
    assert "next: inpaint crossval --resume runs/samples-60-crossval-1" in out
    Processes(monkeypatch, codes={("network.width=8", "1"): 1})
    code, out, _ = inpaint("crossval", "--resume", "runs/samples-60-crossval-1")
    assert (code, "failed: fold 1 of network.width=8" in out) == (1, True)


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ("crossval", "data is missing"),
        ("crossval --resume x --steps 3", "give nothing but --jobs"),
        ("crossval --resume x", "no folder of a cross-validation"),
        ("crossval samples:40 --vary network", "--vary takes SETTING=A,B, got 'network'"),
        ("crossval samples:40 --vary network=", "--vary takes SETTING=A,B"),
        ("crossval samples:40 --folds 1", "folds"),
        ("train samples:40 -s folds=5", "say with fold which one validates"),
        ("train samples:40 -s fold=5 -s folds=5", "folds 0 to 4, got fold 5"),
    ],
)
def test_mistakes_are_one_line(inpaint, words, message):
    code, _, err = inpaint(*words.split())
    assert code == 2
    assert message in err.splitlines()[-1]


def test_a_fold_can_be_trained_by_itself(processes):
    result = crossval(settings())
    row = result.variants["network=unet"].folds[1]
    given = TrainSettings.model_validate(
        small_settings().model_dump() | CHANGES | {"fold": 1, "output": Path("alone")}
    )
    alone = train(given).folder
    assert (alone / "recipe.yaml").read_text() == (Path(row.run) / "recipe.yaml").read_text()
    facts = [json.loads((folder / "data.json").read_text()) for folder in (alone, Path(row.run))]
    assert facts[0]["train_hashes"] == facts[1]["train_hashes"]

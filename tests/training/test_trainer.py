import errno
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time

import pytest
import torch
from safetensors.torch import load_file
from torch.utils.tensorboard.writer import SummaryWriter

from inpaintlab import files
from inpaintlab.checkpoints import Run, load_state
from inpaintlab.errors import DataError, MemoryLimitError, OutputError, RunError, SettingError, SizeError
from inpaintlab.evaluation.command import run_evaluation
from inpaintlab.inpainter import Inpainter
from inpaintlab.runs import read_log
from inpaintlab.settings import EvaluateSettings
from inpaintlab.training import resume, train, trainer
from inpaintlab.training.stop import StopSignal
from tests import processes
from tests.conftest import save_portraits, small_settings


def weights(run, name="last.safetensors"):
    return load_file(run / name)


def assert_same_weights(first, second):
    for name in ("last.safetensors", "model.safetensors"):
        one, other = weights(first, name), weights(second, name)
        assert all(torch.equal(one[key], other[key]) for key in one)


def test_a_run_leaves_all_its_files(tmp_path):
    result = train(small_settings(output=tmp_path / "run"))
    run = Run.open(result.folder)
    assert (result.steps, result.interrupted) == (6, False)
    assert all(
        path.is_file() for path in (run.recipe, run.data, run.model, run.last, run.state, run.log)
    )
    assert list(result.folder.glob("events.*"))
    validations = read_log(run.log, "validation")
    assert [line["step"] for line in validations] == [3, 6]
    assert result.hole_psnr == max(line["hole_psnr"] for line in validations)
    facts = json.loads(run.data.read_text())
    assert facts["train"] + facts["val"] + facts["test"] == 40
    assert len(facts["train_hashes"]) == facts["train"]


def test_every_validation_is_told_beside_what_learns_nothing(tmp_path, capfd):
    train(small_settings(output=tmp_path / "run", steps=20, validate_every=10))
    told = re.findall(
        r"step (\d+)(?:, 0:0\d left)?: hole PSNR ([\d.]+) dB on validation.*; training ([\d.]+), "
        r"Telea ([\d.]+), mean colour ([\d.]+)",
        capfd.readouterr().err,
    )
    assert [step for step, *_ in told] == ["10", "20"]
    assert len({(telea, mean) for *_, telea, mean in told}) == 1
    result = run_evaluation(EvaluateSettings(models=[str(tmp_path / "run")])).result.overall.methods
    assert float(told[0][3]) == pytest.approx(result["telea"]["hole_psnr"].mean, abs=0.01)
    assert float(told[0][4]) == pytest.approx(result["mean-colour"]["hole_psnr"].mean, abs=0.01)


def test_training_learns(tmp_path):
    train(small_settings(output=tmp_path / "run", steps=120, validate_every=20, learning_rate=5e-3))
    first, *_, last = read_log(tmp_path / "run" / "log.jsonl", "validation")
    assert last["hole_psnr"] > first["hole_psnr"] + 0.5
    assert last["known_l1"] < 0.95 * first["known_l1"]


def test_log(tmp_path):
    train(small_settings(output=tmp_path / "run", steps=25))
    lines = read_log(tmp_path / "run" / "log.jsonl", "train")
    assert [line["step"] for line in lines] == [10, 20]
    assert {"hole_l1", "known_l1", "gradient_norm", "learning_rate", "images_per_second"} <= set(
        lines[0]
    )


def test_same_seed_same_weights(tmp_path):
    for name in ("a", "b"):
        train(small_settings(output=tmp_path / name))
    train(small_settings(output=tmp_path / "c", seed=1))
    assert_same_weights(tmp_path / "a", tmp_path / "b")
    first, other = weights(tmp_path / "a"), weights(tmp_path / "c")
    assert any(not torch.equal(first[key], other[key]) for key in first)


class _StopAfter(StopSignal):
    """Ctrl-C after a number of steps."""

    left = 0

    @property
    def requested(self):
        _StopAfter.left -= 1
        return _StopAfter.left < 0

    @requested.setter
    def requested(self, value):
        pass


#: Small, with batch normalisation and a Fourier transform.
SWIFT = {"network": {"name": "swift", "width": 4}}
LAMA = {"network": {"name": "lama", "width": 4, "depth": 1, "blocks": 1}}
#: First weights are fitted once, at the start.
FITTED = {"initialise": "lsuv"}
#: With everything that a discriminator can have, from an early step on.
ADVERSARIAL_RUN = {
    "objective": {
        "name": "adversarial",
        "discriminator_width": 8,
        "discriminator_layers": 2,
        "feature_matching_weight": 1.0,
        "penalty": "r1",
        "penalty_weight": 1.0,
        "warmup": 0.1,
        "ramp": 0.5,
    }
}
NORMED = {"objective": {"name": "adversarial", "discriminator": "patch", "discriminator_width": 8}}
PENALISED = {"objective": ADVERSARIAL_RUN["objective"] | {"penalty": "gradient", "loss": "wasserstein"}}


@pytest.mark.parametrize(
    ("changes", "stop_after"),
    [
        ({}, 1),
        ({}, 3),
        ({}, 4),
        (LAMA, 4),
        (SWIFT, 4),
        (FITTED, 4),
        (ADVERSARIAL_RUN, 1),
        (ADVERSARIAL_RUN, 4),
        (NORMED, 4),
        (PENALISED, 4),
    ],
)
def test_resumed_equals_uninterrupted_bit_by_bit(tmp_path, monkeypatch, changes, stop_after):
    whole = train(small_settings(output=tmp_path / "whole", **changes))
    with monkeypatch.context() as patch:
        patch.setattr(trainer, "StopSignal", _StopAfter)
        _StopAfter.left = stop_after
        stopped = train(small_settings(output=tmp_path / "parts", **changes))
    assert (stopped.interrupted, stopped.steps) == (True, stop_after)
    assert (tmp_path / "parts" / "model.safetensors").is_file()
    result = resume(tmp_path / "parts", {})
    assert (result.steps, result.interrupted, result.hole_psnr) == (6, False, whole.hole_psnr)
    assert_same_weights(tmp_path / "whole", tmp_path / "parts")
    steps = [line["step"] for line in read_log(tmp_path / "parts" / "log.jsonl", "validation")]
    assert steps == [3, 6]


def test_batch_normalisation_is_averaged_and_its_counters_are_copied(tmp_path):
    train(small_settings(output=tmp_path / "run", precision="bf16-mixed", **LAMA))
    averaged = weights(tmp_path / "run")
    last = load_state(Run(tmp_path / "run").state)["objective"]["generator"]["network"]
    counter, mean = (f"model.1.bn_l.{name}" for name in ("num_batches_tracked", "running_mean"))
    assert averaged[counter] == last[counter] == 6
    assert 0 < (averaged[mean] - last[mean]).abs().max() < 1
    filled = Inpainter.load(tmp_path / "run").fill(torch.rand(3, 33, 20), torch.eye(33)[:, :20])
    assert filled.shape == (3, 33, 20)


@pytest.mark.parametrize("changes", [{}, ADVERSARIAL_RUN], ids=["reconstruction", "adversarial"])
def test_killed_runs_resume_bit_by_bit(tmp_path, changes):
    """`kill -9` at several moments: while reading, between saves, and perhaps within one."""
    whole = train(small_settings(output=tmp_path / "whole", steps=40, **changes))
    recipe = tmp_path / "whole" / "recipe.yaml"
    killed = tmp_path / "killed"
    for moment in range(3):
        if not (killed / "recipe.yaml").exists():
            shutil.rmtree(killed, ignore_errors=True)
            arguments = ["--config", str(recipe), "-o", str(killed)]
        else:
            arguments = ["--resume", str(killed)]
        log = killed / "log.jsonl"
        before = log.read_bytes() if log.exists() else b""
        process = processes.start(processes.COMMAND, ["train", *arguments])
        while process.is_alive() and moment and (not log.exists() or log.read_bytes() == before):
            time.sleep(0.001)  # waits for the run to write, not for time to pass
        process.kill()
        process.join()
    result = resume(killed, {}) if (killed / "recipe.yaml").exists() else pytest.fail("never began")
    assert result.steps == 40
    assert result.hole_psnr == whole.hole_psnr
    assert_same_weights(tmp_path / "whole", killed)


def test_ctrl_c_saves_and_says_how_to_go_on(tmp_path):
    code = (
        "import os, signal; from inpaintlab.training import record; step = record.Console.on_step\n"
        "def press(self, trainer, taken):\n"
        "    step(self, trainer, taken)\n"
        "    if trainer.step == 2: os.kill(os.getpid(), signal.SIGINT)\n"
        "record.Console.on_step = press\n"
        "from inpaintlab.cli import main; main()"
    )
    words = "train samples:40 --size 16 --steps 50 --batch-size 4 -o run -s network.width=8"
    done = processes.run(code, words.split(), tmp_path)
    assert done.returncode == 130, done.stderr
    assert "stopped and saved at step 2; go on: inpaint train --resume run" in done.stdout
    assert load_state(tmp_path / "run" / "state" / "training.pt")["step"] == 2


def test_a_second_signal_interrupts_at_once():
    before = signal.getsignal(signal.SIGINT)  # ignored in a shell's background
    with StopSignal() as stop:
        os.kill(os.getpid(), signal.SIGTERM)
        assert stop.requested
        with pytest.raises(KeyboardInterrupt):
            os.kill(os.getpid(), signal.SIGINT)
    assert signal.getsignal(signal.SIGINT) is before


def test_more_steps_can_be_given_later(tmp_path):
    train(small_settings(output=tmp_path / "run"))
    with pytest.raises(RunError, match="is over after 6 steps: give more"):
        resume(tmp_path / "run", {})
    with pytest.raises(RunError, match="batch_size, size cannot change"):
        resume(tmp_path / "run", {"batch_size": 2, "size": 32, "steps": 9})
    assert resume(tmp_path / "run", {"steps": 8}).steps == 8
    assert "steps: 8" in (tmp_path / "run" / "recipe.yaml").read_text()
    steps = [line["step"] for line in read_log(tmp_path / "run" / "log.jsonl", "validation")]
    assert steps == [3, 6, 8]


@pytest.mark.parametrize("lost", [["state/training.pt"], ["state/training.pt", "model.safetensors"]])
def test_weights_without_their_state_are_never_replaced(tmp_path, lost):
    """A folder that was cleaned or copied in part."""
    train(small_settings(output=tmp_path / "run"))
    for name in lost:
        (tmp_path / "run" / name).unlink()
    kept = {path: path.read_bytes() for path in (tmp_path / "run").glob("*.safetensors")}
    with pytest.raises(RunError, match=r"has weights but no state/training.pt, .* train anew with"):
        resume(tmp_path / "run", {"steps": 9})
    assert {path: path.read_bytes() for path in (tmp_path / "run").glob("*.safetensors")} == kept


def test_a_run_killed_in_the_middle_of_its_first_save_begins_anew(tmp_path, monkeypatch, capsys):
    def killed(*_: object) -> None:
        raise SystemExit

    with monkeypatch.context() as patch:
        patch.setattr(trainer, "save_state", killed)
        with pytest.raises(SystemExit):
            train(small_settings(output=tmp_path / "run", guards="off"))
    assert {path.name for path in (tmp_path / "run").glob("*.safetensors")} == {
        *("model.safetensors", "last.safetensors")
    }
    resume(tmp_path / "run", {})
    assert "run has no save to go on from: it begins at step 0" in capsys.readouterr().err
    train(small_settings(output=tmp_path / "whole", guards="off"))
    assert_same_weights(tmp_path / "whole", tmp_path / "run")


def test_a_state_of_another_run_is_refused(tmp_path):
    train(small_settings(output=tmp_path / "run"))
    other = train(
        small_settings(output=tmp_path / "other", network={"name": "unet", "width": 12, "depth": 1})
    )
    shutil.copy(other.folder / "state" / "training.pt", tmp_path / "run" / "state" / "training.pt")
    with pytest.raises(RunError, match="is of another run, or of another version"):
        resume(tmp_path / "run", {"steps": 9})


def test_a_state_older_than_the_best_weights_never_replaces_them(tmp_path):
    train(small_settings(output=tmp_path / "run", steps=3))
    old = (tmp_path / "run" / "state" / "training.pt").read_bytes()
    resume(tmp_path / "run", {"steps": 30})
    best = load_file(tmp_path / "run" / "model.safetensors")
    (tmp_path / "run" / "state" / "training.pt").write_bytes(old)
    resumed = resume(tmp_path / "run", {"steps": 4})  # of so few steps, worse ones
    assert resumed.steps == 4
    after = load_file(tmp_path / "run" / "model.safetensors")
    assert all(torch.equal(best[name], after[name]) for name in best)


def test_minutes_are_kept_to(tmp_path):
    """The clock decides: a budget of a second ends by itself, with a validation and weights."""
    result = train(small_settings(output=tmp_path / "run", steps=None, minutes=1 / 60))
    assert result.steps >= 1
    assert (tmp_path / "run" / "model.safetensors").is_file()


def test_images_that_changed_meanwhile_are_told(tmp_path, capsys):
    folder = save_portraits(tmp_path / "images", 40)
    train(small_settings(data=str(folder), output=tmp_path / "run"))
    save_portraits(folder / "more", 45)
    resume(tmp_path / "run", {"steps": 8})
    assert "not the ones this run began with" in capsys.readouterr().err


def test_bad_images_are_named_in_the_run(tmp_path, capsys):
    folder = save_portraits(tmp_path / "images", 40)
    broken = sorted(folder.iterdir())[:12]
    for path in broken:
        path.write_bytes(path.read_bytes()[:400])
    train(small_settings(data=str(folder), output=tmp_path / "run", max_bad_fraction=0.5))
    named = json.loads((tmp_path / "run" / "data.json").read_text())["bad"]
    assert named
    assert {bad["name"] for bad in named} <= {path.name for path in broken}
    assert f"{len(named)} images passed over" in capsys.readouterr().err


def test_a_run_folder_is_not_overwritten(tmp_path):
    train(small_settings(output=tmp_path / "run"))
    with pytest.raises(RunError, match="exists already: name another with -o, or go on with --resume"):
        train(small_settings(output=tmp_path / "run"))


@pytest.mark.parametrize("was_there", [False, True])
@pytest.mark.parametrize(("count", "size"), [(1, 16), (25, 64)])
def test_a_refused_start_leaves_the_name_free(tmp_path, was_there, count, size):
    unfit = save_portraits(tmp_path / "unfit", count)
    if was_there:
        (tmp_path / "run").mkdir()
    with pytest.raises(DataError):
        train(small_settings(data=str(unfit), output=tmp_path / "run", size=size))
    assert not list(tmp_path.glob("run/*"))
    train(small_settings(output=tmp_path / "run", steps=1))


def test_images_that_were_moved_are_told_with_what_the_command_takes(inpaint, tmp_path, portraits):
    run = train(small_settings(data=str(portraits), output=tmp_path / "run")).folder
    moved = portraits.rename(tmp_path / "moved")
    words = r"no longer at .*portraits: put them back there, or write .* data into .*recipe\.yaml"
    with pytest.raises(DataError, match=words):
        resume(run, {"steps": 8})
    for words in ("evaluate run", "diagnose run"):
        code, _, err = inpaint(words)
        assert (code, err.endswith("portraits: say --data FOLDER\n")) == (2, True), err
    recipe = (run / "recipe.yaml").read_text()
    (run / "recipe.yaml").write_text(recipe.replace(str(portraits), str(moved)))
    assert resume(run, {"steps": 8}).steps == 8


def test_new_folders_under_runs(tmp_path):
    names = [train(small_settings(steps=1)).folder for _ in range(2)]
    assert [str(name) for name in names] == ["runs/samples-40-1", "runs/samples-40-2"]


def test_a_loss_that_is_no_number_ends_the_run(tmp_path):
    with pytest.raises(
        RunError, match=r"the loss is (nan|inf) at step \d+: start again with a smaller -s learning_rate"
    ):
        train(
            small_settings(
                output=tmp_path / "run",
                steps=20,
                learning_rate=1e30,
                warmup_fraction=0,
                grad_clip=1e30,
                guards="off",
            )
        )


@pytest.mark.parametrize(
    ("changes", "error", "words"),
    [
        ({"size": 18}, SizeError, "nearest: 16 or 20"),
        ({"data": "nowhere"}, DataError, "does not exist"),
        ({"batch_size": 3, "devices": 2}, SettingError, "cannot be shared by 2 devices"),
        ({"batch_size": 10**9}, MemoryLimitError, r"GB are free: .*fits with --batch-size \d+"),
        ({"network": {"name": "unet", "widht": 3}}, SettingError, "did you mean 'width'"),
        ({"masks": [{"name": "strokes", "conut": 3}]}, SettingError, "did you mean 'count'"),
        ({"masks": [{"name": "rectangles", "count": 3, "side": [0.9, 0.1]}]}, SettingError, "rising"),
    ],
)
def test_known_before_the_first_step(tmp_path, changes, error, words):
    with pytest.raises(error, match=words):
        train(small_settings(output=tmp_path / "run", **changes))
    assert not (tmp_path / "run").exists()


def two_processes(tmp_path, words, code=processes.COMMAND):
    """Run a command for two devices: its process starts the script of its name a second time."""
    script = tmp_path / "inpaint.py"
    script.write_text(code)
    return processes.run(code, [str(script), *words.split()], tmp_path)


def torchrun(tmp_path, words):
    """Let torchrun start both processes."""
    script = tmp_path / "inpaint.py"
    script.write_text(processes.COMMAND)
    command = [sys.executable, "-m", "torch.distributed.run", "--nproc-per-node", "2", script]
    return subprocess.run([*command, *words.split()], capture_output=True, text=True)


@pytest.mark.parametrize(
    ("changes", "launcher", "flag"),
    [
        ({}, two_processes, "--devices 2"),
        (ADVERSARIAL_RUN, two_processes, "--devices 2"),
        (ADVERSARIAL_RUN, torchrun, ""),
    ],
    ids=["reconstruction", "adversarial", "torchrun"],
)
def test_two_devices_see_the_same_batch(tmp_path, changes, launcher, flag):
    """Two processes on CPU share each batch: the same weights as one process, but for rounding."""
    train(small_settings(output=tmp_path / "one", **changes))
    words = f"train --config {tmp_path}/one/recipe.yaml {flag} --json -o {tmp_path}/two"
    done = launcher(tmp_path, words)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["hole_psnr"] > 0  # one document, of the process that validates
    one, two = weights(tmp_path / "one"), weights(tmp_path / "two")
    assert all(torch.allclose(one[key], two[key], rtol=0, atol=1e-5) for key in one)
    learnt = [load_state(Run(tmp_path / name).state)["objective"] for name in ("one", "two")]
    for name in learnt[0].keys() - {"generator"}:
        first, second = (objective[name]["network"] for objective in learnt)
        assert all(torch.allclose(first[key], second[key], rtol=0, atol=1e-5) for key in first)


def test_torchrun_and_another_number_of_devices_are_refused(tmp_path, monkeypatch):
    """What torchrun tells its processes; the real one is above."""
    told = {"TORCHELASTIC_RUN_ID": "none", "WORLD_SIZE": "2", "LOCAL_WORLD_SIZE": "2"}
    for name, value in told.items():
        monkeypatch.setenv(name, value)
    words = "torchrun has started 2 processes, --devices says 3: leave --devices out"
    with pytest.raises(SettingError, match=words):
        train(small_settings(output=tmp_path / "two", batch_size=6, devices=3))
    assert not (tmp_path / "two").exists()


def test_a_full_disk_while_saving_leaves_the_last_save_and_is_told(tmp_path, monkeypatch):
    """The disk is full from the second save on: that of step 3 stays, and the run goes on from it."""
    written = []

    def full(number: int) -> None:
        written.append(number)
        if load_state(Run(tmp_path / "run").state):
            raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(files.os, "fsync", full)
        with pytest.raises(OutputError, match=r"cannot write .*: No space left on device"):
            train(small_settings(output=tmp_path / "run"))
    assert load_state(Run(tmp_path / "run").state)["step"] == 3
    assert not [path for path in (tmp_path / "run").rglob("*") if path.suffix == ".tmp"]
    whole = train(small_settings(output=tmp_path / "whole"))
    assert resume(tmp_path / "run", {}).hole_psnr == whole.hole_psnr
    assert_same_weights(tmp_path / "whole", tmp_path / "run")


@pytest.mark.parametrize("method", ["__init__", "add_scalar", "add_image", "close"])
def test_a_full_disk_while_the_log_is_written_is_told(tmp_path, monkeypatch, method):
    def full(*_: object, **__: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(SummaryWriter, method, full)
        with pytest.raises(
            OutputError, match=r"cannot write the log of .*run: No space left .* --resume"
        ):
            train(small_settings(output=tmp_path / "run", steps=20))
    assert resume(tmp_path / "run", {"steps": 22}).steps == 22


def test_a_small_batch_with_batch_norm_is_warned_of_before_the_run(tmp_path, capsys):
    network = {"name": "swift", "width": 8}
    train(small_settings(network=network, batch_size=4, steps=1, output=tmp_path / "run"))
    assert "warning: " in capsys.readouterr().err

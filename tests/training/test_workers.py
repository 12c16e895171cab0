"""Workers that end in the middle of a run: one line, and the run goes on without them."""

import os
import signal

import pytest
from torch.utils.data import get_worker_info

from inpaintlab.checkpoints import Run, load_state
from inpaintlab.data.sampling import TrainingSamples
from inpaintlab.errors import DataError, RunError
from inpaintlab.training import resume, train
from tests.conftest import small_settings


def killed(batch):
    os.kill(os.getpid(), signal.SIGKILL)


def no_shared_memory(batch):
    os.kill(os.getpid(), signal.SIGBUS)


def not_to_be_sent(batch):
    """As where shared memory is full when the batch is put there: torch would drop it, and wait."""
    return lambda: batch


def out_of_memory(batch):
    raise RuntimeError(
        "unable to allocate shared memory(shm) for file </a>: No space left on device (28)"
    )


def refuses(batch):
    raise DataError("the images can no longer be read: gone")


ENDED = r"^a worker that reads images has ended .* write workers: 0 into .*; then inpaint train --resume"
CASES = [
    *((end, RunError, ENDED) for end in (killed, no_shared_memory, not_to_be_sent, out_of_memory)),
    (refuses, DataError, "^the images can no longer be read: gone$"),
]


@pytest.mark.parametrize(("end", "kind", "message"), CASES, ids=lambda of: getattr(of, "__name__", ""))
def test_the_end_of_a_worker_is_one_line(tmp_path, monkeypatch, capfd, end, kind, message):
    run, real = Run(tmp_path / "run"), TrainingSamples.collate

    def collate(self, samples):
        batch = real(self, samples)
        # The first save, of step 3, is done before the worker has come to here.
        return end(batch) if get_worker_info() and run.state.is_file() else batch

    with monkeypatch.context() as patch:
        patch.setattr(TrainingSamples, "collate", collate)
        with pytest.raises(kind, match=message) as told:
            train(small_settings(output=run.folder, steps=400, workers=1))
    assert "\n" not in str(told.value)
    assert "Traceback" not in capfd.readouterr().err
    step = load_state(run.state)["step"]
    assert step >= 3
    run.recipe.write_text(run.recipe.read_text().replace("workers: 1", "workers: 0"))
    assert resume(run.folder, {"steps": step + 3}).steps == step + 3


def test_a_long_name_of_the_temporary_folder_is_refused_before_the_first_step(tmp_path, monkeypatch):
    """Where its sockets cannot be opened a worker's batches are lost, and the run waited for ever."""
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / ("t" * 80)))
    with pytest.raises(RunError, match=r"more than 75 bytes: set TMPDIR .* -s workers=0$"):
        train(small_settings(output=tmp_path / "run", steps=4, workers=1))
    assert train(small_settings(output=tmp_path / "other", steps=4, workers=0)).steps == 4

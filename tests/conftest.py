"""What all tests share: one thread, no runs left behind, small images and runs to work on."""

import os
import shutil
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import settings
from PIL import Image

from inpaintlab import cli, masks, networks, registry
from inpaintlab.baselines import BASELINES
from inpaintlab.checkpoints import ModelCard
from inpaintlab.data import samples
from inpaintlab.data.augment import AUGMENTATIONS
from inpaintlab.inpainter import Inpainter
from inpaintlab.losses import LOSSES
from inpaintlab.metrics import FIGURES, METRICS
from inpaintlab.networks.discriminators import DISCRIMINATORS
from inpaintlab.settings import TrainSettings
from inpaintlab.tensors import to_tensor
from inpaintlab.training import curriculum, objectives, train
from inpaintlab.trust import Trust, trust
from inpaintlab.trust.novelty import Encoder

REAL_DATA = Path(__file__).parents[1].parent / "shared" / "data"

# Nothing is judged by the clock: a machine under load is no fault of ours.
settings.register_profile("inpaintlab", deadline=None)
settings.load_profile("inpaintlab")

# Tests import onnxruntime themselves, too: it writes telemetry into the user's cache otherwise.
os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")

# Test processes run side by side, one a core, and so do the commands that they start: threads that wait
# for each other on a busy machine took a test of seconds ten minutes.
torch.set_num_threads(1)
os.environ.setdefault("OMP_NUM_THREADS", "1")


@pytest.fixture(autouse=True)
def _own_folder(tmp_path, tmp_path_factory, monkeypatch):
    """Every test works in a folder of its own: nothing lands in the project, nor in the user's cache."""
    monkeypatch.chdir(tmp_path)
    session = tmp_path_factory.getbasetemp()
    shared = session.parent if "PYTEST_XDIST_WORKER" in os.environ else session
    monkeypatch.setenv("XDG_CACHE_HOME", str(shared / "cache"))


#: What plugins and tests add parts to.
TABLES = (
    *(networks.NETWORKS, DISCRIMINATORS, objectives.OBJECTIVES, curriculum.CURRICULA, LOSSES),
    *(masks.KINDS, AUGMENTATIONS, METRICS, FIGURES, BASELINES, registry._LOADED),
)


@pytest.fixture(autouse=True)
def _no_parts_left_behind():
    """What a test registers, or loads as a plugin, is unknown to the next one."""
    before, modules = [dict(table) for table in TABLES], set(sys.modules)
    yield
    for table, parts in zip(TABLES, before, strict=True):
        if table != parts:
            table.clear()
            table.update(parts)
    for name in set(sys.modules) - modules:
        if name.startswith("inpaintlab_plugin_"):
            del sys.modules[name]


@pytest.fixture
def inpaint(monkeypatch, capfd):
    """Run a command line in this process; returns exit code, stdout and stderr."""

    def run(words):
        monkeypatch.setattr(
            sys, "argv", ["inpaint", *(words.split() if isinstance(words, str) else words)]
        )
        with pytest.raises(SystemExit) as stopped:
            cli.main()
        out, err = capfd.readouterr()
        return stopped.value.code or 0, out, err

    return run


@pytest.fixture
def real_faces() -> Path:
    """The folder of real faces; skips where it is not there."""
    return _real("faces")


@pytest.fixture
def real_masks() -> Path:
    """The folder of real irregular masks; skips where it is not there."""
    return _real("masks")


@pytest.fixture
def real_portraits() -> Path:
    """The folder of real portraits that are not aligned; skips where it is not there."""
    return _real("portraits")


@pytest.fixture
def real_keypoints() -> Path:
    """The folder of point lists that belong to the portraits; skips where it is not there."""
    return _real("portraits_keypoints")


def _real(name: str) -> Path:
    folder = REAL_DATA / name
    if not folder.is_dir():
        pytest.skip(
            f"needs the real images in {os.path.relpath(folder)}, which are not part of the project"
        )
    return folder


def save_portraits(folder: Path, count: int, size: int = 40) -> Path:
    """Write sample portraits as PNG files."""
    folder.mkdir(parents=True, exist_ok=True)
    for index in range(count):
        Image.fromarray(samples.draw(index, size)).save(folder / f"{index:03}.png")
    return folder


def save_noise(folder: Path, side: int, count: int = 8) -> str:
    """Write images of noise, which no model has learnt from; returns the folder's name."""
    folder.mkdir()
    for index in range(count):
        pixels = np.random.default_rng(index).integers(0, 256, (side, side, 3), np.uint8)
        Image.fromarray(pixels).save(folder / f"{index}.png")
    return str(folder)


@pytest.fixture
def portraits(tmp_path) -> Path:
    """A folder of 40 small portraits."""
    return save_portraits(tmp_path / "portraits", 40)


@pytest.fixture(scope="module")
def knowing():
    """An `Inpainter` whose network has learnt nothing, but knows what portraits of 32 px look like."""

    def portraits(count, first=0):
        for start in range(first, first + count * 16, 16):
            drawn = np.stack([samples.draw(index, 32) for index in range(start, start + 16)])
            masked = masks.frozen({"name": "rectangles", "side": (0.15, 0.75)}, 32, 16, start)
            yield to_tensor(drawn), masked.batch(0, 16)

    arguments = {"width": 8, "depth": 1, "dilations": (1,)}
    torch.manual_seed(0)
    network = networks.create("unet", **arguments)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(trust, "sources_of", lambda method: {"encoder": Encoder(method)})
        known = Trust.fit(network, portraits(12), portraits(6, 1000), steps=20)
        yield Inpainter(network, ModelCard("unet", arguments, 32), trust=known)


def small_settings(**changes) -> TrainSettings:
    """Settings of a run that takes a second or two."""
    defaults = {
        "data": "samples:40",
        "size": 16,
        "steps": 6,
        "batch_size": 4,
        "network": {"name": "unet", "width": 8, "depth": 1, "dilations": [1]},
        "validate_every": 3,
        "validation_images": 8,
    }
    return TrainSettings.model_validate(defaults | changes)


@pytest.fixture(scope="session")
def trained_run(tmp_path_factory) -> Path:
    """The folder of a small finished run; tests that write into it work on a copy."""
    folder = tmp_path_factory.mktemp("shared") / "run"
    return train(small_settings(output=folder, size=32)).folder


@pytest.fixture
def photo() -> np.ndarray:
    """An image of an odd size, uint8 RGB."""
    return samples.draw(5, 75)[:61]


#: Chromium says nothing to anybody: it looks for updates and lists of its maker otherwise.
_QUIET = (
    "--headless --no-sandbox --disable-gpu --disable-background-networking --disable-component-update "
    "--disable-sync --no-first-run"
)


@pytest.fixture(scope="module")  # while it runs, no other test of the process can run an event loop
def browser():
    """A real browser; skips where there is none."""
    reason = "needs a browser: pip install playwright, and the system's package chromium"
    playwright = pytest.importorskip("playwright.sync_api", reason=reason)
    program = shutil.which("chromium")
    if program is None:
        pytest.skip(reason)
    with playwright.sync_playwright() as started:
        # Playwright gives it a new and empty folder for its user.
        chromium = started.chromium.launch(executable_path=program, args=_QUIET.split())
        yield chromium
        chromium.close()

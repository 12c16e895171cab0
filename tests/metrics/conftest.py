"""Files of weights, made once; images with a hole."""

import pytest

from tests.weights import TORCHVISION, trust, write_inception, write_torchvision


@pytest.fixture(scope="session")
def files(tmp_path_factory):
    """A folder of weights with torchvision's names and shapes, and of Inception, but other numbers."""
    return write_torchvision(tmp_path_factory.mktemp("weights"))


@pytest.fixture(scope="session")
def inception_file(tmp_path_factory):
    pytest.importorskip("torch_fidelity")
    return write_inception(tmp_path_factory.mktemp("inception") / "inception.pth")


@pytest.fixture
def trusted(files, monkeypatch, tmp_path):
    """Let the hashes of these files be the right ones, in a home without fetched weights."""
    monkeypatch.setenv("TORCH_HOME", str(tmp_path / "torch"))
    for name in TORCHVISION:
        trust(monkeypatch, files / f"{name}.pth", name)
    return files

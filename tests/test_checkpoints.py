import os

import pytest
import torch
from safetensors.torch import save_file

from inpaintlab import networks
from inpaintlab.checkpoints import (
    ModelCard,
    Run,
    load_model,
    load_state,
    read_json,
    save_model,
    save_state,
    write_json,
)
from inpaintlab.errors import RunError
from inpaintlab.runs import newest_run

ARGUMENTS = networks.resolve("unet", {"width": 8, "depth": 1})


def saved(path, arguments=ARGUMENTS):
    network = networks.create("unet", **ARGUMENTS)
    save_model(path, network.state_dict(), ModelCard("unet", arguments, 32))
    return network


def test_weights_carry_their_config(tmp_path):
    network = saved(tmp_path / "m.safetensors")
    loaded, card = load_model(tmp_path / "m.safetensors")
    assert card == ModelCard("unet", ARGUMENTS, 32, {})
    for name, tensor in network.state_dict().items():
        assert torch.equal(tensor, loaded.state_dict()[name])


@pytest.mark.parametrize(
    ("value", "size", "words"),
    [
        (float("nan"), 32, "values in .* that are not finite"),
        (float("inf"), 32, "values in .* that are not finite"),
        (0.0, 0, "its size must be at least 8"),
        (0.0, 1e30, "its size must be "),
        (0.0, "wide", "its size must be a whole number"),
    ],
)
def test_weights_that_would_fill_with_nonsense(tmp_path, value, size, words):
    weights = networks.create("unet", **ARGUMENTS).state_dict()
    weights["leave.weight"][0, 0, 0, 0] = value
    save_model(tmp_path / "m.safetensors", weights, ModelCard("unet", ARGUMENTS, size))
    with pytest.raises(RunError, match=words):
        load_model(tmp_path / "m.safetensors")


def test_a_file_of_very_many_tensors_is_not_read(tmp_path):
    save_file({str(number): torch.zeros(1) for number in range(20_001)}, tmp_path / "m.safetensors")
    with pytest.raises(RunError, match="holds 20,001 tensors, at most 20,000"):
        load_model(tmp_path / "m.safetensors")


def test_files_that_are_no_weights_of_ours(tmp_path):
    path = tmp_path / "m.safetensors"
    with pytest.raises(RunError, match="there is no file"):
        load_model(path)
    path.write_bytes(b"garbage" * 10)
    with pytest.raises(RunError, match="not a safetensors file, or damaged"):
        load_model(path)
    save_file({"a": torch.zeros(2)}, path)
    with pytest.raises(RunError, match="was not written by inpaintlab"):
        load_model(path)
    saved(path, {**ARGUMENTS, "width": 16})
    with pytest.raises(RunError, match="does not fit this version"):
        load_model(path)
    saved(path, {**ARGUMENTS, "depht": 16})
    with pytest.raises(RunError, match="did you mean 'depth'"):
        load_model(path)


def test_state_runs_no_code(tmp_path):
    path = tmp_path / "state" / "training.pt"
    assert load_state(path) is None
    save_state(path, {"step": 3, "network": {"a": torch.arange(3)}})
    assert load_state(path)["network"]["a"].tolist() == [0, 1, 2]
    torch.save({"call": os.getcwd}, path)
    with pytest.raises(RunError, match="is damaged"):
        load_state(path)
    path.write_bytes(b"\0" * 100)
    with pytest.raises(RunError, match="is damaged"):
        load_state(path)


def test_run_folders(tmp_path):
    with pytest.raises(RunError, match="does not exist"):
        Run.open(tmp_path / "none")
    with pytest.raises(RunError, match=r"has no recipe\.yaml"):
        Run.open(tmp_path)


def test_newest_run(tmp_path):
    assert newest_run(tmp_path) is None
    for age, name in enumerate(("b", "a", "c")):
        saved(tmp_path / name / "model.safetensors")
        os.utime(tmp_path / name / "model.safetensors", (1000 - age, 1000 - age))
    assert newest_run(tmp_path).name == "b"


def test_json(tmp_path):
    write_json(tmp_path / "a.json", {"name": "Navier–Stokes"})
    assert read_json(tmp_path / "a.json") == {"name": "Navier–Stokes"}
    with pytest.raises(RunError, match="cannot read"):
        read_json(tmp_path / "b.json")

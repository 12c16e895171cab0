import torch

from inpaintlab.checkpoints import Run, load_state, save_state
from inpaintlab.training.guards.snapshots import Snapshots


def state(step):
    return {"step": step, "weights": torch.full((2,), float(step))}


def save(snapshots, run, step):
    snapshots.make_room(step)
    save_state(run.state, state(step))


def test_a_save_counts_as_good_once_it_has_survived(tmp_path):
    run = Run(tmp_path)
    snapshots = Snapshots(run, state(0), validate_every=100)
    save(snapshots, run, 100)
    snapshots.confirm(149)
    assert snapshots.good["step"] == 0
    snapshots.confirm(150)
    assert snapshots.good["step"] == 100
    assert torch.equal(snapshots.good["weights"], torch.full((2,), 100.0))


def test_a_killed_run_finds_the_same_good_state(tmp_path):
    run = Run(tmp_path)
    snapshots = Snapshots(run, state(0), validate_every=100)
    save(snapshots, run, 100)
    snapshots.confirm(160)
    save(snapshots, run, 200)
    again = Snapshots(run, load_state(run.state), validate_every=100)
    assert (again.good["step"], again.on_trial) == (snapshots.good["step"], 200) == (100, 200)
    for one in (snapshots, again):
        one.confirm(250)
        assert one.good["step"] == 200


def test_a_save_on_trial_is_replaced_but_the_good_one_is_kept(tmp_path):
    run = Run(tmp_path)
    snapshots = Snapshots(run, state(0), validate_every=100)
    save(snapshots, run, 100)
    snapshots.confirm(150)
    save(snapshots, run, 200)
    save(snapshots, run, 210)  # as when a run is interrupted
    assert load_state(run.previous)["step"] == 100
    assert load_state(run.state)["step"] == 210


def test_after_going_back_nothing_older_is_kept(tmp_path):
    run = Run(tmp_path)
    snapshots = Snapshots(run, state(0), validate_every=100)
    save(snapshots, run, 100)
    snapshots.confirm(150)
    save(snapshots, run, 200)
    snapshots.roll_back()
    assert not run.previous.exists()
    assert snapshots.good["step"] == 100
    assert not list(run.state.parent.glob("*.tmp"))


def test_the_state_of_the_start_is_a_copy(tmp_path):
    first = state(0)
    snapshots = Snapshots(Run(tmp_path), first, validate_every=100)
    first["weights"].zero_().add_(7)
    assert float(snapshots.good["weights"][0]) == 0

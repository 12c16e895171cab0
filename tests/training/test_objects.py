"""Everything that a trainer takes can be an object of the user's own."""

from itertools import pairwise

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.utils.data import Dataset

import inpaintlab as il
from inpaintlab.checkpoints import load_state
from inpaintlab.data import samples
from inpaintlab.errors import InpaintlabError, RunError, SettingError
from inpaintlab.networks import NETWORKS
from inpaintlab.runs import read_log
from tests.training.test_trainer import assert_same_weights

OPTIONS = {"size": 16, "batch_size": 4, "validate_every": 3, "validation_images": 8}


class Foreign(nn.Module):
    """A network of somebody else: it knows nothing of inpaintlab, and takes any constructor."""

    def __init__(self, *widths: int) -> None:
        super().__init__()
        sides = (4, *widths, 3)
        self.layers = nn.ModuleList(nn.Conv2d(a, b, 3, padding=1) for a, b in pairwise(sides))

    def forward(self, image: Tensor, mask: Tensor) -> Tensor:
        features = torch.cat([image, mask], 1)
        for layer in self.layers:
            features = torch.relu(layer(features))
        return features


class Portraits(Dataset):
    """A map-style dataset of somebody else, which gives images and labels."""

    def __len__(self):
        return 40

    def __getitem__(self, index):
        return samples.draw(index, 24), index % 2


def foreign():
    torch.manual_seed(0)
    return Foreign(8, 8)


def mean_error(output: Tensor, image: Tensor, mask: Tensor) -> Tensor:
    return ((output - image).abs() * (1 + mask)).mean()


class Centre:
    """Masks of one square."""

    def draw(self, height, width, generator):
        mask = np.zeros((height, width), np.uint8)
        mask[height // 4 : height // 2, width // 4 : width // 2] = 1
        return mask


class StopEarly:
    """A callback that knows nothing of ours."""

    def __init__(self, after: int = 10**6) -> None:
        self.after, self.told = after, []

    def on_step(self, trainer, step):
        self.told.append((trainer.step, float(step.scalars["loss"])))
        if trainer.step == self.after:
            trainer.stop("enough is enough")

    def on_validation(self, trainer, scalars):
        scalars["mine"] = 1.0

    def scalars(self):
        return {"steps_seen": len(self.told)}

    def state_dict(self):
        return {"told": self.told}

    def load_state_dict(self, state):
        self.told = [tuple(one) for one in state["told"]]


def trainer(folder, network=None, objective=mean_error, data="samples:40", **options):
    return il.Trainer(network or foreign(), objective, data, output=folder, **OPTIONS | options)


ARRAYS = [samples.draw(index, 24) for index in range(40)]


@pytest.mark.parametrize(
    "data",
    ["samples:40", ARRAYS, Portraits(), lambda: il.open_dataset(ARRAYS)],
    ids=["named", "arrays", "map-style", "opened"],
)
def test_own_network_and_data(tmp_path, data):
    run = trainer(tmp_path / "run", data=data() if callable(data) else data).fit(steps=6)
    assert (run.steps, run.interrupted, run.stopped) == (6, False, None)
    hole = np.zeros((40, 50), bool)
    hole[10:20, 10:25] = True
    photo = samples.draw(3, 50)[:40]
    filled = il.load(run, network=foreign()).fill(photo, hole)
    assert np.array_equal(filled[~hole], photo[~hole])
    assert not np.array_equal(filled[hole], photo[hole])
    again = il.Inpainter(run.network, size=16).fill(photo, hole)
    assert np.array_equal(filled, again)


def test_a_run_of_an_object_says_what_it_needs(tmp_path):
    run = trainer(tmp_path / "run").fit(steps=1)
    with pytest.raises(InpaintlabError, match=r"given as an object \(.*Foreign\).*network="):
        il.load(run.folder)
    with pytest.raises(RunError, match="given as an object"):
        il.resume(run.folder, {"steps": 3})


@pytest.mark.parametrize("stop_after", [1, 4])
def test_objects_resume_bit_by_bit(tmp_path, stop_after):
    options = {"masks": Centre(), "learning_rate": 1e-3}
    whole = trainer(tmp_path / "whole", callbacks=[il.Guards(), StopEarly()], **options).fit(steps=6)
    halves = [StopEarly(stop_after), StopEarly()]
    first = trainer(tmp_path / "parts", callbacks=[il.Guards(), halves[0]], **options).fit(steps=6)
    assert first.stopped == "enough is enough"
    again = trainer(tmp_path / "parts", callbacks=[il.Guards(), halves[1]], **options)
    second = again.fit(steps=6, resume=True)
    assert (second.steps, second.hole_psnr) == (6, whole.hole_psnr)
    assert_same_weights(whole.folder, second.folder)
    assert [step for step, _ in halves[1].told] == [1, 2, 3, 4, 5, 6]
    other = type("Another", (StopEarly,), {})()
    with pytest.raises(RunError, match="saved without callback Another"):
        trainer(tmp_path / "parts", callbacks=[il.Guards(), other], **options).fit(steps=9, resume=True)


def test_one_trainer_goes_on_with_its_run_and_begins_no_second(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    whole = trainer("whole", callbacks=[il.Guards()]).fit(steps=6)
    again = trainer(None, callbacks=[il.Guards(), StopEarly(4)])
    first = again.fit(steps=6)
    assert (first.steps, first.stopped) == (4, "enough is enough")
    with pytest.raises(RunError, match=r"taken 4 steps already: go on with fit\(resume=True\)"):
        again.fit(steps=6)
    second = again.fit(steps=6, resume=True)
    assert (second.folder, second.steps, second.stopped) == (first.folder, 6, None)
    assert_same_weights(whole.folder, second.folder)


def test_what_a_callback_stops_before_a_save_is_saved(tmp_path):
    run = trainer(tmp_path / "run", callbacks=[StopEarly(1)]).fit(steps=6)
    assert load_state(run.folder / "state" / "training.pt")["step"] == run.steps == 1


def test_callbacks_add_to_log_and_validation(tmp_path):
    run = trainer(tmp_path / "run", callbacks=[StopEarly()]).fit(steps=12)
    (line,) = read_log(run.folder / "log.jsonl", "train")
    assert line["steps_seen"] == 10
    assert all(line["mine"] == 1 for line in read_log(run.folder / "log.jsonl", "validation"))
    assert (
        load_state(run.folder / "state" / "training.pt")["callbacks"]["StopEarly"]["told"][-1][0] == 12
    )


def test_a_registered_network_is_known_by_its_name(tmp_path):
    @il.register_network("foreign")
    def make(width: int = 8) -> nn.Module:
        return Foreign(width)

    named = trainer(tmp_path / "named", il.create("foreign", width=4)).fit(steps=2)
    assert il.load(named.folder).network.layers[0].out_channels == 4
    by_settings = il.TrainSettings(
        data="samples:40", size=16, batch_size=4, steps=2, network={"name": "foreign", "width": 4},
        output=tmp_path / "settings", validation_images=8,
    )  # fmt: skip
    assert il.train(by_settings).steps == 2
    del NETWORKS["foreign"]
    with pytest.raises(InpaintlabError, match="unknown network 'foreign'"):
        il.load(named.folder)


def two_scalars(output, image, mask):
    return {"loss": mean_error(output, image, mask), "extra": output.mean()}


@pytest.mark.parametrize("objective", [mean_error, two_scalars, il.Reconstruction(), "own"])
def test_own_objectives(tmp_path, objective):
    class Own(il.Objective):
        def scalars(self, output, image, mask):
            return two_scalars(output, image, mask)

    run = trainer(tmp_path / "run", objective=Own() if objective == "own" else objective).fit(steps=10)
    (line,) = read_log(run.folder / "log.jsonl", "train")
    assert {"loss", "gradient_norm"} <= line.keys()
    assert ("extra" in line) == (objective in (two_scalars, "own"))


@pytest.mark.parametrize(
    ("changes", "error", "words"),
    [
        ({"objective": "l1"}, SettingError, "an Objective or a function"),
        ({"objective": lambda o, i, m: {"error": o.mean()}}, SettingError, "with loss among them"),
        ({"objective": lambda o, i, m: o}, SettingError, r"loss.*\[4, 3, 16, 16\]"),
        ({"steps": 3}, SettingError, "steps is no option of a trainer: give it to fit"),
        ({"guards": "act"}, SettingError, "guards are among the callbacks"),
        ({"batchsize": 3}, SettingError, "unknown setting 'batchsize', did you mean 'batch_size'"),
        ({"network": nn.Conv2d(3, 3, 1)}, InpaintlabError, "Conv2d"),
    ],
)
def test_what_is_no_part_is_refused_in_a_sentence(tmp_path, changes, error, words):
    with pytest.raises(error, match=words) as refused:
        trainer(tmp_path / "run", **changes).fit(steps=2)
    assert "\n" not in str(refused.value)

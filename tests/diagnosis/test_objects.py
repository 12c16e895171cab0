"""Checks and diagnoses of a network, a loss and a trainer of one's own."""

import torch
from torch import nn

from inpaintlab.diagnosis.check import Check, check
from inpaintlab.diagnosis.diagnose import Diagnosis, diagnose
from inpaintlab.training.trainer import Trainer


class Mine(nn.Module):
    """A module that says nothing of its needs."""

    def __init__(self):
        super().__init__()
        self.layers = nn.Sequential(
            nn.Conv2d(4, 8, 3, padding=1), nn.SiLU(), nn.Conv2d(8, 3, 3, padding=1)
        )

    def forward(self, image, mask):
        """Fill."""
        return self.layers(torch.cat([image * (1 - mask), mask], 1))


def error(output, image, mask):
    return (output - image).abs().mean()


def test_objects_are_checked_trained_and_diagnosed(tmp_path):
    trainer = Trainer(Mine(), error, "samples:60", size=32, batch_size=8, output=tmp_path / "run")
    before = [weight.clone() for weight in trainer.network.parameters()]
    page = tmp_path / "check.html"
    checked = check(trainer, output=page, seconds=1000, overfit_steps=20, rate_steps=40)
    assert all(map(torch.equal, before, trainer.network.parameters()))
    assert Check.from_dict(checked.as_dict()) == checked
    assert "capacity" in checked._repr_html_()
    assert checked.command == ""  # no command knows the module
    assert page.exists()
    assert not (tmp_path / "run").exists()
    found = diagnose(trainer.fit(steps=4))
    assert Diagnosis.from_dict(found.as_dict()) == found
    assert found.of("ok")

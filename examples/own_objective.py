"""Train against a network of your own: one that must guess which pixels were painted.

Usage: python examples/own_objective.py FOLDER. An objective owns its networks and their optimisers;
with them it is saved, resumed and rolled back.
"""

import sys
from pathlib import Path

import torch.nn.functional as F
from lightning_fabric import Fabric
from torch import Tensor, nn

import inpaintlab as il
from inpaintlab.training.objectives import Learner, Optimisation, Step


class Detective(il.Objective):
    """L1, and to be taken for real by a network that is shown the composite alone."""

    def __init__(self, weight: float = 0.01) -> None:
        self.weight = weight
        inside = [nn.Conv2d(3, 16, 5, padding=2), nn.ReLU(), nn.Conv2d(16, 1, 5, padding=2)]
        self.network = nn.Sequential(*inside)

    def attach(self, fabric: Fabric, network: nn.Module, optimisation: Optimisation) -> None:
        """Set up the trained network and the one that guesses."""
        super().attach(fabric, network, optimisation)
        self.learners["detective"] = Learner(fabric, self.network, optimisation)

    def scalars(self, output: Tensor, image: Tensor, mask: Tensor) -> dict[str, Tensor]:
        """Return what validation measures, too."""
        return {"loss": F.l1_loss(output, image)}

    def step(self, image: Tensor, mask: Tensor, rate: float, progress: float) -> Step:
        """Take a step of the trained network, and one of the detective."""
        output: Tensor = self.generator.model(image, mask)
        filled = image * (1 - mask) + output * mask
        loss = self.scalars(output, image, mask)["loss"]
        fooled = F.binary_cross_entropy_with_logits(self.network(filled), 0 * mask, weight=mask)
        self.generator.learn(loss + self.weight * fooled, rate)
        detective = self.learners["detective"]
        found = F.binary_cross_entropy_with_logits(detective.model(filled.detach()), mask)
        detective.learn(found, rate)
        scalars = {"loss": loss, "fooled": fooled, "found": found}
        return Step({name: value.detach() for name, value in scalars.items()}, output.detach())


def main(folder: Path, steps: int = 200) -> None:
    network = il.create("swift", size=32, width=8)
    trainer = il.Trainer(network, Detective(), "samples:200", size=32, batch_size=8, output=folder)
    print(trainer.fit(steps=steps))


if __name__ == "__main__":
    main(Path(sys.argv[1]))

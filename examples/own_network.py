"""Train a network, and a loss of your own, and watch it with a callback of your own.

Usage: python examples/own_network.py FOLDER. None of the parts knows anything of inpaintlab.
"""

import sys
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

import inpaintlab as il


class Plain(nn.Module):
    def __init__(self, width: int = 16) -> None:
        super().__init__()
        inside = [nn.Conv2d(4, width, 5, padding=2), nn.ReLU(), nn.Conv2d(width, 3, 5, padding=2)]
        self.layers = nn.Sequential(*inside)

    def forward(self, image: Tensor, mask: Tensor) -> Tensor:
        """Predict the whole image."""
        output: Tensor = self.layers(torch.cat([image, mask], 1))
        return output.sigmoid()


def squared_error(output: Tensor, image: Tensor, mask: Tensor) -> dict[str, Tensor]:
    error = (output - image).square()
    return {"loss": (error * (1 + 9 * mask)).mean(), "known_mse": (error * (1 - mask)).mean()}


class Patience:
    """Stop when validation has not improved for some time."""

    def __init__(self, validations: int) -> None:
        self.left = self.most = validations

    def on_validation(self, trainer: il.Trainer, scalars: dict[str, float]) -> None:
        """Count the validations that gained nothing."""
        self.left = self.most if trainer.improved else self.left - 1
        if not self.left:
            trainer.stop(f"no better for {self.most} validations: {scalars['hole_psnr']:.2f} dB")


def main(folder: Path, steps: int = 200) -> None:
    parts = (Plain(), squared_error, "samples:200")
    callbacks = [il.Guards(), Patience(3)]
    trainer = il.Trainer(*parts, callbacks=callbacks, output=folder, size=32, validate_every=20)
    run = trainer.fit(steps=steps)
    photo, hole = np.full((48, 64, 3), 128, np.uint8), np.zeros((48, 64), bool)
    hole[10:20, 20:40] = True
    print(il.load(run, network=Plain()).fill(photo, hole).shape)


if __name__ == "__main__":
    main(Path(sys.argv[1]))

"""Accidents made on purpose: each spoils a run in one known way, and names the cause to be found."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from unittest.mock import patch

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from inpaintlab import networks
from inpaintlab.data.augment import Batch
from inpaintlab.networks import Network
from inpaintlab.networks.swift import Swift
from inpaintlab.training.objectives.adversarial import Adversarial
from inpaintlab.training.objectives.reconstruction import Reconstruction
from inpaintlab.training.trainer import Trainer

#: Settings, and what spoils a trainer from a step on.
Spoil = Callable[[int, int], "contextmanager"]


@dataclass(frozen=True)
class Fault:
    """What goes wrong: the cause to be named, changed settings, and a context that spoils a run.

    `spoil(step, seed)` gives the context; the accident happens at that step, or from it on.
    """

    cause: str
    settings: dict = field(default_factory=dict)
    spoil: Callable = None


class Rectified(Swift):
    """A network that ends in a ReLU, as old ones do."""

    def forward(self, image: Tensor, mask: Tensor) -> Tensor:
        """Paint, and cut off what is below 0."""
        return F.relu(super().forward(image, mask))


@contextmanager
def spoiled_batches(change: Callable[[int, Batch, Trainer], Batch]) -> Iterator[None]:
    """Change batches on their way into the loop; `change` gets the number of the step."""

    batches_from = Trainer.batches_from

    def spoiled(trainer: Trainer, step: int) -> Iterator[Batch]:
        for offset, batch in enumerate(batches_from(trainer, step)):
            yield change(step + offset, batch, trainer)

    with patch.object(Trainer, "batches_from", spoiled):
        yield


def bytes_for_colours(step, seed):
    """One batch of 0 to 255."""
    return spoiled_batches(lambda n, b, _: b._replace(images=b.images * 255) if n == step else b)


def holes_in_numbers(step, seed):
    """Some images hold pixels that are no numbers, each time they come."""

    def change(number: int, batch: Batch, _: Trainer) -> Batch:
        images = batch.images.clone()
        for place, position in enumerate(batch.positions.tolist()):
            if number >= step and position % 40 == seed % 40:
                images[place, :, 3:5, 3:5] = torch.nan
        return batch._replace(images=images)

    return spoiled_batches(change)


def poisoned_image(step, seed):
    """One image is noise and comes in every batch, until it is left out."""

    def change(number: int, batch: Batch, trainer: Trainer) -> Batch:
        position = seed % len(trainer.data.train)
        if number < step or trainer.data.train.name(position) in trainer.excluded:
            return batch
        images, positions = batch.images.clone(), batch.positions.clone()
        random = torch.Generator().manual_seed(seed)
        images[0] = torch.rand(images[0].shape, generator=random).round()
        positions[0] = position
        return batch._replace(images=images, positions=positions)

    return spoiled_batches(change)


@contextmanager
def dying_output(step, seed):
    """Once, a step throws the output so far down that the final ReLU never opens again.

    All colours for an even seed: black. All but red for an odd one.
    """
    colours = [0, 1, 2] if seed % 2 == 0 else [1, 2]
    done = []

    def change(number: int, batch: Batch, trainer: Trainer) -> Batch:
        if number == step and not done:
            done.append(number)
            bias = trainer.network.leave.bias
            with torch.no_grad():
                bias.view(3, -1)[colours] -= 20
        return batch

    with ExitStack() as contexts:
        contexts.enter_context(patch.dict(networks.NETWORKS, rectified=Rectified))
        contexts.enter_context(spoiled_batches(change))
        yield


@contextmanager
def overflowing_gradient(step, seed):
    """Once, the loss is so large that its gradient overflows."""
    scalars, calls = Reconstruction.scalars, []

    def spoiled(self, output, image, mask):
        found = scalars(self, output, image, mask)
        if torch.is_grad_enabled():
            calls.append(1)
            if len(calls) == step:
                found["loss"] = found["loss"] * 1e38 * 10
        return found

    with patch.object(Reconstruction, "scalars", spoiled):
        yield


@contextmanager
def noise_among_images(step, seed):
    """A tenth of the images to train on are noise."""

    open_trainer = Trainer.open

    def opened(trainer: Trainer, *arguments, **options) -> None:
        open_trainer(trainer, *arguments, **options)
        random = np.random.default_rng(seed)
        images = trainer.data.train
        kept = [images[place] for place in range(len(images))]
        for place in random.choice(len(kept), len(kept) // 10, replace=False):
            kept[place] = random.integers(0, 256, kept[place].shape, np.uint8)
        images._kept = kept

    with patch.object(Trainer, "open", opened):
        yield


#: A run with a discriminator that can be led astray: nothing bounds its weights.
ADVERSARIAL_RUN = {
    "objective": {
        "name": "adversarial",
        "adversarial_weight": 0.02,
        "discriminator": "patch",
        "discriminator_width": 16,
        "discriminator_layers": 2,
    }
}


@contextmanager
def spoiled_discriminator(step, change):
    """Change what the discriminator is shown from a step on, until it has been mended."""
    teach, calls, ratios = Adversarial.teach, [], []

    def spoiled(self, filled, image, mask, rate):
        calls.append(1)
        ratios.append(self.discriminator.ratio)
        if len(calls) >= step and ratios[-1] == ratios[0]:
            filled = change(self.judge.discriminator, filled, mask)
        return teach(self, filled, image, mask, rate)

    with patch.object(Adversarial, "teach", spoiled):
        yield


def silenced_discriminator(step, seed):
    """The discriminator's last layer falls to 0 again and again: it says the same of everything."""

    def change(discriminator, filled, mask):
        with torch.no_grad():
            discriminator.leave.weight.zero_()
        return filled

    return spoiled_discriminator(step, change)


def marked_fills(step, seed):
    """Fills and what is around them are given away by a colour: the discriminator is always right."""

    def change(_, filled, mask):
        return filled + (2 + seed % 2) * F.max_pool2d(mask, 9, 1, 4)

    return spoiled_discriminator(step, change)


FAULTS = {
    "rate × 30": Fault("learning-rate", {"learning_rate": 30 * Network.learning_rate}),
    "rate × 300": Fault("learning-rate", {"learning_rate": 300 * Network.learning_rate}),
    "0–255 values": Fault("data", spoil=bytes_for_colours),
    "NaN pixels": Fault("data", spoil=holes_in_numbers),
    "poisoned image": Fault("data", spoil=poisoned_image),
    "dying final ReLU": Fault("dead-unit", {"network": "rectified"}, dying_output),
    "gradient overflow": Fault("numerics", spoil=overflowing_gradient),
    "a tenth is noise": Fault("data", spoil=noise_among_images),
    "discriminator collapse": Fault("discriminator", ADVERSARIAL_RUN, silenced_discriminator),
    "discriminator wins": Fault("discriminator", ADVERSARIAL_RUN, marked_fills),
}

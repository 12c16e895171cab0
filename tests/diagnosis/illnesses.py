"""Runs made ill on purpose: settings, networks and accidents, and the verdict that each must get."""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass, field
from typing import Any
from unittest.mock import patch

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from inpaintlab import networks
from inpaintlab.data.augment import Batch
from inpaintlab.layers import hide, known_mean
from inpaintlab.networks import Network
from inpaintlab.networks.swift import Swift
from inpaintlab.training.trainer import Trainer
from tests.training.faults import Rectified, dying_output, spoiled_batches


@dataclass(frozen=True)
class Illness:
    """What is wrong: the verdict that must come first, and a figure of it that must be so.

    `settings` are changed ones of a run, `spoil(step, seed)` gives a context that spoils it, `images`
    says of how many it learns, and `noise` is the share of noise that is added.
    """

    verdict: str
    settings: dict[str, Any] = field(default_factory=dict)
    blame: str = ""
    spoil: Callable[[int, int], AbstractContextManager[None]] = lambda step, seed: nullcontext()
    images: int = 1500
    noise: float = 0.0


class Skipping(Network):
    """Its last layer gets the damaged image itself, which is all that it learns to pass on."""

    multiple_of, min_size = 1, 8

    def __init__(self, black: bool = False) -> None:
        super().__init__()
        self.black = black
        self.inner = nn.Sequential(nn.Conv2d(4, 16, 3, padding=1), nn.SiLU(), nn.Conv2d(16, 3, 1))

    def forward(self, image: Tensor, mask: Tensor) -> Tensor:
        """Pass on what is shown, and a little."""
        middle = known_mean(image, mask) * (not self.black)
        seen = hide(image, mask, middle)
        output = seen[:, :3] / 2 + middle + 0.1 * self.inner(seen) * (1 - mask)
        return output if self.training else output.clamp(0, 1)


class Tinted(Swift):
    """Fills holes with other colours than it has learnt, as where channels are normalised otherwise."""

    tint = (0.08, -0.02, -0.06)

    def forward(self, image: Tensor, mask: Tensor) -> Tensor:
        """Fill, and tint outside training."""
        output = super().forward(image, mask)
        if self.training:
            return output
        return (output + output.new_tensor(self.tint).view(1, 3, 1, 1) * mask).clamp(0, 1)


class Seamed(Swift):
    """Outside training its fill is brighter in one image and darker in the next."""

    def forward(self, image: Tensor, mask: Tensor) -> Tensor:
        """Fill, and shift the brightness of the hole."""
        output = super().forward(image, mask)
        if self.training:
            return output
        brightness = (255 * known_mean(image, mask).mean((1, 2, 3), keepdim=True)).round()
        return (output + 0.15 * (2 * (brightness % 2) - 1) * mask).clamp(0, 1)


class OneImage(Network):
    """Learns one image, and fills with it whatever it sees."""

    multiple_of, min_size = 1, 8

    def __init__(self, side: int = 32) -> None:
        super().__init__()
        self.image = nn.Parameter(torch.full((1, 3, side, side), 0.5))

    def forward(self, image: Tensor, mask: Tensor) -> Tensor:
        """Fill with the image."""
        photo = F.interpolate(self.image, image.shape[-2:]).expand(len(image), -1, -1, -1)
        return photo if self.training else photo.clamp(0, 1)


MADE: dict[str, type[Network]] = {
    "skipping": Skipping,
    "tinted": Tinted,
    "seamed": Seamed,
    "one-image": OneImage,
    "rectified": Rectified,
}


@contextmanager
def made_networks() -> Iterator[None]:
    """Let settings name the networks of this file."""
    with patch.dict(networks.NETWORKS, MADE):
        yield


def strange_batches(step: int, seed: int) -> AbstractContextManager[None]:
    """Now and then a whole batch is noise."""

    def change(number: int, batch: Batch, _: Trainer) -> Batch:
        if number < step or number % 40 != 39:
            return batch
        random = torch.Generator().manual_seed(seed + number)
        return batch._replace(images=torch.rand(batch.images.shape, generator=random).round())

    return spoiled_batches(change)


def _network(name: str, **arguments: Any) -> dict[str, Any]:
    return {"network": {"name": name, **arguments}}


_NARROW = {"width": 16, "depth": 3, "max_width": 64, "bottleneck": "linear", "bottleneck_size": 2}

_HOLES_DO_NOT_COUNT: dict[str, Any] = {"objective": {"name": "reconstruction", "hole_weight": 0}}

#: By name; settings come on top of those of a healthy run.
ILLNESSES: dict[str, Illness] = {
    "healthy, swift": Illness("healthy"),
    "healthy, unet": Illness("healthy", _network("unet", width=16)),
    "healthy, strokes": Illness("healthy", {"masks": ["strokes"], "guards": "off"}),
    "healthy, augmented": Illness("healthy", {"augment": "medium", "steps": 400}),
    "few images": Illness(
        "over-fitting", {"augment": "none", "steps": 500, "learning_rate": 3e-3}, images=60
    ),
    "150 images": Illness("over-fitting", {"augment": "none", "steps": 900}, images=150),
    "narrow bottleneck": Illness("under-fitting", _network("autoencoder", **_NARROW), "bottleneck"),
    "weight decay": Illness("under-fitting", {"weight_decay": 60.0}, "regularisation"),
    "few steps": Illness("under-fitting", {"steps": 30, "validate_every": 15}, "time"),
    "rate / 300": Illness("learning rate", {"learning_rate": 5e-6}, "too low"),
    "rate × 60": Illness("learning rate", {"learning_rate": 0.09, "guards": "off"}, "too high"),
    "rate × 60, guards": Illness("learning rate", {"learning_rate": 0.09}, "too high"),
    "skip, mean colour": Illness("copy-through", _network("skipping") | _HOLES_DO_NOT_COUNT),
    "skip, black": Illness("copy-through", _network("skipping", black=True) | _HOLES_DO_NOT_COUNT),
    "unet, every skip": Illness(
        "copy-through", _network("unet", width=16, skips=[True, True, True]) | _HOLES_DO_NOT_COUNT
    ),
    "tinted": Illness("colour shift", _network("tinted")),
    "brighter or darker": Illness("seam", _network("seamed")),
    "one image for all": Illness(
        "mode collapse", _network("one-image") | {"learning_rate": 0.02, "guards": "off"}
    ),
    "dead output": Illness(
        "constant output", _network("rectified") | {"guards": "off"}, spoil=dying_output
    ),
    "strange batches": Illness("spikes", {"guards": "watch"}, spoil=strange_batches),
    "a tenth is noise": Illness("data", noise=0.1),
}

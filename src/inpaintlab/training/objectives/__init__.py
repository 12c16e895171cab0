"""Objectives: what a step minimises, and with which networks beside the one that is trained.

An objective is one class and one line in `OBJECTIVES`. It takes plain keyword arguments, is set up for a
run by `attach`, and from then on owns every network of the run and its optimiser.
"""

from functools import partial
from typing import Any

from inpaintlab.registry import Registry
from inpaintlab.training.objectives.adversarial import Adversarial
from inpaintlab.training.objectives.base import (
    Learner,
    LossFunction,
    Objective,
    Optimisation,
    Step,
    as_objective,
)
from inpaintlab.training.objectives.partial_conv import PartialConv
from inpaintlab.training.objectives.reconstruction import Reconstruction

__all__ = [
    "OBJECTIVES",
    "REAL_NOISE",
    "REAL_SIDE",
    "REAL_WEIGHT",
    "Adversarial",
    "Learner",
    "LossFunction",
    "Objective",
    "Optimisation",
    "PartialConv",
    "Reconstruction",
    "Step",
    "as_objective",
    "create",
    "resolve",
    "weight_of_look",
]

#: Liu et al. 2018 with a feature network whose maps are larger than VGG's: weights of ours, by which
#: features and styles count as much as colours at the start (benchmarks/objectives.py).
_partial_conv_lite = partial(
    PartialConv, perceptual_weight=0.01, style_weight=0.1, features="efficientnet-lite0"
)

#: DeepFillv2 (Yu et al. 2019, section 3.3 and the authors' code): L1 on both stages and the hinge loss,
#: 1 to 1, with colours from -1 to 1, which is L1 times 2 in ours.
_deepfill = partial(
    Adversarial,
    hole_weight=2.0,
    known_weight=2.0,
    coarse_weight=1.0,
    adversarial_weight=1.0,
    discriminator_layers=6,
    betas=(0.5, 0.999),
)

#: LaMa (Suvorov et al. 2022, section 2.3 and the authors' configuration). There R1 has no half (0.001
#: is 0.002 here) and feature matching is a mean over the discriminator's five maps (100 is 20 for their
#: sum). Its perceptual loss is of a segmentation network that sees far, and whose weights are not to be
#: had: this is another network, with a weight of ours.
_lama = partial(
    Adversarial,
    hole_weight=0.0,
    known_weight=10.0,
    perceptual_weight=0.3,
    features="efficientnet-lite0",
    adversarial_weight=10.0,
    loss="non-saturating",
    penalty="r1",
    penalty_weight=0.002,
    feature_matching_weight=20.0,
    discriminator="patch",
    discriminator_ratio=0.1,
)

#: Weight of the discriminator in `real`, at 64 px: fills of faces are 0.8 times as sharp as the truth,
#: and lose 0.85 dB. Of larger images L1 leaves out more of the detail, and the same weight costs more,
#: so that it falls as the side grows (docs/explanation/real.md).
REAL_WEIGHT, REAL_SIDE = 0.45, 64
#: Random numbers with which fills vary that are to look real, of networks that take noise.
REAL_NOISE = 8

#: Ours: half of the run reconstruction, and then fills that look real beside the image that they replace
#: (the loss of Huang et al. 2024, with both its penalties) to a network that has seen many photographs.
_real = partial(
    Adversarial,
    adversarial_weight=REAL_WEIGHT,
    features="efficientnet-lite0",
    loss="relativistic",
    penalty="both",
    penalty_weight=0.5,
    penalty_every=8,
    discriminator="features",
    discriminator_width=32,
    discriminator_window=1.5,
    discriminator_ratio=2.0,
    adversarial_betas=(0.0, 0.99),
    warmup=0.5,
)

OBJECTIVES: Registry[Objective] = Registry(
    "objective",
    {
        "reconstruction": Reconstruction,
        "partial-conv": PartialConv,
        "partial-conv-lite": _partial_conv_lite,
        "adversarial": Adversarial,
        "deepfill": _deepfill,
        "lama": _lama,
        "real": _real,
    },
)


def resolve(name: str, arguments: dict[str, Any]) -> dict[str, Any]:
    """Return all arguments of an objective, with the defaults filled in.

    Raises `SettingError` for an unknown objective or argument, with the nearest known name.
    """
    return OBJECTIVES.resolve(name, arguments)


def create(name: str, **arguments: Any) -> Objective:
    """Build an objective by name; its own networks get fresh weights.

    Raises `SettingError` for an unknown name or argument, or a value out of range.

    >>> create("reconstruction", hole_weight=2).hole_weight
    2.0
    """
    objective = OBJECTIVES.create(name, **arguments)
    objective.created_by = (name, OBJECTIVES.resolve(name, arguments))
    return objective


def weight_of_look(look: float, size: int) -> float:
    """Return the weight of the discriminator for a look, 0 to 1, and a side of the images in pixels.

    >>> [weight_of_look(1, size) for size in (32, 64, 128)]
    [0.45, 0.45, 0.225]
    """
    return look * REAL_WEIGHT * min(1.0, REAL_SIDE / size)

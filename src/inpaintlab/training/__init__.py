"""Training: the trainer and its loop, objectives, callbacks, and what a run writes down."""

from inpaintlab.training.build import build_trainer, resume, train
from inpaintlab.training.callbacks import Callback
from inpaintlab.training.guards.callback import Guards
from inpaintlab.training.objectives import (
    OBJECTIVES,
    Adversarial,
    Objective,
    PartialConv,
    Reconstruction,
)
from inpaintlab.training.record import Console, Recorder
from inpaintlab.training.run_folder import TrainedRun
from inpaintlab.training.trainer import Trainer

__all__ = [
    "Adversarial",
    "Callback",
    "Console",
    "Guards",
    "Objective",
    "PartialConv",
    "Reconstruction",
    "Recorder",
    "TrainedRun",
    "Trainer",
    "build_trainer",
    "register_objective",
    "resume",
    "train",
]

register_objective = OBJECTIVES.register

"""Training: the trainer and its loop, objectives, callbacks, and what a run writes down."""

from inpaintlab.training.build import build_trainer, resume, train
from inpaintlab.training.callbacks import Callback
from inpaintlab.training.run_folder import TrainedRun
from inpaintlab.training.trainer import Trainer

__all__ = ["Callback", "TrainedRun", "Trainer", "build_trainer", "resume", "train"]

"""Training: the loop, what it minimises, its schedule, and what it writes down."""

from inpaintlab.training.loop import TrainResult, resume, train

__all__ = ["TrainResult", "resume", "train"]

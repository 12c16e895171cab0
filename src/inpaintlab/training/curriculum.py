"""The curriculum: how hard the holes are at each moment of a run.

A *level* from 0 to 1 is settled before every step and handed to the masks (`Mixture.at`); at 1 holes are
as the run's settings want them. A curriculum is a callback: one class and one line in `CURRICULA`.
"""

import math
from typing import Any

from inpaintlab.errors import SettingError
from inpaintlab.registry import Registry
from inpaintlab.training.callbacks import Callback, Training


class Curriculum(Callback):
    """A level that never falls; subclasses say how it rises."""

    def __init__(self) -> None:
        self.level = self.planned(0.0)

    def planned(self, progress: float) -> float:
        """Return the least level after the share `progress` of the run."""
        raise NotImplementedError

    def due(self, progress: float) -> float:
        """Return the level that the next step is to be taken at; `rise` puts it in force."""
        return max(self.level, self.planned(progress))

    def rise(self, level: float) -> None:
        """Go on at this level."""
        self.level = level

    @property
    def measures(self) -> bool:
        """Whether it wants to hear how well holes of the present level are filled."""
        return False

    def measured(self, psnr: float) -> None:
        """Take note of a validation with holes of the present level, in dB."""

    def before_batch(self, trainer: Training) -> None:
        """Let the level rise where that is due, on all devices alike."""
        level = trainer.fabric.broadcast(self.due(trainer.progress))
        if level != self.level:
            self.rise(level)
        trainer.set_level(self.level)

    def on_validation(self, trainer: Training, scalars: dict[str, float]) -> None:
        """Write down the level; if the curriculum wants that, measure holes of it."""
        scalars |= self.scalars()
        if self.measures:
            scalars["level_psnr"] = trainer.measure(self.level)["hole_psnr"]
            self.measured(scalars["level_psnr"])

    def scalars(self) -> dict[str, float]:
        """Return the level."""
        return {"level": self.level}

    def state_dict(self) -> dict[str, Any]:
        """Return what changes during a run."""
        return {"level": self.level}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Take over what `state_dict` returned."""
        vars(self).update(state)


class Off(Curriculum):
    """No curriculum: all holes are as hard as they will ever be."""

    def planned(self, progress: float) -> float:
        """Return 1."""
        del progress
        return 1.0

    def scalars(self) -> dict[str, float]:
        """Return nothing: there is nothing to tell."""
        return {}


class Linear(Curriculum):
    """The level rises evenly from `start` to 1 during the first `share` of the run, in small steps.

    >>> [Linear(start=0.2, share=0.5, rises=4).planned(p) for p in (0, 0.124, 0.125, 0.5, 1)]
    [0.2, 0.2, 0.4, 1.0, 1.0]
    """

    def __init__(self, start: float = 0.0, share: float = 0.5, rises: int = 20) -> None:
        _check("linear.start", start, 0 <= start < 1, "at least 0 and below 1")
        _check("linear.share", share, 0 < share <= 1, "above 0, 1 at most")
        # Every rise begins the stream of batches anew: workers start, shards are opened again.
        _check_count("linear.rises", rises, 1, 1000)
        self.start, self.share, self.rises = start, share, rises
        super().__init__()

    def planned(self, progress: float) -> float:
        """Return the level of the last rise that is due."""
        along = _stage(progress / self.share, self.rises) / self.rises
        return self.start * (1 - along) + along  # exactly 1 at the end


class Stepped(Curriculum):
    """`stages` equal parts of the run, from level 0 in the first to level 1 in the last.

    >>> [round(Stepped(stages=4).planned(p), 2) for p in (0, 0.24, 0.25, 0.5, 0.75, 1)]
    [0.0, 0.0, 0.33, 0.67, 1.0, 1.0]
    """

    def __init__(self, stages: int = 4) -> None:
        _check_count("stepped.stages", stages, 2, 1000)
        self.stages = stages
        super().__init__()

    def planned(self, progress: float) -> float:
        """Return the level of the present stage."""
        return min(1.0, _stage(progress, self.stages) / (self.stages - 1))


class Success(Curriculum):
    """The next of `stages` begins when the network has learnt what the present one can teach it.

    That is when the PSNR in holes of the present level has not risen by `gain` dB in `patience`
    validations. No stage waits for ever: they begin at the latest at even distances, so that the last
    `share` of the run is at level 1.
    """

    def __init__(
        self, stages: int = 4, patience: int = 2, gain: float = 0.1, share: float = 0.3
    ) -> None:
        _check_count("success.stages", stages, 2, 1000)
        _check_count("success.patience", patience, 1, 1000)
        _check("success.gain", gain, gain >= 0, "0 dB or more")
        _check("success.share", share, 0 < share < 1, "above 0 and below 1")
        self.stages, self.patience, self.gain, self.share = stages, patience, gain, share
        self.best, self.waited = -math.inf, 0
        super().__init__()

    def planned(self, progress: float) -> float:
        """Return the level that is reached at the latest."""
        rises = self.stages - 1
        return _stage(progress / (1 - self.share), rises) / rises

    def due(self, progress: float) -> float:
        """Return the present level, the next where it is learnt, or the one that must come now."""
        rises = self.stages - 1
        stage = round(self.level * rises) + (self.waited >= self.patience)
        return max(min(stage, rises) / rises, self.planned(progress))

    def rise(self, level: float) -> None:
        """Go on at this level; what was measured at the one before counts no longer."""
        self.level, self.best, self.waited = level, -math.inf, 0

    @property
    def measures(self) -> bool:
        """True until level 1."""
        return self.level < 1

    def measured(self, psnr: float) -> None:
        """Count the validations without a gain."""
        if psnr > self.best + self.gain:
            self.best, self.waited = psnr, 0
        else:
            self.waited += 1

    def state_dict(self) -> dict[str, Any]:
        """Return the level, and what was measured at it."""
        return {"level": self.level, "best": self.best, "waited": self.waited}


CURRICULA: Registry[Curriculum] = Registry(
    "curriculum",
    {
        "off": Off,
        "linear": Linear,
        "stepped": Stepped,
        "success": Success,
    },
)


def resolve(name: str, arguments: dict[str, Any]) -> dict[str, Any]:
    """Return all arguments of a curriculum, with the defaults filled in.

    Raises `SettingError` for an unknown curriculum or argument, with the nearest known name.
    """
    return CURRICULA.resolve(name, arguments)


def create(name: str, **arguments: Any) -> Curriculum:
    """Build a curriculum by name, as it is before the first step.

    Raises `SettingError` for an unknown name or argument, or a value out of range.

    >>> create("linear", start=0.1).level
    0.1
    """
    return CURRICULA.create(name, **arguments)


def _stage(share: float, stages: int) -> int:
    """Return how many of some equal stages are over; a hair's breadth of rounding does not matter."""
    return math.floor(min(1.0, share) * stages + 1e-9)


def _check(name: str, value: float, good: bool, allowed: str) -> None:
    if not good:
        raise SettingError(f"{name} must be {allowed}, got {value}")


def _check_count(name: str, value: int, lowest: int, highest: int) -> None:
    _check(name, value, lowest <= value <= highest, f"a whole number from {lowest} to {highest}")

"""Callbacks: what happens beside the steps of a run, one protocol for ours and for yours.

A callback is any object with some of the methods of `Callback`; it need not inherit from it. Guards, a
curriculum, the recorder and the console are callbacks, and so is what sends figures to another service
or stops early: `trainer.stop("validation has not improved for 2,000 steps")`.
"""

from collections.abc import Iterable, Iterator
from typing import Any, Protocol

from lightning_fabric import Fabric
from torch import Tensor, nn

from inpaintlab.data.augment import Batch
from inpaintlab.errors import RunError
from inpaintlab.runs import Run
from inpaintlab.settings import ResolvedTrainSettings
from inpaintlab.training.objectives import Objective, Step
from inpaintlab.training.schedule import Budget


class Training(Protocol):
    """What callbacks see of a trainer.

    `step` counts the steps taken, `progress` is the share of the budget that is spent, `level` how hard
    holes are (0 to 1), `rate` the newest learning rate, `batch` the newest batch, `best` the best hole
    PSNR in dB, and `improved` whether the last validation gave it. `network` learns, `average` is its
    exponential moving average, which is what is kept.
    """

    run: Run
    settings: ResolvedTrainSettings
    fabric: Fabric
    objective: Objective
    budget: Budget
    network: nn.Module
    step: int
    progress: float
    level: float
    rate: float
    batch: Batch
    best: float
    improved: bool

    @property
    def average(self) -> nn.Module:
        """The averaged network, in evaluation."""
        ...

    def yardsticks(self) -> dict[str, float]:
        """Return the hole PSNR of what learns nothing, on the images and holes of validation, in dB."""
        ...

    def set_level(self, level: float) -> None:
        """Go on with holes of a level from 0 to 1."""
        ...

    def stop(self, reason: str) -> None:
        """End the run after this step; the sentence is printed and kept."""
        ...

    def scalars(self) -> dict[str, float]:
        """Return the learning rate, and the numbers of all callbacks."""
        ...

    def examples(self) -> Tensor:
        """Return validation images `[3 × N, 3, H, W]`: damaged, filled, truth."""
        ...

    def measure(self, level: float) -> dict[str, float]:
        """Return figures of the averaged network on a few validation images with holes of a level."""
        ...


class Callback:
    """Hooks that do nothing; override those that you need.

    Hooks are called on every device, but `on_validation` on the first alone. A hook that returns False
    says that its batch, or its step, does not count: the callbacks after it do not hear of it.
    """

    def on_start(self, trainer: Training) -> None:
        """Everything is ready, and an earlier state restored."""

    def before_batch(self, trainer: Training) -> None:
        """A batch is about to be taken: the last moment to change `trainer.level`."""

    def on_batch(self, trainer: Training, batch: Batch) -> bool | None:
        """A batch has come; False leaves it out."""

    def on_step(self, trainer: Training, step: Step) -> bool | None:
        """A step was taken; `trainer.step` counts it, `trainer.batch` is what it was taken on."""

    def on_validation(self, trainer: Training, scalars: dict[str, float]) -> None:
        """The averaged weights were measured; `trainer.improved` says whether they are the best."""

    def on_save(self, trainer: Training) -> None:
        """The state is about to be written."""

    def on_rollback(self, trainer: Training) -> None:
        """The run went back to an earlier state; `trainer.step` is its step."""

    def on_end(self, trainer: Training) -> None:
        """The run is over or was interrupted, also by an error."""

    def scalars(self) -> dict[str, float]:
        """Return numbers to be written down with those of the newest step."""
        return {}

    def state_dict(self) -> dict[str, Any]:
        """Return what a resumed run needs: plain values and tensors."""
        return {}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Take over what `state_dict` returned."""


class Callbacks:
    """Several callbacks, told one after the other."""

    def __init__(self, callbacks: Iterable[Any]) -> None:
        self.all = list(callbacks)
        self.named = dict(_named(self.all))

    def tell(self, hook: str, *arguments: Any) -> bool:
        """Call a hook of each; return whether none has said that this does not count."""
        return all(getattr(one, hook)(*arguments) is not False for one in self.all if hasattr(one, hook))

    def tell_all(self, hook: str, *arguments: Any) -> None:
        """Call a hook of each, the last first, also where one of them fails."""
        for one in reversed(self.all):
            if hasattr(one, hook):
                getattr(one, hook)(*arguments)

    def scalars(self) -> dict[str, float]:
        """Return the numbers of all."""
        found = (one.scalars() for one in self.all if hasattr(one, "scalars"))
        return {name: value for scalars in found for name, value in scalars.items()}

    def state_dict(self) -> dict[str, dict[str, Any]]:
        """Return the state of each by its name."""
        return {name: one.state_dict() for name, one in self.named.items() if hasattr(one, "state_dict")}

    def load_state_dict(self, state: dict[str, dict[str, Any]]) -> None:
        """Take over a state; raises `RunError` where it is of other callbacks than these."""
        for name, one in self.named.items():
            if hasattr(one, "load_state_dict") and hasattr(one, "state_dict"):
                if name not in state:
                    there = ", ".join(state) or "none"
                    raise RunError(
                        f"the run was saved without callback {name} (with {there}): give the same"
                    )
                one.load_state_dict(state[name])


def _named(callbacks: Iterable[Any]) -> Iterator[tuple[str, Any]]:
    """Yield each callback with a name of its own: that of its class, counted where there are several."""
    seen: dict[str, int] = {}
    for one in callbacks:
        name = type(one).__name__
        seen[name] = seen.get(name, 0) + 1
        yield name if seen[name] == 1 else f"{name}-{seen[name]}", one

"""The learning rate, fitted to the budget of a run: so many steps, or so many minutes."""

import math
import time
from dataclasses import dataclass

#: Minutes of a run for which neither minutes nor steps were given.
DEFAULT_MINUTES = 10.0


def learning_rate(progress: float, peak: float, warmup: float) -> float:
    """Return the rate after the share `progress` of the run: a linear rise, then half a cosine.

    >>> [round(learning_rate(p, peak=1.0, warmup=0.1), 3) for p in (0, 0.05, 0.1, 0.55, 1)]
    [0.01, 0.5, 1.0, 0.5, 0.0]
    """
    if progress < warmup:
        # Not quite zero at the start: the first step should already move something.
        return peak * max(progress / warmup, 0.01)
    along = (min(progress, 1.0) - warmup) / (1 - warmup)
    return peak * (0.5 + 0.5 * math.cos(math.pi * along))


@dataclass
class Budget:
    """How much of a run is done, by steps or by the clock.

    `start` is when this session began (`time.monotonic`), `spent` the seconds of earlier sessions,
    `reserve` those that validating and saving at the end will take, so that `minutes` is what the
    whole command takes. Progress never goes back.
    """

    steps: int | None
    minutes: float | None
    start: float
    spent: float = 0.0
    reserve: float = 0.0
    reached: float = 0.0

    @property
    def elapsed(self) -> float:
        """Seconds that the run has taken, over all its sessions."""
        return self.spent + time.monotonic() - self.start

    def progress(self, step: int) -> float:
        """Return the share that is done before this step, 1 or more when it is over."""
        if self.steps is not None:
            return step / self.steps
        assert self.minutes is not None
        self.reached = max(self.reached, self.elapsed / max(1.0, self.minutes * 60 - self.reserve))
        return self.reached

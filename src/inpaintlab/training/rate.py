"""The learning-rate range test: which rate suits a network, before its run.

The rate of a copy of the network rises from step to step by the same factor, from far too low to far
too high (Smith 2017, "Cyclical learning rates for training neural networks", section 3.3). The loss
falls, lies flat and then rises steeply.
"""

import math
import time
from collections.abc import Iterator, Sequence
from copy import deepcopy
from dataclasses import dataclass
from typing import Protocol, cast

import numpy as np
import torch
from lightning_fabric import Fabric
from scipy.ndimage import gaussian_filter1d
from torch import Tensor, nn

from inpaintlab.data.augment import Batch
from inpaintlab.networks import learning_rate_of
from inpaintlab.progress import bar
from inpaintlab.randomness import Stream, stream
from inpaintlab.settings import ResolvedTrainSettings
from inpaintlab.training.objectives import Objective, Optimisation

#: First and last rate.
LOWEST, HIGHEST = 1e-6, 1.0
#: Steps of a test, and fewer than that where time is short.
STEPS, FEWEST = 100, 40
#: Smaller batches than this say nothing of the rate of a run.
FEWEST_IMAGES = 8
#: The rate suggested is that at which training diverges, over this; not above the last at which the loss
#: was near its least, not below that at which it fell most steeply. Figures: docs/how-to/check.md.
BELOW_DIVERGENCE = 20
#: No suggestion is higher: small networks bear more for the steps of a test, but seldom for a whole run.
MOST = 5e-3
#: The smoothed loss is near its least up to so many times it, and has diverged above so many; the test
#: ends where the loss is `_HOPELESS` times the first.
_NEAR_LEAST, _DIVERGED, _HOPELESS = 1.05, 1.4, 4.0
#: Widths of the smoothing in decades: of the loss, and of its slope, which is noisier.
_SMOOTHING, _SMOOTHING_OF_SLOPE = 0.18, 0.5
#: Less of a fall, as a share of the first loss, is none.
_LEAST_FALL = 0.05
#: Steps at the lowest rate that are timed first.
_TIMED = 4


class Testable(Protocol):
    """What a test needs of a trainer that was opened."""

    settings: ResolvedTrainSettings
    fabric: Fabric
    network: nn.Module
    fresh_objective: Objective
    step: int

    def batches_from(self, step: int) -> Iterator[Batch]:
        """Return the batches from a step on."""
        ...


@dataclass(frozen=True)
class RateTest:
    """What a range test saw: rates, smoothed losses, and what follows from them.

    `steepest` is the rate at which the loss falls fastest, `flat` the last with it near its least,
    `divergence` that from which it has clearly risen again (None: not up to 1), and `suggestion` the
    peak for a run (None: nothing was learnt at any rate). `images` is the size of the batches.
    """

    rates: list[float]
    losses: list[float]
    images: int
    steepest: float
    flat: float
    divergence: float | None
    suggestion: float | None


def find_rate(trainer: Testable, steps: int = STEPS, seconds: float | None = None) -> RateTest:
    """Run the range test on a copy of a trainer's network, which it leaves as it is.

    Batches, losses and gradients are those of the run's first steps. With `seconds` there are fewer
    steps (at least 40), and then smaller batches, so that it takes about as long. The same seed gives
    the same result, but for `seconds`.
    """
    settings, fabric = trainer.settings, trainer.fabric
    objective = deepcopy(trainer.fresh_objective)
    network: nn.Module = deepcopy(trainer.network)
    objective.attach(fabric, network, Optimisation(settings.weight_decay, settings.grad_clip))
    batches = trainer.batches_from(trainer.step)
    images = settings.batch_size // settings.devices
    if seconds is not None:
        steps, images = _fitting(trainer, objective, next(batches), steps, seconds)
    rates = np.geomspace(LOWEST, HIGHEST, steps).tolist()
    losses: list[float] = []
    with bar("testing learning rates", steps) as advance:
        for number, rate in enumerate(rates):
            loss = _step(trainer, objective, next(batches), number, rate, images)
            # All devices must agree on when to stop; with one of them this passes the value through.
            losses.append(float(cast(Tensor, fabric.all_reduce(torch.tensor(loss)))))
            advance()
            if not math.isfinite(losses[-1]) or losses[-1] > _HOPELESS * losses[0]:
                break
    return read_curve(rates[: len(losses)], losses, images)


def suggest_rate(trainer: Testable) -> tuple[float, str]:
    """Find the rate of a run that leaves it to be found, and say in half a sentence why it is that."""
    found = find_rate(trainer)
    return found.suggestion or learning_rate_of(trainer.network), reason(found)


def reason(test: RateTest) -> str:
    """Say in half a sentence where a suggestion comes from.

    >>> reason(RateTest([], [], 32, 3e-4, 2e-3, 0.03, 0.0015))
    'a 20th of 0.03, where training diverges'
    """
    if test.suggestion is None:
        return "the network's own, as nothing was learnt at any rate of the test"
    if test.suggestion == MOST:
        return "more is seldom borne for a whole run"
    fraction = (test.divergence or HIGHEST) / BELOW_DIVERGENCE
    if fraction > test.flat:
        return f"above {test.flat:.2g} the loss of the test rose again"
    if fraction < test.steepest:
        return f"at {test.steepest:.2g} the loss of the test fell most steeply"
    where = f"{test.divergence:.2g}, where training diverges" if test.divergence else "1"
    return f"a {BELOW_DIVERGENCE}th of {where}"


def read_curve(rates: Sequence[float], losses: Sequence[float], images: int = 0) -> RateTest:
    """Find the rates that matter in a curve of losses over rising rates."""
    # Above this it does not matter how large a loss is, and infinity cannot be smoothed.
    held = np.minimum(np.nan_to_num(np.array(losses), nan=np.inf), 2 * _HOPELESS * losses[0])
    per_decade = len(rates) / max(1e-9, math.log10(rates[-1] / rates[0]))
    smooth = gaussian_filter1d(np.log(held), _SMOOTHING * per_decade, mode="nearest")
    slope = gaussian_filter1d(np.log(held), _SMOOTHING_OF_SLOPE * per_decade, order=1, mode="nearest")
    least = int(smooth.argmin())
    after = np.flatnonzero(smooth[least:] > smooth[least] + math.log(_DIVERGED))
    divergence = float(rates[least + after[0]]) if len(after) else None
    near = np.flatnonzero(smooth[least:] <= smooth[least] + math.log(_NEAR_LEAST))
    flat = rates[least + int(near[-1] if not len(after) else near[near < after[0]][-1])]
    steepest = rates[int(slope[: least + 1].argmin())]
    suggestion = None
    if smooth[0] - smooth[least] > _LEAST_FALL:
        fraction = (divergence or HIGHEST) / BELOW_DIVERGENCE
        suggestion = float(f"{min(MOST, max(steepest, min(fraction, flat))):.1e}")
    curve = np.exp(smooth).tolist()
    return RateTest(list(rates), curve, images, steepest, flat, divergence, suggestion)


def _step(
    trainer: Testable, objective: Objective, batch: Batch, number: int, rate: float, images: int
) -> float:
    fabric = trainer.fabric
    torch.manual_seed(stream(trainer.settings.seed, Stream.RATE_TEST, number, fabric.global_rank))
    image, mask = fabric.to_device((batch.images[:images], batch.masks[:images]))
    return float(objective.step(image, mask, rate, 0.0).scalars["loss"])


def _fitting(
    trainer: Testable, objective: Objective, batch: Batch, steps: int, seconds: float
) -> tuple[int, int]:
    """Return the number of steps and the size of the batches that take so many seconds."""
    images, pace = len(batch.images), math.inf
    for number in range(_TIMED):  # the first is slower than those that follow
        start = time.monotonic()
        _step(trainer, objective, batch, number, LOWEST, images)
        pace = min(pace, time.monotonic() - start)
    fitting = min(steps, max(FEWEST, int(seconds / pace)))
    share = min(1.0, seconds / (fitting * pace))
    return fitting, max(min(FEWEST_IMAGES, images), int(share * images))

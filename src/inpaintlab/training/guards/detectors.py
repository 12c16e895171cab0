"""When the guards raise the alarm: one rule for each way in which a run goes wrong.

A rule is a function of the history and one line in `RULES`. Errors are compared as logarithms with the
median of those before, in units of their spread (the median absolute deviation, so that what is being
looked for does not widen it).
"""

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np

from inpaintlab.training.guards.signals import Signals

#: Steps that a rule compares with, and how many it needs at least.
WINDOW, NEEDED = 100, 30
#: A median absolute deviation of normal numbers times this is their standard deviation.
_MAD = 1.4826
#: Steps between two looks at what changes slowly.
_RARELY = 10
#: Batches of small images differ by some per cent however steady a run is.
_LEAST_SPREAD = 0.05


@dataclass(frozen=True)
class Alarm:
    """What was seen, at which step, and since about when; `kind` is the name of the rule."""

    kind: str
    step: int
    since: int
    sentence: str
    positions: list[int] = field(default_factory=list)


@dataclass
class History:
    """What the rules remember: recent values of each signal, and which images keep being hard.

    `first` is the median error of the first steps, `best` the lowest median error of a whole window.
    `window` values are compared with, and `needed` at least: there are fewer where not every step is
    seen.
    """

    recent: dict[str, list[tuple[int, float]]] = field(default_factory=dict)
    first: float = math.nan
    best: float = math.inf
    alive: float = 0.0
    apart: list[float] = field(default_factory=list)
    limit: float = math.inf
    hard: dict[int, int] = field(default_factory=dict)
    muted: dict[str, int] = field(default_factory=dict)
    window: int = WINDOW
    needed: int = NEEDED

    def add(self, step: int, signals: Signals) -> None:
        """Take in the signals of a step.

        With the first judgement of a discriminator another task begins, in which fills are farther from
        the truth: the errors of before are forgotten.
        """
        if "adversarial" in signals.values and "adversarial" not in self.recent:
            self.forget()
        for name, value in signals.values.items():
            values = self.recent.setdefault(name, [])
            values.append((step, value))
            del values[: -2 * self.window]
        errors = self.values("hole_l1")
        if len(errors) == 5 and math.isnan(self.first):
            self.first = float(np.median(errors))
        if len(errors) >= self.window and step % _RARELY == 0:
            self.best = min(self.best, float(np.median(errors[-self.window :])))
        contrasts = self.values("contrast")
        if len(contrasts) >= 5 and "contrast" in signals.values:
            self.alive = max(self.alive, float(np.median(contrasts[-5:])))
        self._add_images(step, signals)

    def forget(self) -> None:
        """Forget the errors of before, but not those of the start: from here on holes are larger."""
        self.recent, self.best = {}, math.inf

    def values(self, name: str) -> list[float]:
        """Return the recent values of a signal, the newest last."""
        return [value for _, value in self.recent.get(name, [])]

    def latest(self, count: int) -> dict[str, list[tuple[int, float]]]:
        """Return the newest values of every signal, with their steps."""
        return {name: values[-count:] for name, values in self.recent.items()}

    def since(self, name: str, back: int) -> int:
        """Return the step at which the value stood that is so many back."""
        values = self.recent[name]
        return values[max(0, len(values) - back)][0]

    def state_dict(self) -> dict[str, Any]:
        """Return it as plain values."""
        return asdict(self)

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Take over what `state_dict` returned."""
        for name, value in state.items():
            setattr(self, name, value)

    def _add_images(self, step: int, signals: Signals) -> None:
        """Remember how far images stand from the middle of their batch, and which far above it."""
        errors = np.log(np.maximum(signals.errors, 1e-6))
        if len(self.values("hole_l1")) < self.needed or len(errors) < 4 or not np.isfinite(errors).all():
            return
        apart = (errors - np.median(errors)).tolist()
        for position, distance, share in zip(signals.positions, apart, signals.shares, strict=True):
            if distance > self.limit and share > HARDLY and position >= 0:
                self.hard[position] = self.hard.get(position, 0) + 1
        if step % _RARELY == 0 and len(self.apart) >= WINDOW:
            self.limit = far_above(self.apart)
        self.apart += apart
        del self.apart[: -5 * WINDOW]


def far_above(apart: Sequence[float]) -> float:
    """Return how far above the others, as a logarithm, an image's error is no longer that of an image.

    `apart` are the distances of many images from their middle.
    """
    spread = _MAD * float(np.median(np.abs(apart)))
    return max(math.log(_HARDER), _HARD * spread)


def is_flat(*variations: float) -> bool:
    """Tell whether fills vary so little, beside the truth, that they are one colour or one image."""
    return max(variations) < _FLAT


def is_saturated(share: float) -> bool:
    """Tell whether so large a share of holes is black or full colour that nothing else is filled in."""
    return share > _MOSTLY


def _standing(values: list[float], window: int, newest: int = 1) -> tuple[float, float]:
    """Return how far the newest values are above those before: in spreads, and as a factor."""
    logs = np.log(np.maximum(values, 1e-12))
    before, now = logs[-window - newest : -newest], float(np.median(logs[-newest:]))
    middle = float(np.median(before))
    spread = max(_LEAST_SPREAD, _MAD * float(np.median(np.abs(before - middle))))
    return (now - middle) / spread, math.exp(min(50.0, now - middle))


def not_finite(history: History, step: int) -> Alarm | None:
    """Something is no number any more: the loss, the gradient or the fill."""
    for name in ("loss", "gradient_norm", "contrast"):
        at, value = history.recent.get(name, [(step, 0.0)])[-1]
        if at == step and not math.isfinite(value):
            return Alarm("not-finite", step, step, f"the {_WORDS[name]} is {value} at step {step}")
    return None


def spike(history: History, step: int) -> Alarm | None:
    """Error or gradient of one step stands far out of those before."""
    # Against a discriminator the gradient is as long as that one is sure, from one step to the next.
    gradient = () if history.values("adversarial") else (("gradient_norm", _GRADIENT_SPIKE),)
    for name, least in (("hole_l1", _SPIKE), *gradient):
        values = history.values(name)
        # Above their median by a factor is above their least by it, which is quickly seen.
        before = values[-history.window - 1 : -1]
        if len(values) > history.needed and not values[-1] < least * min(before):
            spreads, factor = _standing(values, history.window)
            if spreads > _FAR and factor > least:
                steps = step - max(0, history.recent[name][-len(before) - 1][0])
                sentence = f"the {_WORDS[name]} is {factor:.1f} times that of the {steps} steps before"
                return Alarm("spike", step, step, sentence)
    return None


def jump(history: History, step: int) -> Alarm | None:
    """The error has jumped and stays."""
    values = history.values("hole_l1")
    if len(values) < history.needed + _STAYS:
        return None
    spreads, factor = _standing(values, history.window, _STAYS)
    highest = np.quantile(values[-history.window - _STAYS : -_STAYS], 0.9)
    if spreads > 3 and factor > _JUMP and min(values[-_STAYS:]) > highest:
        since = history.since("hole_l1", _STAYS)
        return Alarm(
            "jump", step, since, f"the error in the hole rose to {factor:.1f} times and stays there"
        )
    return None


def divergence(history: History, step: int) -> Alarm | None:
    """The error is worse than at the start or than long ago, or fills or weights change too much."""
    errors, contrasts = history.values("hole_l1"), history.values("contrast")
    updates = history.values("update")[-_LAYERS:]
    if len(updates) == _LAYERS and np.median(updates) > _LARGE_STEPS:
        sentence = (
            f"a step changes a layer's weights by {np.median(updates):.0%}, in most of {_LAYERS} layers"
        )
        return Alarm("divergence", step, history.since("update", _LAYERS), sentence)
    if len(errors) >= 8 and np.median(errors[-3:]) > _WORSE_THAN_AT_START * history.first:
        factor = np.median(errors[-3:]) / history.first
        since = history.recent["hole_l1"][0][0]
        return Alarm(
            "divergence", step, since, f"the error in the hole is {factor:.1f} times that of the start"
        )
    if len(contrasts) >= 3 and np.median(contrasts[-3:]) > _WILD:
        since = history.since("contrast", 3)
        return Alarm(
            "divergence",
            step,
            since,
            f"fills vary {np.median(contrasts[-3:]):.1f} times as much as images do",
        )
    # An adversarial loss gives up some of the error for texture.
    drift = _DRIFT_ADVERSARIAL if history.values("adversarial") else _DRIFT
    window = history.window
    if len(errors) >= window and np.median(errors[-window:]) > drift * history.best:
        factor = np.median(errors[-window:]) / history.best
        since = history.since("hole_l1", 2 * window)
        return Alarm(
            "divergence",
            step,
            since,
            f"the error in the hole has crept up to {factor:.1f} times its best",
        )
    return None


def collapse(history: History, step: int) -> Alarm | None:
    """Fills are of one colour, or the same for every image, or most layers learn nothing."""
    at, still = history.recent.get("still", [(-1, 0.0)])[-1]
    if at == step and still > _MOSTLY:
        return Alarm("collapse", step, step, f"{still:.0%} of the layers get no gradient")
    never = step > _PATIENCE and history.alive < _FLAT
    for name, words in (("contrast", "of one colour"), ("spread", "the same for every image")):
        values = history.values(name)
        flat = len(values) >= _LOOKS and is_flat(*values[-_LOOKS:])
        if flat and (never or history.alive > 5 * _FLAT):
            edges = history.values("saturated")[-1:]
            more = (
                f", {edges[0]:.0%} of them black or full colour" if edges and edges[0] > _MOSTLY else ""
            )
            sentence = f"fills are {words}{more}: they vary {values[-1]:.3f} times as much as the truth"
            return Alarm("collapse", step, history.since(name, _LOOKS), sentence)
    return None


def hard_images(history: History, step: int) -> Alarm | None:
    """Some images are filled much worse than all others, their known parts as well."""
    if sum(history.hard.values()) < _SIGHTINGS:
        return None
    factor = math.exp(far_above(history.apart))
    sentence = (
        f"images keep coming that are filled {factor:.1f} times as wrongly as others, "
        "and with hardly anything of what is in them"
    )
    return Alarm("hard-images", step, step, sentence, sorted(history.hard))


def discriminator(history: History, step: int) -> Alarm | None:
    """The discriminator is right of everything, or says the same of everything."""
    accuracy, spread = history.values("discriminator_accuracy"), history.values("discriminator_spread")
    # The middle of many steps: patches that only touch the hole's edge deceive it now and then.
    window, needed = history.window, history.needed
    if len(accuracy) >= window and np.median(accuracy[-window:]) > _ALWAYS_RIGHT:
        since = history.since("discriminator_accuracy", window)
        sentence = f"the discriminator has been right of nearly everything since step {since}"
        return Alarm("discriminator", step, since, sentence)
    if len(spread) >= needed and max(spread[-needed:]) < _SAME:
        since = history.since("discriminator_spread", needed)
        return Alarm("discriminator", step, since, "the discriminator says the same of every patch")
    return None


_WORDS = {
    "loss": "loss",
    "hole_l1": "error in the hole",
    "gradient_norm": "gradient",
    "contrast": "fill",
}
_SPIKE, _GRADIENT_SPIKE, _FAR = 2.0, 10.0, 8.0
_STAYS, _JUMP = 20, 1.6
_WORSE_THAN_AT_START, _WILD, _DRIFT, _DRIFT_ADVERSARIAL = 1.5, 1.8, 1.3, 2.0
#: Networks that learn well change their weights by up to 0.03 a step, early on.
_LAYERS, _LARGE_STEPS = 12, 0.1
_FLAT, _MOSTLY, _LOOKS, _PATIENCE = 0.05, 0.5, 8, 400
#: Share of the fine structure that is wrong, above which an image is hardly output at all, known
#: parts and all: noise is at 0.97 and above, faces at 0.9 and below, rare colours and early steps too.
HARDLY = 0.93
_SIGHTINGS, _HARD, _HARDER = 3, 5.0, 2.5
_ALWAYS_RIGHT, _SAME = 0.95, 1e-4

#: In this order: the first that is raised counts. The number is that of the steps between two looks.
RULES: dict[str, tuple[int, Callable[[History, int], Alarm | None]]] = {
    "not-finite": (1, not_finite),
    "spike": (1, spike),
    "collapse": (4, collapse),
    "jump": (4, jump),
    "divergence": (2, divergence),
    "hard-images": (4, hard_images),
    "discriminator": (4, discriminator),
}


def look(history: History, step: int) -> Alarm | None:
    """Return the first alarm that a rule raises, if any."""
    for every, rule in RULES.values():
        if step % every == 0 and (alarm := rule(history, step)):
            return alarm
    return None


#: Of a log, a line every ten steps: values that rules compare with, and how many they need at least.
_LOG_WINDOW, _LOG_NEEDED = 30, 8
#: Mean absolute error of a hole filled with one colour, as measured on faces (0.15) and photographs
#: (0.2). It stands for that of the first steps, which a log does not hold.
ONE_COLOUR = 0.2
#: Steps for which an alarm that lasts is not raised again.
_LASTS = 200


def replay(lines: Iterable[tuple[int, dict[str, float]]]) -> list[Alarm]:
    """Return the alarms that the rules raise for the scalars of a log, as (step, values) in order.

    Batches are not in a log, so that images are not judged.
    """
    history = History(first=ONE_COLOUR, window=_LOG_WINDOW, needed=_LOG_NEEDED)
    history.recent["hole_l1"] = [(0, ONE_COLOUR)] * 5
    alarms: list[Alarm] = []
    for step, values in lines:
        history.add(step, Signals(values))
        for _, rule in RULES.values():
            alarm = rule(history, step)
            if alarm and (alarm.kind == "spike" or not _is_known(alarm, alarms)):
                alarms.append(alarm)
    return alarms


def _is_known(alarm: Alarm, before: list[Alarm]) -> bool:
    return any(one.kind == alarm.kind and alarm.step - one.step < _LASTS for one in before)

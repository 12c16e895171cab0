import math
from itertools import count

import numpy as np
import pytest

from inpaintlab.training.guards.detectors import History, far_above, look
from inpaintlab.training.guards.signals import Signals


def healthy(steps, seed=0, **changed):
    """Signals of a run that goes well: errors fall and scatter by a tenth, fills come alive."""
    random = np.random.default_rng(seed)
    for step in range(steps):
        level = 0.05 + 0.15 * math.exp(-step / 60)
        values = {
            "loss": 7 * level,
            "hole_l1": level * math.exp(0.12 * random.standard_normal()),
            "gradient_norm": 2 * math.exp(0.4 * random.standard_normal()),
            "update": 0.003,
        }
        if step % 4 == 0:
            values |= {"contrast": 0.7, "spread": 0.6, "saturated": 0.0}
        errors = level * np.exp(0.25 * random.standard_normal(16))
        yield step, Signals(values, errors.tolist(), list(range(16)), [0.2] * 16)


def alarms(stream):
    """All alarms of a stream of (step, signals), and the history that raised them."""
    history, found = History(), []
    for step, signals in stream:
        history.add(step, signals)
        if alarm := look(history, step):
            found.append(alarm)
    return found, history


def changed(stream, since, change):
    """The same stream with other values from a step on."""
    for step, signals in stream:
        values = signals.values | (change(step, signals.values) if step >= since else {})
        yield step, Signals(values, signals.errors, signals.positions, signals.shares)


def first(stream):
    found, _ = alarms(stream)
    return (found[0].kind, found[0].step) if found else None


@pytest.mark.parametrize("seed", range(20))
def test_a_run_that_goes_well_raises_no_alarm(seed):
    assert alarms(healthy(1000, seed))[0] == []


def test_a_discriminator_may_lengthen_the_gradient_and_raise_the_error_as_it_comes():
    """It comes in at step 300; 19 times the gradient of before was seen in a run that went well.

    Fills of a network with noise are 1.5 times as far from the truth then.
    """

    def judged(times):
        return lambda _, v: {
            "adversarial": 0.7,
            "gradient_norm": 40.0,
            "hole_l1": times * v["hole_l1"],
        }

    assert alarms(changed(healthy(600), 300, judged(1.0)))[0] == []
    comes = list(changed(healthy(600), 300, judged(1.8)))
    assert alarms(comes)[0] == []
    assert first(changed(comes, 400, judged(4.0))) == ("spike", 400)
    kind, step = first(changed(healthy(600), 300, judged(10.0)))
    assert (kind, step < 320) == ("divergence", True)


@pytest.mark.parametrize(
    ("change", "kind", "within"),
    [
        (lambda n, v: {"loss": math.nan}, "not-finite", 0),
        (lambda n, v: {"gradient_norm": math.inf}, "not-finite", 0),
        (lambda n, v: {"hole_l1": 4 * v["hole_l1"]}, "spike", 0),
        (lambda n, v: {"gradient_norm": 500.0}, "spike", 0),
        (lambda n, v: {"hole_l1": 1.9 * v["hole_l1"]}, "jump", 30),
        (lambda n, v: {"contrast": 0.0} if "contrast" in v else {}, "collapse", 40),
        (lambda n, v: {"spread": 0.01} if "spread" in v else {}, "collapse", 40),
        (lambda n, v: {"contrast": 3.0} if "contrast" in v else {}, "divergence", 20),
        (lambda n, v: {"hole_l1": v["hole_l1"] * 1.0025 ** (n - 300)}, "divergence", 250),
    ],
)
def test_each_trouble_raises_its_alarm_in_time(change, kind, within):
    """Collapse within 50 steps of its onset; what creeps takes longer."""
    found = first(changed(healthy(800), 300, change))
    assert found is not None
    assert found[0] == kind
    assert 300 <= found[1] <= 300 + within


def test_a_run_that_never_comes_alive_is_called_collapsed():
    flat = changed(healthy(600), 0, lambda n, v: {"contrast": 0.01} if "contrast" in v else {})
    assert first(flat)[0] == "collapse"


def test_a_rate_that_is_too_high_at_once_is_seen_before_there_is_a_window():
    kind, step = first(changed(healthy(60), 6, lambda n, v: {"hole_l1": 0.6}))
    assert kind == "divergence"
    assert step < 12


def test_larger_holes_are_no_alarm_once_the_past_is_forgotten():
    history = History()
    for step, signals in changed(healthy(600), 300, lambda n, v: {"hole_l1": 1.8 * v["hole_l1"]}):
        if step == 300:
            history.forget()
        history.add(step, signals)
        assert look(history, step) is None


@pytest.mark.parametrize(("share", "named"), [(0.98, True), (0.9, False)])
def test_images_that_are_hardly_painted_are_named_but_not_those_painted_in_part(share, named):
    def stream():
        for (step, signals), _ in zip(healthy(300), count(), strict=False):
            errors = list(signals.errors)
            if step % 7 == 0 and step > 250:
                errors[3] = 10 * float(np.median(errors))
            positions = [100 * step + place for place in range(16)]
            positions[3] = 5
            yield step, Signals(signals.values, errors, positions, [share] * 16)

    found, history = alarms(stream())
    assert [alarm.kind for alarm in found[:1]] == ["hard-images"] * named
    assert all(5 in alarm.positions for alarm in found)
    assert set(history.hard) == ({5} if named else set())


def test_a_discriminator_that_wins_or_says_nothing():
    winning = changed(healthy(300), 100, lambda n, v: {"discriminator_accuracy": 1.0})
    assert first(winning) == ("discriminator", 200)
    same = changed(healthy(300), 100, lambda n, v: {"discriminator_spread": 0.0})
    assert first(same)[0] == "discriminator"


def test_history_survives_being_written_down():
    _, history = alarms(healthy(250))
    other = History()
    other.load_state_dict(history.state_dict())
    step, signals = 250, next(iter(healthy(1)))[1]
    for one in (history, other):
        one.add(step, signals)
    assert history == other


def test_far_above_is_never_less_than_two_and_a_half_times():
    assert far_above([0.0] * 50) == math.log(2.5)
    assert far_above(np.random.default_rng(0).normal(0, 0.4, 2000).tolist()) == pytest.approx(
        2.0, rel=0.1
    )


def test_steps_that_change_the_weights_too_much_are_seen_early():
    large = changed(healthy(60), 0, lambda n, v: {"update": 0.15})
    kind, step = first(large)
    assert (kind, step <= 14) == ("divergence", True)


def test_the_start_is_not_forgotten():
    """Worse than at the start is so for holes of any size; a new start would be too low a mark."""
    history = History()
    for step, signals in healthy(60):
        history.add(step, signals)
    first = history.first
    history.forget()
    for step, signals in healthy(60, 1):
        history.add(60 + step, signals)
    assert history.first == first

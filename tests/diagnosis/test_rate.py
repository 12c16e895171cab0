"""The range test, what it suggests, and `--lr auto`."""

import numpy as np
import pytest
import yaml

from inpaintlab.diagnosis.network import judge_rate
from inpaintlab.errors import RunError
from inpaintlab.training import resume, train
from inpaintlab.training.build import build_trainer, rehearse
from inpaintlab.training.rate import (
    FEWEST,
    FEWEST_IMAGES,
    MOST,
    RateTest,
    find_rate,
    read_curve,
    reason,
)
from tests.conftest import small_settings

RATES = np.geomspace(1e-6, 1, 100)


def curve(fall, flat, rise, floor=0.3):
    """A loss of 1 that falls around one rate to a floor, is least at another and rises above a third."""
    logs = np.log10(RATES)
    losses = floor + (1 - floor) / (1 + np.exp(6 * (logs - np.log10(fall))))
    losses += 0.02 * np.abs(logs - np.log10(flat)) / 6
    return (losses + np.exp(np.clip(8 * (logs - np.log10(rise)), -50, 5))).tolist()


def test_the_rates_of_a_clear_curve():
    test = read_curve(RATES.tolist(), curve(1e-4, 5e-3, 5e-2))
    assert test.steepest == pytest.approx(1e-4, rel=0.6)
    assert 1e-2 < test.divergence < 5e-2
    assert test.suggestion == pytest.approx(test.divergence / 20, rel=0.05)
    assert "20th" in reason(test)


def test_a_suggestion_is_held_between_steepest_and_flat():
    high = read_curve(RATES.tolist(), curve(1e-4, 5e-4, 1e3))
    assert high.divergence is None
    assert high.suggestion == pytest.approx(min(high.flat, MOST), rel=0.05)
    low = read_curve(RATES.tolist(), curve(1e-3, 2e-3, 8e-3))
    assert low.suggestion == pytest.approx(low.steepest, rel=0.05)
    assert "steeply" in reason(low)


@pytest.mark.parametrize("noise", [0.0, 0.02])
def test_where_nothing_is_learnt_nothing_is_suggested(noise):
    losses = 1 + noise * np.random.default_rng(0).standard_normal(100)
    test = read_curve(RATES.tolist(), losses.tolist())
    assert test.suggestion is None
    assert "the network's own" in reason(test)


def test_infinite_losses_are_borne():
    losses = [*curve(0.0001, 0.001, 0.01)[:75], 1e30, float("inf"), float("nan")]
    test = read_curve(RATES[:78].tolist(), losses)
    assert test.divergence < 2e-2
    assert np.isfinite(test.losses).all()


def test_the_test_leaves_the_network_and_repeats_itself(tmp_path):
    trainer = rehearse(small_settings(), tmp_path)
    before = {key: value.clone() for key, value in trainer.network.state_dict().items()}
    first, second = (find_rate(trainer, 50) for _ in range(2))
    assert first == second
    after = trainer.network.state_dict()
    assert all((after[key] == value).all() for key, value in before.items())
    assert 1e-4 < first.suggestion < 0.1
    assert first.divergence is None or first.divergence > first.suggestion
    assert first.images == 4


#: Losses of `find_rate` on 1,500 real faces:
#: rehearse(TrainSettings(data=FACES, size=32, network=Part(name="deepfill"), batch_size=16), folder)
DEEPFILL = [
    1.52,
    1.48,
    1.45,
    1.62,
    1.38,
    1.33,
    1.41,
    1.44,
    1.50,
    1.40,
    1.55,
    1.33,
    1.33,
    1.31,
    1.35,
    1.51,
    1.25,
    1.35,
    1.24,
    1.49,
    1.45,
    1.32,
    1.38,
    1.17,
    1.29,
    1.28,
    1.20,
    1.29,
    1.19,
    1.27,
    1.27,
    1.30,
    1.12,
    1.08,
    1.04,
    1.06,
    0.95,
    0.86,
    1.08,
    0.94,
    1.11,
    1.05,
    1.06,
    1.00,
    0.96,
    0.95,
    1.00,
    0.93,
    1.09,
    0.93,
    1.14,
    1.51,
    0.97,
    0.99,
    0.98,
    1.04,
    1.19,
    0.91,
    0.90,
    1.09,
    0.90,
    1.51,
    1.02,
    7.80,
]


def test_a_network_that_diverges_early_gets_a_low_rate():
    test = read_curve(RATES[: len(DEEPFILL)].tolist(), DEEPFILL)
    assert 1e-3 < test.divergence < 1e-2
    assert test.suggestion < 1e-3


def test_no_suggestion_is_higher_than_runs_bear():
    test = read_curve(RATES.tolist(), curve(1e-3, 0.5, 1e3))
    assert test.suggestion == MOST
    assert "more is seldom borne" in reason(test)


def test_short_of_time_it_takes_fewer_steps_and_images(tmp_path):
    test = find_rate(rehearse(small_settings(batch_size=16), tmp_path), 100, seconds=1e-6)
    assert len(test.rates) <= FEWEST
    assert test.images == FEWEST_IMAGES


def test_auto_is_found_before_the_first_step_and_written_as_a_number(tmp_path, capsys):
    train(small_settings(learning_rate="auto", output=tmp_path / "run"))
    told = capsys.readouterr().err
    rate = yaml.safe_load((tmp_path / "run" / "recipe.yaml").read_text())["learning_rate"]
    assert isinstance(rate, float)
    assert f"learning rate {rate:g}: " in told
    resume(tmp_path / "run", {"steps": 8})
    assert "learning rate" not in capsys.readouterr().err
    again = train(small_settings(learning_rate=rate, output=tmp_path / "again"))
    assert (
        again.hole_psnr
        == train(small_settings(learning_rate="auto", output=tmp_path / "auto")).hole_psnr
    )
    with pytest.raises(RunError, match="learning_rate cannot change"):
        resume(tmp_path / "run", {"learning_rate": "auto"})


@pytest.mark.parametrize(
    ("used", "word", "text"),
    [
        (1e-3, "ok", "suggested 0.001"),
        ("auto", "ok", "the run takes 0.001"),
        (8e-3, "note", "rather high"),
        (0.5, "finding", "far too high"),
        (1.5e-4, "note", "rather low"),
        (1e-5, "finding", "far too low"),
    ],
)
def test_the_rate_of_a_run_is_compared(used, word, text):
    test = RateTest(RATES.tolist(), curve(1e-4, 1e-3, 2e-2), 32, 1e-4, 1e-3, 0.02, 1e-3)
    verdict = judge_rate(test, build_trainer(small_settings(learning_rate=used)), 20)
    assert (verdict.word, text in verdict.text) == (word, True)
    assert bool(verdict.advice) == (word != "ok")


def test_a_network_that_learns_at_no_rate_is_a_finding():
    flat = read_curve(RATES.tolist(), [1.0] * 100)
    assert judge_rate(flat, build_trainer(small_settings()), 20).word == "finding"

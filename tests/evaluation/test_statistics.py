import numpy as np
import pytest
from hypothesis import given, settings, strategies as st

from inpaintlab.evaluation.statistics import (
    FEWEST,
    Interval,
    bootstrap_interval,
    bootstrap_intervals,
    fold_interval,
    share_interval,
)


def coverage(draw, truth, rounds=3000, draws=1000):
    """Share of intervals, of each of several draws, that hold the truth."""
    random = np.random.default_rng(0)
    held = []
    for _ in range(rounds):
        values, clusters = draw(random)
        (found,) = bootstrap_intervals(values[:, None], clusters, draws)
        held.append(found.low <= truth <= found.high)
    return np.mean(held)


# What values of metrics look like: even, skewed, with repeated images, and of groups.
def even(random):
    return random.normal(22, 4, 100), np.arange(100)


def skewed(random):
    return random.gamma(2, 3, 80), np.arange(80)


def repeated(random):
    """Six masks for each of 60 images, which differ more than masks do."""
    values = random.normal(20, 3, (60, 1)) + random.normal(0, 1, (60, 6))
    return values.ravel(), np.repeat(np.arange(60), 6)


def uneven_groups(random):
    """Groups of one to eight images: of one person, say."""
    sizes = random.integers(1, 9, 80)
    clusters = np.repeat(np.arange(80), sizes)
    return random.normal(20, 3, 80)[clusters] + random.normal(0, 2, len(clusters)), clusters


@pytest.mark.parametrize(
    ("draw", "truth"), [(even, 22), (skewed, 6), (repeated, 20), (uneven_groups, 20)]
)
def test_intervals_hold_the_truth_as_often_as_they_say(draw, truth):
    assert 0.93 <= coverage(draw, truth) <= 0.97


def test_intervals_that_forget_clusters_are_too_narrow():
    """Why clusters matter: the same values as if every mask were another image."""
    assert coverage(lambda random: (repeated(random)[0], np.arange(360)), 20, 300) < 0.8


@given(
    n=st.integers(FEWEST, 60),
    offset=st.floats(-100, 100),
    scale=st.floats(0.01, 100),
    seed=st.integers(0, 99),
)
@settings(max_examples=30)
def test_intervals_move_and_stretch_with_the_values(n, offset, scale, seed):
    values, clusters = np.random.default_rng(seed).normal(0, 1, (n, 1)), np.arange(n)
    (one,) = bootstrap_intervals(values, clusters, 200)
    (other,) = bootstrap_intervals(values * scale + offset, clusters, 200)
    assert one.low <= one.mean <= one.high
    for name in ("mean", "low", "high"):
        expected = getattr(one, name) * scale + offset
        assert getattr(other, name) == pytest.approx(expected, rel=1e-6, abs=1e-6)


def test_a_result_repeats_and_columns_do_not_mix():
    values = np.random.default_rng(0).normal(0, 1, (50, 3))
    clusters = np.arange(50)
    together = bootstrap_intervals(values, clusters)
    assert together == bootstrap_intervals(values, clusters)
    assert together[1].low == pytest.approx(bootstrap_intervals(values[:, 1:2], clusters)[0].low)


def test_order_and_names_of_clusters_do_not_matter_for_the_mean():
    random = np.random.default_rng(0)
    values, clusters = random.normal(0, 1, (60, 1)), np.repeat(np.arange(20), 3)
    order = random.permutation(60)
    (one,), (other,) = (
        bootstrap_intervals(values, clusters),
        bootstrap_intervals(values[order], clusters[order] * 7),
    )
    assert one.mean == pytest.approx(other.mean)
    assert one.low == pytest.approx(other.low)


def test_of_too_few_images_there_is_no_interval():
    values = np.arange(FEWEST - 1.0)[:, None]
    assert bootstrap_intervals(values, np.arange(FEWEST - 1)) == [Interval(4.0)]
    # Many masks of few images are no more than these images.
    assert bootstrap_intervals(np.arange(60.0)[:, None], np.repeat(np.arange(6), 10))[0].low is None


@pytest.mark.parametrize("count", [12, 120, 5000])
@pytest.mark.parametrize("usual", [100.0, 1e6 / 7])
@pytest.mark.parametrize("others", [1, 2, 5])
def test_values_that_hardly_ever_differ_keep_an_interval_near_them(count, usual, others):
    """Whole draws are of one value then, and what varies in them is rounding."""
    values = np.full(count, usual)
    values[:others] = usual / 2
    found = bootstrap_interval(values, np.arange(count))
    assert usual / 2 <= found.low <= found.mean <= found.high <= 1.02 * usual


def test_what_never_varies_is_certain():
    (found,) = bootstrap_intervals(np.full((30, 1), 0.3), np.arange(30))
    assert found.mean == found.low == found.high == pytest.approx(0.3)


def test_large_numbers_of_images_take_little_memory():
    """Weights of all draws at once would be 800 MB."""
    import tracemalloc

    values = np.random.default_rng(0).normal(0, 1, (50_000, 2))
    tracemalloc.start()
    bootstrap_intervals(values, np.arange(50_000), 200)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 200e6


@pytest.mark.parametrize("p", [0.1, 0.5, 0.95])
def test_shares_hold_the_truth(p):
    random = np.random.default_rng(1)
    found = [share_interval(random.random(100) < p, np.arange(100)) for _ in range(600)]
    assert 0.92 <= np.mean([f.low <= p <= f.high for f in found]) <= 0.98


def test_which_side_of_zero():
    assert Interval(0.4, 0.1, 0.7).is_clear
    assert Interval(-0.4, -0.7, -0.1).is_clear
    assert not Interval(0.4, -0.1, 0.9).is_clear
    assert not Interval(0.4).is_clear


def test_corrected_interval_by_hand():
    """Variance 2.5, (1/5 + 1/4) 2.5 = 1.125, and Student's 97.5 % point for four degrees, 2.7764."""
    found = fold_interval([1, 2, 3, 4, 5], 1 / 4)
    assert (found.mean, found.low, found.high) == pytest.approx((3, 0.0552, 5.9448), abs=1e-4)
    assert found.p == pytest.approx(0.04742, abs=1e-5)
    naive = fold_interval([1, 2, 3, 4, 5], 0)  # the plain t-test of one sample
    assert naive.p == pytest.approx(0.01324, abs=1e-5)


def test_folds_that_do_not_vary_give_no_interval():
    assert (fold_interval([0.5, 0.5], 1).low, fold_interval([0.5], 1).p) == (None, None)


def test_corrected_intervals_hold_the_truth_where_plain_ones_do_not():
    """Five folds of 50 values; what is learnt is their mean, beside a guess of 0, by squared error."""
    k, n, truth = 5, 50, 1 / 40 - 0.3**2
    values = np.random.default_rng(0).normal(0.3, 1, (2000, k, n // k))
    learnt = (values.sum((1, 2))[:, None] - values.sum(2)) / (n - n // k)
    differences = ((values - learnt[..., None]) ** 2 - values**2).mean(2)

    def held(ratio):
        found = [fold_interval(row, ratio) for row in differences]
        return np.mean([one.low <= truth <= one.high for one in found])

    assert differences.mean() == pytest.approx(truth, abs=0.01)
    assert 0.93 <= held(1 / (k - 1)) <= 0.97
    assert held(0) < 0.9

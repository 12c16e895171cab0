import numpy as np
import pytest
import torch
from hypothesis import given, settings, strategies as st

from inpaintlab.metrics import discrimination, frechet_distance, gaussian_distance, kernel_distance
from inpaintlab.metrics.sets import _discrepancy


def sets(count=300, dimension=8, noise=0.5, seed=0):
    """Truth, and the truth with noise: float32 rows."""
    random = np.random.default_rng(seed)
    truth = random.normal(size=(count, dimension)) @ random.normal(size=(dimension, dimension))
    filled = truth + noise * random.normal(size=truth.shape)
    return filled.astype(np.float32), truth.astype(np.float32)


@given(seed=st.integers(0, 1000), scale=st.floats(0.1, 4))
def test_closed_form_of_gaussians_that_commute(seed, scale):
    """Covariances with the same axes: the sum over axes of (σ - τ)², and the distance of the means."""
    random = np.random.default_rng(seed)
    axes, _ = np.linalg.qr(random.normal(size=(6, 6)))
    first, second = random.uniform(0, scale, (2, 6))
    means = random.normal(size=(2, 6))
    covariances = [axes @ np.diag(of**2) @ axes.T for of in (first, second)]
    expected = ((means[0] - means[1]) ** 2).sum() + ((first - second) ** 2).sum()
    found = gaussian_distance(means[0], covariances[0], means[1], covariances[1])
    assert found == pytest.approx(expected, rel=1e-6, abs=1e-6)


@given(seed=st.integers(0, 1000))
def test_a_shift_of_all_rows_is_its_square(seed):
    _, truth = sets(seed=seed)
    shift = np.linspace(-1, 1, truth.shape[1])
    assert frechet_distance(truth + shift, truth) == pytest.approx((shift**2).sum(), rel=1e-4)


def test_frechet_distance_is_torch_fidelitys():
    fidelity = pytest.importorskip("torch_fidelity.metric_fid")
    filled, truth = sets(count=200, dimension=32)
    statistics = [
        fidelity.fid_features_to_statistics(torch.from_numpy(of).double()) for of in (filled, truth)
    ]
    expected = fidelity.fid_statistics_to_metric(*statistics, verbose=False)
    (value,) = expected.values()
    assert frechet_distance(filled, truth) == pytest.approx(value, rel=1e-6)


def test_covariances_without_full_rank():
    """By eigenvalues that works as well, although `Distributions` refuses it."""
    _, truth = sets(count=10, dimension=32)
    assert frechet_distance(truth, truth) == pytest.approx(0, abs=1e-4)
    assert frechet_distance(truth + 1, truth) == pytest.approx(32, rel=1e-3)


def test_discrepancy_is_torch_fidelitys_for_pairs():
    fidelity = pytest.importorskip("torch_fidelity.metric_kid")
    filled, truth = sets(count=60)
    kernels = [
        fidelity.kernel_poly(x.astype(float), y.astype(float), kid_kernel_poly_gamma=None)
        for x, y in ((filled, filled), (filled, truth), (truth, truth))
    ]
    expected = fidelity.mmd2(*kernels, mmd_est="u-statistic")
    assert _discrepancy(filled, truth) == pytest.approx(float(expected), rel=1e-4)


def test_kernel_distance_does_not_depend_on_the_number_of_images():
    """The mean over many small sets is that of a large one; the Fréchet distance is not so."""
    filled, truth = sets(count=4000, dimension=6)
    whole = _discrepancy(filled, truth)
    small = [_discrepancy(filled[i : i + 20], truth[i : i + 20]) for i in range(0, 4000, 20)]
    error = np.std(small) / np.sqrt(len(small))
    assert abs(np.mean(small) - whole) < 4 * error
    pieces = [frechet_distance(filled[i : i + 20], truth[i : i + 20]) for i in range(0, 4000, 20)]
    assert np.mean(pieces) > 1.5 * frechet_distance(filled, truth)


def test_kernel_distance_of_pairs_is_not_lowered_by_what_they_share():
    """Filled images that are new draws of the same kind give 0 on average, alike or apart."""
    random = np.random.default_rng(0)
    values = []
    for _ in range(300):
        truth = random.normal(size=(40, 4))
        # Of the same distribution, and correlated with the truth.
        filled = 0.9 * truth + np.sqrt(1 - 0.9**2) * random.normal(size=(40, 4))
        values.append(_discrepancy(filled, truth))
    assert abs(np.mean(values)) < 4 * np.std(values) / np.sqrt(len(values))


def test_subsets_of_the_kernel_distance():
    filled, truth = sets(count=300)
    found = kernel_distance(filled, truth)
    assert found.size == 150
    assert found == kernel_distance(filled, truth)
    assert found.deviation > 0
    assert found.mean == pytest.approx(_discrepancy(filled, truth), abs=found.deviation)
    assert kernel_distance(filled[:20], truth[:20]).size == 10
    large = np.zeros((2500, 2), np.float32)
    assert kernel_distance(large, large, subsets=1).size == 1000


@pytest.mark.parametrize("measure", [frechet_distance, lambda x, y: kernel_distance(x, y).mean])
def test_sets_are_farther_apart_with_more_noise(measure):
    values = [measure(*sets(noise=noise)) for noise in (0.0, 0.5, 1.0, 2.0)]
    assert values[0] == pytest.approx(0, abs=1e-4)
    assert np.all(np.diff(values) > 0)


@settings(max_examples=10)
@given(seed=st.integers(0, 1000))
def test_the_order_of_the_images_does_not_matter(seed):
    filled, truth = sets(count=100, seed=seed)
    order = np.random.default_rng(seed).permutation(100)
    value = frechet_distance(filled, truth)
    assert frechet_distance(filled[order], truth) == pytest.approx(value, rel=1e-4)
    both = discrimination(filled, truth), discrimination(filled[order], truth[order])
    assert both[0] == pytest.approx(both[1], abs=0.02)


def test_what_cannot_be_told_apart_is_taken_for_true_in_half_of_the_pairs():
    random = np.random.default_rng(0)
    filled, truth = random.normal(size=(2, 4000, 4))
    found = discrimination(filled, truth)
    assert found.paired == pytest.approx(0.5, abs=0.05)
    assert found.unpaired == pytest.approx(0.5, abs=0.05)


def test_what_is_told_apart_at_once_is_never_taken_for_true():
    filled, truth = sets(noise=0.1)
    assert discrimination(filled + 100, truth) == (0.0, 0.0)


def test_closed_form_of_discrimination():
    """On a line with means m apart and deviation 1 the best plane is wrong in Φ(-m/2) of the cases,

    and in a pair the filled one is above in Φ(-m/√2).
    """
    random = np.random.default_rng(0)
    truth = random.normal(size=(20_000, 1))
    filled = random.normal(size=(20_000, 1)) - 1.5
    found = discrimination(filled, truth)
    normal = torch.distributions.Normal(0.0, 1.0)
    assert found.unpaired == pytest.approx(float(normal.cdf(torch.tensor(-0.75))), abs=0.01)
    assert found.paired == pytest.approx(float(normal.cdf(torch.tensor(-1.5 / 2**0.5))), abs=0.01)

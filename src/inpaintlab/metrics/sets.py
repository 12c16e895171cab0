"""Distances of two sets of vectors: rows of features `[n, D]`, one for each image.

Row i of both sets is of the same image, filled and true.
"""

import warnings
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[np.floating]

#: Subsets of the kernel distance and their size, of the published KID (Bińkowski et al. 2018) and of
#: torch-fidelity.
SUBSETS, SUBSET_SIZE = 100, 1000
#: The kernel distance is taken of at least so many images: a subset is half of them.
LEAST_KERNEL = 20
# The subsets are the same for all methods and runs.
_SEED = 2018


class KernelDistance(NamedTuple):
    """The mean of the squared distance over subsets of `size` images, and the standard deviation."""

    mean: float
    deviation: float
    size: int


class Discrimination(NamedTuple):
    """P-IDS and U-IDS, shares from 0 to 1."""

    paired: float
    unpaired: float


def frechet_distance(filled: Array, truth: Array) -> float:
    """Fréchet distance of two Gaussians that have the means and covariances of two sets, from 0.

    The FID where the vectors are those of Inception (Heusel et al. 2017). It is biased by the number of
    images, the more the fewer there are: compare it at equal n alone. With fewer images than numbers
    in a vector, plus one, the covariance has not full rank: see `Distributions`, which refuses that.
    """
    moments = [_moments(np.asarray(rows, np.float64)) for rows in (filled, truth)]
    return gaussian_distance(*moments[0], *moments[1])


def gaussian_distance(mean: Array, covariance: Array, other_mean: Array, other: Array) -> float:
    """Squared Fréchet distance of two Gaussians (Dowson and Landau 1982, equation 4), from 0.

    |m₁ - m₂|² + tr(C₁ + C₂ - 2·(√C₁ C₂ √C₁)^½), with the square root by eigenvalues, which of such a
    matrix are real and not below 0.

    >>> one = np.eye(2)
    >>> float(gaussian_distance(np.zeros(2), one, np.array([3.0, 4.0]), 4 * one))
    27.0
    """
    values, vectors = np.linalg.eigh(covariance)
    root = (vectors * np.sqrt(values.clip(min=0))) @ vectors.T
    common = np.sqrt(np.linalg.eigvalsh(root @ other @ root).clip(min=0)).sum()
    apart = ((mean - other_mean) ** 2).sum() + np.trace(covariance) + np.trace(other) - 2 * common
    return float(max(apart, 0.0))


def kernel_distance(filled: Array, truth: Array, subsets: int = SUBSETS) -> KernelDistance:
    """Squared maximum mean discrepancy with the kernel (x·y/D + 1)³, the mean over random subsets.

    The KID where the vectors are those of Inception (Bińkowski et al. 2018, section 4). It is not biased
    by the number of images and may be below 0. A subset has 1,000 images, or half of them where
    there are fewer than 2,000, as the spread over subsets of all would be 0.

    The estimate is that for paired samples (Gretton et al. 2012, equation 4). The usual one is for sets
    that are drawn apart: where the filled image shares its known pixels with its truth, it is too low,
    and below 0 for identical images. This is exactly 0 for them.
    """
    random = np.random.default_rng(_SEED)
    size = min(SUBSET_SIZE, len(truth) // 2)
    chosen = (random.choice(len(truth), size, replace=False) for _ in range(subsets))
    found = [_discrepancy(filled[rows], truth[rows]) for rows in chosen]
    return KernelDistance(float(np.mean(found)), float(np.std(found)), size)


def discrimination(filled: Array, truth: Array) -> Discrimination:
    """Paired and unpaired inception discriminative scores (Zhao et al. 2021, section 4.2), 0 to 1.

    A linear support vector machine learns to tell filled from true. P-IDS is the share of pairs in which
    it takes the filled image for truer than its truth, ½ at best where nothing can be told; U-IDS the
    share of images, filled and true, that it takes for the other kind, ½ likewise. It judges the
    images that it has learnt from, as in the paper.
    """
    from sklearn.exceptions import ConvergenceWarning  # takes a second to import
    from sklearn.svm import LinearSVC

    rows = np.concatenate([filled, truth]).astype(np.float64)
    kinds = np.repeat([0, 1], [len(filled), len(truth)])
    with warnings.catch_warnings():
        # Where a plane separates them all, its place never settles; which side each lies on does.
        warnings.simplefilter("ignore", ConvergenceWarning)
        machine = LinearSVC(dual=False).fit(rows, kinds)
    scores = machine.decision_function(rows)
    fake, real = scores[: len(filled)], scores[len(filled) :]
    wrong = (fake > 0).sum() + (real <= 0).sum()
    return Discrimination(float((fake > real).mean()), float(wrong / len(rows)))


def _moments(rows: Array) -> tuple[Array, Array]:
    return rows.mean(0), np.atleast_2d(np.cov(rows, rowvar=False))


def _discrepancy(x: Array, y: Array) -> float:
    """Mean over i ≠ j of k(xᵢ, xⱼ) + k(yᵢ, yⱼ) - k(xᵢ, yⱼ) - k(xⱼ, yᵢ)."""
    count = len(x)
    kernels = _kernel(x, x) + _kernel(y, y) - 2 * _kernel(x, y)
    total = kernels.sum(dtype=np.float64) - np.trace(kernels, dtype=np.float64)
    return float(total / (count * (count - 1)))


def _kernel(x: Array, y: Array) -> Array:
    plus = x @ y.T / x.shape[1] + 1
    cubed: Array = plus * plus * plus  # ** 3 takes ten times as long
    return cubed

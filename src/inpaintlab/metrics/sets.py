"""Figures of whole sets of images, from features that are collected batch by batch.

Sets are rows of features `[n, D]`, one for each image; row i of both is of the same image, filled and
true.
"""

import warnings
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from inpaintlab.arrays import Bool, Float32
from inpaintlab.features import VectorNetwork
from inpaintlab.metrics.table import Unavailable

Array = npt.NDArray[np.floating]
Measure = Callable[[Float32, Float32], Sequence[float]]
#: What a network sees of images and their masks.
Cut = Callable[[Tensor, Tensor], Tensor]

#: Subsets of the kernel distance and their size, of the published KID (Bińkowski et al. 2018) and of
#: torch-fidelity.
SUBSETS, SUBSET_SIZE = 100, 1000
#: The kernel distance is taken of at least so many images: a subset is half of them.
LEAST_KERNEL = 20
# Subsets, and the images for the Fréchet distance at equal n, are the same for all methods and runs.
_SUBSET_SEED, _SEED = 2018, 2017
# Images that are looked at together: a network may take 10 MB for each.
_TOGETHER = 16


def figures(suffix: str = "") -> list[str]:
    """Return the names of all figures that `Distributions` gives, in order.

    Without a suffix, for Inception, they are the standard's. With one the "i" of Inception is left out.

    >>> figures()
    ['fid', 'kid', 'kid_std', 'p_ids', 'u_ids']
    >>> figures("-efficientnet")[:3]
    ['fd-efficientnet', 'kd-efficientnet', 'kd_std-efficientnet']
    """
    i = "" if suffix else "i"
    return [f"{name}{suffix}" for name in (f"f{i}d", f"k{i}d", f"k{i}d_std", f"p_{i}ds", f"u_{i}ds")]


class Distributions:
    """Features of the truth and of what several methods filled: one float32 row an image.

    These rows are all that grows with the images: 8 kB an image and method for Inception. `suffix`
    belongs to a network that is not the standard's, see `figures`. With `cut` the network sees what
    that cuts out of images with their masks, as `hole_crops` does, in place of whole images, of which a
    hole may be a tenth.

    >>> class Colour(VectorNetwork):
    ...     def forward(self, image): return image.mean((2, 3))
    >>> sets = Distributions(Colour(torch.nn.Identity(), dimension=3, min_size=1), "-colour")
    >>> truth = torch.rand(20, 3, 8, 8)
    >>> sets.add({"ours": truth}, truth, torch.ones(20, 1, 8, 8))
    >>> round(sets.scores("ours")["fd-colour"], 3)
    0.0
    """

    def __init__(self, network: VectorNetwork, suffix: str = "", cut: Cut | None = None) -> None:
        self.network, self.cut = network, cut
        self.figures = figures(suffix)
        self._truth: list[Float32] = []
        self._filled: dict[str, list[Float32]] = {}

    def add(self, filled: Mapping[str, Tensor], truth: Tensor, mask: Tensor) -> None:
        """Take a batch: method -> filled images `[B, 3, H, W]` in [0, 1], their truth, and the masks.

        The methods are the same in every batch. The truth's features are made once for all of them.
        """
        self._truth.append(self._rows(truth, mask))
        for method, images in filled.items():
            self._filled.setdefault(method, []).append(self._rows(images, mask))

    @property
    def least(self) -> int:
        """The fewest images for the Fréchet distance and the discriminative scores.

        One more than the numbers in a vector. With fewer the covariance has not full rank, and a plane
        separates the two sets however alike they are.
        """
        return self.network.dimension + 1

    def scores(
        self, method: str, selection: Bool | None = None, count: int | None = None
    ) -> dict[str, float | Unavailable]:
        """Return name -> value, or why there is none, over the selected images, by default all.

        `count`: the Fréchet distance is taken of so many of them, drawn at random, as it can be compared
        at equal n alone: see `common_size`. The others are of all that are selected.
        """
        truth = np.concatenate(self._truth)
        chosen = np.arange(len(truth)) if selection is None else np.flatnonzero(selection)
        drawn = chosen
        if count is not None and count < len(chosen):
            drawn = np.random.default_rng(_SEED).choice(chosen, count, replace=False)
        filled = np.concatenate(self._filled[method])
        asked: list[tuple[Measure, npt.NDArray[np.intp], int]] = [
            (lambda x, y: (frechet_distance(x, y),), drawn, self.least),
            (lambda x, y: kernel_distance(x, y)[:2], chosen, LEAST_KERNEL),
            (discrimination, chosen, self.least),
        ]
        values: list[float | str] = []
        for (measure, rows, least), width in zip(asked, (1, 2, 2), strict=True):
            if len(rows) < least:
                values += [f"needs at least {least:,} images, there are {len(rows):,}"] * width
            else:
                values += measure(filled[rows], truth[rows])
        return {
            name: Unavailable(name, value) if isinstance(value, str) else value
            for name, value in zip(self.figures, values, strict=True)
        }

    @torch.inference_mode()
    def _rows(self, images: Tensor, mask: Tensor) -> Float32:
        seen = self.cut(images, mask) if self.cut else images
        parts = [self.network(part).cpu().numpy() for part in torch.split(seen, _TOGETHER)]
        return np.concatenate(parts).astype(np.float32, copy=False)


def common_size(selections: Iterable[Bool], least: int) -> int:
    """Return the n at which all selections can be compared that have at least `least` images; 0: none.

    >>> bins = [np.arange(100) < n for n in (5, 40, 60)]
    >>> common_size(bins, least=20)
    40
    """
    sizes = [int(selection.sum()) for selection in selections]
    return min((size for size in sizes if size >= least), default=0)


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
    random = np.random.default_rng(_SUBSET_SEED)
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

"""Intervals for means of per-image values.

Values of one image under several masks, and of images that belong together, are not independent:
what is resampled is the *cluster*, all values of an image or of a group of images.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from scipy import stats

from inpaintlab.arrays import Bool, Float64, Int64
from inpaintlab.reports import Cell, cell

#: Share of intervals that are to hold the true mean.
LEVEL = 0.95
RESAMPLES = 2000
#: From fewer clusters nothing can be said of how means would vary: there is no interval.
FEWEST = 10
#: Seed of the resamples, the same for every run, so that a result repeats to the last digit.
_SEED = 11
#: Numbers of weights held at a time.
_ROOM = 4_000_000
#: Standard deviations on either side that hold 95 % of normal values.
_NORMAL = 1.959964


@dataclass(frozen=True)
class Interval:
    """A mean and its 95 % interval; `low` and `high` are None where there are too few clusters.

    >>> Interval(0.4, 0.1, 0.7).is_clear, Interval(0.4).is_clear
    (True, False)
    """

    mean: float
    low: float | None = None
    high: float | None = None

    @property
    def is_clear(self) -> bool:
        """Whether the interval lies on one side of 0."""
        return self.low is not None and self.high is not None and (self.low > 0 or self.high < 0)

    def __neg__(self) -> "Interval":
        low, high = (None if end is None else -end for end in (self.high, self.low))
        return Interval(-self.mean, low, high)

    def text(self, spec: str = ".2f", sign: str = "", unit: str = "") -> str:
        """Return it in words.

        >>> Interval(0.4, 0.1, 0.7).text(unit=" dB"), Interval(0.4).text(sign="+")
        ('0.40 dB [0.10, 0.70]', '+0.40')
        """
        found = cell(self.mean, self.low, self.high, spec=spec, sign=sign)
        return f"{found.text}{unit} {found.detail}".rstrip()

    def cell(self, spec: str = ".2f", sign: str = "") -> Cell:
        """Return it as the cell of a table."""
        return cell(self.mean, self.low, self.high, spec=spec, sign=sign)


def bootstrap_interval(values: Float64, clusters: Int64 | Sequence[int]) -> Interval:
    """Return mean and 95 % interval of values `[n]`; value i belongs to `clusters[i]`.

    >>> found = bootstrap_interval(np.arange(20.0), np.arange(20))
    >>> found.mean, found.low < 9.5 < found.high
    (9.5, True)
    """
    return bootstrap_intervals(np.asarray(values, float)[:, None], np.asarray(clusters))[0]


def bootstrap_intervals(values: Float64, clusters: Int64, resamples: int = RESAMPLES) -> list[Interval]:
    """Return mean and 95 % interval of each column of values `[n, k]`; row i belongs to `clusters[i]`.

    Intervals are bootstrap-t (Efron and Tibshirani 1993, section 12.5) over clusters: in each resample
    the distance of its mean from the real one is taken in units of its own standard error, so that
    skewed values, as those of metrics are, get intervals that are as skewed. The standard error of the
    mean, a ratio of the sums over clusters, is that of its linearisation.
    """
    middle = values.mean(0)
    sums, sizes = _by_cluster(values - middle, clusters)
    count = len(sizes)
    if count < FEWEST:
        return [Interval(float(value)) for value in middle]
    error = _standard_error(sums, sizes)
    distances = np.concatenate(
        [_distances(sums, sizes, weights) for weights in _weights(count, resamples)]
    )
    tail = (1 - LEVEL) / 2
    above, below = np.quantile(distances, [1 - tail, tail], axis=0)
    return [
        Interval(float(m), float(m - up * se), float(m - down * se))
        for m, se, up, down in zip(middle, error, above, below, strict=True)
    ]


def unpaired_interval(
    one: Float64, one_clusters: Int64, other: Float64, other_clusters: Int64
) -> Interval:
    """Return the mean of `one` less that of `other`, of different images, with a normal interval."""
    errors, counts = [], []
    for values, clusters in ((one, one_clusters), (other, other_clusters)):
        sums, sizes = _by_cluster((values - values.mean())[:, None], clusters)
        counts.append(len(sizes))
        errors.append(float(_standard_error(sums, sizes)[0]) if len(sizes) > 1 else 0.0)
    difference = float(one.mean() - other.mean())
    if min(counts) < FEWEST:
        return Interval(difference)
    half = _NORMAL * (errors[0] ** 2 + errors[1] ** 2) ** 0.5
    return Interval(difference, difference - half, difference + half)


@dataclass(frozen=True)
class FoldInterval(Interval):
    """A mean over folds with its corrected interval; both and `p` are None where folds do not vary.

    `p` is the chance of a mean so far from 0 where there is no difference.
    """

    p: float | None = None


def fold_interval(values: Sequence[float], ratio: float) -> FoldInterval:
    """Return the mean over folds of differences, with an interval for training sets drawn anew.

    `ratio` is the number of images that a fold validates with over that of those it trains on. Folds
    share training images, so that the variance of their mean is not s²/k; it is taken for
    (1/k + ratio) s², with Student's distribution of k - 1 degrees of freedom (Nadeau and Bengio 2003,
    the corrected resampled t-test).

    >>> found = fold_interval([1, 2, 3, 4, 5], 1 / 4)
    >>> round(found.low, 3), round(found.high, 3), round(found.p, 4)
    (0.055, 5.945, 0.0474)
    """
    column = np.asarray(values, float)
    k, mean = len(column), float(column.mean())
    error = float(np.sqrt((1 / k + ratio) * column.var(ddof=1))) if k > 1 else 0.0
    if error <= 0:
        return FoldInterval(mean)
    half = float(stats.t.ppf((1 + LEVEL) / 2, k - 1)) * error
    p = float(2 * stats.t.sf(abs(mean) / error, k - 1))
    return FoldInterval(mean, mean - half, mean + half, p)


def share_interval(wins: Bool, clusters: Int64) -> Interval:
    """Return the share of wins with its Wilson interval (1927), as if each cluster were one trial.

    A bootstrap would say of nothing but wins that they are certain.

    >>> wins = share_interval(np.ones(20, bool), np.arange(20))
    >>> wins.mean, round(wins.low, 2), wins.high
    (1.0, 0.84, 1.0)
    """
    p, n = float(wins.mean()), len(np.unique(clusters))
    if n < FEWEST:
        return Interval(p)
    z2 = _NORMAL**2
    middle = (p + z2 / (2 * n)) / (1 + z2 / n)
    half = (z2 * (p * (1 - p) / n + z2 / (4 * n * n))) ** 0.5 / (1 + z2 / n)
    # Rounding must not put an end on the wrong side of the share.
    return Interval(p, min(p, max(0.0, middle - half)), max(p, min(1.0, middle + half)))


def percent_interval(values: Float64, clusters: Int64) -> Interval:
    """Return the mean of percentages `[n]` with its interval, no end of which lies beyond 0 or 100.

    Where each value is all or nothing, the mean is a share, and has a share's interval.

    >>> found = percent_interval(np.repeat([0.0, 100.0], [58, 2]), np.arange(60))
    >>> round(found.mean, 1), round(found.low, 1), round(found.high, 1)
    (3.3, 0.9, 11.4)
    """
    if np.isin(values, (0, 100)).all():
        found, unit = share_interval(values > 0, clusters), 100.0
    else:
        found, unit = bootstrap_interval(values, clusters), 1.0
    ends = (None if end is None else min(100.0, max(0.0, unit * end)) for end in (found.low, found.high))
    return Interval(unit * found.mean, *ends)


def _by_cluster(values: Float64, clusters: Int64) -> tuple[Float64, Float64]:
    _, which, sizes = np.unique(clusters, return_inverse=True, return_counts=True)
    sums = np.zeros((len(sizes), values.shape[1]))
    np.add.at(sums, which, values)
    return sums, sizes.astype(float)


def _standard_error(sums: Float64, sizes: Float64) -> Float64:
    """Return the standard error of `sums / sizes` summed over clusters, for sums about their mean."""
    count = len(sizes)
    error: Float64 = np.sqrt(count / (count - 1) * (sums**2).sum(0)) / sizes.sum()
    return error


def _weights(count: int, draws: int) -> Iterator[Float64]:
    """Yield how often each cluster is in each draw, `[draws, count]`, some draws at a time."""
    random = np.random.default_rng(_SEED)
    step = max(1, _ROOM // count)
    for start in range(0, draws, step):
        chosen = random.integers(0, count, (min(step, draws - start), count))
        rows = np.arange(len(chosen))[:, None] * count
        counts = np.bincount((chosen + rows).ravel(), minlength=chosen.size)
        yield counts.reshape(chosen.shape).astype(float)


def _distances(sums: Float64, sizes: Float64, weights: Float64) -> Float64:
    """Return means of draws, in standard errors of each draw, `[draws, k]`; 0 where nothing varies."""
    count = len(sizes)
    total = (weights @ sizes)[:, None]
    mean = weights @ sums / total
    # Σ w (s - m·size)², multiplied out so that it is matrix products alone.
    squares = weights @ sums**2 - 2 * mean * (weights @ (sums * sizes[:, None]))
    squares = (squares + mean**2 * (weights @ sizes**2)[:, None]).clip(min=0)
    error = np.sqrt(count / (count - 1) * squares) / total
    # Of a draw that holds one value alone, what is multiplied out leaves the root of a rounding error.
    rounding = 1e-6 * np.abs(sums).max(0) * count**0.5 / sizes.sum()
    return np.divide(mean, error, out=np.zeros_like(mean), where=error > rounding)

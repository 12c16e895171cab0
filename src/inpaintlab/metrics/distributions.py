"""Figures of whole sets of images, from features that are collected batch by batch."""

from collections.abc import Callable, Iterable, Mapping, Sequence

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from inpaintlab.arrays import Bool, Float32
from inpaintlab.features import VectorNetwork
from inpaintlab.metrics.sets import LEAST_KERNEL, discrimination, frechet_distance, kernel_distance
from inpaintlab.metrics.table import Unavailable

Measure = Callable[[Float32, Float32], Sequence[float]]
# The images for the Fréchet distance at equal n are drawn with it, the same for all methods.
_SEED = 2017
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
    belongs to a network that is not the standard's, see `figures`.

    >>> class Colour(VectorNetwork):
    ...     def forward(self, image): return image.mean((2, 3))
    >>> sets = Distributions(Colour(torch.nn.Identity(), dimension=3, min_size=1), "-colour")
    >>> truth = torch.rand(20, 3, 8, 8)
    >>> sets.add({"ours": truth}, truth)
    >>> round(sets.scores("ours")["fd-colour"], 3)
    0.0
    """

    def __init__(self, network: VectorNetwork, suffix: str = "") -> None:
        self.network = network
        self.figures = figures(suffix)
        self._truth: list[Float32] = []
        self._filled: dict[str, list[Float32]] = {}

    def add(self, filled: Mapping[str, Tensor], truth: Tensor) -> None:
        """Take a batch: method -> filled images `[B, 3, H, W]` in [0, 1], and their truth.

        The methods are the same in every batch. The truth's features are made once for all of them.
        """
        self._truth.append(self._rows(truth))
        for method, images in filled.items():
            self._filled.setdefault(method, []).append(self._rows(images))

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
    def _rows(self, images: Tensor) -> Float32:
        parts = [self.network(part).cpu().numpy() for part in torch.split(images, _TOGETHER)]
        return np.concatenate(parts).astype(np.float32, copy=False)


def common_size(selections: Iterable[Bool], least: int) -> int:
    """Return the n at which all selections can be compared that have at least `least` images; 0: none.

    >>> bins = [np.arange(100) < n for n in (5, 40, 60)]
    >>> common_size(bins, least=20)
    40
    """
    sizes = [int(selection.sum()) for selection in selections]
    return min((size for size in sizes if size >= least), default=0)

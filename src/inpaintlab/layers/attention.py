"""Contextual attention: what fills the hole is put together from what is known.

Yu et al. 2018 compare 3×3 patches, paste larger ones and add up neighbours along diagonals, all of which
are sums over the same pairs of cells, moved. So no patch is ever cut out here: the inner products of
single cells are made once, and moved and added. That is a fifth of the multiplications, and what has to
be kept in memory are the scores of some rows of queries at a time.
"""

from contextlib import AbstractContextManager, nullcontext
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

from inpaintlab.errors import SettingError, SizeError

#: Patches of less than this norm are like nothing, in place of a division by zero.
_LEAST_NORM = 1e-4


class ContextualAttention(nn.Module):
    """Rebuild features from known patches, the more of each the more alike (Yu et al. 2018, 3.2).

    Features are cut into cells of `rate` × `rate`. Patches of 3×3 cells (of each cell its first
    feature) are compared by cosine similarity; with `fuse`, the similarities of the neighbours to the
    left and right, above and below, moved alike, are added (their Eqs. 4 and 5 with k = 3). A softmax
    of `scale` times that weighs known patches, of which windows of 2·rate × 2·rate are pasted, `rate`
    apart, and averaged where they overlap. A patch is known if there is no hole in its 3×3 cells, sample
    by sample; where no patch of a sample is known, its features pass through unchanged.

    Scores are computed for about `chunk` cells at a time, and once more for the gradient instead of
    being remembered: memory grows with `chunk` times the number of cells, not with its square. The
    result is the same for any `chunk`. What is exported has a single chunk, for any size.

    It differs from the published code in four places: the norm of the query divides, as in the paper's
    Eq. 3; what is not known has weight 0, where multiplying scores by 0 left it some; fusing ends at
    the edge of the image, where reshaping made the end of one row a neighbour of the next one's
    start; and windows that reach over the edge do not darken it.

    Raises `SettingError` for `rate` or `chunk` below 1.
    """

    def __init__(
        self, rate: int = 2, scale: float = 10.0, *, fuse: bool = True, chunk: int = 256
    ) -> None:
        super().__init__()
        for name, value in (("rate", rate), ("chunk", chunk)):
            if value < 1:
                raise SettingError(f"contextual attention: {name} must be at least 1, got {value}")
        self.rate = rate
        self.scale = scale
        self.fuse = fuse
        self.chunk = chunk

    def forward(self, features: Tensor, mask: Tensor) -> Tensor:
        """Return `[B, C, H, W]` of features of that shape and a mask `[B, 1, H, W]`, 1 = hole.

        Half precision is computed in single. Raises `SizeError` for sides that are no multiples of
        `rate`.
        """
        height, width = features.shape[-2:]
        if height % self.rate or width % self.rate:
            raise SizeError(
                f"contextual attention at rate {self.rate} cannot take {height}×{width}: "
                f"both sides must be multiples of {self.rate}"
            )
        with _single_precision(features):
            kind = torch.promote_types(features.dtype, torch.float32)
            rebuilt = self._rebuild(features.to(kind), mask)
        return rebuilt.to(features.dtype)

    def _rebuild(self, features: Tensor, mask: Tensor) -> Tensor:
        # A cell is hole with any hole in it, a patch with any such cell.
        known = F.max_pool2d(F.max_pool2d(mask, self.rate), 3, 1, 1) == 0
        any_known = known.flatten(1).any(1)[:, None, None, None]
        # Without a known patch the softmax runs over all, so that no gradient is NaN; it is not used.
        barred = torch.zeros_like(known, dtype=features.dtype).masked_fill(
            any_known & ~known, -torch.inf
        )
        cells = features[..., :: self.rate, :: self.rate]
        norm = _patch_norm(cells)
        values = F.pixel_unshuffle(features, self.rate)
        values = values.view(-1, features.shape[1], self.rate, self.rate, *cells.shape[2:])
        rows = [
            self._rows(start, stop, cells, norm, barred, values) for start, stop in self._chunks(cells)
        ]
        return torch.where(any_known, torch.cat(rows, 2), features)

    def _chunks(self, cells: Tensor) -> list[tuple[int, int]]:
        """Return first and one past the last row of cells of each chunk."""
        height, width = cells.shape[-2:]
        if torch.compiler.is_exporting():
            return [(0, height)]
        rows = max(1, self.chunk // width)
        return [(start, min(start + rows, height)) for start in range(0, height, rows)]

    def _rows(self, start: int, stop: int, *tensors: Tensor) -> Tensor:
        """Rebuild rows of cells, remembering nothing but the arguments where a gradient is wanted."""
        wanted = torch.is_grad_enabled() and tensors[0].requires_grad
        if not wanted or torch.compiler.is_exporting():
            return self._compute_rows(start, stop, *tensors)
        rows: Tensor = checkpoint(
            self._compute_rows, start, stop, *tensors, use_reentrant=False, preserve_rng_state=False
        )
        return rows

    def _compute_rows(
        self, start: int, stop: int, cells: Tensor, norm: Tensor, barred: Tensor, values: Tensor
    ) -> Tensor:
        height = cells.shape[2]
        # Windows pasted one row above and below reach into these rows.
        first, last = _widen(start, stop, 1, height)
        scores = self._scores(first, last, cells, norm) + barred[:, None]
        weights = scores.flatten(3).softmax(3).view_as(scores)
        return _paste(weights, values, start - first, last - stop)

    def _scores(self, first: int, last: int, cells: Tensor, norm: Tensor) -> Tensor:
        """Return the scores of rows of cells, `[B, rows, w, h, w]`."""
        start, stop = _widen(first, last, 2 if self.fuse else 1, cells.shape[2])
        queries = cells[:, :, start:stop]
        scores = (queries.flatten(2).mT @ cells.flatten(2)).view(
            -1, stop - start, cells.shape[3], *cells.shape[2:]
        )
        scores = _square(scores) * (self.scale / norm)[:, None] / norm[:, 0, start:stop, :, None, None]
        if self.fuse:
            scores = _square(scores)
        return scores[:, first - start : last - start]


def _paste(weights: Tensor, values: Tensor, above: int, below: int) -> Tensor:
    """Paste windows with their weights and average: `[B, C, rows · rate, w · rate]`.

    Of the rows of `weights`, `[B, rows, w, h, w]`, the first `above` and the last `below` only reach
    into the others. A window covers its own cell and half of each neighbour; so in each direction two
    windows cover each half of a cell, and the sum of both, moved, weighs that half of all cells.
    """
    rate = values.shape[2]
    # As in TensorFlow's SAME padding, the window begins rate // 2 before its cell.
    halves = [(-1, slice(0, rate - rate // 2)), (1, slice(rate - rate // 2, rate))]
    lines = []
    for up, i in halves[:rate]:
        rows = _Moved.apply(weights, 0, (up,))
        rows = rows[:, above : rows.shape[1] - below]
        line = [_weigh(_Moved.apply(rows, 1, (left,)), values[:, :, i, j]) for left, j in halves[:rate]]
        lines.append(torch.cat(line, 5))
    pasted = torch.cat(lines, 4)
    return pasted.permute(0, 3, 1, 4, 2, 5).flatten(4, 5).flatten(2, 3)


def _weigh(weights: Tensor, values: Tensor) -> Tensor:
    """Return means of `[B, C, i, j, h, w]` by weights `[B, rows, w, h, w]`: `[B, rows, w, C, i, j]`."""
    ones = torch.ones_like(values[:, :1, 0, 0])
    counted = torch.cat([values.flatten(1, 3), ones], 1).flatten(2)
    # The last column of the product is the sum of the weights.
    total = weights.flatten(3).flatten(1, 2) @ counted.mT
    mean = total[..., :-1] / total[..., -1:]
    return mean.reshape(-1, *weights.shape[1:3], *values.shape[1:4])


def _square(scores: Tensor) -> Tensor:
    """Sum over 3×3 neighbours that query and key have alike, `[B, rows, w, h, w]`."""
    summed: Tensor = _Moved.apply(_Moved.apply(scores, 1, (-1, 1)), 0, (-1, 1))
    return summed


class _Moved(torch.autograd.Function):
    """Adds scores `[B, rows, w, h, w]` to themselves, query and key moved alike along one axis.

    Axis 0 is that of rows, 1 that of columns; moves are 1 and -1. Nothing comes in from outside. The
    gradient is the same with the moves the other way round.
    """

    @staticmethod
    def forward(ctx: Any, scores: Tensor, axis: int, moves: tuple[int, ...]) -> Tensor:
        ctx.axis, ctx.moves = axis, moves
        total = scores.clone()
        for move in moves:
            # What stands one further comes here, or the other way round.
            there, here = (1, 0) if move > 0 else (0, 1)
            if torch.compiler.is_exporting():  # what writes into a part is many operations in ONNX
                total = total + _padded(_part(scores, axis, there), axis, here)
            else:
                _part(total, axis, here).add_(_part(scores, axis, there))
        return total

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None, None]:
        moved = _Moved.apply(gradients[0], ctx.axis, tuple(-move for move in ctx.moves))
        return moved, None, None


def _part(scores: Tensor, axis: int, start: int) -> Tensor:
    """Return all but the last, or the first where `start` is 1, of query and key along an axis."""
    for dim in (1 + axis, 3 + axis):
        scores = scores.narrow(dim, start, scores.shape[dim] - 1)
    return scores


def _padded(part: Tensor, axis: int, start: int) -> Tensor:
    """Return what `_part` has cut out, at its place among zeros."""
    pad = [0] * 8
    for dim in (1 + axis, 3 + axis):
        pad[2 * (4 - dim) + 1 - start] = 1  # the last axis comes first
    return F.pad(part, pad)


def _patch_norm(cells: Tensor) -> Tensor:
    """Return the norm of the 3×3 patch around each cell, `[B, 1, h, w]`, nowhere 0."""
    squares = cells.square().sum(1, keepdim=True)
    # Times nine in place of `divisor_override`, which is lost in ONNX.
    return (9 * F.avg_pool2d(squares, 3, 1, 1)).clamp(min=_LEAST_NORM**2).sqrt()


def _widen(start: int, stop: int, by: int, height: int) -> tuple[int, int]:
    """Extend a range of rows by some on both sides, within the image."""
    return max(0, start - by), min(height, stop + by)


def _single_precision(features: Tensor) -> AbstractContextManager[object]:
    """Switch autocast off: in half precision similar patches could not be told apart."""
    # The meta device, where shapes are counted, knows no autocast.
    if not features.is_meta and torch.is_autocast_enabled(features.device.type):
        return torch.autocast(features.device.type, enabled=False)
    return nullcontext()

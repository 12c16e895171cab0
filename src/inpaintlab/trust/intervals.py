"""Intervals that hold the truth as often as they say: split-conformal calibration.

An error is divided by the scale that was predicted for it. On images that were not learnt from, the
quantile of these ratios says by what to multiply a scale, so that the interval holds the truth in the
wanted share of pixels (Vovk et al. 2005; split conformal as in Lei et al. 2018). Each bin of holes of
about the same size, and of pixels as deep in them, has its own quantile, so that the share is right in
each of them and not on average alone ("Mondrian").
"""

from collections.abc import Iterable, Sequence

import torch
from torch import Tensor, nn

from inpaintlab.errors import SettingError
from inpaintlab.trust.seen import depth

#: Shares of an image that is hole, (lo, hi], and depths in a hole over the shorter side: bins.
RATIOS = (0.1, 0.2, 0.3, 0.4)
DEPTHS = (0.025, 0.06, 0.12, 0.2)
#: Pixels of fewer images than this say too little of a bin: it takes the quantile of the nearest depth
#: of which there are more, in holes of about the same size, and without any that of all.
FEWEST = 100
#: Ratios of errors and scales are counted in cells of equal width on a logarithmic scale, from e^-LOG
#: to e^LOG, as the errors of all pixels would not fit into the memory.
_CELLS, _LOG = 800, 8.0


class Intervals(nn.Module):
    """By what a scale is multiplied in each bin, so that `output ± factor × scale` holds the truth.

    `coverage` is the share of values, a channel of a pixel each, that are to lie inside.
    """

    factors: Tensor
    coverage: Tensor

    def __init__(self, coverage: float = 0.9) -> None:
        super().__init__()
        if not 0 < coverage < 1:
            raise SettingError(f"coverage is above 0 and below 1, got {coverage:g}")
        self.register_buffer("factors", torch.ones(len(RATIOS) + 1, len(DEPTHS) + 1))
        self.register_buffer("coverage", torch.tensor(coverage))

    def forward(self, mask: Tensor, deep: Tensor | None = None) -> Tensor:
        """Return the factor at each pixel, `[B, 1, H, W]`; 0 outside holes.

        `deep` is what `depth` says of the mask, if it is known already.
        """
        ratio, deep = bins(mask, deep)
        return self.factors[ratio, deep] * mask

    def fit(self, ratios: Iterable[tuple[Tensor, Tensor]]) -> None:
        """Calibrate with batches of errors over their scales, `[B, 3, H, W]`, and their masks.

        They must be of images that neither the network nor the scale has learnt from.
        """
        shape = self.factors.shape
        counts, images = torch.zeros(*shape, _CELLS), torch.zeros(shape)
        for ratio, mask in ratios:
            place, inside = torch.stack(bins(mask)), mask[:, 0] > 0
            cell = _cell(ratio).permute(0, 2, 3, 1)[inside]  # [pixels, 3]
            flat = place[0, :, 0][inside] * shape[1] + place[1, :, 0][inside]
            where = (flat[:, None] * _CELLS + cell).flatten()
            counts.view(-1).index_add_(0, where, torch.ones(len(where)))
            for bin_of, hole in zip(place[:, :, 0].unbind(1), inside, strict=True):
                rows, columns = bin_of[:, hole]
                images[rows.unique()[:, None], columns.unique()] += 1
        total = counts.sum((0, 1))
        if not total.sum():
            raise SettingError("there is no pixel to calibrate with: no mask has a hole")
        for row, kept in zip(counts, (images >= FEWEST).tolist(), strict=True):
            row.copy_(torch.stack([row[near] if near is not None else total for near in _nearest(kept)]))
        self.factors.copy_(_quantile(counts, float(self.coverage)))


def bins(mask: Tensor, deep: Tensor | None = None) -> tuple[Tensor, Tensor]:
    """Return the bin of the hole ratio and of the depth at each pixel, whole numbers `[B, 1, H, W]`."""
    ratio = torch.bucketize(mask.mean((1, 2, 3), keepdim=True), torch.tensor(RATIOS).to(mask))
    deep = depth(mask) if deep is None else deep
    place = torch.bucketize(deep, torch.tensor(DEPTHS).to(mask))
    return ratio.expand_as(place), place


def _nearest(kept: Sequence[bool]) -> list[int | None]:
    """Return for each place the nearest one that is kept; None where none is.

    >>> _nearest([False, True, True, False]), _nearest([False])
    ([1, 1, 2, 2], [None])
    """
    places = [place for place, one in enumerate(kept) if one]
    return [min(places, key=lambda at: abs(at - place), default=None) for place in range(len(kept))]


def _cell(ratio: Tensor) -> Tensor:
    place = (ratio.clamp(min=1e-9).log() + _LOG) / (2 * _LOG) * _CELLS
    return place.long().clamp(0, _CELLS - 1)


def _quantile(counts: Tensor, share: float) -> Tensor:
    """Return the upper end of the cell in which a share of the counts is reached."""
    cumulated = counts.cumsum(-1)
    # One more than are there, so that the share is kept for a value that is not among them.
    wanted = share * (cumulated[..., -1:] + 1)
    cell = (cumulated < wanted).sum(-1).clamp(max=_CELLS - 1)
    return torch.exp(2 * _LOG * (cell + 1) / _CELLS - _LOG)

"""How far several fills of the same holes are apart, and what the best of them reaches.

Where much could stand in a hole, one figure of one fill says little: a method that gives several is to
give different ones, and one of them near the truth. Fills are `[K, B, 3, H, W]` in [0, 1], or a list
of K batches; the truth is `[B, 3, H, W]` and the mask `[B, 1, H, W]`. Each function gives `[B]`.
"""

from collections.abc import Iterable, Sequence
from contextlib import suppress

import torch
from torch import Tensor

from inpaintlab.errors import SettingError
from inpaintlab.metrics.per_image import hole_mean, hole_psnr

Fills = Tensor | Sequence[Tensor]
#: Images that each is set beside.
OTHERS = 16


def diversity(fills: Fills, mask: Tensor) -> Tensor:
    """Mean distance of two fills of the same hole, the root of the mean square of their difference.

    From 0, that of fills which are all the same, to 1. Raises `SettingError` for fewer than two.

    >>> mask = torch.ones(1, 1, 4, 4)
    >>> diversity([mask.expand(1, 3, 4, 4) * level for level in (0.0, 0.5, 1.0)], mask).tolist()
    [0.6666666865348816]
    """
    several = _stacked(fills)
    count = len(several)
    if count < 2:
        raise SettingError(f"diversity is of two fills or more, got {count}")
    pairs = [_distance(several[i], several[j], mask) for i in range(count) for j in range(i)]
    return torch.stack(pairs).mean(0)


def relative_diversity(
    fills: Fills, truth: Tensor, mask: Tensor, others: Iterable[Tensor] | None = None
) -> Tensor:
    """Diversity over that of what stands in the same hole of other images.

    1: fills of one hole differ as much as different images do there; near 0: they are all the same.
    `others` are batches as the truth, with other images in each place; without them they are taken from
    the batch, so that all images are to be given at once, and each once. Where none of them differs in
    a hole, as in a white margin, it is the diversity itself. Raises `SettingError` for a single image,
    or where all images of the batch are the same.

    >>> truth = torch.tensor([0.0, 1.0]).view(2, 1, 1, 1).expand(2, 3, 4, 4)
    >>> relative_diversity([truth * 0, truth * 0 + 0.5], truth, torch.ones(2, 1, 4, 4)).tolist()
    [0.5, 0.5]
    """
    beside = others
    if beside is None:
        beside = (truth.roll(by, 0) for by in range(1, min(len(truth), OTHERS + 1)))
    apart = [_distance(truth, other, mask) for other in beside]
    scale = torch.stack(apart).mean(0) if apart else mask.new_zeros(len(truth))
    alike = others is None and bool(mask.any()) and not bool(scale.any())
    if not apart or alike:
        raise SettingError("diversity is told beside that of images: give two different ones or more")
    return diversity(fills, mask) / torch.where(scale > 0, scale, 1)


def best_hole_psnr(fills: Fills, truth: Tensor, mask: Tensor) -> Tensor:
    """Hole PSNR of the best of the fills of each hole, in dB: the more fills, the better.

    >>> truth, mask = torch.zeros(1, 3, 4, 4), torch.ones(1, 1, 4, 4)
    >>> round(float(best_hole_psnr([truth + 0.1, truth + 0.5], truth, mask)), 2)
    20.0
    """
    return torch.stack([hole_psnr(of, truth, mask) for of in _stacked(fills)]).amax(0)


def variety(
    fills: Fills, truth: Tensor, mask: Tensor, others: Iterable[Tensor] | None = None
) -> dict[str, Tensor]:
    """Return both figures by their names; diversity only where there are two different images."""
    found = {"best_hole_psnr": best_hole_psnr(fills, truth, mask)}
    with suppress(SettingError):
        found["diversity"] = relative_diversity(fills, truth, mask, others)
    return found


def _stacked(fills: Fills) -> Tensor:
    return fills if isinstance(fills, Tensor) else torch.stack(list(fills))


def _distance(one: Tensor, other: Tensor, mask: Tensor) -> Tensor:
    """Return the root of the mean square of the difference in the hole, `[B]`; 0 without one."""
    return hole_mean((one - other) ** 2, mask).sqrt()

"""Losses: plain functions of tensors, one scalar each."""

from torch import Tensor


def l1(output: Tensor, target: Tensor, where: Tensor) -> Tensor:
    """Mean absolute error where `where` is 1, divided by that area picture by picture.

    `output` and `target` are `[B, 3, H, W]`, `where` is `[B, 1, H, W]`: the mask for the hole,
    `1 - mask` for what is outside. Every picture weighs the same, however small its hole, as in our
    metrics; and the mean over a batch is the mean over its parts on several devices. A picture with
    nothing selected counts as 0.

    >>> import torch
    >>> where = torch.tensor([1.0, 0, 0, 0]).view(1, 1, 2, 2)
    >>> float(l1(torch.full((1, 3, 2, 2), 0.75), torch.zeros(1, 3, 2, 2), where))
    0.75
    """
    error = ((output - target).abs() * where).sum((1, 2, 3))
    area = where.sum((1, 2, 3)) * output.shape[1]
    return (error / area.clamp(min=1)).mean()

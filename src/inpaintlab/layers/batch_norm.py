"""Batches that are too small for batch norm."""

from torch import nn
from torch.nn.modules.batchnorm import _BatchNorm

#: Mean and variance of fewer images are too noisy to learn with.
LEAST_BATCH = 16


def small_batch_warning(network: nn.Module, batch_size: int) -> str:
    """Return what to be warned of where a network takes its statistics from so few images, else "".

    `batch_size` is that of one device. Layers whose statistics are frozen do not count.
    """
    count = sum(isinstance(layer, _BatchNorm) and layer.training for layer in network.modules())
    if not count or batch_size >= LEAST_BATCH:
        return ""
    return (
        f"{count} layers of batch norm take their statistics from batches of {batch_size}, which makes "
        f"training noisy: take --batch-size {LEAST_BATCH} or more, or a network with another norm"
    )

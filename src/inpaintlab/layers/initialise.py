"""Weight initialisation: by a scheme and the activation behind them, or fitted to a batch."""

from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from functools import partial
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from inpaintlab.errors import SettingError, near_miss

#: What `initialise` gives weights to.
WEIGHTED = (nn.Conv2d, nn.ConvTranspose2d, nn.Linear)

ACTIVATIONS: dict[str, Callable[[Tensor], Tensor]] = {
    "linear": lambda x: x,
    "relu": F.relu,
    "leaky-relu": partial(F.leaky_relu, negative_slope=0.2),
    "elu": F.elu,
    "silu": F.silu,
    "gelu": F.gelu,
    "tanh": torch.tanh,
}

#: The unit-variance pass ends for a layer within this of 1, or after so many tries (Mishkin & Matas).
_TOLERANCE, _TRIES = 0.02, 10


@dataclass(frozen=True)
class LayerVariance:
    """Variance of what a layer puts out for a batch, before and after `initialise`."""

    name: str
    before: float
    after: float


def gain(activation: str) -> float:
    """Return what weights are multiplied by so that an activation keeps the mean square of its input.

    1 / sqrt(E[f(x)²]) for x standard normal (He et al. 2015 for ReLU), by quadrature. Raises
    `SettingError` for an unknown activation.

    >>> round(gain("relu"), 3), round(gain("silu"), 3)
    (1.414, 1.677)
    """
    if activation not in ACTIVATIONS:
        raise SettingError(f"unknown activation {activation!r}{near_miss(activation, ACTIVATIONS)}")
    x = torch.linspace(-8, 8, 160_001, dtype=torch.float64)
    density = torch.exp(-x.square() / 2)
    return float((density.sum() / (density * ACTIVATIONS[activation](x).square()).sum()).sqrt())


def resolve(name: str, activation: str = "silu") -> dict[str, str]:
    """Return scheme and activation; raises `SettingError` for one that is unknown.

    >>> resolve("lsuv")
    {'name': 'lsuv', 'activation': 'silu'}
    """
    if name not in SCHEMES:
        raise SettingError(f"unknown scheme {name!r}{near_miss(name, SCHEMES)}")
    gain(activation)
    return {"name": name, "activation": activation}


def _kaiming(weight: Tensor, gain: float) -> None:
    fan_in = weight[0].numel()
    nn.init.normal_(weight, std=gain / fan_in**0.5)


SCHEMES: dict[str, Callable[[Tensor, float], Any]] = {
    "kaiming": _kaiming,
    "xavier": nn.init.xavier_normal_,
    "orthogonal": nn.init.orthogonal_,
    # Saxe et al.'s matrices first; the pass over a batch comes after.
    "lsuv": nn.init.orthogonal_,
}


def initialise(
    network: nn.Module,
    scheme: str,
    activation: str = "silu",
    batch: Sequence[Tensor] | None = None,
) -> list[LayerVariance]:
    """Give every convolution and linear layer new weights and a bias of 0; norms stay as they are.

    `kaiming` keeps the variance forwards (He et al. 2015, fan in), `xavier` both ways on average
    (Glorot & Bengio 2010), `orthogonal` keeps lengths (Saxe et al. 2014), all times the gain of
    `activation`. `lsuv` starts from `orthogonal` and then scales layer after layer to variance 1 on
    `batch`, the network's own arguments (Mishkin & Matas 2016, algorithm 1), which it needs.

    With a batch, returns the variance of every layer's output before and after, in the order in
    which they run. Random numbers come from torch's global generator. Raises `SettingError` for an
    unknown scheme or activation.
    """
    resolve(scheme, activation)
    if scheme == "lsuv" and batch is None:
        raise SettingError("scheme 'lsuv' needs a batch: the arguments of the network")
    before = variances(network, batch) if batch is not None else {}
    factor = gain(activation)
    for layer in network.modules():
        if isinstance(layer, WEIGHTED):
            SCHEMES[scheme](layer.weight.data, factor)
            if layer.bias is not None:
                nn.init.zeros_(layer.bias)
    if batch is None:
        return []
    if scheme == "lsuv":
        for name in before:
            _scale_to_unit_variance(network, name, batch)
    after = variances(network, batch)
    return [LayerVariance(name, before[name], after[name]) for name in before]


def _scale_to_unit_variance(network: nn.Module, name: str, batch: Sequence[Tensor]) -> None:
    weight = network.get_submodule(name).weight
    assert isinstance(weight, Tensor)
    for _ in range(_TRIES):
        variance = variances(network, batch, [name])[name]
        # A layer that gets only zeros (a hole without a known pixel) cannot be scaled to anything.
        if variance == 0 or abs(variance - 1) < _TOLERANCE:
            return
        weight.data.div_(variance**0.5)


@torch.no_grad()
def variances(
    network: nn.Module,
    batch: Sequence[Tensor],
    names: Sequence[str] | None = None,
    *,
    training: bool = False,
) -> dict[str, float]:
    """Return the variance of each layer's output, in the order in which the layers run.

    `batch` is the network's own arguments, `names` the layers that are looked at, all by default. With
    `training` normalisation goes by the batch, as it does in training, and its running averages move:
    give a copy then.
    """
    found: dict[str, float] = {}

    def look(name: str, output: Any) -> None:
        # A layer that updates masks returns them along with its features.
        features = output[0] if isinstance(output, tuple) else output
        found[name] = float(features.float().var(unbiased=False))

    before = network.training
    with ExitStack() as hooks:
        for name, layer in network.named_modules():
            if isinstance(layer, WEIGHTED) and (names is None or name in names):
                hook = layer.register_forward_hook(lambda _, __, output, name=name: look(name, output))
                hooks.callback(hook.remove)
        # Unless asked for, running averages of normalisation must not move by looking.
        network.train(training)(*batch)
        network.train(before)
    return found

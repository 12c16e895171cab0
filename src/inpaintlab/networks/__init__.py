"""Networks: `forward(image, mask) -> image`.

A network is one file and one line in `NETWORKS`, or any `nn.Module` that a user registers. It takes
plain keyword arguments, never sees what is under the hole, may predict everything, and states its needs
as `multiple_of` and `min_size`.
"""

from inspect import signature
from typing import Any

from torch import nn

from inpaintlab.networks.autoencoder import Autoencoder
from inpaintlab.networks.base import (
    Needs,
    Network,
    adopt,
    bottleneck_of,
    check_network,
    check_output,
    check_size,
    draw_noise,
    encoder_of,
    needs,
    noise_of,
    stated_rate,
)
from inpaintlab.networks.deepfill import DeepFill
from inpaintlab.networks.lama import LaMa
from inpaintlab.networks.partial_unet import PartialUNet
from inpaintlab.networks.swift import Swift
from inpaintlab.networks.unet import UNet
from inpaintlab.registry import Registry

__all__ = [
    "NETWORKS",
    "Needs",
    "Network",
    "adopt",
    "bottleneck_of",
    "check_network",
    "check_output",
    "check_size",
    "create",
    "draw_noise",
    "encoder_of",
    "learning_rate_of",
    "made_for",
    "needs",
    "noise_of",
    "register_network",
    "resolve",
    "takes_noise",
]

NETWORKS: Registry[nn.Module] = Registry(
    "network",
    {
        "autoencoder": Autoencoder,
        "deepfill": DeepFill,
        "lama": LaMa,
        "partial-unet": PartialUNet,
        "swift": Swift,
        "unet": UNet,
    },
)


register_network = NETWORKS.register


def resolve(name: str, arguments: dict[str, Any]) -> dict[str, Any]:
    """Return all arguments of a network, with the defaults filled in.

    Raises `SettingError` for an unknown network or argument, with the nearest known name.
    """
    return NETWORKS.resolve(name, arguments)


def made_for(size: int, name: str, arguments: dict[str, Any]) -> dict[str, Any]:
    """Return the arguments with `side` set to an image size, for networks that are made for one.

    A side that is given stays.

    >>> made_for(128, "swift", {"width": 16})
    {'width': 16, 'side': 128}
    >>> made_for(128, "unet", {})
    {}
    """
    has_side = name in NETWORKS and "side" in signature(NETWORKS[name]).parameters
    return {**arguments, "side": arguments.get("side", size)} if has_side else arguments


def takes_noise(name: str) -> bool:
    """Tell whether a network is built with an argument `noise`, with which its fills vary.

    >>> takes_noise("swift"), takes_noise("lama")
    (True, False)
    """
    built = NETWORKS.need(name)
    called = getattr(built, "forward", None)
    return called is not None and all("noise" in signature(of).parameters for of in (built, called))


def learning_rate_of(network: str | nn.Module) -> float:
    """Return the peak learning rate that a network states for its training, or the usual one.

    Raises `SettingError` for an unknown name.

    >>> learning_rate_of("swift"), learning_rate_of(nn.Conv2d(4, 3, 1))
    (0.0015, 0.0015)
    """
    return stated_rate(NETWORKS.need(network) if isinstance(network, str) else network)


def create(name: str, /, size: int | None = None, **arguments: Any) -> nn.Module:
    """Build a network by name, with fresh weights; `size` is the side of the images that it is for.

    Where a network takes an argument `size` of its own, that is what it gets. Raises `SettingError` for
    an unknown name or argument.

    >>> create("unet", width=16, depth=2).multiple_of
    8
    >>> create("unet", widht=16)
    Traceback (most recent call last):
    inpaintlab.errors.SettingError: network 'unet' has no setting 'widht', did you mean 'width'?
    """
    if size is not None and "size" in signature(NETWORKS.need(name)).parameters:
        arguments["size"] = size
    elif size is not None:
        arguments = made_for(size, name, arguments)
    network = adopt(NETWORKS.create(name, **arguments))
    vars(network)["created_by"] = name, NETWORKS.resolve(name, arguments)  # for a recipe to name
    return network

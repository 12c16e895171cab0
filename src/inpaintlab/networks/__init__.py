"""Networks: `forward(image, mask) -> image`.

A network is one file and one line in `NETWORKS`. It takes plain keyword arguments, never sees what is
under the hole, may paint everything, and states its needs as `multiple_of` and `min_size`.
"""

from inspect import signature
from typing import Any

from inpaintlab.networks.autoencoder import Autoencoder
from inpaintlab.networks.base import Network
from inpaintlab.networks.deepfill import DeepFill
from inpaintlab.networks.lama import LaMa
from inpaintlab.networks.partial_unet import PartialUNet
from inpaintlab.networks.swift import Swift
from inpaintlab.networks.unet import UNet
from inpaintlab.registry import Registry

__all__ = ["NETWORKS", "Network", "create", "made_for", "own_learning_rate", "resolve"]

NETWORKS: Registry[Network] = Registry(
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


def own_learning_rate(name: str) -> float:
    """Return the peak learning rate that a network states for its training, or the usual one."""
    return float(getattr(NETWORKS.need(name), "learning_rate", Network.learning_rate))


def create(name: str, **arguments: Any) -> Network:
    """Build a network by name, with fresh weights.

    Raises `SettingError` for an unknown name or argument.

    >>> create("unet", width=16, depth=2).multiple_of
    8
    >>> create("unet", widht=16)
    Traceback (most recent call last):
    inpaintlab.errors.SettingError: network 'unet' has no setting 'widht', did you mean 'width'?
    """
    return NETWORKS.create(name, **arguments)

"""The processes of a run, and how they share its batches."""

import os
from typing import Any

import torch.distributed
from lightning_fabric import Fabric

from inpaintlab.errors import SettingError
from inpaintlab.settings import TrainSettings


def launch(settings: TrainSettings) -> Fabric:
    """Start the processes of a run; with several devices every process comes back from here."""
    devices, nodes = settings.devices, 1
    if torch.distributed.is_torchelastic_launched():  # the processes are there already
        world, here = (int(os.environ[name]) for name in ("WORLD_SIZE", "LOCAL_WORLD_SIZE"))
        if devices not in (1, world):
            raise SettingError(
                f"torchrun has started {world} processes, --devices says {devices}: leave --devices out"
            )
        devices, nodes = here, world // here
    share_of_batch(settings, devices * nodes)
    precision: Any = settings.precision
    fabric = Fabric(devices=devices, num_nodes=nodes, precision=precision)
    fabric.launch()
    return fabric


def share_of_batch(settings: TrainSettings, devices: int | None = None) -> int:
    """Return how many images of a batch each device takes; raises `SettingError` if that varies.

    `devices` are those of the settings, or as many as were started otherwise.
    """
    devices = devices or settings.devices
    if settings.batch_size % devices:
        raise SettingError(f"--batch-size {settings.batch_size} cannot be shared by {devices} devices")
    return settings.batch_size // devices

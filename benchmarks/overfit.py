"""Whether each network can learn eight images by heart: hole PSNR after 400 steps on one batch.

What cannot do that cannot learn at all; 30 dB is asked for. The autoencoder with a bottleneck of a
single number is there to fail.

Usage: python benchmarks/overfit.py FOLDER [NETWORK …]
"""

import sys
import time
from pathlib import Path

import torch
from torch import Tensor

from inpaintlab import networks
from inpaintlab.images import load_rgb
from inpaintlab.losses import l1
from inpaintlab.metrics import hole_psnr
from inpaintlab.networks import Network
from inpaintlab.tensors import to_tensor

STEPS = 400
SIZE = 64
#: Peak learning rate where the usual 2e-3 is too much for a network on one batch.
RATES: dict[str, float] = {"autoencoder": 1e-3, "deepfill": 3e-4}
#: A decoder too narrow to tell images apart by one number.
NARROW: dict[str, object] = {"width": 8, "depth": 3, "max_width": 16, "bottleneck": "linear"}
#: What a network needs to take images of this size.
ARGUMENTS: dict[str, list[dict[str, object]]] = {
    "partial-unet": [{"depth": 5}],
    "autoencoder": [{}, NARROW | {"bottleneck_size": 64}, NARROW | {"bottleneck_size": 1}],
}


def main(folder: str, *names: str) -> None:
    image, mask = batch(Path(folder), SIZE)
    print("| network | arguments | hole PSNR dB | ms a step |\n|---|---|---|---|")
    for name in names or networks.NETWORKS:
        for arguments in ARGUMENTS.get(name, [{}]):
            torch.manual_seed(0)
            network = networks.create(name, **arguments)
            start = time.perf_counter()
            reached = overfit(network, image, mask, RATES.get(name, 2e-3))
            each = 1000 * (time.perf_counter() - start) / STEPS
            words = ", ".join(f"{key} {value}" for key, value in arguments.items())
            print(f"| {name} | {words} | {reached:.1f} | {each:.0f} |", flush=True)


def batch(folder: Path, size: int) -> tuple[Tensor, Tensor]:
    """Return the first eight images of a folder and a rectangle of hole in each."""
    files = sorted(folder.iterdir())[:8]
    image = torch.cat([to_tensor(load_rgb(file, size)[:size, :size]) for file in files])
    mask = torch.zeros(len(files), 1, size, size)
    for index in range(len(files)):
        top, left = size // 8 + index * size // 32, size // 2 - index * size // 32
        mask[index, :, top : top + 3 * size // 8, left : left + size // 3] = 1
    return image, mask


def overfit(
    network: Network, image: Tensor, mask: Tensor, rate: float = 2e-3, steps: int = STEPS
) -> float:
    """Train on one batch by the loss of `inpaint train`; return the PSNR in its holes."""
    last = torch.channels_last
    network, image = network.to(memory_format=last).train(), image.to(memory_format=last)
    optimiser = torch.optim.Adam(network.parameters(), rate, fused=True)
    for step in range(steps):
        optimiser.param_groups[0]["lr"] = rate * (1 - step / steps)
        painted = network(image, mask)
        loss = 6 * l1(painted, image, mask) + l1(painted, image, 1 - mask)
        optimiser.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(network.parameters(), 1.0)
        optimiser.step()
    with torch.inference_mode():
        return float(hole_psnr(network.eval()(image, mask), image, mask).mean())


if __name__ == "__main__":
    main(*sys.argv[1:])

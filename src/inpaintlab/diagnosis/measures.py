"""How a network fills images that are known: figures of all images, and how fills vary."""

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn

from inpaintlab.arrays import Float64
from inpaintlab.baselines import telea
from inpaintlab.layers import known_mean
from inpaintlab.losses import l1
from inpaintlab.metrics import colour_difference, edge_step, hole_psnr
from inpaintlab.tensors import composite, to_arrays, to_tensor
from inpaintlab.training.guards.signals import variances

#: Colours that a hole can be left in, beside the mean colour of what is known: those of masks.
COLOURS = {"black": 0.0, "mid-grey": 0.5, "white": 1.0}


@dataclass(frozen=True)
class Measured:
    """What a set of weights makes of some images.

    Of each image: `hole_psnr`, `[N]` in dB, and `colour`, `[N, 3]`, mean colour of the fill less that of
    the truth. Of all images together:

    - `hole_l1`: mean absolute error in the hole;
    - `edge`, `output_edge`, `true_edge`: mean step across the hole's edge of the filled image, of what
      the network puts out inside and outside, and of the truth;
    - `contrast`, `spread` and `saturated` as the guards measure them (`training.guards.signals`);
    - `unmoved`: distance of fills from the colour that a hole can be left in, over the truth's own
      distance from it, for the colour that lies nearest, which is `left_in`;
    - `hole_missed` and `known_missed`: error in and outside holes, over that of the mean colour of
      what is known.
    """

    hole_psnr: Float64
    colour: Float64
    hole_l1: float
    edge: float
    output_edge: float
    true_edge: float
    contrast: float
    spread: float
    saturated: float
    unmoved: float
    left_in: str
    hole_missed: float
    known_missed: float


def fill(network: nn.Module, image: Tensor, mask: Tensor, batch: int) -> Tensor:
    """Return what a network puts out, `[N, 3, H, W]`."""
    device, found = next(network.parameters()).device, []
    with torch.inference_mode():
        for start in range(0, len(image), batch):
            part = slice(start, start + batch)
            output = network(image[part].to(device), mask[part].to(device)).float().cpu()
            # A run that has diverged can leave weights whose output is no number.
            found.append(torch.nan_to_num(output).clamp(0, 1))
    return torch.cat(found)


def measure(network: nn.Module, image: Tensor, mask: Tensor, batch: int) -> Measured:
    """Measure how a network fills holes, so many images at a time, beside the truth."""
    output = fill(network, image, mask, batch)
    filled = composite(image, output, mask)
    middle = known_mean(image, mask).expand_as(image)
    colours = {name: torch.full_like(image, value) for name, value in COLOURS.items()}
    colours["the mean colour of what is known"] = middle
    unmoved, left_in = min(
        (_share(l1(output, colour, mask), l1(image, colour, mask)), name)
        for name, colour in colours.items()
    )
    varied = variances(output, image, mask)
    return Measured(
        hole_psnr=hole_psnr(filled, image, mask).double().numpy(),
        colour=colour_difference(filled, image, mask).double().numpy(),
        hole_l1=float(l1(output, image, mask)),
        edge=float(edge_step(filled, mask).mean()),
        output_edge=float(edge_step(output, mask).mean()),
        true_edge=float(edge_step(image, mask).mean()),
        contrast=float(varied["contrast"]),
        spread=float(varied["spread"]),
        saturated=float(varied["saturated"]),
        unmoved=unmoved,
        left_in=left_in,
        hole_missed=_share(l1(output, image, mask), l1(middle, image, mask)),
        known_missed=_share(l1(output, image, 1 - mask), l1(middle, image, 1 - mask)),
    )


def classical(image: Tensor, mask: Tensor) -> Float64:
    """Return the hole PSNR of Telea's method, `[N]` in dB: what costs no training."""
    holes = mask[:, 0].byte().numpy()
    filled = np.stack([telea(*pair) for pair in zip(to_arrays(image), holes, strict=True)])
    return hole_psnr(to_tensor(filled), image, mask).double().numpy()


def _share(part: Tensor, whole: Tensor) -> float:
    return float(part / whole.clamp(min=1e-6))

"""How a network fills images that are known: figures image by image, and how fills vary."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn

from inpaintlab.arrays import Float64
from inpaintlab.evaluation.baselines import telea
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

    Of each image, `[N]`: `hole_psnr` in dB, mean absolute errors `hole_l1` and `known_l1`, `edge`,
    `output_edge` and `true_edge` (mean steps across the hole's edge of the filled image, of what the
    network puts out inside and outside, and of the truth), and `colour`, `[N, 3]`, mean colour of the
    fill less that of the truth. `peeks` are changes of fills for a change of 1 of what lies under the
    hole. Of all images together:

    - `contrast`, `spread` and `saturated` as the guards measure them (`training.guards.signals`);
    - `unmoved`: distance of fills from the colour that a hole can be left in, over the truth's own
      distance from it, for the colour that lies nearest, which is `left_in`;
    - `hole_missed` and `known_missed`: error in and outside holes, over that of the mean colour of
      what is known.
    """

    hole_psnr: Float64
    hole_l1: Float64
    known_l1: Float64
    edge: Float64
    output_edge: Float64
    true_edge: Float64
    colour: Float64
    peeks: Float64
    contrast: float
    spread: float
    saturated: float
    unmoved: float
    left_in: str
    hole_missed: float
    known_missed: float


def fill(network: nn.Module, image: Tensor, mask: Tensor, batch: int) -> tuple[Tensor, Tensor]:
    """Return what a network puts out, with black and with noise under the holes, each `[N, 3, H, W]`."""
    device = next(network.parameters()).device
    noise = torch.rand(image.shape, generator=torch.Generator().manual_seed(0))
    both: list[list[Tensor]] = [[], []]
    with torch.inference_mode():
        for start in range(0, len(image), batch):
            part = slice(start, start + batch)
            for found, under in zip(both, (torch.zeros_like(noise[part]), noise[part]), strict=True):
                shown = composite(image[part], under, mask[part])
                output = network(shown.to(device), mask[part].to(device)).float().cpu()
                # A run that has diverged can leave weights whose output is no number.
                found.append(torch.nan_to_num(output).clamp(0, 1))
    return torch.cat(both[0]), torch.cat(both[1])


def measure(output: Tensor, over_noise: Tensor, image: Tensor, mask: Tensor) -> Measured:
    """Measure an output, with black and with noise under the holes, beside the truth."""
    filled = composite(image, output, mask)
    middle = known_mean(image, mask)
    unmoved, left_in = _unmoved(output, image, mask, middle)
    changed = _each(l1, output, over_noise, mask)
    varied = variances(output, image, mask)
    known = 1 - mask
    per_hole, per_known = (_each(l1, output, image, where) for where in (mask, known))
    plain = middle.expand_as(image)
    in_hole, outside = (max(1e-6, _each(l1, plain, image, where).mean()) for where in (mask, known))
    return Measured(
        hole_psnr=_array(hole_psnr(filled, image, mask)),
        hole_l1=per_hole,
        known_l1=per_known,
        edge=_array(edge_step(filled, mask)),
        output_edge=_array(edge_step(output, mask)),
        true_edge=_array(edge_step(image, mask)),
        colour=_array(colour_difference(filled, image, mask)),
        peeks=2 * changed,  # noise lies half a range from black
        contrast=float(varied["contrast"]),
        spread=float(varied["spread"]),
        saturated=float(varied["saturated"]),
        unmoved=unmoved,
        left_in=left_in,
        hole_missed=float(per_hole.mean() / in_hole),
        known_missed=float(per_known.mean() / outside),
    )


def classical(image: Tensor, mask: Tensor) -> Float64:
    """Return the hole PSNR of Telea's method, `[N]` in dB: what costs no training."""
    holes = mask[:, 0].byte().numpy()
    filled = np.stack([telea(*pair) for pair in zip(to_arrays(image), holes, strict=True)])
    return _array(hole_psnr(to_tensor(filled), image, mask))


def _unmoved(output: Tensor, image: Tensor, mask: Tensor, middle: Tensor) -> tuple[float, str]:
    colours = {name: torch.full_like(middle, value) for name, value in COLOURS.items()}
    colours["the mean colour of what is known"] = middle
    found = []
    for name, colour in colours.items():
        ours, truth = (l1(x, colour.expand_as(image), mask) for x in (output, image))
        found.append((float(ours / truth.clamp(min=1e-6)), name))
    return min(found)


def _each(
    function: Callable[[Tensor, Tensor, Tensor], Tensor], one: Tensor, other: Tensor, where: Tensor
) -> Float64:
    """Return a loss for each image by itself."""
    places = (slice(place, place + 1) for place in range(len(one)))
    return np.array([float(function(one[place], other[place], where[place])) for place in places])


def _array(values: Tensor) -> Float64:
    return values.double().numpy()

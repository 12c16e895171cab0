"""What the guards look at in every step: a few numbers, cheap enough to be taken each time."""

from dataclasses import dataclass, field

import torch
from lightning_fabric import Fabric
from torch import Tensor, nn

from inpaintlab.data.augment import Batch
from inpaintlab.training.objectives import Step

#: Images are looked at on a grid of about so many pixels a side: errors and variances need no more.
_GRID = 16
#: Images of a batch whose variance is taken.
_PICTURES = 16
#: A output value this near to black or full colour counts as saturated.
_EDGE = 1 / 255
#: An image that differs less than this from one colour is of one colour.
_PLAIN = 0.05
#: Side of a block whose mean is no fine structure, in pixels.
_BLOCK = 4
#: Weights of more numbers than this are not followed from step to step: a copy would cost too much.
_LARGEST = 500_000
#: Steps between two looks at the variance of fills, and at layers without a gradient.
_VARIANCES_EVERY, _STILL_EVERY = 4, 20


#: Signals that the guards take themselves.
OWN = ("contrast", "spread", "saturated", "update")


@dataclass(frozen=True)
class Signals:
    """The numbers of one step.

    `values` are means over the batch of all devices: the objective's scalars, and, in every step or
    every few,

    - `contrast`: how much the fill of a hole varies within an image, over what the truth does there;
    - `spread`: how much fills vary from image to image, over what the truth does there;
    - `saturated`: share of the hole that is black or full colour, more than in the truth;
    - `update`: what a step changed of one layer's weights, over these weights (layers take turns);
    - `still`: share of layers without any gradient.

    `errors` are mean absolute errors, one an image, of the images at `positions`: of all pixels, as
    what cannot be output even where it is seen is no image like the others. `shares` say how much of
    the fine structure of each is wrong: 0, or 1 if none of it is output.
    """

    values: dict[str, float]
    errors: list[float] = field(default_factory=list)
    positions: list[int] = field(default_factory=list)
    shares: list[float] = field(default_factory=list)


class Follower:
    """Follows one layer's weights through a step, another one in each."""

    def __init__(self, network: nn.Module) -> None:
        self.weights = [w for w in network.parameters() if w.ndim > 1 and w.requires_grad]
        self.followed = [w for w in self.weights if w.numel() <= _LARGEST] or self.weights[:1]
        self._weight, self._before = self.followed[0], torch.empty(0)

    def before(self, step: int) -> None:
        """Take note of the weights whose turn it is."""
        self._weight = self.followed[step % len(self.followed)]
        self._before = self._weight.detach().clone()

    def update(self) -> Tensor:
        """Return the norm of the change over that of the weights."""
        weight = self._weight.detach()
        size: Tensor = torch.linalg.vector_norm(weight).clamp(min=1e-12)
        return torch.dist(weight, self._before) / size

    def still(self) -> Tensor:
        """Return the share of layers whose gradient is exactly 0."""
        gradients = [w.grad for w in self.weights if w.grad is not None]
        norms = torch.stack([*torch._foreach_norm(gradients)]) if gradients else torch.ones(1)
        return (norms == 0).float().mean()


@torch.no_grad()
def measure(step: Step, batch: Batch, follower: Follower, number: int, fabric: Fabric) -> Signals:
    """Return the signals of step `number`; every device gets the same."""
    device, stride = step.output.device, max(1, batch.images.shape[-1] // _GRID)
    parts = (step.output, batch.images, batch.masks)
    output, truth, hole = (part[..., ::stride, ::stride].to(device).float() for part in parts)
    errors, shares = errors_of(output, truth)
    scalars = dict(step.scalars)
    scalars["update"] = follower.update()
    if number % _VARIANCES_EVERY == 0:
        scalars |= variances(output[:_PICTURES], truth[:_PICTURES], hole[:_PICTURES])
    if number % _STILL_EVERY == 0:
        scalars["still"] = follower.still()
    means = torch.stack([value.to(device, torch.float32) for value in scalars.values()])
    found = torch.stack([batch.positions.to(device).double(), errors.double(), shares.double()])
    if fabric.world_size > 1:
        means = fabric.all_reduce(means, reduce_op="mean")  # type: ignore[assignment]
        found = fabric.all_gather(found).transpose(0, 1).flatten(1)  # type: ignore[union-attr]
    values = dict(zip(scalars, means.tolist(), strict=True))
    places, wrong, share = found.tolist()
    return Signals(values, wrong, [int(place) for place in places], share)


def errors_of(output: Tensor, truth: Tensor) -> tuple[Tensor, Tensor]:
    """Return each image's mean absolute error, and which share of its fine structure is wrong.

    Fine structure is what differs from the mean of its block. Of an image in rare colours, or before a
    vivid wall, much is wrong for long, but not its structure; of noise, which nothing can paint, all is.
    """
    difference = output - truth
    wrong, there = (_fine(x).abs().mean((1, 2, 3, 4, 5)) for x in (difference, truth))
    return difference.abs().mean((1, 2, 3)), wrong / there.clamp(min=_PLAIN)


def _fine(x: Tensor) -> Tensor:
    """Return `[B, C, H, W]` without the mean of each block."""
    height, width = (side // _BLOCK * _BLOCK for side in x.shape[-2:])
    batch, channels, rows, columns = *x.shape[:2], height // _BLOCK, width // _BLOCK
    blocks = x[..., :height, :width].reshape(batch, channels, rows, _BLOCK, columns, _BLOCK)
    return blocks - blocks.mean((-3, -1), keepdim=True)


def variances(output: Tensor, truth: Tensor, hole: Tensor) -> dict[str, Tensor]:
    """Return `contrast`, `spread` and `saturated` of the holes of a batch."""
    area = hole.sum((2, 3), keepdim=True).clamp(min=1)
    share = hole.sum(0).clamp(min=1)
    # Only pixels that are hole in two images say how images differ.
    shared = (hole.sum(0) > 1) * hole.sum(0)

    def within(x: Tensor) -> Tensor:
        mean = (x * hole).sum((2, 3), keepdim=True) / area
        return ((x - mean).square() * hole).sum((2, 3), keepdim=True).div(area).mean().sqrt()

    def across(x: Tensor) -> Tensor:
        mean = (x * hole).sum(0) / share
        variance = ((x - mean).square() * hole).sum(0) / share
        return ((variance * shared).sum() / (3 * shared.sum()).clamp(min=1)).sqrt()

    def edges(x: Tensor) -> Tensor:
        return (((x < _EDGE) | (x > 1 - _EDGE)) * hole).sum() / (3 * hole.sum()).clamp(min=1)

    # A network may add to the mean colour of what is known: painting the same for all is then the same
    # difference from it.
    known = 1 - hole
    middle = (truth * known).sum((2, 3), keepdim=True) / known.sum((2, 3), keepdim=True).clamp(min=1)
    spread = across(output) / across(truth).clamp(min=1e-6)
    relative = across(output - middle) / across(truth - middle).clamp(min=1e-6)
    return {
        "contrast": within(output) / within(truth).clamp(min=1e-6),
        "spread": torch.minimum(spread, relative),
        "saturated": edges(output) - edges(truth),
    }

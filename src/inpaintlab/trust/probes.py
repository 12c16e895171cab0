"""Small changes of an image, or of its mask, that are to move the fill as far as they can.

A probe is a function in `PROBES`, with the amounts that it is tried with. Values that are changed are
those of known pixels alone, and stay ones of 8 bits, so that each changed image could be a file.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from inpaintlab.images import through_jpeg
from inpaintlab.metrics.per_image import hole_mean
from inpaintlab.tensors import to_arrays, to_tensor
from inpaintlab.trust.seen import Method

#: An image and its mask.
Pair = tuple[Tensor, Tensor]
#: Changes images and masks by an amount, to move the fills of a method as far as may be.
Change = Callable[[Method, Tensor, Tensor, int, torch.Generator], Pair]
#: Steps along the gradient, each so many times the amount over their number (Madry et al. 2018).
_STEPS, _STRIDE = 10, 2.5
#: Fills that a search without a gradient may look at, and that for the worst pixel.
_QUERIES, _PIXELS = 100, 64
#: The worst pixel is looked for so near to the hole.
_NEAR = 8


@dataclass(frozen=True)
class Probe:
    """A change, the amounts that it is tried with, and what an amount is called.

    `aside` are the pixels by which fills are moved to the right, which is undone.
    """

    change: Change
    amounts: tuple[int, ...]
    label: str
    aside: int = 0


@dataclass(frozen=True)
class Moved:
    """Fills before and after a change, and the changed `image` and `mask`.

    `where`, `[B, 1, H, W]`, is what is filled both times; `after` lies where `before` does.
    """

    image: Tensor
    mask: Tensor
    before: Tensor
    after: Tensor
    where: Tensor

    @property
    def distance(self) -> Tensor:
        """Root of the mean square by which values of the hole have moved, `[B]` from 0 to 1."""
        return hole_mean((self.after - self.before) ** 2, self.where).sqrt()


def move(
    name: str, amount: int, method: Method, image: Tensor, mask: Tensor, random: torch.Generator
) -> Moved:
    """Change images by a probe of `PROBES`, and fill them before and after.

    Images are `[B, 3, H, W]` in [0, 1], of 8 bits; what is under holes is seen where a hole shrinks.

    >>> grey, mask = torch.full((1, 3, 8, 8), 0.2), torch.ones(1, 1, 8, 8).triu()
    >>> moved = move("noise", 4, lambda image, mask: image + 0.5, grey, mask, torch.Generator())
    >>> float(moved.distance), round(255 * float((moved.image - grey).abs().max()))
    (0.0, 4)
    """
    probe = PROBES[name]
    changed, hole = probe.change(method, image, mask, amount, random)
    with torch.no_grad():
        before, after = fill(method, image, mask), fill(method, changed, hole)
    where = mask * _aside(hole, -probe.aside)
    if probe.aside:
        where[..., -probe.aside :] = 0  # what is there went out of the image
    return Moved(changed, hole, before, _aside(after, -probe.aside), where)


def fill(method: Method, image: Tensor, mask: Tensor) -> Tensor:
    """Return what a method puts out for images that are black in their holes."""
    return method(torch.where(mask > 0, 0, image), mask).float().clamp(0, 1)


def has_gradient(method: Method, image: Tensor, mask: Tensor) -> bool:
    """Tell whether what a method puts out has a gradient with respect to the image."""
    with torch.enable_grad():
        return fill(method, image.clone().requires_grad_(), mask).requires_grad


def noise(_method: Method, image: Tensor, mask: Tensor, amount: int, random: torch.Generator) -> Pair:
    """Add or take away the amount, in steps of 8 bits, at random in each value."""
    signs = 2 * torch.randint(2, image.shape, generator=random).float() - 1
    return _known(image, image + signs * amount / 255, mask), mask


def gradient(method: Method, image: Tensor, mask: Tensor, amount: int, random: torch.Generator) -> Pair:
    """Change each value by at most the amount, so that the fill moves far.

    Projected gradient ascent from a random start (Madry et al. 2018); of a method without a gradient,
    squares of random signs, of which those are kept that move the fill farther (Andriushchenko et al.
    2020, "Square Attack").
    """
    with torch.no_grad():
        before = fill(method, image, mask)
    start = (2 * torch.rand(image.shape, generator=random) - 1) * amount
    with torch.enable_grad():
        moving = _limited(image, image + start / 255, mask, amount).requires_grad_()
        after = fill(method, moving, mask)
    if not after.requires_grad:
        return _search(method, before, image, mask, amount, random), mask
    for _ in range(_STEPS):
        distance = hole_mean((after - before) ** 2, mask).sum()
        (slope,) = torch.autograd.grad(distance, moving)
        stride = _STRIDE * amount / _STEPS / 255
        with torch.no_grad():
            step = _limited(image, moving + stride * slope.sign(), mask, amount)
        with torch.enable_grad():
            moving = step.requires_grad_()
            after = fill(method, moving, mask)
    return _known(image, moving.detach(), mask), mask


def bits(_method: Method, image: Tensor, mask: Tensor, amount: int, random: torch.Generator) -> Pair:
    """Flip so many bits of the values of known pixels, at random."""
    values = (255 * image).round().to(torch.uint8).contiguous()
    for one, hole in zip(values, mask, strict=True):
        known = (hole.expand_as(one) == 0).flatten().nonzero()[:, 0]
        chosen = torch.randperm(8 * len(known), generator=random)[:amount]
        places, flips = known[chosen // 8], 2 ** (chosen % 8)
        for place, flip in zip(places.tolist(), flips.tolist(), strict=True):
            one.view(-1)[place] ^= flip
    return values.float() / 255, mask


def pixel(method: Method, image: Tensor, mask: Tensor, amount: int, random: torch.Generator) -> Pair:
    """Give so many pixels near the hole, one after the other, the full colour that moves it farthest."""
    near = F.max_pool2d(mask, 2 * _NEAR + 1, 1, _NEAR) * (1 - mask)
    with torch.no_grad():
        before, worst = fill(method, image, mask), image.clone()
        for _ in range(amount):
            worst = _worst_pixel(method, before, worst, mask, near, random)
    return worst, mask


def shift(_method: Method, image: Tensor, mask: Tensor, amount: int, _: torch.Generator) -> Pair:
    """Move image and mask to the right."""
    return _aside(image, amount), _aside(mask, amount)


def jpeg(_method: Method, image: Tensor, mask: Tensor, amount: int, _: torch.Generator) -> Pair:
    """Write and read the image as a JPEG of a quality."""
    read = [through_jpeg(one, amount) for one in to_arrays(image)]
    return to_tensor(np.stack(read)), mask


def grow(_method: Method, image: Tensor, mask: Tensor, amount: int, _: torch.Generator) -> Pair:
    """Let the hole grow on all sides."""
    return image, F.max_pool2d(mask, 2 * amount + 1, 1, amount)


def shrink(_method: Method, image: Tensor, mask: Tensor, amount: int, _: torch.Generator) -> Pair:
    """Let the hole shrink on all sides; one of which nothing would be left stays."""
    smaller = -F.max_pool2d(-mask, 2 * amount + 1, 1, amount)
    return image, torch.where(smaller.amax((1, 2, 3), keepdim=True) > 0, smaller, mask)


#: Name -> probe, in the order of tables.
PROBES: dict[str, Probe] = {
    "noise": Probe(noise, (1, 2, 4, 8), "noise ± {}/255"),
    "gradient": Probe(gradient, (1, 2, 4, 8), "worst ± {}/255"),
    "bits": Probe(bits, (1, 10, 100, 1000), "bits flipped: {}"),
    "pixel": Probe(pixel, (1,), "worst pixels: {}"),
    "shift": Probe(shift, (1,), "shifted by {} px", aside=1),
    "jpeg": Probe(jpeg, (95, 75), "JPEG, quality {}"),
    "grow": Probe(grow, (1,), "hole grown by {} px"),
    "shrink": Probe(shrink, (1,), "hole shrunk by {} px"),
}


def _known(image: Tensor, changed: Tensor, mask: Tensor) -> Tensor:
    """Return values of 8 bits, those of known pixels changed."""
    return torch.where(mask > 0, image, (255 * changed.clamp(0, 1)).round() / 255)


def _limited(image: Tensor, changed: Tensor, mask: Tensor, amount: int) -> Tensor:
    """Return changed values of known pixels, none of them changed by more than the amount."""
    step = (changed - image).clamp(-amount / 255, amount / 255)
    return torch.where(mask > 0, image, (image + step).clamp(0, 1))


def _aside(image: Tensor, by: int) -> Tensor:
    """Move to the right, or to the left; what comes in is repeated."""
    if not by:
        return image
    width, pads = image.shape[-1], (by, 0, 0, 0) if by > 0 else (0, -by, 0, 0)
    padded = F.pad(image, pads, mode="replicate")
    return padded[..., :width] if by > 0 else padded[..., -width:]


@torch.no_grad()
def _search(
    method: Method, before: Tensor, image: Tensor, mask: Tensor, amount: int, random: torch.Generator
) -> Tensor:
    """Return the changed images, of some that were tried, whose fills are the farthest from before."""
    count, channels, height, width = image.shape
    # Stripes to begin with, as in the paper.
    signs = 2 * torch.randint(2, (count, channels, 1, width), generator=random).float() - 1
    signs = signs.expand(count, channels, height, width).clone()
    worst, far = image, torch.full((count,), -1.0)
    for query in range(_QUERIES):
        tried = signs.clone()
        if query:
            side = max(1, round(min(height, width) * (0.3 * (1 - query / _QUERIES)) ** 0.5))
            for one in tried:
                top = int(torch.randint(height - side + 1, (), generator=random))
                left = int(torch.randint(width - side + 1, (), generator=random))
                new = 2 * torch.randint(2, (channels, 1, 1), generator=random).float() - 1
                one[:, top : top + side, left : left + side] = new
        changed = _known(image, image + tried * amount / 255, mask)
        moved = hole_mean((fill(method, changed, mask) - before) ** 2, mask)
        better = moved > far
        far = torch.where(better, moved, far)
        signs, worst = (
            torch.where(better[:, None, None, None], new, old)
            for new, old in ((tried, signs), (changed, worst))
        )
    return worst


def _worst_pixel(
    method: Method, before: Tensor, image: Tensor, mask: Tensor, near: Tensor, random: torch.Generator
) -> Tensor:
    """Return images with one more pixel changed, of some that were tried the worst."""
    worst, far = image, torch.full((len(image),), -1.0)
    candidates = [where.nonzero() for where in near[:, 0]]
    for _ in range(_PIXELS):
        tried = image.clone()
        for one, places in zip(tried, candidates, strict=True):
            if len(places):
                row, column = places[int(torch.randint(len(places), (), generator=random))]
                one[:, row, column] = torch.randint(2, (3,), generator=random).float()
        moved = hole_mean((fill(method, tried, mask) - before) ** 2, mask)
        better = moved > far
        far = torch.where(better, moved, far)
        worst = torch.where(better[:, None, None, None], tried, worst)
    return worst

"""Learning from the photo: a network goes on training on what is known of the very image it is to fill.

Its known pixels have the colours and textures that the hole lacks (as for super-resolution Shocher et
al., "Zero-Shot" Super-Resolution using Deep Internal Learning, 2018). Other holes of the hole's kind are
cut into them. A few pieces beside the hole are kept apart, and say whether anything was gained.
"""

import math
import time
from collections.abc import Callable, Sequence
from copy import deepcopy
from dataclasses import dataclass

import cv2
import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

from inpaintlab.arrays import Bool, Float32, Float64, UInt8
from inpaintlab.errors import NetworkError, SettingError
from inpaintlab.images import DecodedImage
from inpaintlab.inpainter.crops import Box, Crop, plan
from inpaintlab.inpainter.filling import fill_crops, known_colours, shrink
from inpaintlab.losses import l1
from inpaintlab.masks import Rectangles, Strokes
from inpaintlab.networks import needs
from inpaintlab.randomness import generator_for, integer, real
from inpaintlab.tensors import pad_to_multiple

#: Samples in a step, and the learning rate at the start, which falls to 0 as half a cosine.
BATCH, RATE = 16, 1e-4
#: Weights of the errors in the hole and outside it, those of the objective `reconstruction`; the largest
#: norm of a gradient.
HOLE_WEIGHT, KNOWN_WEIGHT, CLIP = 6.0, 1.0, 1.0
#: Sides of what is cut out for training, in shorter sides of what is cut out for the hole.
SCALES = (0.5, 1.25)
#: Sizes of holes in training, and of pieces kept apart, in sizes of the hole.
HOLES, PIECES = (0.7, 1.2), (0.4, 0.7)
#: Pieces kept apart beside a hole; at so many holes, the largest; places tried for one, and the share of
#: it that is to be known there.
KEPT, PLACES, TRIES, KNOWN = 4, 4, 50, 0.8
#: Self-tests over the whole time, and what is to be gained in them, dB, whichever piece is left out. The
#: test hardly tells what is gained in large holes: with less than this one photo in ten came out worse.
TESTS, MARGIN = 12, 0.3


@dataclass(frozen=True)
class Adapted:
    """A network that has learnt from an image; printed, it says what that brought.

    `gain` is how much better it fills in the self-test, in dB. Where that is too little, it is 0 and
    `network` is the one of before. `steps` were taken in `seconds`.
    """

    network: nn.Module
    gain: float
    seconds: float
    steps: int

    def __str__(self) -> str:
        if not self.steps:
            return (
                "the image has no room for known pieces shaped like the hole: the model fills as it was"
            )
        learnt = f"{self.steps} steps of learning from the image in {self.seconds:.0f} s"
        if not self.gain:
            return f"{learnt} gained too little in the self-test: the model fills as it was"
        return f"{learnt}: known pieces beside the hole are filled {self.gain:.1f} dB better"


def adapt(
    network: nn.Module,
    image: DecodedImage,
    hole: UInt8,
    size: int,
    *,
    seconds: float,
    strategy: str = "auto",
    seed: int = 0,
    clock: Callable[[], float] = time.monotonic,
) -> Adapted:
    """Go on training a copy of a network, made for images of `size`, on the known pixels of one image.

    What lies under `hole`, `[H, W]` of 0 and 1, is never seen. The weights of the best self-test come
    back, or the network itself where none was better by a margin. `strategy` is the one that will fill.
    The `clock` is looked at once before the first step and once after each: with one that counts, the
    same seed gives the same weights. Raises `SettingError` for no time at all, and `NetworkError` for a
    network without weights to train.
    """
    start = clock()
    if seconds <= 0:
        raise SettingError(f"learning from an image takes some seconds, got {seconds:g}")
    crops = plan(hole, size, strategy)
    test = SelfTest(image, hole, crops, size, generator_for(seed, 0))
    if test.pieces < 2:
        return Adapted(network, 0.0, clock() - start, 0)
    lessons = Lessons(image, test.hidden, crops, size, generator_for(seed, 1))
    learner = _Learner(network)
    best = _Best(test, network, learner.network)
    steps, progress = 0, 0.0
    while progress < 1:
        learner.learn(*lessons.batch(), RATE * (1 + math.cos(math.pi * progress)) / 2)
        steps, passed = steps + 1, clock() - start
        progress = passed / seconds
        if int(progress * TESTS) > best.looks:
            best.look()
    return Adapted(best.network, best.gain, passed, steps)


class _Learner:
    """A copy of a network that learns; what its batch norm has counted stays as it is."""

    def __init__(self, network: nn.Module) -> None:
        if not any(True for _ in network.parameters()):
            raise NetworkError(f"{type(network).__name__} has no weights that could learn from an image")
        self.network = deepcopy(network).requires_grad_()
        self.optimiser = torch.optim.Adam(self.network.parameters())

    def learn(self, image: Tensor, mask: Tensor, counted: Tensor, rate: float) -> None:
        """Take a step on `[B, 3, h, w]`; errors are counted where `counted` is 1."""
        self.network.train()  # without bounds on the output, which would stop the gradient
        for layer in self.network.modules():
            if isinstance(layer, _BatchNorm):
                layer.eval()
        output = self._paint(image, mask)
        hole, known = (l1(output, image, where * counted) for where in (mask, 1 - mask))
        self.optimiser.param_groups[0]["lr"] = rate
        self.optimiser.zero_grad()
        torch.autograd.backward(HOLE_WEIGHT * hole + KNOWN_WEIGHT * known)
        nn.utils.clip_grad_norm_(self.network.parameters(), CLIP)
        self.optimiser.step()
        self.network.eval()

    def _paint(self, image: Tensor, mask: Tensor) -> Tensor:
        height, width = image.shape[-2:]
        device = next(self.network.parameters()).device
        padded = [pad_to_multiple(one, *needs(self.network)).to(device) for one in (image, mask)]
        output: Tensor = self.network(*padded)[..., :height, :width].cpu()
        return output


class SelfTest:
    """Known pieces beside the hole, shaped like it, that are filled along with it and looked at.

    `kept` has the number of the piece that a pixel is in, `[H, W]`, 0 for none.
    """

    def __init__(
        self,
        image: DecodedImage,
        hole: UInt8,
        crops: Sequence[Crop],
        size: int,
        generator: torch.Generator,
    ) -> None:
        self.image, self.hole, self.size, self.random = image, hole, size, generator
        self.kept, self.crops = np.zeros_like(hole), list[Crop]()
        for crop in sorted(crops, key=lambda crop: -int(crop.hole.sum()))[:PLACES]:
            for _ in range(KEPT):
                self._keep(crop)
            x, y, columns, rows = cv2.boundingRect(self.kept[crop.box.slices])
            if columns:
                top, left = crop.box.top + y, crop.box.left + x
                bounds = Box(top, left, top + rows, left + columns)
                self.crops.append(Crop(crop.box, bounds, self.kept[bounds.slices] > 0))

    @property
    def pieces(self) -> int:
        """How many pieces there are: too few tell nothing."""
        return int(self.kept.max())

    @property
    def hidden(self) -> UInt8:
        """The hole with the pieces, `[H, W]` of 0 and 1."""
        return self.hole | (self.kept > 0)

    def errors(self, network: nn.Module) -> Float64:
        """Return squared errors, a sum over each piece, where they are filled as the hole will be."""
        total = np.zeros(self.pieces + 1)
        filled = fill_crops(network, self.image, self.hidden, self.crops, self.size, "gradient")
        for crop, colours in filled:
            squared = (colours - known_colours(self.image, self.hole, crop.bounds)) ** 2
            pieces = self.kept[crop.bounds.slices].ravel()
            total += np.bincount(pieces, squared.sum(axis=2).ravel(), len(total))
        return total[1:]

    def _keep(self, crop: Crop) -> None:
        """Keep a piece apart: what a smaller hole in a crop covers of it, if most of that is known."""
        kept = self.kept[crop.box.slices]
        free = (self.hole[crop.box.slices] | kept) == 0
        for _ in range(TRIES):
            piece = _moved(crop.hole, free.shape, PIECES, self.random)
            known = piece & free
            # Not merely a corner that is left in the image, either.
            if known.sum() > KNOWN * max(piece.sum(), PIECES[0] ** 2 * crop.hole.sum()):
                kept[known] = self.pieces + 1
                return


class _Best:
    """The network of the best self-test up to now, which is first that of before, and its gain, dB."""

    def __init__(self, test: SelfTest, network: nn.Module, learning: nn.Module) -> None:
        self.test, self.network, self.learning = test, network, learning
        self.before = test.errors(learning)
        self.gain, self.least, self.looks = 0.0, MARGIN, 0

    def look(self) -> None:
        """Take the self-test once more."""
        self.looks += 1
        gain, least = gained(self.before, self.test.errors(self.learning))
        if least > self.least:
            self.gain, self.least, self.network = gain, least, deepcopy(self.learning)


def gained(before: Float64, after: Float64) -> tuple[float, float]:
    """Return what errors of pieces say was gained, in dB, and the least of it with any piece left out.

    >>> gain, least = gained(np.array([4.0, 4.0, 2.0]), np.array([4.0, 4.0, 0.5]))
    >>> round(gain, 2), round(least, 2)
    (0.71, 0.0)
    """
    tiny = 1e-12  # nothing is gained where all was right before
    every = 10 * np.log10((before.sum() + tiny) / (after.sum() + tiny))
    others = 10 * np.log10((before.sum() - before + tiny) / (after.sum() - after + tiny))
    return float(every), float(others.min())


class Lessons:
    """Samples for training, cut out around the holes of an image, with other holes of their kind."""

    def __init__(
        self,
        image: DecodedImage,
        hidden: UInt8,
        crops: Sequence[Crop],
        size: int,
        generator: torch.Generator,
    ) -> None:
        self.image, self.hidden, self.crops, self.random = image, hidden, crops, generator
        self.side = min(size, *hidden.shape)
        self.shapes = [_at_work(crop, size) for crop in crops]
        self.areas = torch.tensor([float(crop.hole.sum()) for crop in crops])

    def batch(self) -> tuple[Tensor, Tensor, Tensor]:
        """Return images, masks and where errors count, `[B, 3 or 1, h, w]`; hidden pixels are black."""
        samples = [self._sample() for _ in range(BATCH)]
        images, masks, counted = (
            torch.from_numpy(np.stack(part)) for part in zip(*samples, strict=True)
        )
        return images.permute(0, 3, 1, 2), masks[:, None].float(), counted[:, None].float()

    def _sample(self) -> tuple[Float32, Bool, Bool]:
        number = int(torch.multinomial(self.areas, 1, generator=self.random))
        box, size = self._box(self.crops[number].box), (self.side, self.side)
        image, hidden = shrink(self.image, self.hidden, box, size)
        mask = self._draw(self.shapes[number]) | hidden
        if integer((0, 1), self.random):
            image, mask, hidden = image[:, ::-1], mask[:, ::-1], hidden[:, ::-1]
        return image, mask, ~hidden

    def _box(self, around: Box) -> Box:
        """Return a square near what is cut out for a hole, about as wide."""
        height, width = self.hidden.shape
        short = min(around.size)
        scale = math.exp(real((math.log(SCALES[0]), math.log(SCALES[1])), self.random))
        side = min(max(round(short * scale), self.side), height, width)
        near = around.grown(short // 2, Box(0, 0, height, width))
        top = self._start(near.top, near.bottom, side, height)
        left = self._start(near.left, near.right, side, width)
        return Box(top, left, top + side, left + side)

    def _start(self, low: int, high: int, side: int, length: int) -> int:
        first = min(low, length - side)
        return integer((first, max(first, high - side)), self.random)

    def _draw(self, shape: Bool) -> Bool:
        """Draw a hole `[side, side]`: the real one's shape, or any as thick as that."""
        size = (self.side, self.side)
        if integer((0, 1), self.random):
            return _moved(shape, size, HOLES, self.random)
        thick = 2 * cv2.distanceTransform(np.pad(shape, 1).astype(np.uint8), cv2.DIST_L2, 3).max()
        low, high = (min(max(scale * thick / self.side, 0.01), 0.5) for scale in HOLES)
        kinds = (Rectangles(side=(low, high)), Strokes(width=(low, high)))
        return kinds[integer((0, 1), self.random)].draw(*size, self.random) > 0


def _at_work(crop: Crop, size: int) -> Bool:
    """Return the hole of a crop in the pixels that the network works on."""
    scale = min(1.0, size / min(crop.box.size))
    high, wide = (max(1, round(side * scale)) for side in crop.hole.shape)
    return cv2.resize(crop.hole.astype(np.float32), (wide, high), interpolation=cv2.INTER_AREA) > 0


def _moved(
    shape: Bool, size: tuple[int, ...], scales: tuple[float, float], generator: torch.Generator
) -> Bool:
    """Return a shape in an image of another size: turned by right angles, mirrored, scaled, anywhere."""
    height, width = size
    cosine, sine = ((1, 0), (0, 1), (-1, 0), (0, -1))[integer((0, 3), generator)]
    mirror = 1 - 2 * integer((0, 1), generator)
    turn = real(scales, generator) * np.array([[cosine, -sine * mirror], [sine, cosine * mirror]])
    middle = np.array([real((0, width), generator), real((0, height), generator)])
    shift = middle - turn @ (np.array(shape.shape[::-1]) - 1) / 2
    matrix = np.column_stack([turn, shift])
    # A line of one pixel is not to vanish between two others.
    return cv2.warpAffine(shape.astype(np.float32), matrix, (width, height)) > 0.3

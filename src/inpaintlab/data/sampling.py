"""Training samples by number: which image, which window, which augmentation, which mask.

Sample `n` is a function of (seed, n) alone. So the stream is the same for any number of workers and
devices, and a resumed run goes on at sample `step × batch_size` without having to replay anything. Where
images stand in shards and fit nowhere else, `streaming` chooses which image a sample gets; its
augmentation and its mask stay those of its number.
"""

import math
from collections.abc import Callable, Container, Iterator, Sequence
from functools import lru_cache

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import Dataset, Sampler

from inpaintlab.arrays import Int64, UInt8
from inpaintlab.data.augment import PARAMETERS, Augmentation, Batch, Sample, window_of
from inpaintlab.data.loading import Images
from inpaintlab.errors import DataError
from inpaintlab.masks import MaskKind
from inpaintlab.randomness import Stream, generator_for

#: Chance that samples are alike without anything being broken, above which nothing is concluded.
_DOUBT = 1e-6


class TrainingSamples(Dataset[Sample]):
    """Training samples by number.

    The generator of sample `n` depends on the seed and n alone; it first gives the parameters of the
    augmentation, in the order of `augment.PARAMETERS`, and then the mask. In place of `skipped` images,
    by their positions, the next ones are taken.
    """

    def __init__(
        self,
        images: Images,
        masks: MaskKind,
        seed: int,
        augmentation: Augmentation,
        skipped: Container[int] = frozenset(),
    ) -> None:
        self.images, self.masks, self.seed, self.augmentation = images, masks, seed, augmentation
        self.skipped = skipped
        # One permutation of the images for each epoch; a batch can lie across two.
        self._order: Callable[[int], Int64] = lru_cache(2)(self._permutation)

    def __getitem__(self, number: int) -> Sample:
        """Return sample `number`, its image not yet augmented."""
        epoch, place = divmod(number, len(self.images))
        position, image = self.images.any_near(int(self._order(epoch)[place]), self.skipped)
        return self.sample(image, number, position)

    def sample(self, image: UInt8, number: int, position: int = -1) -> Sample:
        """Return what sample `number` makes of an image as it is stored."""
        generator, size = self.generator(number), self.images.size
        parameters = torch.rand(len(PARAMETERS), generator=generator).numpy()
        window, side = window_of(image, self.images.stored, parameters)
        mask = self.masks.draw(size, size, generator)
        return Sample(window, side, self.augmentation.turned(mask, parameters), parameters, position)

    def collate(self, samples: Sequence[Sample]) -> Batch:
        """Augment and stack samples."""
        masks = torch.from_numpy(np.stack([sample.mask for sample in samples]))
        positions = torch.tensor([sample.position for sample in samples])
        images = self.augmentation.apply(samples, self.images.size)
        return Batch(images, masks[:, None].float(), positions)

    def generator(self, number: int) -> torch.Generator:
        """Return the generator of one sample."""
        return generator_for(self.seed, Stream.SAMPLE, number)

    def blank(self) -> UInt8:
        """Return an image of noise, as large as images are stored."""
        side = self.images.stored
        return np.random.default_rng(0).integers(0, 256, (side, side, 3), np.uint8)

    def _permutation(self, epoch: int) -> Int64:
        generator = generator_for(self.seed, Stream.ORDER, epoch)
        return torch.randperm(len(self.images), generator=generator).numpy()


class BatchSampler(Sampler[list[int]]):
    """Sample numbers batch by batch, from a step on and without an end.

    `batch_size` counts over all devices; each of `world` devices takes its own equal share of a batch.
    """

    def __init__(self, batch_size: int, start_step: int = 0, rank: int = 0, world: int = 1) -> None:
        self.batch_size, self.start_step, self.rank, self.world = batch_size, start_step, rank, world

    def __iter__(self) -> Iterator[list[int]]:
        share = self.batch_size // self.world
        step = self.start_step
        while True:
            first = step * self.batch_size + self.rank * share
            yield list(range(first, first + share))
            step += 1


def check_variants(samples: TrainingSamples, count: int = 64) -> None:
    """Sample one image many times; raise `DataError` when the variants or their masks repeat.

    That is what a generator does that is seeded anew for every sample. The image is noise, in which
    nothing looks like anything else.
    """
    image = samples.blank()
    images, masks, _ = samples.collate([samples.sample(image, number) for number in range(count)])
    different, augmentation = _different(images), samples.augmentation
    needed = count if augmentation.moves or augmentation.recolours else 2
    if different < needed and _chance_of_one(augmentation, count) < _DOUBT:
        raise DataError(
            f"{count} samples of one image came out in {different} variants: "
            "every sample needs random numbers of its own"
        )
    if _different(masks) == 1:
        raise DataError(
            f"{count} samples have one and the same mask: every sample needs a mask of its own; "
            "if there is only one mask file, bring more or set augment.turn_masks"
        )


def _different(tensors: Tensor) -> int:
    return len({one.numpy().tobytes() for one in tensors})


def _chance_of_one(augmentation: Augmentation, count: int) -> float:
    """Return the chance that `count` sound samples of one image all come out alike."""
    if augmentation.moves or augmentation.recolours:
        return 0.0
    chances = [augmentation.flip]
    chances += [augmentation.blur_probability] if augmentation.blur else []
    chances += [augmentation.jpeg_probability] if augmentation.jpeg else []
    return math.prod(chance**count + (1 - chance) ** count for chance in chances)

"""From a source to batches: pictures read once, and a stream of draws that any number of workers share.

A *draw* is one sample of the training stream: a picture, its crop, its flip and its mask. Draw `d` is
a function of (seed, d) alone. So the stream is the same for any number of workers and devices, and a
resumed run goes on at draw `step × batch` without having to replay anything.
"""

import os
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import numpy.typing as npt
import psutil
import torch
from torch import Tensor
from torch.utils.data import DataLoader, Dataset, Sampler

from inpaintlab.data.sources import Source
from inpaintlab.data.splits import Split, split
from inpaintlab.errors import DataError, ImageError
from inpaintlab.images import to_tensor
from inpaintlab.masks import Mixture, generator_for
from inpaintlab.progress import bar

Image = npt.NDArray[np.uint8]
Batch = tuple[Tensor, Tensor]

#: Share of the free memory that decoded pictures may take.
CACHE_SHARE = 0.5


@dataclass(frozen=True)
class Bad:
    """A picture that was passed over, and why."""

    name: str
    reason: str


class Pictures:
    """Pictures of one part of a split, with the shorter side at the training size.

    Each is decoded once when this is built, so that nothing broken is met later; the decoded pictures
    are kept where they fit into half of the free memory (`cached`), else read again when asked for.
    Those that cannot be used are in `bad`.
    """

    def __init__(self, source: Source, indices: Sequence[int], size: int, what: str) -> None:
        self.source, self.size = source, size
        # Pictures are rarely longer than twice their shorter side.
        self.cached = len(indices) * size * size * 6 < CACHE_SHARE * psutil.virtual_memory().available
        self.bad: list[Bad] = []
        self.indices: list[int] = []
        self._kept: list[Image] = []
        for index, result in zip(indices, self._read_all(indices, what), strict=True):
            if isinstance(result, Bad):
                self.bad.append(result)
                continue
            self.indices.append(index)
            if result is not None:
                self._kept.append(result)

    def __len__(self) -> int:
        return len(self.indices)

    def __getitem__(self, position: int) -> Image:
        """Return RGB uint8 `[H, W, 3]`."""
        if self.cached:
            return self._kept[position]
        return self.source.read(self.indices[position], self.size)

    def square(self, position: int) -> Image:
        """Return the middle square, `[size, size, 3]`: what validation and evaluation use."""
        image = self[position]
        top, left = ((side - self.size) // 2 for side in image.shape[:2])
        return image[top : top + self.size, left : left + self.size]

    def squares(self, start: int, stop: int) -> Tensor:
        """Return middle squares as a tensor `[B, 3, size, size]` in [0, 1]."""
        return to_tensor(np.stack([self.square(position) for position in range(start, stop)]))

    def _read_all(self, indices: Sequence[int], what: str) -> Iterator["Image | Bad | None"]:
        with (
            ThreadPoolExecutor(os.cpu_count()) as pool,
            bar(f"reading {what} pictures", len(indices)) as advance,
        ):
            for result in pool.map(self._try_read, indices):
                advance()
                yield result

    def _try_read(self, index: int) -> "Image | Bad | None":
        try:
            image = self.source.read(index, self.size)
        except ImageError as error:
            return Bad(self.source.names[index], str(error))
        return image if self.cached else None


@dataclass(frozen=True)
class TrainingData:
    """The two parts that training may see, and what it knows of the whole."""

    train: Pictures
    val: Pictures
    split: Split
    train_hashes: frozenset[str]

    @property
    def bad(self) -> list[Bad]:
        """Pictures of both parts that were passed over."""
        return self.train.bad + self.val.bad


def hash_all(source: Source) -> list[str]:
    """Return the content hash of every picture, with a progress bar."""
    indices = range(len(source.names))
    with ThreadPoolExecutor(os.cpu_count()) as pool, bar("hashing", len(indices)) as advance:
        hashes = []
        for content_hash in pool.map(source.content_hash, indices):
            hashes.append(content_hash)
            advance()
    return hashes


def open_training_data(source: Source, size: int, max_bad: float) -> TrainingData:
    """Split a source and read its train and val pictures; the test part is not even decoded.

    Raises `DataError` when more than the share `max_bad` of the pictures cannot be used, or none is
    left to train on.
    """
    hashes = hash_all(source)
    parts = source.settled or split(hashes)
    train = Pictures(source, parts.train, size, "training")
    val = Pictures(source, parts.val, size, "validation")
    check_bad(train.bad + val.bad, len(parts.train) + len(parts.val), max_bad)
    if not len(train) or not len(val):
        raise DataError("no usable picture is left to train on or to validate with")
    return TrainingData(train, val, parts, frozenset(hashes[index] for index in train.indices))


def check_bad(bad: Sequence[Bad], total: int, max_bad: float) -> None:
    """Raise `DataError` when more than the share `max_bad` of the pictures could not be used."""
    if len(bad) > max_bad * total:
        raise DataError(
            f"{len(bad)} of {total} pictures cannot be used, first {bad[0].name}: {bad[0].reason}; "
            f"more than max_bad = {max_bad:g} of them"
        )


class Draws(Dataset[tuple[Image, Image]]):
    """Training samples by draw number: a crop `[size, size, 3]` and its mask `[size, size]`, uint8."""

    def __init__(self, pictures: Pictures, masks: Mixture, seed: int, flip: bool) -> None:
        self.pictures, self.masks, self.seed, self.flip = pictures, masks, seed, flip
        # One permutation of the pictures for each epoch; a batch can lie across two.
        self._order: Callable[[int], list[int]] = lru_cache(2)(self._permutation)

    def __getitem__(self, draw: int) -> tuple[Image, Image]:
        """Return picture and mask of a draw."""
        epoch, place = divmod(draw, len(self.pictures))
        generator = generator_for(self.seed, 1, draw)
        image = self._crop(self.pictures[self._order(epoch)[place]], generator)
        if self.flip and bool(torch.rand((), generator=generator) < 0.5):
            image = image[:, ::-1]
        size = self.pictures.size
        return image, self.masks.draw(size, size, generator)

    def _permutation(self, epoch: int) -> list[int]:
        generator = generator_for(self.seed, 0, epoch)
        order: list[int] = torch.randperm(len(self.pictures), generator=generator).tolist()
        return order

    def _crop(self, image: Image, generator: torch.Generator) -> Image:
        size = self.pictures.size
        top, left = (
            int(torch.randint(side - size + 1, (), generator=generator)) if side > size else 0
            for side in image.shape[:2]
        )
        return image[top : top + size, left : left + size]


class DrawBatches(Sampler[list[int]]):
    """Draw numbers batch by batch, from a step on and without an end.

    `batch` counts over all devices; each of `world` devices takes its own equal share of a batch.
    """

    def __init__(self, batch: int, start_step: int = 0, rank: int = 0, world: int = 1) -> None:
        self.batch, self.start_step, self.rank, self.world = batch, start_step, rank, world

    def __iter__(self) -> Iterator[list[int]]:
        share = self.batch // self.world
        step = self.start_step
        while True:
            first = step * self.batch + self.rank * share
            yield list(range(first, first + share))
            step += 1


def collate(samples: Sequence[tuple[Image, Image]]) -> Batch:
    """Stack samples to an image `[B, 3, H, W]` in [0, 1] and a mask `[B, 1, H, W]` of 0 and 1."""
    images = to_tensor(np.stack([image for image, _ in samples]))
    masks = torch.from_numpy(np.stack([mask for _, mask in samples]))
    return images, masks[:, None].float()


def training_batches(draws: Draws, batches: DrawBatches, workers: int | None) -> Iterator[Batch]:
    """Return an endless stream of batches.

    `workers` None chooses: none for cached pictures, which take less time than handing them from a
    process to another; otherwise one for each processor, eight at most.
    """
    if workers is None:
        workers = 0 if draws.pictures.cached else min(8, os.cpu_count() or 1)
    loader = DataLoader(draws, batch_sampler=batches, collate_fn=collate, num_workers=workers)
    return iter(loader)

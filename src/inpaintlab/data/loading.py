"""From a dataset to the images that training may see, each read once and kept where they fit."""

from collections.abc import Collection, Container, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import partial

import numpy as np
from torch import Tensor

from inpaintlab.arrays import UInt8
from inpaintlab.data.dataset import ImageData, ImageDataset, at_stored_size
from inpaintlab.data.lookalikes import middle
from inpaintlab.data.splits import Split
from inpaintlab.data.storage import Bad as Bad, Cache, CachedImages, Place, open_cache, write_cache
from inpaintlab.errors import DataError, ImageError
from inpaintlab.images import shrink
from inpaintlab.progress import in_threads, say
from inpaintlab.tensors import to_tensor

#: After so many images in a row that can no longer be read, the rest are not tried.
TRIES = 100
_WORDS: dict[Place, str] = {
    "memory": "in memory",
    "disk": "in a memory-mapped file",
    "off": "read from files each time",
}


class Images:
    """Images of one part of a split, with the shorter side at `stored` pixels, `size` by default.

    Each is decoded once when this is built, so that nothing broken is met later, and kept in memory, in
    a cache file or not at all, as `cache` says and as it fits (`storage` tells in words). A source that
    says its images were `checked` is not read up front where they are not kept. An image too small
    for `stored` is kept at `size`; those that cannot be used at all are in `bad`. `hashes` are the
    content hashes of all images of the source, if they are known already: they name the cache file.
    Raises `DataError` and `OutputError` where a cache file was asked for and cannot be had.
    """

    def __init__(
        self,
        source: ImageDataset,
        indices: Sequence[int],
        size: int,
        what: str,
        *,
        stored: int | None = None,
        cache: Cache = Cache(),  # noqa: B008 - frozen
        hashes: Sequence[str] | None = None,
    ) -> None:
        self.source, self.size, self.stored = source, size, stored or size
        self.place = cache.place(len(indices), self.stored)
        self.bad: list[Bad] = []
        self.indices: list[int] = []
        self._kept: Sequence[UInt8] | None = None
        self._lost: set[int] = set()
        if self.place == "disk":
            self._open_cache(indices, what, cache, hashes)
        elif self.place == "off" and getattr(source, "checked", False):
            self.indices = list(indices)
        else:
            self._keep(indices, what)

    def __len__(self) -> int:
        return len(self.indices)

    def __getitem__(self, position: int) -> UInt8:
        """Return RGB uint8 `[H, W, 3]`; raises `ImageError` for a file that was lost meanwhile."""
        return self._read(self.indices[position]) if self._kept is None else self._kept[position]

    @property
    def cached(self) -> bool:
        """Whether images are kept decoded."""
        return self._kept is not None

    @property
    def storage(self) -> str:
        """Where images are kept, in words."""
        return _WORDS[self.place]

    def name(self, position: int) -> str:
        """Return the name of an image in its source."""
        return str(self.source.names[self.indices[position]])

    def positions(self, names: Collection[str]) -> frozenset[int]:
        """Return where images of these names stand; one that is no longer there stands nowhere."""
        if not names:
            return frozenset()
        wanted = set(names)
        return frozenset(place for place in range(len(self)) if self.name(place) in wanted)

    def any_near(self, position: int, skipped: Container[int] = ()) -> tuple[int, UInt8]:
        """Return an image and its position, or the next one that is not skipped and can be read.

        Says so once for each image whose file was lost. Raises `DataError` when a hundred in a row
        are lost.
        """
        reason, tries = "all of them are to be skipped", 0
        for other in range(position, position + len(self)):
            if (place := other % len(self)) in skipped:
                continue
            try:
                return place, self[place]
            except ImageError as error:
                reason, tries = self.lose(place, error), tries + 1
            if tries == TRIES:
                break
        raise DataError(f"the images can no longer be read: {reason}")

    def lose(self, position: int, error: ImageError) -> str:
        """Say, once, that an image can no longer be read; return why."""
        if position not in self._lost:
            self._lost.add(position)
            say(f"{error}; another image takes its place")
        return str(error)

    def square(self, position: int) -> UInt8:
        """Return the middle square, `[size, size, 3]`: what validation and evaluation use."""
        square = middle(self[position])
        return square if len(square) == self.size else shrink(square, self.size)

    def squares(self, start: int, stop: int) -> Tensor:
        """Return middle squares as a tensor `[B, 3, size, size]` in [0, 1]."""
        return to_tensor(np.stack([self.square(position) for position in range(start, stop)]))

    def _keep(self, indices: Sequence[int], what: str) -> None:
        kept: list[UInt8] = []
        for index, result in zip(indices, self._read_all(indices, what), strict=True):
            if isinstance(result, Bad):
                self.bad.append(result)
                continue
            self.indices.append(index)
            if self.place == "memory":
                kept.append(result)
        self._kept = kept if self.place == "memory" else None

    def _open_cache(
        self, indices: Sequence[int], what: str, cache: Cache, hashes: Sequence[str] | None
    ) -> None:
        content = (hashes[index] if hashes else self.source.content_hash(index) for index in indices)
        path = cache.file(content, self.stored, self.size)
        kept = open_cache(path)
        if kept is None:
            write_cache(path, self._read_all(indices, what))
            kept = CachedImages(path)
        self.indices = [indices[place] for place in kept.kept]
        self.bad = [Bad(self.source.names[indices[place]], reason) for place, reason in kept.bad]
        self._kept = kept

    def _read_all(self, indices: Sequence[int], what: str) -> Iterator[UInt8 | Bad]:
        return in_threads(self._try_read, indices, f"reading {what} images")

    def _try_read(self, index: int) -> UInt8 | Bad:
        try:
            return self._read(index)
        except ImageError as error:
            return Bad(self.source.names[index], str(error))

    def _read(self, index: int) -> UInt8:
        return at_stored_size(partial(self.source.read, index), self.stored, self.size)


@dataclass(frozen=True)
class TrainingData:
    """The two parts that training may see, and what it knows of the whole."""

    train: Images
    val: Images
    split: Split
    train_hashes: frozenset[str]

    @property
    def bad(self) -> list[Bad]:
        """Images of both parts that were passed over."""
        return self.train.bad + self.val.bad


def open_training_data(
    data: ImageData,
    size: int,
    max_bad: float,
    *,
    stored: int | None = None,
    cache: Cache = Cache(),  # noqa: B008 - frozen
) -> TrainingData:
    """Read the images of a dataset to train on and to validate with; the test part is not decoded.

    Those to train on are kept with the shorter side at `stored`, those to validate with at `size`.
    Raises `DataError` when more than the share `max_bad` of the images cannot be used, or none is
    left to train on.
    """
    dataset, hashes, parts = data.dataset, data.hashes, data.split
    train = Images(dataset, parts.train, size, "training", stored=stored, cache=cache, hashes=hashes)
    val = Images(dataset, parts.val, size, "validation", cache=cache, hashes=hashes)
    check_bad(train.bad + val.bad, len(parts.train) + len(parts.val), max_bad)
    for images, use in ((train, "train on"), (val, "validate with")):
        if not len(images):
            raise DataError(f"{data.name} has no usable image to {use}: bring more, at least 20 in all")
    return TrainingData(train, val, parts, frozenset(hashes[index] for index in train.indices))


def kept_bytes(data: ImageData, size: int, stored: int, cache: Cache) -> int:
    """Estimate the bytes of decoded images that training keeps in memory, from a few of them."""
    kept = 0.0
    for indices, pixels in ((data.split.train, stored), (data.split.val, size)):
        if cache.place(len(indices), pixels) != "memory":
            continue
        sizes = []
        for index in indices[:: max(1, -(-len(indices) // 16))]:
            with suppress(ImageError):  # it will be counted and named when all are read
                image = at_stored_size(partial(data.dataset.read, index), pixels, size)
                sizes.append(image.nbytes)
        kept += len(indices) * sum(sizes) / max(1, len(sizes))
    return int(kept)


def check_bad(bad: Sequence[Bad], total: int, max_bad: float) -> None:
    """Raise `DataError` when more than the share `max_bad` of the images could not be used."""
    if len(bad) > max_bad * total:
        raise DataError(
            f"{len(bad)} of {total} images cannot be used, first {bad[0].name}: {bad[0].reason}; "
            f"more than max_bad_fraction = {max_bad:g} of them"
        )

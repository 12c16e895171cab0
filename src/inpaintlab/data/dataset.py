"""What a dataset is to everything else, and a dataset with its split: what `open_dataset` returns.

A dataset of your own needs two methods, `__len__` and `read`. Everything else is filled in: names by
number, content hashes and look-alikes from the pixels, the split from the content hashes.
"""

from collections.abc import Callable, Iterator, Sequence
from functools import cached_property, partial
from typing import Any, Protocol

import numpy as np

from inpaintlab.arrays import UInt8
from inpaintlab.data.lookalikes import SIDE, Appearance, appearance_of_middle, group_lookalikes
from inpaintlab.data.splits import Split, split, split_fold
from inpaintlab.errors import DataError, ImageError
from inpaintlab.progress import in_threads


class ImageDataset(Protocol):
    """A numbered collection of images; its methods may be called from several threads.

    It may also have: `hashes`, all content hashes; `groups`, a number for each image, where images of
    one number stay in one part (without it, look-alikes are found from the pixels); `predefined_split`,
    a `Split`; `checked`, true where every image is known to be readable.
    """

    @property
    def names(self) -> Sequence[str]:
        """The names of the images."""
        ...

    def __len__(self) -> int:
        """Return the number of images."""
        ...

    def content_hash(self, index: int) -> str:
        """SHA-256 of what image `index` is made from, in hexadecimal."""
        ...

    def read(self, index: int, size: int | None = None) -> UInt8:
        """Return image `index`: RGB uint8 `[H, W, 3]`, its shorter side `size` pixels, None its own.

        Raises `ImageError` for an image that cannot be used, with the finding `small` for one that
        would have to be enlarged.
        """
        ...


class ImagePart(Sequence[UInt8]):
    """One part of a dataset, `part` by name: a map-style dataset of RGB uint8 `[H, W, 3]`.

    Images have their own sizes. `indices` says which of the dataset they are.
    """

    def __init__(self, dataset: ImageDataset, indices: Sequence[int], part: str) -> None:
        self.dataset, self.indices, self.part = dataset, indices, part

    def __len__(self) -> int:
        return len(self.indices)

    def __getitem__(self, position: Any) -> Any:
        """Return an image, or the part that a slice names; raises `ImageError` for a broken image."""
        if isinstance(position, slice):
            return ImagePart(self.dataset, self.indices[position], self.part)
        # Torch warns of arrays that it could not write to, as decoders give them.
        return np.require(self.dataset.read(self.indices[position]), requirements="W")

    def __iter__(self) -> Iterator[UInt8]:
        return (self[position] for position in range(len(self)))

    def __repr__(self) -> str:
        return f"<{len(self)} {self.part} images>"

    @property
    def names(self) -> list[str]:
        """The names of the images."""
        return [self.dataset.names[index] for index in self.indices]


class ImageData:
    """A dataset and its split; it can stand wherever a dataset is taken.

    `training` and `validation` are map-style datasets; the test part is opened by the seal alone.
    `source` is the word with which it can be opened again, None for objects. With `fold`, that one of
    `folds` validates and the others train. Raises `DataError` where there are no folds.
    """

    def __init__(
        self,
        dataset: ImageDataset,
        name: str,
        *,
        source: str | None = None,
        fold: int | None = None,
        folds: int | None = None,
    ) -> None:
        self.dataset, self.name, self.source = dataset, name, source
        self._fold, self._folds = fold, folds
        if fold is not None and self.predefined_split is not None:
            raise DataError(f"{name} brings a split of its own, which has no folds: leave fold out")
        if fold is not None and folds is None:
            cure = f", or inpaint prepare {source} -o NAME.dataset, which keeps folds" if source else ""
            raise DataError(f"{name} has no folds: say how many there are to be, as -s folds=5{cure}")

    def __len__(self) -> int:
        return len(self.dataset)

    def __repr__(self) -> str:
        return f"<ImageData {self.name}: {len(self)} images>"

    @property
    def names(self) -> Sequence[str]:
        """The names of all images."""
        return self.dataset.names

    def content_hash(self, index: int) -> str:
        """SHA-256 of what image `index` is made from, in hexadecimal."""
        return self.hashes[index]

    def read(self, index: int, size: int | None = None) -> UInt8:
        """Return image `index` as the dataset reads it."""
        return self.dataset.read(index, size)

    @cached_property
    def hashes(self) -> Sequence[str]:
        """The content hashes of all images."""
        return hash_all(self.dataset)

    @cached_property
    def groups(self) -> Sequence[int]:
        """A number for each image; look-alikes have the same, and stay in one part."""
        given: Sequence[int] | None = getattr(self.dataset, "groups", None)
        return find_groups(self.dataset) if given is None else given

    @property
    def predefined_split(self) -> Split | None:
        """The split that the dataset brings."""
        return getattr(self.dataset, "predefined_split", None)

    @property
    def is_prepared(self) -> bool:
        """Whether this is a prepared dataset, whose test part is sealed."""
        return hasattr(self.dataset, "sealed")

    @property
    def folds(self) -> int | None:
        """How many folds there are; None where nobody has said it."""
        facts = getattr(self.dataset, "facts", None)
        return facts.settings.folds if facts else self._folds

    @cached_property
    def split(self) -> Split:
        """Which images train and which validate.

        Raises `DataError` where there are too few, or no such fold.
        """
        if self.predefined_split is not None:
            return self.predefined_split
        if self._fold is None or self._folds is None:
            return split(self.hashes, self.groups)
        return split_fold(self.hashes, self._fold, self._folds, self.groups)

    @property
    def training(self) -> ImagePart:
        """The images to train on."""
        return ImagePart(self.dataset, self.split.train, "training")

    @property
    def validation(self) -> ImagePart:
        """The images to validate with."""
        return ImagePart(self.dataset, self.split.val, "validation")

    def sample(self, count: int, seed: int) -> "ImageData":
        """Return at most `count` of the images, drawn by a seed; each stays in its part."""
        random = np.random.default_rng(seed)
        chosen = np.sort(random.choice(len(self), min(count, len(self)), replace=False)).tolist()
        return ImageData(_Some(self, chosen), self.name)

    @property
    def test(self) -> ImagePart:
        """Never given here: raises `DataError` that says how the test part is opened."""
        if self.is_prepared:
            raise DataError(
                f"the test part of {self.name} is sealed: evaluate with split='test' opens it, and "
                "writes that down"
            )
        folder = self.source or "FOLDER"
        raise DataError(
            f"the test part of {self.name} is not sealed, so it stays shut: "
            f"{'' if self.source else 'save the images, then '}inpaint prepare {folder} -o NAME.dataset"
        )


class _Some:
    """Some images of a dataset, in their old order and their old parts."""

    def __init__(self, data: ImageData, chosen: list[int]) -> None:
        self._data, self.chosen = data, chosen
        self.names = [data.names[index] for index in chosen]
        self.hashes = [data.hashes[index] for index in chosen]
        place, old = {index: position for position, index in enumerate(chosen)}, data.split
        train, val = (
            [place[index] for index in part if index in place] for part in (old.train, old.val)
        )
        self.predefined_split = Split(train, val, old.test_count, old.hash)

    def __len__(self) -> int:
        return len(self.chosen)

    def content_hash(self, index: int) -> str:
        return self.hashes[index]

    def read(self, index: int, size: int | None = None) -> UInt8:
        return self._data.read(self.chosen[index], size)


def hash_all(dataset: ImageDataset) -> Sequence[str]:
    """Return the content hash of every image, with a progress bar where they are not known yet."""
    known: Sequence[str] | None = getattr(dataset, "hashes", None)
    if known is not None:
        return known
    return list(in_threads(dataset.content_hash, range(len(dataset)), "hashing"))


def find_groups(dataset: ImageDataset) -> list[int]:
    """Return a number for each image of a dataset, the same one for look-alikes, from the pixels."""
    groups: list[int] = group_lookalikes(appearances(dataset, range(len(dataset)))).tolist()
    return groups


def appearances(dataset: ImageDataset, indices: Sequence[int]) -> list[Appearance | None]:
    """Return what images look like; None for those that show nothing, or cannot be read."""

    def appearance(index: int) -> Appearance | None:
        try:
            return appearance_of_middle(at_stored_size(partial(dataset.read, index), SIDE, None))
        except ImageError:
            return None

    found = getattr(dataset, "appearance", appearance)
    return list(in_threads(found, indices, "looking for look-alikes"))


def at_stored_size(read: Callable[[int | None], UInt8], stored: int, size: int | None) -> UInt8:
    """Read an image at the size it is stored with, or at another (None: its own) if it is too small."""
    try:
        return read(stored)
    except ImageError as error:
        if error.finding != "small" or stored == size:
            raise
    return read(size)

"""The images that are measured, and what is known of each."""

import os
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from inpaintlab.arrays import UInt8
from inpaintlab.data.dataset import ImageDataset, ImagePart, hash_all
from inpaintlab.data.grouping import check_keys, key_for
from inpaintlab.data.loading import Bad, Images, check_bad
from inpaintlab.data.sources import open_dataset
from inpaintlab.errors import DataError, ImageError
from inpaintlab.masks import MaskSet, ratio_bin
from inpaintlab.progress import in_threads, say
from inpaintlab.tensors import to_tensor

#: What is said where images are there, but all are excluded.
_ALL_LEARNT = " that no method has learnt from"


@dataclass(frozen=True)
class EvaluationSet:
    """Images to measure on: `read(place)` gives uint8 `[H, W, 3]`, the rest is known of each of them.

    All are squares of `size` pixels; where it is None they have the `sizes` (height and width) of their
    files. Images of one cluster are not independent: copies of a file, or what a prepared dataset
    keeps in one part. A group is what figures are given for: a folder, say.
    """

    read: Callable[[int], UInt8]
    names: list[str]
    hashes: list[str]
    clusters: list[str]
    groups: list[str]
    size: int | None
    sizes: list[tuple[int, int]]

    def __len__(self) -> int:
        return len(self.hashes)

    def first(self, count: int) -> "EvaluationSet":
        """Return the first images, which are in the order of their names."""
        columns = ("names", "hashes", "clusters", "groups", "sizes")
        return replace(self, **{name: getattr(self, name)[:count] for name in columns})

    def changed(self, change: Callable[[UInt8], UInt8]) -> "EvaluationSet":
        """Return the same images, each changed before its hole is cut out."""
        return replace(self, read=lambda place: change(self.read(place)))

    def rows(self, masks: MaskSet, start: int, stop: int) -> tuple[Tensor, Tensor]:
        """Return images and masks of all rows of the images from `start` to `stop`."""
        per = masks.per_image
        images = to_tensor(np.stack([self.read(place) for place in range(start, stop)]))
        return torch.repeat_interleave(images, per, 0), masks.batch(start * per, stop * per)

    def others(self, masks: MaskSet, start: int, stop: int, count: int) -> Iterator[Tensor]:
        """Yield what `rows` gives of images, each time with another image in the place of each.

        So many times, or as there are other images: first with the next image, then with the one after
        it, and after the last image with the first. All images must have one size.
        """
        count = min(count, len(self) - 1)
        if count < 1:
            return
        places = [place % len(self) for place in range(start + 1, stop + count)]
        images = to_tensor(np.stack([self.read(place) for place in places]))
        for by in range(count):
            yield torch.repeat_interleave(images[by : by + stop - start], masks.per_image, 0)

    def facts(self, masks: MaskSet) -> dict[str, list[Any]]:
        """Return what `rows.FACTS` names, a row for each mask."""
        of = [row // masks.per_image for row in range(len(masks))]
        return {
            "image": [self.names[place] for place in of],
            "sha256": [self.hashes[place][:16] for place in of],
            "cluster": [self.clusters[place] for place in of],
            "group": [self.groups[place] for place in of],
            "mask": [masks.digest(row) for row in range(len(masks))],
            "ratio": list(masks.ratios),
            "bin": [ratio_bin(ratio) for ratio in masks.ratios],
            "border": list(masks.borders),
            "kind": list(masks.kinds),
        }


@dataclass(frozen=True)
class ChosenImages:
    """Which images of a dataset are to be measured, and what they are called."""

    dataset: ImageDataset
    indices: Sequence[int]
    data: str
    part: str

    def check(self, size: int | None, trained_on: Collection[str] = ()) -> None:
        """Raise `DataError` unless there is an image to measure on; it stops reading at the first."""
        hashes, bad = hash_all(self.dataset), ""
        for index in self.indices:
            if hashes[index][:16] not in trained_on:
                try:
                    self.dataset.read(index, size)
                except ImageError as error:
                    bad = bad or f": the first is {error}"
                else:
                    return
        raise DataError(f"there is no image in {self.data} to evaluate on{bad or _ALL_LEARNT}")

    def open(
        self,
        size: int | None,
        trained_on: Collection[str] = (),
        *,
        max_bad: float = 1.0,
        group_by: str | None = None,
        limit: int | None = None,
    ) -> EvaluationSet:
        """Read them, without those that a method has learnt from.

        `trained_on` has the first 16 digits of hashes; `group_by` says what group an image belongs to,
        by default its folder. With `size` images are middle squares of it, without they keep their own.
        Raises `DataError` where none is left, or too many are broken.
        """
        dataset, names, hashes = self.dataset, self.dataset.names, hash_all(self.dataset)
        wanted = [index for index in self.indices if hashes[index][:16] not in trained_on]
        if excluded := len(self.indices) - len(wanted):
            say(f"{excluded} images were trained on by a method: excluded")
        wanted = wanted[:limit]
        group_of = dict(zip(wanted, _groups(self, wanted, group_by), strict=True))
        if size:
            images = Images(dataset, wanted, size, "evaluation")
            kept, bad = images.indices, images.bad
            read: Callable[[int], UInt8] = images.square
            sizes = [(size, size)] * len(kept)
        else:  # they are read again when they are filled, and never all in memory
            seen = list(in_threads(partial(_size_of, dataset), wanted, "reading images"))
            bad = [one for one in seen if isinstance(one, Bad)]
            kept = [index for index, one in zip(wanted, seen, strict=True) if not isinstance(one, Bad)]
            sizes = [one for one in seen if not isinstance(one, Bad)]
            read = partial(_read_whole, dataset, kept)

        check_bad(bad, len(wanted), max_bad)
        if not kept:
            reason = f": the first is {bad[0].reason}" if bad else _ALL_LEARNT
            raise DataError(f"there is no image in {self.data} to evaluate on{reason}")
        if bad:
            say(f"{len(bad)} images passed over, first {bad[0].reason}")
        groups = getattr(dataset, "groups", None)
        return EvaluationSet(
            read,
            [str(names[index]) for index in kept],
            [hashes[index] for index in kept],
            [str(groups[index]) if groups else hashes[index][:16] for index in kept],
            [group_of[index] for index in kept],
            size,
            sizes,
        )


def choose_images(images: Any) -> ChosenImages:
    """Return the images that an object stands for: of a whole dataset those that it validates with.

    A dataset without a split of its own stands for all its images. Raises `DataError` for what holds no
    images.
    """
    if isinstance(images, ImagePart):
        return ChosenImages(images.dataset, images.indices, f"{len(images)} images", images.part)
    dataset = open_dataset(images)
    if dataset is images:
        return choose_images(dataset.validation)
    named = isinstance(images, str | os.PathLike)
    data = str(images) if named else f"{len(dataset)} images"
    if split := dataset.predefined_split:
        return ChosenImages(dataset, split.val, data, "validation")
    part = "all images not trained on" if named else "given"
    return ChosenImages(dataset, range(len(dataset)), data, part)


def _read_whole(dataset: ImageDataset, indices: Sequence[int], place: int) -> UInt8:
    return dataset.read(indices[place], None)


def _size_of(dataset: ImageDataset, index: int) -> tuple[int, int] | Bad:
    try:
        height, width = dataset.read(index, None).shape[:2]
    except ImageError as error:
        return Bad(str(dataset.names[index]), str(error))
    return height, width


def _groups(chosen: ChosenImages, indices: Sequence[int], group_by: str | None) -> list[str]:
    """Return the group of each of some images: its folder, or what `group_by` says."""
    names = [str(chosen.dataset.names[index]) for index in indices]
    folders = [Path(name).parent.name for name in names]
    if group_by is None or not names:
        return folders
    stored = getattr(chosen.dataset, "dataset", chosen.dataset)
    key = key_for(group_by, getattr(stored, "sources", [chosen.data]))
    known: list[dict[str, Any]] = [
        {"path": name, "key": "", "folder": folder, "columns": {}}
        for name, folder in zip(names, folders, strict=True)
    ]
    if hasattr(stored, "row"):
        known = [row | stored.row(index) for row, index in zip(known, indices, strict=True)]
    keys = [key(row) for row in known]
    check_keys(group_by, sum(one is not None for one in keys), len(keys), names[0])
    return ["none" if one is None else one for one in keys]

"""The images that are measured, and what is known of each."""

from collections.abc import Callable, Collection, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from inpaintlab.arrays import UInt8
from inpaintlab.data.dataset import ImageDataset
from inpaintlab.data.grouping import Key
from inpaintlab.data.loading import Bad, Images, check_bad
from inpaintlab.errors import DataError, ImageError
from inpaintlab.machine import processors
from inpaintlab.masks import MaskSet, ratio_bin
from inpaintlab.progress import bar, say
from inpaintlab.tensors import to_tensor


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

    def first(self, count: int | None) -> "EvaluationSet":
        """Return the first images, which are in the order of their names; None: all."""
        columns = ("names", "hashes", "clusters", "groups", "sizes")
        return replace(self, **{name: getattr(self, name)[:count] for name in columns})

    def changed(self, change: Callable[[UInt8], UInt8]) -> "EvaluationSet":
        """Return the same images, each changed before its hole is cut out."""
        return replace(self, read=lambda place: change(self.read(place)))

    def step(self, batch_size: int, masks: MaskSet) -> int:
        """Return how many images are filled at a time: one where they have sizes of their own."""
        return max(1, batch_size // masks.per_image) if self.size else 1

    def rows(self, masks: MaskSet, start: int, stop: int) -> tuple[Tensor, Tensor]:
        """Return images and masks of all rows of the images from `start` to `stop`."""
        per = masks.per_image
        images = to_tensor(np.stack([self.read(place) for place in range(start, stop)]))
        return torch.repeat_interleave(images, per, 0), masks.batch(start * per, stop * per)

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


def open_evaluation_set(
    dataset: ImageDataset,
    indices: Sequence[int],
    hashes: Sequence[str],
    size: int | None,
    *,
    trained_on: Collection[str] = (),
    max_bad: float = 1.0,
    group_by: Key | None = None,
    limit: int | None = None,
) -> EvaluationSet:
    """Read images of a dataset, without those that a method has learnt from.

    `hashes` are those of all its images; `trained_on` the first 16 digits of some; `group_by` says what
    group an image belongs to, by default its folder. With `size` images are middle squares of it,
    without they keep their own. Raises `DataError` where none is left, or too many are broken.
    """
    unseen = [index for index in indices if hashes[index][:16] not in trained_on]
    if len(unseen) < len(indices):
        say(f"{len(indices) - len(unseen)} images were trained on by a method: excluded")
    wanted = unseen[:limit]
    read, kept, sizes, bad = _squares(dataset, wanted, size) if size else _whole(dataset, wanted)
    check_bad(bad, len(wanted), max_bad)
    if not kept:
        raise DataError("there is no image to evaluate on that no method has learnt from")
    if bad:
        say(f"{len(bad)} images passed over, first {bad[0].reason}")
    groups = getattr(dataset, "groups", None)
    return EvaluationSet(
        read,
        [str(dataset.names[index]) for index in kept],
        [hashes[index] for index in kept],
        [str(groups[index]) if groups else hashes[index][:16] for index in kept],
        [_group(str(dataset.names[index]), group_by) for index in kept],
        size,
        sizes,
    )


_Read = tuple[Callable[[int], UInt8], list[int], list[tuple[int, int]], list[Bad]]


def _squares(dataset: ImageDataset, indices: Sequence[int], size: int) -> _Read:
    """Read middle squares; return how to get one, the images kept, their sizes, and the broken ones."""
    images = Images(dataset, indices, size, "evaluation")
    return images.square, images.indices, [(size, size)] * len(images), images.bad


def _whole(dataset: ImageDataset, indices: Sequence[int]) -> _Read:
    """Look at whole images once; they are read again when they are filled, and never all in memory."""

    def look(index: int) -> tuple[int, int] | Bad:
        try:
            height, width = dataset.read(index, None).shape[:2]
        except ImageError as error:
            return Bad(str(dataset.names[index]), str(error))
        return height, width

    found: dict[int, tuple[int, int]] = {}
    bad: list[Bad] = []
    with ThreadPoolExecutor(processors()) as pool, bar("reading images", len(indices)) as advance:
        for index, seen in zip(indices, pool.map(look, indices), strict=True):
            advance()
            if isinstance(seen, Bad):
                bad.append(seen)
            else:
                found[index] = seen
    kept = list(found)
    return lambda place: dataset.read(kept[place], None), kept, list(found.values()), bad


def _group(name: str, group_by: Key | None) -> str:
    folder = Path(name).parent.name
    if group_by is None:
        return folder
    return group_by({"path": name, "key": "", "folder": folder, "columns": {}}) or "none"

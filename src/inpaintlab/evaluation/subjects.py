"""The images that are measured, and what is known of each."""

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from inpaintlab.arrays import UInt8
from inpaintlab.data.dataset import ImageDataset, hash_all
from inpaintlab.data.grouping import Key
from inpaintlab.data.loading import Images, check_bad
from inpaintlab.errors import DataError
from inpaintlab.masks import MaskSet, ratio_bin
from inpaintlab.progress import say
from inpaintlab.tensors import to_arrays, to_tensor

#: Changes an image, uint8 `[H, W, 3]`, before its hole is cut out.
Change = Callable[[UInt8], UInt8]


@dataclass(frozen=True)
class Subjects:
    """Images, with the content hash, the cluster and the group of each.

    Images of one cluster are not independent: copies of a file, or what a prepared dataset keeps on
    one side. A group is what figures are given for: a folder, say.
    """

    images: Images
    hashes: list[str]
    clusters: list[str]
    groups: list[str]
    change: Change | None = None

    def __len__(self) -> int:
        return len(self.hashes)

    def squares(self, start: int, stop: int) -> Tensor:
        """Return images `[B, 3, size, size]` in [0, 1]."""
        squares = self.images.squares(start, stop)
        if self.change is None:
            return squares
        return to_tensor(np.stack([self.change(square) for square in to_arrays(squares)]))

    def first(self, count: int | None) -> "Subjects":
        """Return the first images, which are in the order of their names; None: all."""
        if count is None or count >= len(self):
            return self
        hashes, clusters, groups = (
            column[:count] for column in (self.hashes, self.clusters, self.groups)
        )
        return replace(self, hashes=hashes, clusters=clusters, groups=groups)

    def changed(self, change: Change) -> "Subjects":
        """Return the same images, each changed before its hole is cut out."""
        return replace(self, change=change)

    def facts(self, frozen: MaskSet) -> dict[str, list[Any]]:
        """Return what `records.FACTS` names, a row for each mask."""
        per = frozen.per_image
        of = [row // per for row in range(len(frozen))]
        return {
            "image": [self.images.name(place) for place in of],
            "sha256": [self.hashes[place][:16] for place in of],
            "cluster": [self.clusters[place] for place in of],
            "group": [self.groups[place] for place in of],
            "mask": [frozen.digest(row) for row in range(len(frozen))],
            "ratio": list(frozen.ratios),
            "bin": [ratio_bin(ratio) for ratio in frozen.ratios],
            "border": list(frozen.borders),
            "kind": list(frozen.kinds),
        }


def open_subjects(
    source: ImageDataset,
    indices: Sequence[int],
    size: int,
    *,
    trained_on: Collection[str],
    max_bad: float,
    by: Key | None = None,
    hashes: Sequence[str] | None = None,
) -> Subjects:
    """Read images of a source, without those that a run has learnt from.

    `trained_on` are the first 16 digits of their hashes; `by` says what group an image belongs to, by
    default its folder; `hashes` are those of all images of the source, if they are known. Raises
    `DataError` where none is left, or too many are broken.
    """
    hashes = hashes or hash_all(source)
    unseen = [index for index in indices if hashes[index][:16] not in trained_on]
    if len(unseen) < len(indices):
        say(f"{len(indices) - len(unseen)} images were trained on by a run: left out")
    images = Images(source, unseen, size, "evaluation")
    check_bad(images.bad, len(unseen), max_bad)
    if not len(images):
        raise DataError("there is no image to evaluate on that the run has not learnt from")
    if images.bad:
        say(f"{len(images.bad)} images passed over, first {images.bad[0].reason}")
    groups = getattr(source, "groups", None)
    return Subjects(
        images,
        [hashes[index] for index in images.indices],
        [str(groups[index]) if groups else hashes[index][:16] for index in images.indices],
        [_group(source.names[index], by) for index in images.indices],
    )


def rows_of(subjects: Subjects, frozen: MaskSet, start: int, stop: int) -> tuple[Tensor, Tensor]:
    """Return images and masks of all rows of the images from `start` to `stop`."""
    per = frozen.per_image
    images = torch.repeat_interleave(subjects.squares(start, stop), per, 0)
    return images, frozen.batch(start * per, stop * per)


def _group(name: str, by: Key | None) -> str:
    path = Path(name)
    if by is None:
        return path.parent.name
    return by({"path": name, "key": "", "folder": path.parent.name, "columns": {}}) or "none"

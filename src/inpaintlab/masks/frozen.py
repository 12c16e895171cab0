"""Masks that never change: what results rest on, and what they name.

A set with a version is one line in `SETS`, a name that will mean the same masks in years, whatever else
changes. What it draws never changes: a better one is a new version.
"""

import hashlib
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import cached_property, partial
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from inpaintlab.arrays import UInt8
from inpaintlab.masks.checks import BIN_EDGES, ratio_bin
from inpaintlab.masks.irregular import Irregular, touches_border
from inpaintlab.masks.kinds import MaskKind, Mixture, Rectangles, Strokes
from inpaintlab.randomness import generator_for

#: The side of all masks, or height and width for each image.
Size = int | Sequence[tuple[int, int]]
#: Hole ratios of six bins, (lower, upper], as NVIDIA's test set has them.
BINS = (0.01, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6)


class MaskSet(ABC):
    """Masks for `count` images: a mask depends on its size, on the seed and on its row alone.

    `size` is the side of all of them, or height and width for each image. Row r, from 0, is of image
    r // `per_image`. `hash` names the very pixels, so that two results can be told to rest on the same
    masks. Masks are kept once they are drawn, a bit for each pixel (6,000 of 256 px are 50 MB), up to
    `kept_bytes`; those beyond are drawn again when asked for.
    """

    #: Masks that each image gets.
    per_image = 1
    #: Memory that drawn masks may take: that of 32,768 of 256 px.
    kept_bytes = 2**28

    def __init__(self, size: Size, count: int, seed: int, parts: Sequence[Mapping[str, Any]]) -> None:
        self.size, self.images, self.seed, self.parts = size, count, seed, list(parts)
        self._kept: dict[int, tuple[UInt8, str]] = {}

    def __len__(self) -> int:
        return self.images * self.per_image

    def __getitem__(self, row: int) -> Tensor:
        """Return mask `[1, H, W]` of float 0 and 1."""
        return torch.from_numpy(self.array(row))[None].float()

    @property
    def name(self) -> str:
        """What the masks are called: the kinds that they are made of."""
        return "+".join(_title(part) for part in self.parts)

    def batch(self, start: int, stop: int) -> Tensor:
        """Return masks `[B, 1, H, W]`."""
        return torch.stack([self[row] for row in range(start, stop)])

    def array(self, row: int) -> UInt8:
        """Return a mask `[H, W]` of 0 and 1."""
        packed, _ = self._drawn(row)
        height, width = self.shape(row)
        return np.unpackbits(packed, count=height * width).reshape(height, width)

    def shape(self, row: int) -> tuple[int, int]:
        """Return height and width of a mask."""
        size = self.size
        return (size, size) if isinstance(size, int) else size[row // self.per_image]

    def digest(self, row: int) -> str:
        """SHA-256 of a mask's pixels, 12 hexadecimal digits."""
        return hashlib.sha256(self._drawn(row)[0].tobytes()).hexdigest()[:12]

    @cached_property
    def hash(self) -> str:
        """SHA-256 over sizes and pixels of all masks, 16 hexadecimal digits."""
        digest = hashlib.sha256(f"{self.size} {len(self)}".encode())
        for row in range(len(self)):
            digest.update(self._drawn(row)[0].tobytes())
        return digest.hexdigest()[:16]

    @cached_property
    def ratios(self) -> list[float]:
        """Hole ratio of each mask."""
        return [float(mask.mean()) for mask in self._all()]

    @cached_property
    def borders(self) -> list[bool]:
        """Whether each mask's hole reaches the image's border."""
        return [touches_border(mask) for mask in self._all()]

    @property
    def kinds(self) -> list[str]:
        """Name of the kind that drew each mask."""
        return [self._drawn(row)[1] for row in range(len(self))]

    def facts(self) -> dict[str, Any]:
        """Return all that a result says of its masks, as plain values."""
        return {
            "name": self.name,
            "parts": self.parts,
            "seed": self.seed,
            "hash": self.hash,
            "size": self.size if isinstance(self.size, int) else None,
            "count": len(self),
            "mean_ratio": round(float(np.mean(self.ratios)), 4),
            "histogram": histogram(self.ratios),
            "border_share": round(float(np.mean(self.borders)), 4),
        }

    @abstractmethod
    def draw(self, row: int) -> tuple[UInt8, str]:
        """Draw a mask `[H, W]`, and say which kind drew it."""

    def _all(self) -> Iterator[UInt8]:
        return (self.array(row) for row in range(len(self)))

    def _drawn(self, row: int) -> tuple[UInt8, str]:
        """Return a mask's bits and its kind."""
        if row in self._kept:
            return self._kept[row]
        mask, kind = self.draw(row)
        packed = np.packbits(mask)
        if (len(self._kept) + 1) * packed.nbytes <= self.kept_bytes:
            self._kept[row] = packed, kind
        return packed, kind


class FrozenMasks(MaskSet):
    """Masks that a mixture of kinds draws, one an image."""

    def __init__(
        self,
        mixture: Mixture,
        size: Size,
        count: int,
        seed: int = 0,
        parts: Sequence[Mapping[str, Any]] = (),
    ) -> None:
        super().__init__(size, count, seed, parts)
        self.mixture = mixture

    def draw(self, row: int) -> tuple[UInt8, str]:
        """Draw a mask `[H, W]`, and say which kind drew it."""
        return self.mixture.draw_named(*self.shape(row), generator_for(self.seed, row))


class Binned(MaskSet):
    """Irregular masks, for each image one in each of six hole-ratio bins.

    They touch the border and keep off it in turn: of an image's six masks three do, and of the masks in
    a bin every second.
    """

    per_image = len(BINS) - 1

    def draw(self, row: int) -> tuple[UInt8, str]:
        """Draw a mask `[H, W]`, and say whether it touches the border."""
        image, place = divmod(row, self.per_image)
        low, high = list(pairwise(BINS))[place]
        border = (image + place) % 2 == 1
        generator = generator_for(self.seed, place, image)
        mask = Irregular(low, high, border).draw(*self.shape(row), generator)
        return mask, "irregular"


def _one_kind(
    size: Size, count: int, seed: int, parts: Sequence[Mapping[str, Any]], kind: MaskKind
) -> FrozenMasks:
    return FrozenMasks(Mixture([kind], [1.0]), size, count, seed, parts)


#: Arguments are written out, as the defaults of the kinds may change.
SETS: dict[str, Callable[[Size, int, int, Sequence[Mapping[str, Any]]], MaskSet]] = {
    "rectangles-v1": partial(_one_kind, kind=Rectangles(count=(1, 1), side=(0.25, 0.5))),
    "strokes-v1": partial(
        _one_kind, kind=Strokes(count=(1, 4), points=(3, 8), length=(0.1, 0.3), width=(0.05, 0.12))
    ),
    "nvidia-style-v1": Binned,
}


def _title(part: Mapping[str, Any]) -> str:
    """Return what a part is called: a folder by its own name, as folders differ."""
    name = str(part["name"])
    return f"{name} {Path(part['path']).name}" if "path" in part else name


def histogram(ratios: Sequence[float]) -> dict[str, int]:
    """Count hole ratios by bin, empty bins too.

    >>> histogram([0.05, 0.11, 0.12])["10–20 %"]
    2
    """
    counts = {ratio_bin(edge): 0 for edge in BIN_EDGES}
    for ratio in ratios:
        counts[ratio_bin(ratio)] += 1
    return counts

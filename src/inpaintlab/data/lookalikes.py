"""Images that look alike: near perceptual hashes, and small copies that agree."""

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import imagehash
import numpy as np
from PIL import Image, ImageOps

from inpaintlab.arrays import Bool, Float32, Int64, UInt8
from inpaintlab.data.duplicates import Fingerprints, Groups, link_near, matches

#: Bits of 64 in which the hashes of look-alikes may differ, as for `inpaint prepare`, and the least
#: correlation of small copies. Faces that are aligned come so near in their hashes by chance: among
#: 4,000 real ones 138 pairs lay within 6 bits, 35 of them above 0.94, and most others below 0.89.
NEAR, ALIKE = 6, 0.94
#: An image whose grey values have a smaller standard deviation (of 255) shows nothing.
LEAST_CONTRAST = 3.0
#: Side of the small copies.
SIDE = 32


@dataclass(frozen=True)
class Appearance:
    """What an image looks like: its perceptual hash, that of its mirror image, and a small copy.

    The copy is grey, uint8 `[32, 32]`.
    """

    upright: int
    mirrored: int
    small: UInt8


@dataclass(frozen=True)
class Appearances:
    """Appearances of many images, in columns; `telling` is false for those that show nothing."""

    prints: Fingerprints
    small: UInt8
    telling: Bool

    @classmethod
    def of(cls, appearances: Sequence[Appearance | None]) -> "Appearances":
        """Put appearances together; None is an image that shows nothing."""
        blank = np.zeros((SIDE, SIDE), np.uint8)
        upright, mirrored = (
            np.array([getattr(one, name, 0) for one in appearances], np.uint64)
            for name in ("upright", "mirrored")
        )
        small = np.array([blank if one is None else one.small for one in appearances], np.uint8)
        telling = np.array([one is not None for one in appearances], bool)
        return cls(Fingerprints(upright, mirrored), small.reshape(-1, SIDE, SIDE), telling)


def appearance_of(grey: UInt8) -> Appearance:
    """Return the appearance of a grey image, uint8 `[H, W]`."""
    square = np.asarray(cv2.resize(grey, (SIDE, SIDE), interpolation=cv2.INTER_AREA), np.uint8)
    image = Image.fromarray(square)
    upright, mirrored = (imagehash.phash(one) for one in (image, ImageOps.mirror(image)))
    return Appearance(int(str(upright), 16), int(str(mirrored), 16), square)


def appearance_of_middle(image: UInt8) -> Appearance | None:
    """Return the appearance of the middle square of RGB uint8 `[H, W, 3]`; None where it shows nothing.

    The perceptual hash of an image of one colour would be that of its noise.
    """
    side = min(image.shape[:2])
    top, left = ((length - side) // 2 for length in image.shape[:2])
    square = image[top : top + side, left : left + side]
    grey = np.asarray(cv2.cvtColor(square, cv2.COLOR_RGB2GRAY), np.uint8)
    return appearance_of(grey) if grey.std() >= LEAST_CONTRAST else None


def find_lookalikes(
    ours: Sequence[Appearance], theirs: Sequence[Appearance]
) -> list[tuple[int, int, float]]:
    """Return pairs (ours, theirs) that look alike, upright or mirrored, and how much, likest first."""
    if not ours or not theirs:
        return []
    one, other = Appearances.of(ours), Appearances.of(theirs)
    first, second, _ = matches(one.prints, other.prints, NEAR)
    likeness = _likeness(one.small[first], other.small[second])
    found = zip(first.tolist(), second.tolist(), likeness.tolist(), strict=True)
    return sorted((pair for pair in found if pair[2] >= ALIKE), key=lambda pair: -pair[2])


def group_lookalikes(appearances: Appearances) -> Int64:
    """Return a number for each image, the same one for images that look alike."""
    groups = Groups(len(appearances.telling))

    def agree(first: Int64, second: Int64) -> Bool:
        return _likeness(appearances.small[first], appearances.small[second]) >= ALIKE

    members = np.flatnonzero(appearances.telling)
    link_near(groups, members, appearances.prints.take(members), NEAR, agree)
    return groups.finish()


def _likeness(ours: UInt8, theirs: UInt8) -> Float32:
    """Return the correlation of each pair of small copies, the larger of upright and mirrored."""
    one, other, mirrored = (_standardised(small) for small in (ours, theirs, theirs[:, :, ::-1]))
    likeness: Float32 = np.maximum((one * other).mean((1, 2)), (one * mirrored).mean((1, 2)))
    return likeness


def _standardised(small: UInt8) -> Float32:
    values = small - small.mean((1, 2), dtype=np.float32, keepdims=True)
    return np.asarray(values / np.maximum(values.std((1, 2), keepdims=True), 1e-6), np.float32)

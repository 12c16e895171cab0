"""Images that look alike: near perceptual hashes, and small copies that agree."""

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import imagehash
import numpy as np
from PIL import Image, ImageOps

from inpaintlab.arrays import Bool, Float32, Int64, UInt8, UInt64
from inpaintlab.data.duplicates import Groups, link_near, matches

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

    prints: tuple[int, int]
    small: UInt8


def hash_appearance(image: Image.Image) -> tuple[str, str]:
    """Return the perceptual hashes of a grey image and of its mirror image, 16 hexadecimal digits."""
    return str(imagehash.phash(image)), str(imagehash.phash(ImageOps.mirror(image)))


def appearance_of(grey: UInt8) -> Appearance:
    """Return the appearance of a grey image, uint8 `[H, W]`."""
    square = np.asarray(cv2.resize(grey, (SIDE, SIDE), interpolation=cv2.INTER_AREA), np.uint8)
    upright, mirrored = hash_appearance(Image.fromarray(square))
    return Appearance((int(upright, 16), int(mirrored, 16)), square)


def appearance_of_middle(image: UInt8) -> Appearance | None:
    """Return the appearance of the middle square of RGB uint8 `[H, W, 3]`; None where it shows nothing.

    The perceptual hash of an image of one colour would be that of its noise.
    """
    grey = np.asarray(cv2.cvtColor(middle(image), cv2.COLOR_RGB2GRAY), np.uint8)
    return appearance_of(grey) if grey.std() >= LEAST_CONTRAST else None


def middle(image: UInt8) -> UInt8:
    """Return the middle square of `[H, W, 3]`."""
    side = min(image.shape[:2])
    top, left = ((length - side) // 2 for length in image.shape[:2])
    return image[top : top + side, left : left + side]


def find_lookalikes(
    ours: Sequence[Appearance], theirs: Sequence[Appearance]
) -> list[tuple[int, int, float]]:
    """Return pairs (ours, theirs) that look alike, upright or mirrored, and how much, likest first."""
    if not ours or not theirs:
        return []
    (prints, small), (other_prints, others) = _columns(ours), _columns(theirs)
    first, second, _ = matches(prints, other_prints, NEAR)
    likeness = _likeness(small[first], others[second])
    found = zip(first.tolist(), second.tolist(), likeness.tolist(), strict=True)
    return sorted((pair for pair in found if pair[2] >= ALIKE), key=lambda pair: -pair[2])


def group_lookalikes(appearances: Sequence[Appearance | None]) -> Int64:
    """Return a number for each image, the same one for images that look alike; None shows nothing."""
    groups = Groups(len(appearances))
    telling = [one for one in appearances if one is not None]
    if telling:
        members = np.array([place for place, one in enumerate(appearances) if one is not None])
        prints, small = _columns(telling)
        place = np.zeros(len(appearances), np.int64)
        place[members] = np.arange(len(members))

        def agree(first: Int64, second: Int64) -> Bool:
            return _likeness(small[place[first]], small[place[second]]) >= ALIKE

        link_near(groups, members, prints, NEAR, agree)
    return groups.finish()


def _columns(appearances: Sequence[Appearance]) -> tuple[UInt64, UInt8]:
    prints = np.array([one.prints for one in appearances], np.uint64)
    return prints, np.stack([one.small for one in appearances])


def _likeness(ours: UInt8, theirs: UInt8) -> Float32:
    """Return the correlation of each pair of small copies, the larger of upright and mirrored."""
    one, other, mirrored = (_standardised(small) for small in (ours, theirs, theirs[:, :, ::-1]))
    likeness: Float32 = np.maximum((one * other).mean((1, 2)), (one * mirrored).mean((1, 2)))
    return likeness


def _standardised(small: UInt8) -> Float32:
    values = small - small.mean((1, 2), dtype=np.float32, keepdims=True)
    return np.asarray(values / np.maximum(values.std((1, 2), keepdims=True), 1e-6), np.float32)

"""Images that look alike, of two collections in memory: near hashes, and small copies that agree."""

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import imagehash
import numpy as np
import numpy.typing as npt
from PIL import Image, ImageOps

from inpaintlab.data.duplicates import Fingerprints, matches

#: Bits of 64 in which the hashes of look-alikes may differ, as for `inpaint prepare`, and the least
#: correlation of small copies. Faces that are aligned come so near in their hashes by chance: among
#: 4,000 real ones 138 pairs lay within 6 bits, 35 of them above 0.94, and most others below 0.89.
NEAR, ALIKE = 6, 0.94
#: Side of the small copies.
_SIDE = 32


@dataclass(frozen=True)
class Appearance:
    """What an image looks like: its perceptual hash, that of its mirror image, and a small copy.

    The copy, `[32, 32]`, is grey with mean 0 and variance 1: the mean of a product is a correlation.
    """

    upright: int
    mirrored: int
    small: npt.NDArray[np.float32]


def appearance_of(grey: npt.NDArray[np.uint8]) -> Appearance:
    """Return the look of a grey image, uint8 `[H, W]`."""
    square = cv2.resize(grey, (_SIDE, _SIDE), interpolation=cv2.INTER_AREA)
    image = Image.fromarray(square)
    upright, mirrored = (imagehash.phash(one) for one in (image, ImageOps.mirror(image)))
    small = (square - square.mean(dtype=np.float32)) / max(float(square.std()), 1e-6)
    return Appearance(int(str(upright), 16), int(str(mirrored), 16), small)


def find_lookalikes(
    ours: Sequence[Appearance], theirs: Sequence[Appearance]
) -> list[tuple[int, int, float]]:
    """Return pairs (ours, theirs) that look alike, upright or mirrored, and how much, likest first."""
    if not ours or not theirs:
        return []
    found = []
    first, second, _ = matches(_prints(ours), _prints(theirs), NEAR)
    for a, b in zip(first.tolist(), second.tolist(), strict=True):
        one, other = ours[a].small, theirs[b].small
        likeness = max(float((one * side).mean()) for side in (other, other[:, ::-1]))
        if likeness >= ALIKE:
            found.append((a, b, likeness))
    return sorted(found, key=lambda pair: -pair[2])


def _prints(looks: Sequence[Appearance]) -> Fingerprints:
    upright = np.array([look.upright for look in looks], np.uint64)
    return Fingerprints(upright, np.array([look.mirrored for look in looks], np.uint64))

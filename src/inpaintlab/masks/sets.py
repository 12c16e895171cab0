"""Mask sets with a version: a name that will mean the same masks in years, whatever else changes.

A set is one line in `SETS`. What it draws never changes: a better one is a new version.
"""

from collections.abc import Callable
from functools import partial
from itertools import pairwise

from inpaintlab.arrays import UInt8
from inpaintlab.masks.frozen import FrozenMasks, MaskSet, Size
from inpaintlab.masks.irregular import Irregular
from inpaintlab.masks.kinds import MaskKind, Mixture, Rectangles, Strokes
from inpaintlab.randomness import generator_for

#: Hole ratios of the six bins, (lower, upper], as NVIDIA's test set has them.
BINS = (0.01, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6)


class Mixed(FrozenMasks):
    """A set of one kind, one mask an image."""

    def __init__(self, size: Size, count: int, seed: int, *, name: str, kind: MaskKind) -> None:
        super().__init__(Mixture([kind], [1.0]), size, count, seed, [{"name": name}])


class Binned(MaskSet):
    """Irregular masks, for each image one in each of six hole-ratio bins.

    They touch the border and keep off it in turn: of an image's six masks three do, and of the masks in
    a bin every second.
    """

    per_image = len(BINS) - 1

    def __init__(self, size: Size, count: int, seed: int, *, name: str) -> None:
        super().__init__(size, count, seed, [{"name": name}])

    def draw(self, row: int) -> tuple[UInt8, str]:
        """Draw a mask `[H, W]`, and say whether it touches the border."""
        image, place = divmod(row, self.per_image)
        low, high = list(pairwise(BINS))[place]
        border = (image + place) % 2 == 1
        generator = generator_for(self.seed, place, image)
        mask = Irregular(low, high, border).draw(*self.shape(row), generator)
        return mask, "irregular"


#: Arguments are written out, as the defaults of the kinds may change.
SETS: dict[str, Callable[[Size, int, int], MaskSet]] = {
    "rectangles-v1": partial(
        Mixed, name="rectangles-v1", kind=Rectangles(count=(1, 1), side=(0.25, 0.5))
    ),
    "strokes-v1": partial(
        Mixed,
        name="strokes-v1",
        kind=Strokes(count=(1, 4), points=(3, 8), length=(0.1, 0.3), width=(0.05, 0.12)),
    ),
    "nvidia-style-v1": partial(Binned, name="nvidia-style-v1"),
}

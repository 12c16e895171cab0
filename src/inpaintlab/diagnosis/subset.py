"""A random part of a source, so that a check takes its minute for a million images too."""

import numpy as np
import numpy.typing as npt

from inpaintlab.data.dataset import ImageDataset
from inpaintlab.data.splits import Split


class Subset:
    """At most `count` images of a source, drawn by a seed, in their old order.

    Each stays in its part: it goes by the content or by the split that the source brings.
    """

    def __init__(self, source: ImageDataset, count: int, seed: int) -> None:
        total = len(source.names)
        chosen = np.random.default_rng(seed).choice(total, min(count, total), replace=False)
        self.chosen: list[int] = np.sort(chosen).tolist()
        self.source = source
        self.names = [source.names[index] for index in self.chosen]
        self.predefined_split = self._split(source.predefined_split)

    def content_hash(self, index: int) -> str:
        """Return that of the image in the whole source."""
        return self.source.content_hash(self.chosen[index])

    def read(self, index: int, size: int | None) -> npt.NDArray[np.uint8]:
        """Decode an image: RGB uint8 `[H, W, 3]`, its shorter side `size` pixels."""
        return self.source.read(self.chosen[index], size)

    def _split(self, split: Split | None) -> Split | None:
        """Return what is left of a split."""
        if split is None:
            return None
        place = {index: position for position, index in enumerate(self.chosen)}
        train, val = (
            [place[index] for index in part if index in place] for part in (split.train, split.val)
        )
        return Split(train, val, split.test_count, split.hash)

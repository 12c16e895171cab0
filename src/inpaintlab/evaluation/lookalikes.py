"""Whether images that are measured look like images that were learnt from."""

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import cv2
import numpy as np

from inpaintlab.arrays import UInt8
from inpaintlab.data.dataset import ImageDataset
from inpaintlab.data.lookalikes import LEAST_CONTRAST, Appearance, appearance_of, find_lookalikes
from inpaintlab.errors import ImageError
from inpaintlab.evaluation.evaluation_set import EvaluationSet
from inpaintlab.evaluation.rows import Rows, Summary
from inpaintlab.machine import processors
from inpaintlab.progress import bar

#: Of more images than this that were learnt from, so many drawn at random are looked at.
MOST = 20_000
_SIDE = 32


@dataclass(frozen=True)
class Lookalikes:
    """Measured images that look like one that a run has learnt from.

    `of` counts those learnt from, `looked_at` those of them that were looked at; `pairs` are names, each
    measured image with its likest. `without` are the figures without them, None where that is all.
    """

    of: int
    looked_at: int
    pairs: list[tuple[str, str]]
    without: Summary | None


def search_lookalikes(
    images: EvaluationSet, dataset: ImageDataset, learnt_from: Sequence[int], rows: Rows
) -> Lookalikes:
    """Compare the images with those of a dataset that a run has learnt from; `rows` are their values."""
    chosen = list(learnt_from)
    if len(chosen) > MOST:
        random = np.random.default_rng(0)
        chosen = sorted(random.choice(chosen, MOST, replace=False).tolist())

    def read(index: int) -> UInt8 | None:
        try:
            return dataset.read(index, _SIDE)
        except ImageError:
            return None

    ours = _looks([_look(images.read(place)) for place in range(len(images))])
    with (
        ThreadPoolExecutor(processors()) as pool,
        bar("looking for look-alikes", len(chosen)) as advance,
    ):
        found = []
        for image in pool.map(read, chosen):
            advance()
            found.append(None if image is None else _look(image))
    theirs = _looks(found)
    likest: dict[int, int] = {}
    for a, b, _ in find_lookalikes(list(ours.values()), list(theirs.values())):
        likest.setdefault(list(ours)[a], chosen[list(theirs)[b]])
    copies = {images.hashes[place][:16] for place in likest}
    others = np.array([one not in copies for one in rows.facts["sha256"]], bool)
    return Lookalikes(
        len(learnt_from),
        len(chosen),
        [(images.names[place], str(dataset.names[index])) for place, index in sorted(likest.items())],
        rows.take(others).summary() if copies and others.any() else None,
    )


def _looks(found: Sequence[Appearance | None]) -> dict[int, Appearance]:
    return {place: look for place, look in enumerate(found) if look is not None}


def _look(image: UInt8) -> Appearance | None:
    """Return the look of the middle square; None for one colour, whose hash is that of its noise."""
    side = min(image.shape[:2])
    top, left = ((length - side) // 2 for length in image.shape[:2])
    grey = cv2.cvtColor(image[top : top + side, left : left + side], cv2.COLOR_RGB2GRAY)
    return appearance_of(np.asarray(grey, np.uint8)) if grey.std() >= LEAST_CONTRAST else None

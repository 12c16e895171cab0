"""Whether images that are measured look like images that were learnt from."""

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from os import cpu_count
from typing import Any

import cv2
import numpy as np

from inpaintlab.arrays import UInt8
from inpaintlab.data.dataset import ImageDataset
from inpaintlab.data.findings import LEAST_CONTRAST
from inpaintlab.data.lookalikes import Appearance, appearance_of, find_lookalikes
from inpaintlab.errors import ImageError
from inpaintlab.evaluation.subjects import Subjects
from inpaintlab.progress import bar
from inpaintlab.tensors import to_arrays

#: Of more images than this that were learnt from, so many drawn at random are looked at.
MOST = 20_000
_SIDE = 32


def find_copies(subjects: Subjects, source: ImageDataset, learnt_from: Sequence[int]) -> dict[str, Any]:
    """Return which images have a look-alike among those a run has learnt from.

    `of` counts those learnt from, `looked_at` those of them that were looked at; `pairs` are names, each
    measured image with its likest; `places` says where these stand.
    """
    chosen = list(learnt_from)
    if len(chosen) > MOST:
        random = np.random.default_rng(0)
        chosen = sorted(random.choice(chosen, MOST, replace=False).tolist())
    ours, places = _ours(subjects)
    theirs, indices = _theirs(source, chosen)
    likest: dict[int, int] = {}
    for a, b, _ in find_lookalikes(ours, theirs):
        likest.setdefault(places[a], indices[b])
    return {
        "of": len(learnt_from),
        "looked_at": len(chosen),
        "places": sorted(likest),
        "pairs": [
            [subjects.images.name(place), str(source.names[index])]
            for place, index in sorted(likest.items())
        ],
    }


def _ours(subjects: Subjects) -> tuple[list[Appearance], list[int]]:
    found = {}
    for place in range(len(subjects)):
        if (look := _look(to_arrays(subjects.squares(place, place + 1))[0])) is not None:
            found[place] = look
    return list(found.values()), list(found)


def _theirs(source: ImageDataset, chosen: Sequence[int]) -> tuple[list[Appearance], list[int]]:
    def read(index: int) -> Appearance | None:
        try:
            image = source.read(index, _SIDE)
        except ImageError:
            return None
        side = min(image.shape[:2])
        top, left = ((length - side) // 2 for length in image.shape[:2])
        return _look(image[top : top + side, left : left + side])

    found = {}
    with ThreadPoolExecutor(cpu_count()) as pool, bar("looking for copies", len(chosen)) as advance:
        for index, look in zip(chosen, pool.map(read, chosen), strict=True):
            advance()
            if look is not None:
                found[index] = look
    return list(found.values()), list(found)


def _look(image: UInt8) -> Appearance | None:
    """Return the look of a square; None for one of a single colour, whose hash is that of its noise."""
    grey = cv2.cvtColor(image, cv2.COLOR_RGB2GRAY)
    return appearance_of(np.asarray(grey, np.uint8)) if grey.std() >= LEAST_CONTRAST else None

"""The images of the report: a card for each example, and the grid of `examples.png`."""

import base64
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from inpaintlab.arrays import UInt8
from inpaintlab.evaluation.examples import Examples
from inpaintlab.images import encode_webp, shrink

_GAP = 2
#: Least height of an image in the grid.
_CELL = 96
#: Larger images are shown at this side, which keeps the page small.
_MOST = 256
#: Smaller ones are enlarged pixel by pixel, as in the grid.
_SOFT_FROM = 192


@dataclass(frozen=True)
class Card:
    """An example: its name, each method's PSNR in the hole, and a sheet of its images, WebP as base64.

    The sheet holds `damaged`, each method and `truth`, `side` pixels each, from above with `tops`. As
    they differ in the hole alone, all of them together take little more room than one.
    """

    name: str
    hole_psnr: dict[str, float]
    sheet: str
    side: int
    height: int
    tops: dict[str, int]

    @property
    def is_small(self) -> bool:
        """Tell whether its pixels are to be seen as such."""
        return self.side < _SOFT_FROM


def cards(examples: Examples) -> list[Card]:
    """Return a card for each example."""
    return [_card(examples, number) for number in range(len(examples.names))]


def example_grid(examples: Mapping[str, UInt8]) -> UInt8:
    """Join rows `[N, H, W, 3]` to one image: a column for each example, a row for each method.

    Small images are enlarged by a whole factor, pixel by pixel, so that they can be seen.
    """
    cells = np.stack(list(examples.values()))
    factor = -(-_CELL // cells.shape[2])
    cells = cells.repeat(factor, axis=2).repeat(factor, axis=3)
    gaps = ((0, 0), (0, 0), (_GAP, 0), (_GAP, 0), (0, 0))
    cells = np.pad(cells, gaps, constant_values=255)
    methods, count, height, width, channels = cells.shape
    grid = cells.transpose(0, 2, 1, 3, 4).reshape(methods * height, count * width, channels)
    return np.pad(grid, ((0, _GAP), (0, _GAP), (0, 0)), constant_values=255)


def _card(examples: Examples, number: int) -> Card:
    images = {name: row[number] for name, row in examples.images.items()}
    side = min(_MOST, len(images["truth"]))
    # A border of its own keeps an image from mixing with the next where a browser smoothes.
    borders = ((_GAP, _GAP), (0, 0), (0, 0))
    sheet = np.concatenate([np.pad(shrink(p, side), borders, "edge") for p in images.values()])
    pitch = side + 2 * _GAP
    return Card(
        examples.names[number],
        {method: values[number] for method, values in examples.hole_psnr.items()},
        base64.b64encode(encode_webp(sheet)).decode(),
        side,
        len(sheet),
        {name: place * pitch + _GAP for place, name in enumerate(images)},
    )

"""Examples of an evaluation, as cards: one hole, filled by every method."""

import base64
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from inpaintlab.arrays import UInt8
from inpaintlab.images import Encoded, encode_webp, load_rgb_whole, shrink
from inpaintlab.reports import sheet

_GAP = 2
#: Larger images are shown with this longer side, which keeps the page small.
_MOST = 256
#: Smaller ones are enlarged pixel by pixel, as in the grid.
_SOFT_FROM = 192


@dataclass(frozen=True)
class Card:
    """An example: its name, each method's PSNR in the hole, and a sheet of its images, WebP as base64.

    The sheet holds `damaged`, each method and `truth`, and of a model that knows its limits its
    `uncertainty`, `width` by `height` pixels each, from above with `tops`. As they differ in the hole
    alone, all of them together take little more room than one. `stated` is what that model says of its
    fill.
    """

    name: str
    hole_psnr: dict[str, float]
    sheet: str
    width: int
    height: int
    tops: dict[str, int]
    stated: str = ""

    @property
    def sheet_height(self) -> int:
        """Height of the sheet in pixels."""
        return len(self.tops) * (self.height + 2 * _GAP)

    @property
    def is_small(self) -> bool:
        """Whether its pixels are to be seen as such."""
        return max(self.width, self.height) < _SOFT_FROM

    def images(self) -> dict[str, UInt8]:
        """Return what is on the sheet, uint8 `[H, W, 3]` each."""
        sheet, _ = load_rgb_whole(Encoded("sheet.webp", base64.b64decode(self.sheet)))
        return {name: sheet[top : top + self.height] for name, top in self.tops.items()}


def make_card(
    name: str, hole_psnr: dict[str, float], images: Mapping[str, UInt8], stated: str = ""
) -> Card:
    """Make a card of images of one size, uint8 `[H, W, 3]`."""
    sides = next(iter(images.values())).shape[:2]
    short = min(sides) if max(sides) <= _MOST else max(1, round(min(sides) * _MOST / max(sides)))
    shown = {key: shrink(image, short) for key, image in images.items()}
    height, width = next(iter(shown.values())).shape[:2]
    # A border of its own keeps an image from mixing with the next where a browser smoothes.
    borders = ((_GAP, _GAP), (0, 0), (0, 0))
    column = np.concatenate([np.pad(image, borders, "edge") for image in shown.values()])
    tops = {key: place * (height + 2 * _GAP) + _GAP for place, key in enumerate(shown)}
    sheet = base64.b64encode(encode_webp(column)).decode()
    return Card(name, hole_psnr, sheet, width, height, tops, stated)


def card_grid(cards: Sequence[Card]) -> UInt8:
    """Join cards to one image: a column for each example, a row for each method."""
    height, width = (max(getattr(card, side) for card in cards) for side in ("height", "width"))

    def cell(image: UInt8) -> UInt8:
        missing = ((0, height - image.shape[0]), (0, width - image.shape[1]), (0, 0))
        return np.pad(image, missing, constant_values=255)

    shown = [card.images() for card in cards]
    return sheet([np.stack([cell(of[name]) for of in shown]) for name in shown[0]])

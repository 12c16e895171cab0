"""A sheet of pictures with their holes, to see whether masks are right and the right way round."""

import textwrap
from pathlib import Path

import cv2
import numpy as np
from PIL import Image, ImageDraw, ImageFont

from inpaintlab.errors import InpaintlabError, MaskError
from inpaintlab.files import write_atomically
from inpaintlab.images import encode_png, load, to_rgb, to_uint8
from inpaintlab.inpainter.pairs import Pair
from inpaintlab.masks import Array, read_mask

PREVIEW = "preview.png"
#: So many pairs are shown, so many in a row.
PAIRS, COLUMNS = 8, 4
#: A tile's side, the height of the caption below it and the space around, in pixels.
SIDE, CAPTION, GAP = 320, 40, 8
_TINT, _OUTLINE = (255, 40, 40), (255, 230, 0)


def write_preview(path: Path, pairs: list[Pair], *, invert_mask: bool = False) -> list[str]:
    """Draw the first pairs, their holes tinted red and outlined; return notes on how masks were read.

    A pair that cannot be used is a tile with the reason.
    """
    shown = pairs[:PAIRS]
    notes: list[str] = []
    columns = min(COLUMNS, len(shown))
    wide, high = SIDE + GAP, SIDE + CAPTION + GAP
    sheet = Image.new("RGB", (GAP + columns * wide, GAP + -(-len(shown) // columns) * high), "white")
    for number, pair in enumerate(shown):
        left, top = GAP + number % columns * wide, GAP + number // columns * high
        try:
            picture, share, remarks = _picture_with_hole(pair, invert_mask)
            sheet.paste(picture, (left + (SIDE - picture.width) // 2, top + SIDE - picture.height))
            caption, notes = f"{share:.0%} hole", notes + remarks
        except InpaintlabError as error:
            _write(sheet, (left, top), textwrap.fill(str(error), 48))
            caption = "cannot be used"
        names = (_short(pair.image.name), _short(f"{pair.mask.name}: {caption}"))
        _write(sheet, (left, top + SIDE + 3), "\n".join(names))
    write_atomically(path, encode_png(np.asarray(sheet)))
    return notes


def _picture_with_hole(pair: Pair, invert_mask: bool) -> tuple[Image.Image, float, list[str]]:
    """Return a picture as it fits into a tile, the share of its hole, and notes on the mask."""
    rgb = to_uint8(to_rgb(load(pair.image)))
    hole, notes = read_mask(pair.mask, invert=invert_mask)
    height, width = rgb.shape[:2]
    if hole.shape != (height, width):
        seen = f"{hole.shape[1]}×{hole.shape[0]}"
        raise MaskError(f"{pair.mask.name} is {seen}, but the picture is {width}×{height}")
    scale = SIDE / max(height, width)
    size = (max(1, round(width * scale)), max(1, round(height * scale)))
    way = cv2.INTER_AREA if scale < 1 else cv2.INTER_NEAREST
    small = np.asarray(cv2.resize(rgb, size, interpolation=way), np.uint8)
    inside = (cv2.resize(hole.astype(np.float32), size, interpolation=way) >= 0.5).astype(np.uint8)
    return Image.fromarray(_tinted(small, inside)), float(hole.mean()), notes


def _tinted(rgb: Array, hole: Array) -> Array:
    """Tint a hole so that the picture under it can still be seen, and draw a line around it."""
    tinted = cv2.addWeighted(rgb, 0.5, np.full_like(rgb, _TINT), 0.5, 0)
    shown = np.where(hole[..., None] > 0, tinted, rgb)
    outlines, _ = cv2.findContours(hole, cv2.RETR_LIST, cv2.CHAIN_APPROX_NONE)
    return np.asarray(cv2.drawContours(np.ascontiguousarray(shown), outlines, -1, _OUTLINE, 1), np.uint8)


def _write(sheet: Image.Image, corner: tuple[int, int], text: str) -> None:
    ImageDraw.Draw(sheet).multiline_text(corner, text, "black", ImageFont.load_default(13))


def _short(name: str, limit: int = 46) -> str:
    return name if len(name) <= limit else f"{name[: limit - 16]}…{name[-15:]}"

"""A sheet of images with their holes, to see whether masks are right and the right way round."""

import textwrap
from pathlib import Path

import cv2
import numpy as np
from PIL import Image, ImageDraw, ImageFont

from inpaintlab.arrays import UInt8
from inpaintlab.errors import InpaintlabError, MaskError
from inpaintlab.files import write_atomically
from inpaintlab.images import encode_png, load, to_rgb, to_uint8
from inpaintlab.inpainter.pairs import Pair
from inpaintlab.masks import COMMAND, read_mask
from inpaintlab.settings import FillSettings

PREVIEW = "preview.png"
#: So many pairs are shown, so many in a row.
PAIRS, COLUMNS = 8, 4
#: The sheet's width, the height of a caption and the space around a tile, in pixels.
WIDTH, CAPTION, GAP = 1280, 40, 8
_TINT, _OUTLINE = (255, 40, 40), (255, 230, 0)


def write_preview(path: Path, pairs: list[Pair], settings: FillSettings) -> list[str]:
    """Draw the first pairs, their holes tinted red and outlined; return notes on how masks were read.

    The fewer pairs, the larger they are. A pair that cannot be used is a tile with the reason.
    """
    notes: list[str] = []
    tiles: list[Image.Image] = []
    columns = min(COLUMNS, len(pairs))
    for pair in pairs[:PAIRS]:
        tile, remarks = _tile(pair, settings, WIDTH // columns)
        tiles.append(tile)
        notes += remarks
    rows = [tiles[start : start + columns] for start in range(0, len(tiles), columns)]
    heights = [max(tile.height for tile in row) for row in rows]
    wide = WIDTH // columns + GAP
    sheet = Image.new("RGB", (GAP + columns * wide, GAP + sum(heights) + GAP * len(rows)), "white")
    for number, row in enumerate(rows):
        top = GAP + sum(heights[:number]) + GAP * number
        for column, tile in enumerate(row):
            sheet.paste(tile, (GAP + column * wide, top))
    write_atomically(path, encode_png(np.asarray(sheet)))
    return notes


def _tile(pair: Pair, settings: FillSettings, side: int) -> tuple[Image.Image, list[str]]:
    """Return an image with its hole in a square at most, names below it, and notes on the mask."""
    try:
        image, share, notes = _image_with_hole(pair, settings, side)
    except InpaintlabError as error:
        image, notes, caption = Image.new("RGB", (side, 90), "white"), [], "cannot be used"
        _write(image, (0, 0), textwrap.fill(str(error), side // 7))
    else:
        caption = f"{share:.0%} hole"
    tile = Image.new("RGB", (side, image.height + CAPTION), "white")
    tile.paste(image, ((side - image.width) // 2, 0))
    limit = side // 7
    names = (_short(pair.image.name, limit), _short(f"{pair.mask.name}: {caption}", limit))
    _write(tile, (0, image.height + 3), "\n".join(names))
    return tile, notes


def _image_with_hole(
    pair: Pair, settings: FillSettings, side: int
) -> tuple[Image.Image, float, list[str]]:
    """Return an image as it fits into a square, the share of its hole, and notes on the mask."""
    rgb = to_uint8(to_rgb(load(pair.image)))
    invert = bool(settings.invert_mask)
    hole, notes = read_mask(pair.mask, invert=invert, grey=settings.grey_mask, door=COMMAND)
    height, width = rgb.shape[:2]
    if hole.shape != (height, width):
        seen = f"{hole.shape[1]}×{hole.shape[0]}"
        raise MaskError(f"{pair.mask.name} is {seen}, but the image is {width}×{height}")
    scale = side / max(height, width)
    size = (max(1, round(width * scale)), max(1, round(height * scale)))
    way = cv2.INTER_AREA if scale < 1 else cv2.INTER_NEAREST
    small = np.asarray(cv2.resize(rgb, size, interpolation=way), np.uint8)
    inside = (cv2.resize(hole.astype(np.float32), size, interpolation=way) >= 0.5).astype(np.uint8)
    return Image.fromarray(_tinted(small, inside)), float(hole.mean()), notes


def _tinted(rgb: UInt8, hole: UInt8) -> UInt8:
    """Tint a hole so that the image under it can still be seen, and draw a line around it."""
    tinted = cv2.addWeighted(rgb, 0.5, np.full_like(rgb, _TINT), 0.5, 0)
    shown = np.where(hole[..., None] > 0, tinted, rgb)
    outlines, _ = cv2.findContours(hole, cv2.RETR_LIST, cv2.CHAIN_APPROX_NONE)
    return np.asarray(cv2.drawContours(np.ascontiguousarray(shown), outlines, -1, _OUTLINE, 1), np.uint8)


def _write(sheet: Image.Image, corner: tuple[int, int], text: str) -> None:
    text = text.replace("×", "x")  # Pillow's own font has no such sign
    ImageDraw.Draw(sheet).multiline_text(corner, text, "black", ImageFont.load_default(13))


def _short(name: str, limit: int) -> str:
    return name if len(name) <= limit else f"{name[: limit - 16]}…{name[-15:]}"

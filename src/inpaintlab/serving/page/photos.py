"""Photos of the page: read from the file as it was sent, shown smaller, written at full size.

What a browser's canvas makes of a photo is not trusted: it may shrink it, and it changes colours under
transparency. The file that was sent stays the one source of all pixels outside the hole.
"""

import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
from PIL import Image

from inpaintlab.errors import ImageError
from inpaintlab.images import Picture, from_pillow, load, to_pillow
from inpaintlab.serving.page.holes import Hole

#: Fills the hole of a picture: takes the picture and a mask (`L`, white = hole) of its size.
Fill = Callable[[Image.Image, Image.Image], Image.Image]

#: Longer side of what the editor and the viewer show, at least and at most, in pixels.
SHOWN = (512, 1280)
#: Photos of more pixels are refused: a fill keeps several copies in memory.
MAX_PIXELS = 40_000_000


def read(file: Path) -> Picture:
    """Decode a photo upright, with 8 bits a channel, as `L`, `LA`, `RGB` or `RGBA`.

    `notes` says what was converted. Raises `ImageError` for what is not a picture, or too large.
    """
    picture = load(file)
    height, width = picture.size
    if height * width > MAX_PIXELS:
        raise ImageError(
            f"The photo has {height * width / 1e6:.0f} megapixels, the limit is {MAX_PIXELS / 1e6:.0f}: "
            "make it smaller first."
        )
    return _printable(_eight_bits(picture))


def _eight_bits(picture: Picture) -> Picture:
    if picture.pixels.dtype == np.uint8:
        return picture
    pixels = np.rint(picture.pixels / 257).astype(np.uint8)
    note = "The photo had 16 bits a channel; it was rounded to 8."
    return replace(picture, pixels=pixels, notes=(*picture.notes, note))


def _printable(picture: Picture) -> Picture:
    if picture.mode != "CMYK":
        return picture
    note = "The photo was in CMYK, for print; it was converted to RGB."
    rgb = np.asarray(to_pillow(picture).convert("RGB"))
    # The profile was one of inks.
    return replace(picture, pixels=rgb, mode="RGB", icc_profile=None, notes=(*picture.notes, note))


def show(picture: Picture, file: Path) -> tuple[int, int]:
    """Write a copy to look at and to paint on, as WebP, not too small or large; return height, width."""
    image = to_pillow(picture)
    low, high = SHOWN
    longest = max(image.size)
    goal = min(max(longest, low), high)
    if goal != longest:
        way = Image.Resampling.BICUBIC if goal > longest else Image.Resampling.LANCZOS
        width, height = (max(1, round(side * goal / longest)) for side in image.size)
        image = image.convert("RGBA" if image.mode in ("LA", "RGBA") else "RGB")
        image = image.resize((width, height), way, reducing_gap=2)
    image.save(file, "WEBP", quality=92, method=1, icc_profile=picture.icc_profile)
    return image.height, image.width


def fill_exactly(fill: Fill, picture: Picture, hole: Hole) -> Picture:
    """Fill the hole; whatever `fill` gives back, pixels outside come back bit by bit."""
    mask = Image.fromarray(hole.astype(np.uint8) * 255)
    filled = fill(to_pillow(picture), mask)
    if filled.size != mask.size:
        seen = "×".join(map(str, filled.size))
        raise ImageError(f"the filled picture is {seen}, not {'×'.join(map(str, mask.size))}")
    painted = from_pillow(filled.convert(picture.mode)).pixels
    inside = hole if painted.ndim == 2 else hole[..., None]
    return replace(picture, pixels=np.where(inside, painted, picture.pixels))


def write(picture: Picture, file: Path) -> None:
    """Write a PNG at full size, with the photo's colour profile and facts, quickly rather than small."""
    extra = {"icc_profile": picture.icc_profile, "exif": picture.exif}
    extra = {name: value for name, value in extra.items() if value}
    to_pillow(picture).save(file, "PNG", compress_level=1, **extra)


def plain_name(file: Path) -> str:
    """Return a file's name without suffix, fit for every file system.

    >>> plain_name(Path("Großmutter (1950)/../me & you.jpeg")), plain_name(Path("?.png"))
    ('me-you', 'photo')
    """
    return re.sub(r"[^\w.-]+", "-", file.stem).strip("-.")[:60] or "photo"

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

from inpaintlab.arrays import Bool
from inpaintlab.errors import ImageError
from inpaintlab.images import DecodedImage, from_pillow, load, to_pillow

#: Fills the hole of an image: takes the image and a mask (`L`, white = hole) of its size.
Fill = Callable[[Image.Image, Image.Image], Image.Image]

#: Longer side of what the editor and the viewer show, at least and at most, in pixels.
SHOWN = (512, 1280)
#: Photos of more pixels are refused: a fill keeps several copies in memory.
MAX_PIXELS = 40_000_000


def read(file: Path) -> DecodedImage:
    """Decode a photo upright, with 8 bits a channel, as `L`, `LA`, `RGB` or `RGBA`.

    `notes` says what was converted. Raises `ImageError` for what is not an image, or too large.
    """
    image = load(file)
    height, width = image.size
    if height * width > MAX_PIXELS:
        raise ImageError(
            f"The photo has {height * width / 1e6:.0f} megapixels, the limit is {MAX_PIXELS / 1e6:.0f}: "
            "make it smaller first."
        )
    return _printable(_eight_bits(image))


def _eight_bits(image: DecodedImage) -> DecodedImage:
    if image.pixels.dtype == np.uint8:
        return image
    pixels = np.rint(image.pixels / 257).astype(np.uint8)
    note = "The photo had 16 bits a channel; it was rounded to 8."
    return replace(image, pixels=pixels, notes=(*image.notes, note))


def _printable(image: DecodedImage) -> DecodedImage:
    if image.mode != "CMYK":
        return image
    note = "The photo was in CMYK, for print; it was converted to RGB."
    rgb = np.asarray(to_pillow(image).convert("RGB"))
    # The profile was one of inks.
    return replace(image, pixels=rgb, mode="RGB", icc_profile=None, notes=(*image.notes, note))


def show(decoded: DecodedImage, file: Path) -> tuple[int, int]:
    """Write a copy to look at and to paint on, as WebP, not too small or large; return height, width."""
    image = to_pillow(decoded)
    low, high = SHOWN
    longest = max(image.size)
    goal = min(max(longest, low), high)
    if goal != longest:
        way = Image.Resampling.BICUBIC if goal > longest else Image.Resampling.LANCZOS
        width, height = (max(1, round(side * goal / longest)) for side in image.size)
        image = image.convert("RGBA" if image.mode in ("LA", "RGBA") else "RGB")
        image = image.resize((width, height), way, reducing_gap=2)
    image.save(file, "WEBP", quality=92, method=1, icc_profile=decoded.icc_profile)
    return image.height, image.width


def fill_exactly(fill: Fill, image: DecodedImage, hole: Bool) -> DecodedImage:
    """Fill the hole; whatever `fill` gives back, pixels outside come back bit by bit."""
    mask = Image.fromarray(hole.astype(np.uint8) * 255)
    filled = fill(to_pillow(image), mask)
    if filled.size != mask.size:
        seen = "×".join(map(str, filled.size))
        raise ImageError(f"the filled image is {seen}, not {'×'.join(map(str, mask.size))}")
    painted = from_pillow(filled.convert(image.mode)).pixels
    inside = hole if painted.ndim == 2 else hole[..., None]
    return replace(image, pixels=np.where(inside, painted, image.pixels))


def write(image: DecodedImage, file: Path) -> None:
    """Write a PNG at full size, with the photo's colour profile and facts, quickly rather than small."""
    extra = {"icc_profile": image.icc_profile, "exif": image.exif}
    extra = {name: value for name, value in extra.items() if value}
    to_pillow(image).save(file, "PNG", compress_level=1, **extra)


def plain_name(file: Path) -> str:
    """Return a file's name without suffix, fit for every file system.

    >>> plain_name(Path("Großmutter (1950)/../me & you.jpeg")), plain_name(Path("?.png"))
    ('me-you', 'photo')
    """
    return re.sub(r"[^\w.-]+", "-", file.stem).strip("-.")[:60] or "photo"

"""What a decoded image is, and where one comes from."""

from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from inpaintlab.arrays import Pixels

SUFFIXES = frozenset(
    {".jpg", ".jpeg", ".png", ".webp", ".tif", ".tiff", ".bmp", ".gif", ".ppm", ".pgm", ".jp2"}
)


@dataclass(frozen=True)
class Encoded:
    """The bytes of an image file that has no path of its own: it stands in a tar shard or a table."""

    name: str
    data: bytes


#: What the loading functions take: a path, or bytes with a name for messages.
File = Path | Encoded


@dataclass(frozen=True)
class Header:
    """What an image file says of itself: size as stored, mode and format as Pillow calls them."""

    width: int
    height: int
    mode: str
    format: str
    frames: int


@dataclass(frozen=True)
class DecodedImage:
    """A decoded image file.

    `pixels` is `[H, W]` or `[H, W, C]`, upright, with the channels that `mode` names (`L`, `LA`, `RGB`,
    `RGBA`, `CMYK`): uint8 or uint16, or floating point in [0, 1] (never from a file). `notes` are
    sentences for the user about what decoding could not keep. `dpi` is the resolution across and down.
    """

    pixels: Pixels
    mode: str
    icc_profile: bytes | None = None
    exif: bytes | None = None
    notes: tuple[str, ...] = field(default=())
    xmp: bytes | None = None
    dpi: tuple[float, float] | None = None

    @property
    def size(self) -> tuple[int, int]:
        """Height and width."""
        return self.pixels.shape[0], self.pixels.shape[1]


def white(pixels: Pixels) -> np.float32:
    """The value of white in an array."""
    return np.float32(1 if pixels.dtype.kind == "f" else np.iinfo(pixels.dtype).max)

"""One image read once: everything that the manifest knows of it, and what is wrong with it.

A finding is one line in `FINDINGS` and, where it can be told from one image alone, one in `_TESTS`.
"""

import hashlib
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from PIL import Image

from inpaintlab.arrays import UInt8
from inpaintlab.data.lookalikes import LEAST_CONTRAST, hash_appearance
from inpaintlab.data.places import Place, encoded
from inpaintlab.errors import ImageError
from inpaintlab.images import load_rgb_whole

Row = dict[str, Any]


@dataclass(frozen=True)
class Finding:
    """What is said of a finding, and whether such images are left out unless told otherwise."""

    text: str
    left_out: bool


FINDINGS = {
    "unreadable": Finding("not an image that can be read", True),
    "damaged": Finding("damaged or cut short", True),
    "bomb": Finding("more pixels than the limit against decompression bombs", True),
    "small": Finding("shorter side below min_size", True),
    "narrow": Finding("longer than max_aspect times its width", True),
    "constant": Finding("nearly one colour all over", True),
    "copy": Finding("same decoded pixels as another image, which is used", True),
    "near": Finding("looks like another image (kept in one part with it)", False),
    "grey": Finding("grey among coloured images", False),
    "suffix": Finding("file name says another format", False),
    "frames": Finding("several frames, the first is used", False),
    "leak": Finding("in another part of the published split there is a copy or a look-alike", True),
    "between": Finding("looks like images of two parts that were fixed before", True),
}
#: Findings of images that have no pixels.
NO_PIXELS = ("unreadable", "damaged", "bomb")
#: Findings whose images the setting `keep` takes in all the same.
CAN_BE_KEPT = ("small", "narrow", "constant", "copy")
#: Values of a grey image stored in colour differ by no more, nearly everywhere (JPEG rounds).
GREY_TOLERANCE = 6

_BITS = {name: 1 << place for place, name in enumerate(FINDINGS)}
_TESTS: dict[str, Callable[[Row, int, float], bool]] = {
    "small": lambda row, size, _: min(row["width"], row["height"]) < size,
    "narrow": lambda row, _, aspect: (
        max(row["width"], row["height"]) / min(row["width"], row["height"]) > aspect
    ),
    "constant": lambda row, *_: row["contrast"] < LEAST_CONTRAST,
    "grey": lambda row, *_: row["grey"],
    "suffix": lambda row, *_: not row["suffix_fits"],
    "frames": lambda row, *_: row["frames"] > 1,
}
_SUFFIXES = {
    "JPEG": (".jpg", ".jpeg", ".jpe", ".jfif"), "MPO": (".jpg", ".jpeg"),
    "AVIF": (".avif",), "PNG": (".png",), "WEBP": (".webp",),
    "TIFF": (".tif", ".tiff"), "BMP": (".bmp",), "GIF": (".gif",), "PPM": (".ppm", ".pgm"),
    "JPEG2000": (".jp2",),
}  # fmt: skip


def bits(names: Iterable[str]) -> int:
    """Pack findings into a number, one bit each.

    >>> names_of(bits(["small", "copy"]))
    ['small', 'copy']
    """
    return sum(_BITS[name] for name in set(names))


def names_of(packed: int) -> list[str]:
    """Return the names of packed findings."""
    return [name for name, bit in _BITS.items() if packed & bit]


def findings_of(row: Row, min_size: int, max_aspect: float) -> int:
    """Return, packed, the findings that can be told from the facts of one image alone."""
    if row["trouble"]:
        return _BITS[row["trouble"]]
    return bits(name for name, test in _TESTS.items() if test(row, min_size, max_aspect))


def examine(place: Place) -> Row:
    """Return the row of one image: its facts, or in `trouble` and `reason` why there are none.

    `sha256` is of the decoded pixels (RGB, 8 bit, upright, on white) after height and width, so that
    copies are found in any format; `file_sha256` is of the bytes of the file.
    """
    row = place.row()
    try:
        file = encoded(place)
        row["file_sha256"] = hashlib.sha256(file.data).hexdigest()
        pixels, header = load_rgb_whole(file)
    except ImageError as error:
        return row | {"trouble": error.finding, "reason": str(error)}
    except MemoryError:
        return row | {"trouble": "unreadable", "reason": f"{place.name} does not fit into memory"}
    suffix = Path(place.key if place.offset >= 0 else place.path).suffix.lower()
    return (
        row
        | _facts_of(pixels)
        | {
            "mode": header.mode,
            "format": header.format,
            "frames": header.frames,
            "suffix_fits": not suffix or suffix in _SUFFIXES.get(header.format, ()),
        }
    )


def hash_pixels(pixels: UInt8) -> str:
    """SHA-256 of height, width and pixels, in hexadecimal."""
    digest = hashlib.sha256("{} {} ".format(*pixels.shape[:2]).encode())
    digest.update(pixels.tobytes())
    return digest.hexdigest()


def hash_name(name: str) -> str:
    """SHA-256 of a name, which stands for an image whose pixels or bytes cannot be had."""
    return hashlib.sha256(name.encode(errors="surrogateescape")).hexdigest()


def is_grey(pixels: UInt8) -> bool:
    """Tell whether RGB uint8 `[H, W, 3]` shows no colour, looking at every fourth pixel of each side."""
    few = pixels[::4, ::4].astype(np.int16)
    spread = few.max(axis=2) - few.min(axis=2)
    return bool(np.quantile(spread, 0.99) <= GREY_TOLERANCE)


def _facts_of(pixels: UInt8) -> Row:
    luma = Image.fromarray(pixels).convert("L")
    values = np.asarray(luma)
    phash, mirrored = hash_appearance(luma)
    return {
        "sha256": hash_pixels(pixels),
        "width": pixels.shape[1],
        "height": pixels.shape[0],
        "grey": is_grey(pixels),
        "contrast": float(values.std()),
        "sharpness": float(cv2.Laplacian(values, cv2.CV_32F).var()),
        "phash": phash,
        "phash_mirror": mirrored,
    }

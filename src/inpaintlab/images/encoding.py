"""From pictures to files: what each format can hold, and what is lost where it cannot."""

import io
from dataclasses import replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt
from PIL import Image

from inpaintlab.errors import ImageError
from inpaintlab.files import write_atomically
from inpaintlab.images.picture import Picture, Pixels
from inpaintlab.images.values import as_pillow

#: Formats that `save` writes without changing a pixel, by suffix; JPEG is the one that changes them.
LOSSLESS = frozenset({".png", ".tif", ".tiff", ".bmp", ".webp"})


#: Little of the picture is lost at it; a file is about twice as large as at 85.
JPEG_QUALITY = 95
_WRITABLE = {
    ".jpg": ("L", "RGB", "CMYK"),
    ".jpeg": ("L", "RGB", "CMYK"),
    ".webp": ("RGB", "RGBA"),
    ".bmp": ("L", "RGB"),
    ".png": ("L", "LA", "RGB", "RGBA"),
    ".tif": ("L", "LA", "RGB", "RGBA", "CMYK"),
    ".tiff": ("L", "LA", "RGB", "RGBA", "CMYK"),
}


_DEEP = frozenset({".png", ".tif", ".tiff"})


def save(path: Path, picture: Picture) -> list[str]:
    """Write a picture in the format of the suffix, all or nothing; return notes on what was lost.

    PNG, TIFF, BMP and WebP are written without loss. Raises `ImageError` for a suffix that cannot
    be written, and where the disk refuses.
    """
    data, notes = encode(picture, path.suffix)
    write_atomically(path, data)
    return notes


def encode(picture: Picture, suffix: str, quality: int = JPEG_QUALITY) -> tuple[bytes, list[str]]:
    """Return the bytes of a file in the format of the suffix, and notes on what was lost.

    `quality`, 1 to 100, is that of JPEG. Raises `ImageError` for a suffix that cannot be written.
    """
    suffix = suffix.lower()
    if suffix not in _WRITABLE:
        allowed = ", ".join(sorted(_WRITABLE))
        raise ImageError(f"cannot write {suffix!r}: the suffix must be one of {allowed}")
    picture, notes = _writable(picture, suffix)
    if suffix not in LOSSLESS:
        notes.append(
            "JPEG is lossy: pixels outside the hole change slightly; name the output .png to keep them"
        )
    return _encode(picture, suffix, quality), notes


def encode_png(image: npt.NDArray[np.uint8]) -> bytes:
    """Return the bytes of a PNG file of `[H, W, 3]`."""
    buffer = io.BytesIO()
    Image.fromarray(image).save(buffer, format="PNG", optimize=True)
    return buffer.getvalue()


def encode_webp(image: npt.NDArray[np.uint8]) -> bytes:
    """Return the bytes of a lossless WebP file of `[H, W, 3]`; what repeats in it takes little room."""
    return encode(Picture(image, "RGB"), ".webp")[0]


def _writable(picture: Picture, suffix: str) -> tuple[Picture, list[str]]:
    """Convert to what the format can hold, and say what that costs."""
    notes = []
    if picture.pixels.dtype == np.uint16 and suffix not in _DEEP:
        notes.append(f"{suffix} holds 8 bits a channel: the 16-bit picture was rounded")
        pixels = np.rint(picture.pixels / 257).astype(np.uint8)
        picture = replace(picture, pixels=pixels)
    if picture.mode not in (allowed := _WRITABLE[suffix]):
        goal = _nearest_mode(picture.mode, allowed)
        if (picture.mode, goal) not in (("L", "RGB"), ("LA", "RGBA")):
            notes.append(f"{suffix} cannot hold {picture.mode}: the picture was converted to {goal}")
        picture = _converted(picture, goal)
    return picture, notes


def _nearest_mode(mode: str, allowed: tuple[str, ...]) -> str:
    if mode in ("LA", "RGBA") and "RGBA" in allowed:
        return "RGBA"
    return "L" if mode == "LA" and "L" in allowed else "RGB"


def _converted(picture: Picture, goal: str) -> Picture:
    if picture.pixels.dtype == np.uint16:  # only grey with alpha gets here: TIFF and PNG hold the rest
        return picture
    image = as_pillow(picture.pixels, picture.mode).convert(goal)
    profile = picture.icc_profile if picture.mode != "CMYK" else None
    return replace(picture, pixels=np.asarray(image), mode=goal, icc_profile=profile)


def _encode(picture: Picture, suffix: str, quality: int) -> bytes:
    if picture.pixels.dtype == np.uint16 and picture.pixels.ndim == 3:
        return _encode_deep_colour(picture.pixels, suffix)
    options: dict[str, Any] = {"icc_profile": picture.icc_profile, "exif": picture.exif}
    options = {key: value for key, value in options.items() if value}
    if suffix in (".jpg", ".jpeg"):
        options |= {"quality": quality, "subsampling": 0}
    elif suffix == ".webp":
        # `exact` keeps the colours under fully transparent pixels.
        options |= {"lossless": True, "exact": True}
    elif suffix in (".tif", ".tiff"):
        options |= {"compression": "tiff_lzw"}
    buffer = io.BytesIO()
    names = {".jpg": "JPEG", ".tif": "TIFF"}
    format_name = names.get(suffix, suffix[1:].upper())
    as_pillow(picture.pixels, picture.mode).save(buffer, format=format_name, **options)
    return buffer.getvalue()


def _encode_deep_colour(pixels: Pixels, suffix: str) -> bytes:
    order = cv2.COLOR_RGBA2BGRA if pixels.shape[2] == 4 else cv2.COLOR_RGB2BGR
    done, data = cv2.imencode(suffix, cv2.cvtColor(pixels, order))
    if not done:
        raise ImageError(f"cannot encode a 16-bit picture as {suffix}")
    return data.tobytes()

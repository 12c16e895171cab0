"""From images to files: what each format can hold, and what is lost where it cannot."""

import io
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt
from PIL import Image

from inpaintlab.errors import ImageError
from inpaintlab.files import write_atomically
from inpaintlab.images import metadata
from inpaintlab.images.decoding import load, opened
from inpaintlab.images.values import DecodedImage, Encoded, to_pillow

#: Formats that `save` writes without changing a pixel, by suffix; JPEG is the one that changes them.
LOSSLESS = frozenset({".png", ".tif", ".tiff", ".bmp", ".webp"})
#: Little of the image is lost at it; a file is about twice as large as at 85.
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
#: All suffixes that can be written.
WRITABLE = frozenset(_WRITABLE)
_DEEP = frozenset({".png", ".tif", ".tiff"})
#: Pixels that a side may have, where a format has a limit below ours.
_LONGEST = {".webp": 16_383, ".jpg": 65_500, ".jpeg": 65_500}
#: What stands beside the pixels, and what notes call it.
_BESIDE = {"icc_profile": "a colour profile", "exif": "EXIF", "xmp": "XMP"}


def save(path: Path, image: DecodedImage) -> list[str]:
    """Write an image in the format of the suffix, all or nothing; return notes on what was lost.

    PNG, TIFF, BMP and WebP are written without loss. Raises `ImageError` for a suffix that cannot
    be written, and where the disk refuses.
    """
    data, notes = encode(image, path.suffix)
    write_atomically(path, data)
    return notes


def encode(
    image: DecodedImage, suffix: str, quality: int = JPEG_QUALITY, *, compression: int = 6
) -> tuple[bytes, list[str]]:
    """Return the bytes of a file in the format of the suffix, and notes on what was lost.

    `quality`, 1 to 100, is that of JPEG; `compression`, 0 to 9, that of PNG: 1 takes a third of the time
    of 6, and about a tenth more bytes. Raises `ImageError` as `check_writable` does.
    """
    check_writable(suffix, image.size)
    suffix = suffix.lower()
    image, notes = _writable(image, suffix)
    if suffix not in LOSSLESS:
        notes.append("JPEG is lossy: pixels outside the hole change slightly; PNG keeps them")
    return _encode(image, suffix, quality, compression), notes


def check_writable(suffix: str, size: tuple[int, int]) -> None:
    """Refuse a suffix that cannot be written, and an image of a height and width beyond its format.

    Raises `ImageError` that names the limit, and formats that have none.
    """
    suffix = suffix.lower()
    if suffix not in _WRITABLE:
        allowed, seen = ", ".join(sorted(_WRITABLE)), repr(suffix) if suffix else "a name without suffix"
        raise ImageError(f"cannot write {seen}: the suffix must be one of {allowed}")
    if max(size) > (limit := _LONGEST.get(suffix, max(size))):
        raise ImageError(
            f"the image is {size[1]}×{size[0]}, but a side of {suffix} has at most {limit:,} pixels: "
            f"take png"
        )


def lossless_suffix(path: Path) -> str:
    """Return a suffix under which the image of a file can be written without changing a pixel.

    It is the file's own where that does; of a file that cannot be opened it is `.png`.
    """
    own = path.suffix.lower()
    if own in LOSSLESS - {".bmp"}:
        return path.suffix
    try:
        with opened(path) as image:
            mode = image.mode
    except ImageError:
        return ".png"
    if mode == "CMYK":
        return ".tif"
    return path.suffix if own == ".bmp" and mode not in ("RGBA", "LA") else ".png"


def encode_png(image: npt.NDArray[np.uint8]) -> bytes:
    """Return the bytes of a PNG file of `[H, W, 3]`."""
    buffer = io.BytesIO()
    # `optimize` takes four to twelve times as long, for one to three bytes of a hundred.
    Image.fromarray(image).save(buffer, format="PNG")
    return buffer.getvalue()


def through_jpeg(image: npt.NDArray[np.uint8], quality: int) -> npt.NDArray[np.uint8]:
    """Return what is left of `[H, W, 3]` after it was written as a JPEG and read again."""
    _, data = cv2.imencode(
        ".jpg", cv2.cvtColor(image, cv2.COLOR_RGB2BGR), [cv2.IMWRITE_JPEG_QUALITY, quality]
    )
    read = np.asarray(cv2.imdecode(data, cv2.IMREAD_COLOR), np.uint8)
    return np.asarray(cv2.cvtColor(read, cv2.COLOR_BGR2RGB), np.uint8)


def encode_webp(image: npt.NDArray[np.uint8]) -> bytes:
    """Return the bytes of a lossless WebP file of `[H, W, 3]`; what repeats in it takes little room."""
    return encode(DecodedImage(image, "RGB"), ".webp")[0]


def _writable(image: DecodedImage, suffix: str) -> tuple[DecodedImage, list[str]]:
    """Convert to what the format can hold, and say what that costs."""
    notes = []
    if image.pixels.dtype == np.uint16 and suffix not in _DEEP:
        notes.append(f"{suffix} holds 8 bits a channel: the 16-bit image was rounded")
        pixels = np.rint(image.pixels / 257).astype(np.uint8)
        image = replace(image, pixels=pixels)
    if image.mode not in (allowed := _WRITABLE[suffix]):
        goal = _nearest_mode(image.mode, allowed)
        if (image.mode, goal) not in (("L", "RGB"), ("LA", "RGBA")):
            notes.append(f"{suffix} cannot hold {image.mode}: the image was converted to {goal}")
        image = _converted(image, goal)
    if image.icc_profile and not metadata.profile_fits(image.icc_profile, image.mode):
        notes.append(f"the colour profile is not one for {image.mode}: left out")
        image = replace(image, icc_profile=None)
    lost = [field for field in _BESIDE if not _has_place(image, field, suffix)]
    if lost:
        names = [f"{_BESIDE[field]} of {len(getattr(image, field)):,} bytes" for field in lost]
        notes.append(f"{suffix} has no place for {', '.join(names)}: left out")
    return _without(image, lost), notes


def _has_place(image: DecodedImage, field: str, suffix: str) -> bool:
    """Tell whether a format takes what stands in a field: it is written beside one pixel, and read."""
    if not getattr(image, field):
        return True
    pixel = replace(image, pixels=image.pixels[:1, :1])
    pixel = _without(pixel, [other for other in _BESIDE if other != field])
    try:
        data = _encode(pixel, suffix, JPEG_QUALITY, 1)
        return getattr(load(Encoded("a pixel", data)), field) is not None
    except Exception:  # noqa: BLE001 - of odd or large metadata, encoders raise whatever comes up
        return False


def _without(image: DecodedImage, fields: Iterable[str]) -> DecodedImage:
    nothing: list[tuple[str, Any]] = [(field, None) for field in fields]
    return replace(image, **dict(nothing))


def _nearest_mode(mode: str, allowed: tuple[str, ...]) -> str:
    if mode in ("LA", "RGBA") and "RGBA" in allowed:
        return "RGBA"
    return "L" if mode == "LA" and "L" in allowed else "RGB"


def _converted(decoded: DecodedImage, goal: str) -> DecodedImage:
    if decoded.pixels.dtype == np.uint16:  # only grey with alpha gets here: TIFF and PNG hold the rest
        return decoded
    image = to_pillow(decoded).convert(goal)
    return replace(decoded, pixels=np.asarray(image), mode=goal)


def _encode(image: DecodedImage, suffix: str, quality: int, compression: int) -> bytes:
    if image.pixels.dtype == np.uint16 and image.pixels.ndim == 3:
        return _encode_deep_colour(image, suffix)
    options = metadata.options(image, suffix)
    if suffix in (".jpg", ".jpeg"):
        options |= {"quality": quality, "subsampling": 0}
    elif suffix == ".webp":
        # `exact` keeps the colours under fully transparent pixels.
        options |= {"lossless": True, "exact": True}
    elif suffix in (".tif", ".tiff"):
        options |= {"compression": "tiff_lzw"}
    elif suffix == ".png":
        options |= {"compress_level": compression}
    buffer = io.BytesIO()
    names = {".jpg": "JPEG", ".tif": "TIFF"}
    format_name = names.get(suffix, suffix[1:].upper())
    to_pillow(image).save(buffer, format=format_name, **options)
    data = buffer.getvalue()
    return metadata.into_tiff(data, image) if format_name == "TIFF" else data


def _encode_deep_colour(image: DecodedImage, suffix: str) -> bytes:
    order = cv2.COLOR_RGBA2BGRA if image.mode == "RGBA" else cv2.COLOR_RGB2BGR
    try:
        done, data = cv2.imencode(suffix, cv2.cvtColor(image.pixels, order))
    except cv2.error:
        done = False
    if not done:
        height, width = image.size
        raise ImageError(f"cannot write {width}×{height} pixels of 16-bit colour as {suffix}")
    put = metadata.into_png if suffix == ".png" else metadata.into_tiff
    return put(data.tobytes(), image)

"""From files to images: limits and damage come first, then every format upright, pixels as stored."""

import io
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import TypeVar

import cv2
import numpy as np
import numpy.typing as npt
from PIL import Image, UnidentifiedImageError

from inpaintlab.arrays import Pixels
from inpaintlab.errors import ImageError
from inpaintlab.images import metadata
from inpaintlab.images.odd_metadata import without_odd_metadata
from inpaintlab.images.values import (
    DecodedImage,
    Encoded,
    File,
    Header,
    to_known_mode,
    to_rgb,
    to_uint8,
    white,
)

Read = TypeVar("Read")

#: Larger images are refused before they are decoded: a file of some kB can claim terabytes. This is
#: also where Pillow itself refuses.
MAX_PIXELS = 178_956_970
# Counter-clockwise quarter turns and a left-right flip that set each EXIF orientation upright.
_UPRIGHT = {
    2: (0, True),
    3: (2, False),
    4: (2, True),
    5: (3, True),
    6: (3, False),
    7: (1, True),
    8: (1, False),
}


def load(
    path: File, *, formats: tuple[str, ...] | None = None, max_pixels: int = MAX_PIXELS
) -> DecodedImage:
    """Decode an image file, upright, with its pixels as stored.

    Palette and two-level images become RGB(A) or grey of the same colours; of an animation the
    first frame is taken. `formats` are those to take, by their content, as Pillow calls them (all).
    Raises `ImageError` for a file that is missing, truncated, not an image, larger than `max_pixels`
    or of a kind (floating point, 32 bit) without a fixed white.
    """
    decoded, lost = whatever_its_metadata(lambda file: _load(file, formats, max_pixels), path)
    return replace(decoded, notes=(*decoded.notes, *lost))


def _load(path: File, formats: tuple[str, ...] | None, max_pixels: int) -> DecodedImage:
    with opened(path, formats, max_pixels) as image:
        decoded = _decode(image, path)
        with damage_named(path):
            frames = getattr(image, "n_frames", 1)
    if frames > 1:
        note = f"{path.name} has {frames} frames: the first one is used"
        decoded = replace(decoded, notes=(*decoded.notes, note))
    return decoded


def load_rgb_whole(path: File) -> tuple[npt.NDArray[np.uint8], Header]:
    """Decode an image at its own size, RGB uint8 `[H, W, 3]`, upright and on white, with its header.

    Raises `ImageError` as `load` does.
    """
    return whatever_its_metadata(_load_rgb_whole, path)[0]


def _load_rgb_whole(path: File) -> tuple[npt.NDArray[np.uint8], Header]:
    with opened(path) as image:
        width, height, mode, kind = *image.size, image.mode, image.format or ""
        pixels = decode_rgb(image, path)
        with damage_named(path):
            frames = getattr(image, "n_frames", 1)
        return pixels, Header(width, height, mode, kind, frames)


def whatever_its_metadata(read: Callable[[File], Read], path: File) -> tuple[Read, list[str]]:
    """Read a file; where that fails, without the metadata that may be to blame, with a note.

    Raises the `ImageError` of the first attempt where the second fails, too.
    """
    try:
        return read(path), []
    except ImageError as error:
        file = _in_memory(path) if error.finding in ("unreadable", "damaged") else None
        mended = without_odd_metadata(file.data) if file else None
        if mended is None:
            raise
        try:
            read_again = read(Encoded(path.name, mended))
        except ImageError:
            raise error from None
    return read_again, [f"metadata of {path.name} cannot be read: left out"]


def _in_memory(path: File) -> Encoded | None:
    try:
        return path if isinstance(path, Encoded) else Encoded(path.name, path.read_bytes())
    except OSError:
        return None


def decode_rgb(image: Image.Image, path: File) -> npt.NDArray[np.uint8]:
    """Decode an open file to RGB uint8, upright and on white."""
    if image.mode not in ("L", "RGB") or _is_deep_colour(image):
        return on_white(_decode(image, path))
    pixels = np.asarray(complete(image, path).convert("RGB"))
    with odd_metadata_ignored():
        return _upright(pixels, image.format, metadata.orientation_of(metadata.exif_of(image)))


def _decode(image: Image.Image, path: File) -> DecodedImage:
    """Decode an open file into the modes that `DecodedImage` knows."""
    deep = _is_deep_colour(image)
    if image.format == "PNG":  # whose EXIF data may stand behind the pixels
        complete(image, path)
    with odd_metadata_ignored():  # before the rest is decoded, with which Pillow turns a TIFF
        exif = metadata.exif_of(image)
        orientation = metadata.orientation_of(exif)
    if deep:
        pixels, mode = _decode_deep_colour(path)
    else:
        pixels, mode = to_known_mode(complete(image, path), path.name)
    with odd_metadata_ignored():  # only now are most entries read
        beside, lost = metadata.of_file(exif, image.info, orientation)
    notes = (f"{' and '.join(lost)} of {path.name} cannot be read: left out",) if lost else ()
    return DecodedImage(_upright(pixels, image.format, orientation), mode, notes=notes, **beside)


def _is_deep_colour(image: Image.Image) -> bool:
    """Tell whether the file holds 16-bit colour, which Pillow would cut to 8 bit."""
    codecs = [str(tile.args) for tile in getattr(image, "tile", [])]
    return image.mode in ("RGB", "RGBA", "LA") and any(";16" in codec for codec in codecs)


def _decode_deep_colour(path: File) -> tuple[Pixels, str]:
    data = path.data if isinstance(path, Encoded) else path.read_bytes()
    pixels = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_UNCHANGED)
    if pixels is None or pixels.dtype != np.uint16:
        raise damaged(path)
    if pixels.ndim == 2:
        return pixels, "L"
    if pixels.shape[2] == 4:
        return cv2.cvtColor(pixels, cv2.COLOR_BGRA2RGBA), "RGBA"
    return cv2.cvtColor(pixels, cv2.COLOR_BGR2RGB), "RGB"


def _upright(pixels: Pixels, file_format: str | None, orientation: int) -> Pixels:
    if file_format == "TIFF":  # which Pillow and OpenCV have both turned already
        return pixels
    turns, flipped = _UPRIGHT.get(orientation, (0, False))
    turned = np.rot90(pixels, turns)
    return np.ascontiguousarray(np.fliplr(turned) if flipped else turned)


def on_white(image: DecodedImage) -> npt.NDArray[np.uint8]:
    """Return an image as RGB uint8 `[H, W, 3]`; what is transparent stands on white."""
    if image.mode == "RGB" and image.pixels.dtype == np.uint8:
        return np.asarray(image.pixels)
    rgb = to_rgb(image)
    if image.mode in ("LA", "RGBA"):
        alpha = image.pixels[..., -1:].astype(np.float32) / white(image.pixels)
        rgb = rgb * alpha + (1 - alpha)
    return to_uint8(rgb)


def opened(
    path: File, formats: tuple[str, ...] | None = None, max_pixels: int = MAX_PIXELS
) -> Image.Image:
    """Open a file with its header read and its size checked, but no pixel decoded.

    `formats` are those to take, by their content, as Pillow calls them; None: all.
    """
    try:
        stream = io.BytesIO(path.data) if isinstance(path, Encoded) else path
        with warnings.catch_warnings():
            # Pillow warns of large images; we refuse them with a limit of our own just below.
            warnings.simplefilter("ignore")
            image = Image.open(stream, formats=formats)
    except UnidentifiedImageError:
        allowed = f": it must be {', '.join(formats)}" if formats else ""
        raise ImageError(f"{path.name} is not an image that can be read{allowed}") from None
    except Image.DecompressionBombError:
        raise _too_large(path, max_pixels) from None
    except FileNotFoundError:
        raise ImageError(f"there is no file {path}") from None
    except (OSError, SyntaxError, ValueError) as error:
        raise ImageError(f"{path.name} cannot be read: {error}") from None
    if image.width * image.height > max_pixels:
        image.close()
        raise _too_large(path, max_pixels)
    return image


def _too_large(path: File, limit: int) -> ImageError:
    return ImageError(
        f"{path.name} has more than {limit:,} pixels, the limit against decompression bombs",
        finding="bomb",
    )


def complete(image: Image.Image, path: File) -> Image.Image:
    """Decode all pixels; a file cut short is an error, not a half-grey image."""
    with damage_named(path):
        image.load()
    return image


@contextmanager
def odd_metadata_ignored() -> Iterator[None]:
    """Let decoders not warn of odd metadata, which does not concern the pixels."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


@contextmanager
def damage_named(path: File) -> Iterator[None]:
    """Turn what decoders raise for a damaged file into one error that names it."""
    try:
        with odd_metadata_ignored():
            yield
    except (ImageError, MemoryError):
        raise
    except Exception as error:  # noqa: BLE001 - of damaged files, decoders raise whatever comes up
        raise damaged(path, error) from None


def damaged(path: File, error: Exception | None = None) -> ImageError:
    """Return the error for a file whose pixels cannot be decoded."""
    reason = f": {error}" if error else ""
    return ImageError(f"{path.name} is damaged or cut short{reason}", finding="damaged")

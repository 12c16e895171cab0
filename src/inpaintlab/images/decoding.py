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
#: How the pixels of JPEG 2000 begin, and where, from there, the bits of the first channel stand.
_JPEG2000, _BITS = b"\xff\x4f\xff\x51", 42
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
        if error.finding not in ("unreadable", "damaged"):
            raise
        try:
            mended = without_odd_metadata(_bytes(path))
            if mended is None:
                raise
            read_again = read(Encoded(path.name, mended))
        except (OSError, ImageError):
            raise error from None
    return read_again, [f"metadata of {path.name} cannot be read: left out"]


def decode_rgb(image: Image.Image, path: File) -> npt.NDArray[np.uint8]:
    """Decode an open file to RGB uint8, upright and on white."""
    if image.mode not in ("L", "RGB") or "transparency" in image.info or _depth(image, path) > 8:
        return on_white(_decode(image, path))
    pixels = np.asarray(complete(image, path).convert("RGB"))
    with odd_metadata_ignored():
        return _upright(pixels, image.format, metadata.orientation_of(metadata.exif_of(image)))


def _decode(image: Image.Image, path: File) -> DecodedImage:
    """Decode an open file into the modes that `DecodedImage` knows."""
    depth = _depth(image, path)  # asked first: it is forgotten with the pixels decoded
    if image.format == "PNG":  # whose EXIF data may stand behind the pixels
        complete(image, path)
    with odd_metadata_ignored():  # before the rest is decoded, with which Pillow turns a TIFF
        exif = metadata.exif_of(image)
        orientation = metadata.orientation_of(exif)
    notes = _conversions(image, path.name)
    deep = _decode_deep_colour(path) if depth == 16 and image.mode in ("RGB", "RGBA", "LA") else None
    pixels, mode = deep or to_known_mode(complete(image, path), path.name)
    if depth > 8 and pixels.dtype == np.uint8:
        notes.append(f"{path.name} has {depth} bits a channel, of which the upper 8 are read")
    with odd_metadata_ignored():  # only now are most entries read
        beside, lost = metadata.of_file(exif, image.info, orientation)
    notes += [f"{' and '.join(lost)} of {path.name} cannot be read: left out"] if lost else []
    return DecodedImage(_upright(pixels, image.format, orientation), mode, notes=tuple(notes), **beside)


def _depth(image: Image.Image, path: File) -> int:
    """Return the bits a channel of an open file; of colour, Pillow would read no more than 8."""
    codecs = [tile.args for tile in getattr(image, "tile", [])]
    if any(";16" in str(codec) for codec in codecs):
        return 16
    if image.format == "PPM" and codecs and isinstance(codecs[0], tuple):
        return int(codecs[0][-1]).bit_length()  # the value of white
    if image.format == "JPEG2000":
        data = _bytes(path)
        place = data.find(_JPEG2000) + _BITS
        return (data[place] & 127) + 1 if place < len(data) else 8
    return 8


def _conversions(image: Image.Image, name: str) -> list[str]:
    """Say what becomes of colours that `DecodedImage` does not know."""
    if image.mode in ("LAB", "HSV", "YCbCr"):
        return [f"{name} is {image.mode}: its colours are converted to RGB"]
    if image.format == "TIFF" and any("RGBX" in str(tile.args) for tile in getattr(image, "tile", [])):
        return [f"{name} has channels beyond RGB that are no alpha: left out"]
    return []


def _decode_deep_colour(path: File) -> tuple[Pixels, str] | None:
    """Decode 16-bit colour by OpenCV; None where it cannot."""
    try:
        pixels = cv2.imdecode(np.frombuffer(_bytes(path), np.uint8), cv2.IMREAD_UNCHANGED)
    except cv2.error:
        return None
    if pixels is None or pixels.dtype != np.uint16:
        return None
    if pixels.ndim == 2:
        return pixels, "L"
    if pixels.shape[2] == 4:
        return cv2.cvtColor(pixels, cv2.COLOR_BGRA2RGBA), "RGBA"
    return cv2.cvtColor(pixels, cv2.COLOR_BGR2RGB), "RGB"


def _bytes(path: File) -> bytes:
    return path.data if isinstance(path, Encoded) else path.read_bytes()


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
    _scale_key(image)
    if image.width * image.height > max_pixels:
        image.close()
        raise _too_large(path, max_pixels)
    return image


def _scale_key(image: Image.Image) -> None:
    """Let the grey that is transparent have 8 bits, as Pillow makes them of the pixels alone."""
    key, codecs = image.info.get("transparency"), [tile.args for tile in getattr(image, "tile", [])]
    for codec, scale in (("L;2", 85), ("L;4", 17)):
        if codec in codecs and isinstance(key, int):
            image.info["transparency"] = key * scale


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

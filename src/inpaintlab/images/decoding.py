"""From files to images: limits and damage come first, then every format upright, pixels as stored."""

import io
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace

import cv2
import numpy as np
import numpy.typing as npt
from PIL import Image, ImageOps, UnidentifiedImageError

from inpaintlab.arrays import Pixels
from inpaintlab.errors import ImageError
from inpaintlab.images import metadata
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
    with opened(path) as image:
        width, height, mode, kind = *image.size, image.mode, image.format or ""
        pixels = decode_rgb(image, path)
        with damage_named(path):
            frames = getattr(image, "n_frames", 1)
        return pixels, Header(width, height, mode, kind, frames)


def decode_rgb(image: Image.Image, path: File) -> npt.NDArray[np.uint8]:
    """Decode an open file to RGB uint8, upright and on white."""
    if image.mode not in ("L", "RGB") or _is_deep_colour(image):
        return on_white(_decode(image, path))
    complete(image, path)
    with damage_named(path):
        upright = ImageOps.exif_transpose(image)
    return np.asarray(upright.convert("RGB"))


def _decode(image: Image.Image, path: File) -> DecodedImage:
    """Decode an open file into the modes that `DecodedImage` knows."""
    deep = _is_deep_colour(image)  # asked first: reading the EXIF of a PNG decodes it
    with damage_named(path):  # some formats decode all of the file for it
        exif = image.getexif()
    orientation = exif.get(metadata.ORIENTATION, 1)
    if deep:
        pixels, mode = _decode_deep_colour(path)
    else:
        pixels, mode = to_known_mode(complete(image, path), path.name)
    if image.format != "TIFF":  # which Pillow and OpenCV have both turned already
        pixels = _upright(pixels, orientation)
    with damage_named(path):  # only now are most of its entries read
        kept = metadata.of_file(exif, image.info, orientation)
    return DecodedImage(pixels, mode, **kept)


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


def _upright(pixels: Pixels, orientation: int) -> Pixels:
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
def damage_named(path: File) -> Iterator[None]:
    """Turn what decoders raise for a damaged file into one error that names it."""
    try:
        with warnings.catch_warnings():
            # Decoders warn of odd metadata, which does not concern the pixels.
            warnings.simplefilter("ignore")
            yield
    except (ImageError, MemoryError):
        raise
    except Exception as error:  # noqa: BLE001 - of damaged files, decoders raise whatever comes up
        raise damaged(path, error) from None


def damaged(path: File, error: Exception | None = None) -> ImageError:
    """Return the error for a file whose pixels cannot be decoded."""
    reason = f": {error}" if error else ""
    return ImageError(f"{path.name} is damaged or cut short{reason}", finding="damaged")

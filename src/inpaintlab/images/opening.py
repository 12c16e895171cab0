"""Opening image files: headers, limits and damage, before anything is decoded."""

import io
import warnings
from collections.abc import Iterator
from contextlib import contextmanager

from PIL import Image, UnidentifiedImageError

from inpaintlab.errors import ImageError
from inpaintlab.images.decoded import Encoded, File

#: Larger images are refused before they are decoded: a file of some kB can claim terabytes. This is
#: also where Pillow itself refuses.
MAX_PIXELS = 178_956_970


def in_memory(path: File) -> File:
    """Read a file's bytes once; a path that cannot be read is left for `opened` to complain of."""
    try:
        return path if isinstance(path, Encoded) else Encoded(path.name, path.read_bytes())
    except OSError:
        return path


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


def check_large_enough(path: File, width: int, height: int, short_side: int) -> None:
    """Raise `ImageError` (finding `small`) for an image that would have to be enlarged."""
    if min(width, height) < short_side:
        raise ImageError(f"{path.name} is {width}×{height}, less than --size {short_side}", "small")

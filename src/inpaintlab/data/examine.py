"""One image read once: everything that the manifest knows of it."""

import hashlib
from pathlib import Path
from typing import Any

import cv2
import imagehash
import numpy as np
import numpy.typing as npt
from PIL import Image, ImageOps

from inpaintlab.data.places import Place, encoded
from inpaintlab.data.reading import empty_row
from inpaintlab.errors import ImageError
from inpaintlab.images import Header, load_rgb_whole

#: Values of a grey image stored in colour differ by no more, nearly everywhere (JPEG rounds).
GREY_TOLERANCE = 6
_SUFFIXES = {
    "JPEG": (".jpg", ".jpeg"), "MPO": (".jpg", ".jpeg"), "PNG": (".png",), "WEBP": (".webp",),
    "TIFF": (".tif", ".tiff"), "BMP": (".bmp",), "GIF": (".gif",), "PPM": (".ppm", ".pgm"),
    "JPEG2000": (".jp2",),
}  # fmt: skip


def examine(place: Place) -> dict[str, Any]:
    """Return the row of one image: its facts, or in `trouble` and `reason` why there are none.

    `sha256` is of the decoded pixels (RGB, 8 bit, upright, on white) after height and width, so that
    copies are found in any format; `file_sha256` is of the bytes of the file.
    """
    row = empty_row(place)
    try:
        file = encoded(place)
        row["file_sha256"] = hashlib.sha256(file.data).hexdigest()
        pixels, header = load_rgb_whole(file)
    except ImageError as error:
        return row | {"trouble": error.finding, "reason": str(error)}
    except MemoryError:
        return row | {"trouble": "unreadable", "reason": f"{place.name} does not fit into memory"}
    return row | _facts(pixels) | _format(header, place)


def _facts(pixels: npt.NDArray[np.uint8]) -> dict[str, Any]:
    height, width = pixels.shape[:2]
    digest = hashlib.sha256(f"{height} {width} ".encode())
    digest.update(pixels.tobytes())
    luma = Image.fromarray(pixels).convert("L")
    values = np.asarray(luma)
    return {
        "sha256": digest.hexdigest(),
        "width": width,
        "height": height,
        "grey": is_grey(pixels),
        "contrast": float(values.std()),
        "sharpness": float(cv2.Laplacian(values, cv2.CV_32F).var()),
        "phash": str(imagehash.phash(luma)),
        "phash_mirror": str(imagehash.phash(ImageOps.mirror(luma))),
    }


def is_grey(pixels: npt.NDArray[np.uint8]) -> bool:
    """Tell whether RGB uint8 `[H, W, 3]` shows no colour, looking at every fourth pixel of each side."""
    few = pixels[::4, ::4].astype(np.int16)
    spread = few.max(axis=2) - few.min(axis=2)
    return bool(np.quantile(spread, 0.99) <= GREY_TOLERANCE)


def _format(header: Header, place: Place) -> dict[str, Any]:
    suffix = Path(place.key if place.offset >= 0 else place.path).suffix.lower()
    fitting = _SUFFIXES.get(header.format, ())
    return {
        "mode": header.mode,
        "format": header.format,
        "frames": header.frames,
        "suffix_fits": not suffix or suffix in fitting,
    }

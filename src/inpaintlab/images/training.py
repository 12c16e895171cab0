"""Decoding for training: RGB at the size that is learnt from, as quickly as the format allows."""

import struct

import cv2
import numpy as np
import numpy.typing as npt

from inpaintlab.arrays import Pixels
from inpaintlab.errors import ImageError
from inpaintlab.images.decoding import (
    MAX_PIXELS,
    decode_rgb,
    load_rgb_whole,
    opened,
    whatever_its_metadata,
)
from inpaintlab.images.values import Encoded, File

# Start-of-frame markers of baseline, extended and progressive JPEG.
_FRAME_MARKERS = (0xC0, 0xC1, 0xC2)
_REDUCED = {
    8: cv2.IMREAD_REDUCED_COLOR_8,
    4: cv2.IMREAD_REDUCED_COLOR_4,
    2: cv2.IMREAD_REDUCED_COLOR_2,
}
#: Smaller images are not halved on the way to their size: the odd row left out would be seen.
_WORTH_HALVING = 50


def load_rgb(path: File, short_side: int | None) -> npt.NDArray[np.uint8]:
    """Decode an image for training: RGB uint8 `[H, W, 3]` with the shorter side as asked; None: its own.

    Transparent images stand on white. Raises `ImageError` as `load` does, and (finding `small`) for
    an image whose shorter side is less than asked: enlarging would teach blur.
    """
    file = _in_memory(path)
    if short_side is None:
        return load_rgb_whole(file)[0]
    pixels = _decode_plain_jpeg(file, short_side)
    if pixels is not None:
        return np.asarray(cv2.cvtColor(shrink(pixels, short_side), cv2.COLOR_BGR2RGB), np.uint8)
    decoded, _ = whatever_its_metadata(lambda file: _decode(file, short_side), file)
    return shrink(decoded, short_side)


def _decode(file: File, short_side: int) -> npt.NDArray[np.uint8]:
    """Decode to RGB, upright; a JPEG to twice the size asked for at least."""
    with opened(file) as image:
        _check_large_enough(file, image.width, image.height, short_side)
        # JPEG decodes straight to a half, quarter or eighth; twice the size keeps the detail.
        image.draft("RGB", (2 * short_side, 2 * short_side))
        return decode_rgb(image, file)


def shrink(pixels: Pixels, short_side: int) -> npt.NDArray[np.uint8]:
    """Resize `[H, W, 3]` so that the shorter side is as asked, by area averages.

    Where half the size is still enough, it is halved first, several times as quick; an odd last row or
    column of an image of 100 pixels or more is left out for it.
    """
    height, width = pixels.shape[:2]
    scale = short_side / min(height, width)
    size = (max(short_side, round(width * scale)), max(short_side, round(height * scale)))
    while min(pixels.shape[:2]) // 2 >= max(short_side, _WORTH_HALVING):
        half_height, half_width = (side // 2 for side in pixels.shape[:2])
        even = pixels[: 2 * half_height, : 2 * half_width]
        pixels = cv2.resize(even, (half_width, half_height), interpolation=cv2.INTER_AREA)
    if size == (pixels.shape[1], pixels.shape[0]):
        return np.ascontiguousarray(pixels, dtype=np.uint8)
    return np.asarray(cv2.resize(pixels, size, interpolation=cv2.INTER_AREA), dtype=np.uint8)


def _decode_plain_jpeg(file: File, short_side: int) -> Pixels | None:
    """Decode a common JPEG to BGR by OpenCV, upright and at least twice the size asked for.

    It takes half of Pillow's time. None for everything else, and for a file that does not end as it
    should, of which OpenCV would make a half-grey image: Pillow judges those.
    """
    size = _plain_jpeg_size(file.data) if isinstance(file, Encoded) else None
    if size is None or size[0] * size[1] > MAX_PIXELS:
        return None
    _check_large_enough(file, *size, short_side)
    flag = next((f for n, f in _REDUCED.items() if min(size) >= 2 * n * short_side), cv2.IMREAD_COLOR)
    assert isinstance(file, Encoded)
    try:
        return cv2.imdecode(np.frombuffer(file.data, np.uint8), flag)
    except cv2.error:
        return None


def _plain_jpeg_size(data: bytes) -> tuple[int, int] | None:
    """Return width and height of a whole JPEG with 8 bits and one or three channels, else None."""
    if data[:2] != b"\xff\xd8" or data[-2:] != b"\xff\xd9":
        return None
    place = 2
    while place + 10 <= len(data) and data[place] == 0xFF:
        marker, length = data[place + 1], int.from_bytes(data[place + 2 : place + 4])
        if marker in _FRAME_MARKERS:
            depth, height, width, channels = struct.unpack_from(">BHHB", data, place + 4)
            return (width, height) if depth == 8 and channels in (1, 3) and width and height else None
        place += 2 + length
    return None


def _in_memory(path: File) -> File:
    """Read a file's bytes once; a path that cannot be read is left for `opened` to complain of."""
    try:
        return path if isinstance(path, Encoded) else Encoded(path.name, path.read_bytes())
    except OSError:
        return path


def _check_large_enough(path: File, width: int, height: int, short_side: int) -> None:
    """Raise `ImageError` (finding `small`) for an image that would have to be enlarged."""
    if min(width, height) < short_side:
        raise ImageError(f"{path.name} is {width}×{height}, less than --size {short_side}", "small")

"""What a decoded image is, and the values it goes to and comes from: RGB in [0, 1], arrays, Pillow."""

import math
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
from PIL import Image

from inpaintlab.arrays import Pixels
from inpaintlab.errors import ImageError

SUFFIXES = frozenset(
    {".jpg", ".jpeg", ".jpe", ".jfif", ".png", ".webp", ".avif", ".tif", ".tiff", ".bmp", ".gif"}
    | {".ppm", ".pgm", ".jp2"}
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
    notes: tuple[str, ...] = ()
    xmp: bytes | None = None
    dpi: tuple[float, float] | None = None

    @property
    def size(self) -> tuple[int, int]:
        """Height and width."""
        return self.pixels.shape[0], self.pixels.shape[1]


def white(pixels: Pixels) -> np.float32:
    """The value of white in an array."""
    return np.float32(1 if pixels.dtype.kind == "f" else np.iinfo(pixels.dtype).max)


def to_rgb(image: DecodedImage) -> npt.NDArray[np.float32]:
    """Return RGB float32 `[H, W, 3]` in [0, 1]; alpha is left out."""
    pixels = image.pixels
    if image.mode == "CMYK":
        pixels = np.asarray(to_pillow(image).convert("RGB"))
    elif image.mode in ("L", "LA"):
        gray = pixels if pixels.ndim == 2 else pixels[..., 0]
        pixels = np.repeat(gray[..., None], 3, axis=2)
    return pixels[..., :3].astype(np.float32) / white(pixels)


def from_rgb(rgb: npt.NDArray[np.float32], like: DecodedImage) -> Pixels:
    """Return the pixels of an image like the given one, in these colours and with its own alpha.

    `rgb` is `[H, W, 3]` in [0, 1] and of the same height and width. Grey takes the luma of ITU-R
    BT.601.
    """
    if like.mode in ("L", "LA"):
        gray = _quantise(rgb @ np.array([0.299, 0.587, 0.114], np.float32), like.pixels)
        return gray if like.mode == "L" else np.stack([gray, like.pixels[..., 1]], axis=2)
    scaled = _quantise(rgb, like.pixels)
    if like.mode == "CMYK":
        return np.asarray(Image.fromarray(scaled).convert("CMYK"))
    return np.concatenate([scaled, like.pixels[..., 3:]], axis=2)


def from_array(array: Pixels) -> DecodedImage:
    """Take an array `[H, W]`, `[H, W, 3]` or `[H, W, 4]` for an image.

    Raises `ImageError` for another shape, a type other than uint8, uint16 and floating point, and
    for floating point outside [0, 1].
    """
    modes = {(2, 0): "L", (3, 3): "RGB", (3, 4): "RGBA"}
    mode = modes.get((array.ndim, array.shape[2] if array.ndim == 3 else 0))
    if mode is None or array.size == 0:
        raise ImageError(f"an array is [H, W], [H, W, 3] or [H, W, 4], got {list(array.shape)}")
    if array.dtype.kind == "f":
        check_range(float(array.min()), float(array.max()))
    elif array.dtype not in (np.uint8, np.uint16):
        raise ImageError(f"an array is uint8, uint16 or floating point in [0, 1], got {array.dtype}")
    return DecodedImage(array, mode)


def from_pillow(image: Image.Image) -> DecodedImage:
    """Take a Pillow image for an image; raises `ImageError` for 32-bit and floating-point modes."""
    pixels, mode = to_known_mode(image, "the image")
    return DecodedImage(pixels, mode)


def to_pillow(image: DecodedImage) -> Image.Image:
    """Turn an image with 8 bits a channel, or 16-bit grey, into a Pillow image."""
    if image.mode == "CMYK":  # four channels would be taken for RGBA
        height, width = image.size
        return Image.frombytes("CMYK", (width, height), np.ascontiguousarray(image.pixels).tobytes())
    return Image.fromarray(image.pixels)


def to_uint8(rgb: npt.NDArray[np.float32]) -> npt.NDArray[np.uint8]:
    """Round values in [0, 1] to 0…255; what lies outside is clipped."""
    return np.rint(np.clip(rgb, 0, 1) * 255).astype(np.uint8)


def check_range(low: float, high: float) -> None:
    """Refuse values that do not lie in [0, 1], naming their range and the cure."""
    if low >= 0 and high <= 1:
        return
    if math.isnan(low) or math.isnan(high):
        raise ImageError("image values are not finite: there is a NaN in it")
    cure = "shift and scale them to 0 to 1"
    if low >= 0 and high > 2:  # which may be 8 bits, or depth in metres
        cure = "divide by 255 if they have 8 bits, else by the largest value there can be"
    raise ImageError(f"image values run from {low:g} to {high:g}, expected 0 to 1: {cure}")


def _quantise(values: npt.NDArray[np.float32], like: Pixels) -> Pixels:
    """Bring values in [0, 1] to the type and range of an array."""
    scaled = np.clip(values, 0, 1) * white(like)
    return (scaled if like.dtype.kind == "f" else np.rint(scaled)).astype(like.dtype)


def to_known_mode(image: Image.Image, name: str) -> tuple[Pixels, str]:
    """Return the pixels of a Pillow image in a mode that `DecodedImage` knows, and that mode."""
    if image.mode in ("L", "LA", "RGB", "RGBA", "CMYK"):
        return _with_alpha(np.asarray(image), image)
    if image.mode.startswith("I"):
        pixels = np.asarray(image)
        if pixels.min() < 0 or pixels.max() > 65535:
            raise ImageError(f"{name} has 32-bit values: save it with 8 or 16 bits a channel")
        return _with_alpha(pixels.astype(np.uint16), image)
    if image.mode == "F":
        raise ImageError(f"{name} has floating-point values: save it with 8 or 16 bits a channel")
    if image.mode == "1":
        return _with_alpha(np.asarray(image.convert("L")), image)
    has_alpha = image.mode in ("PA", "La", "RGBa") or "transparency" in image.info
    goal = "RGBA" if has_alpha else "RGB"
    return np.asarray(image.convert(goal)), goal


def _with_alpha(pixels: Pixels, image: Image.Image) -> tuple[Pixels, str]:
    """Return pixels and their mode, with an alpha channel where one colour of the image is transparent.

    16-bit grey becomes RGBA with it, as files cannot hold it otherwise.
    """
    key, mode = image.info.get("transparency"), "L" if pixels.ndim == 2 else image.mode
    if not (mode == "L" and isinstance(key, int)) and not (mode == "RGB" and isinstance(key, tuple)):
        return pixels, mode
    is_key = pixels == key if mode == "L" else (pixels == key).all(axis=2)
    alpha = np.where(is_key, 0, np.iinfo(pixels.dtype).max).astype(pixels.dtype)
    colours = [pixels] * (3 if pixels.dtype == np.uint16 else 1)
    return np.dstack([*colours, alpha]), "LA" if len(colours) == 1 and mode == "L" else "RGBA"

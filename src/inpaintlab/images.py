"""Picture files: the only place that knows decoders, EXIF, alpha, grey and CMYK. Free of torch.

A decoded file is a `Picture`: its pixels exactly as stored (upright), so that what is not filled can be
written back bit by bit. What networks work on is in `tensors`.
"""

import io
import math
import struct
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt
from PIL import Image, ImageOps, UnidentifiedImageError

from inpaintlab.errors import ImageError
from inpaintlab.files import write_atomically

Pixels = npt.NDArray[Any]

SUFFIXES = frozenset(
    {".jpg", ".jpeg", ".png", ".webp", ".tif", ".tiff", ".bmp", ".gif", ".ppm", ".pgm", ".jp2"}
)
#: Larger pictures are refused before they are decoded: a file of some kB can claim terabytes. This is
#: also where Pillow itself refuses.
MAX_PIXELS = 178_956_970
#: Formats that `save` writes without changing a pixel, by suffix; JPEG is the one that changes them.
LOSSLESS = frozenset({".png", ".tif", ".tiff", ".bmp", ".webp"})
_EXIF_ORIENTATION = 0x0112
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
# Start-of-frame markers of baseline, extended and progressive JPEG.
_FRAME_MARKERS = (0xC0, 0xC1, 0xC2)
_REDUCED = {
    8: cv2.IMREAD_REDUCED_COLOR_8,
    4: cv2.IMREAD_REDUCED_COLOR_4,
    2: cv2.IMREAD_REDUCED_COLOR_2,
}
#: Smaller pictures are not halved on the way to their size: the odd row left out would be seen.
_WORTH_HALVING = 50


@dataclass(frozen=True)
class Encoded:
    """The bytes of a picture file that has no path of its own: it stands in a tar shard or a table."""

    name: str
    data: bytes


#: What the loading functions take: a path, or bytes with a name for messages.
File = Path | Encoded


@dataclass(frozen=True)
class Header:
    """What a picture file says of itself: size as stored, mode and format as Pillow calls them."""

    width: int
    height: int
    mode: str
    format: str
    frames: int


@dataclass(frozen=True)
class Picture:
    """A decoded picture file.

    `pixels` is `[H, W]` or `[H, W, C]`, upright, with the channels that `mode` names (`L`, `LA`, `RGB`,
    `RGBA`, `CMYK`): uint8 or uint16, or floating point in [0, 1] (never from a file). `notes` are
    sentences for the user about what decoding could not keep.
    """

    pixels: Pixels
    mode: str
    icc_profile: bytes | None = None
    exif: bytes | None = None
    notes: tuple[str, ...] = field(default=())

    @property
    def size(self) -> tuple[int, int]:
        """Height and width."""
        return self.pixels.shape[0], self.pixels.shape[1]


def load(path: File, *, formats: tuple[str, ...] | None = None, max_pixels: int = MAX_PIXELS) -> Picture:
    """Decode a picture file, upright, with its pixels as stored.

    Palette and two-level pictures become RGB(A) or grey of the same colours; of an animation the
    first frame is taken. `formats` are those to take, by their content, as Pillow calls them (all).
    Raises `ImageError` for a file that is missing, truncated, not a picture, larger than `max_pixels`
    or of a kind (floating point, 32 bit) without a fixed white.
    """
    with _opened(path, formats, max_pixels) as image:
        picture = _decode(image, path)
        frames = getattr(image, "n_frames", 1)
    if frames > 1:
        note = f"{path.name} has {frames} frames: the first one is used"
        picture = replace(picture, notes=(*picture.notes, note))
    return picture


def load_rgb(path: File, short_side: int) -> npt.NDArray[np.uint8]:
    """Decode a picture for training: RGB uint8 `[H, W, 3]` with the shorter side as asked.

    Transparent pictures stand on white. Raises `ImageError` as `load` does, and (finding `small`) for
    a picture whose shorter side is less than asked: enlarging would teach blur.
    """
    file = _in_memory(path)
    pixels = _decode_plain_jpeg(file, short_side)
    if pixels is not None:
        return np.asarray(cv2.cvtColor(shrink(pixels, short_side), cv2.COLOR_BGR2RGB), np.uint8)
    with _opened(file) as image:
        _check_large_enough(file, image.width, image.height, short_side)
        # JPEG decodes straight to a half, quarter or eighth; twice the size keeps the detail.
        image.draft("RGB", (2 * short_side, 2 * short_side))
        pixels = _decode_rgb(image, file)
    return shrink(pixels, short_side)


def load_rgb_whole(path: File) -> tuple[npt.NDArray[np.uint8], Header]:
    """Decode a picture at its own size, RGB uint8 `[H, W, 3]`, upright and on white, with its header.

    Raises `ImageError` as `load` does.
    """
    with _opened(path) as image:
        width, height, mode, kind = *image.size, image.mode, image.format or ""
        pixels = _decode_rgb(image, path)
        with _damage_named(path):
            frames = getattr(image, "n_frames", 1)
        return pixels, Header(width, height, mode, kind, frames)


def shrink(pixels: Pixels, short_side: int) -> npt.NDArray[np.uint8]:
    """Resize `[H, W, 3]` so that the shorter side is as asked, by area averages.

    Where half the size is still enough, it is halved first, several times as quick; an odd last row or
    column of a picture of 100 pixels or more is left out for it.
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


def load_gray(path: File) -> npt.NDArray[np.uint8]:
    """Decode a picture file to grey uint8 `[H, W]`, upright; this is how mask files are read."""
    return to_gray(load(path))


def to_gray(picture: Picture) -> npt.NDArray[np.uint8]:
    """Return the largest of the colours of each pixel, uint8 `[H, W]`; alpha is left out."""
    if picture.mode in ("L", "RGB") and picture.pixels.dtype == np.uint8:
        return picture.pixels if picture.mode == "L" else np.asarray(picture.pixels.max(axis=2))
    return np.asarray(to_uint8(to_rgb(picture)).max(axis=2), np.uint8)


def save(path: Path, picture: Picture) -> list[str]:
    """Write a picture in the format of the suffix, all or nothing; return notes on what was lost.

    PNG, TIFF, BMP and WebP are written without loss. Raises `ImageError` for a suffix that cannot
    be written, and where the disk refuses.
    """
    suffix = path.suffix.lower()
    if suffix not in _WRITABLE:
        allowed = ", ".join(sorted(_WRITABLE))
        raise ImageError(f"cannot write {path.name}: the suffix must be one of {allowed}")
    data, notes = encode(picture, suffix)
    if suffix not in LOSSLESS:
        notes.append(
            "JPEG is lossy: pixels outside the hole change slightly; name the output .png to keep them"
        )
    write_atomically(path, data)
    return notes


def encode(
    picture: Picture, suffix: str, *, quality: int = 95, compression: int = 6
) -> tuple[bytes, list[str]]:
    """Return the bytes of a picture file of a suffix in `_WRITABLE`, and notes on what was lost.

    `quality` is that of JPEG, 1 to 100; `compression` that of PNG, 0 to 9: 1 takes a third of the time
    of 6, and about a tenth more room.
    """
    picture, notes = _writable(picture, suffix)
    return _encode(picture, suffix, quality, compression), notes


def encode_png(image: npt.NDArray[np.uint8]) -> bytes:
    """Return the bytes of a PNG file of `[H, W, 3]`."""
    buffer = io.BytesIO()
    Image.fromarray(image).save(buffer, format="PNG", optimize=True)
    return buffer.getvalue()


def encode_webp(image: npt.NDArray[np.uint8]) -> bytes:
    """Return the bytes of a lossless WebP file of `[H, W, 3]`; what repeats in it takes little room."""
    return _encode(Picture(image, "RGB"), ".webp")


def to_rgb(picture: Picture) -> npt.NDArray[np.float32]:
    """Return RGB float32 `[H, W, 3]` in [0, 1]; alpha is left out."""
    pixels = picture.pixels
    if picture.mode == "CMYK":
        pixels = np.asarray(_to_pillow(pixels, "CMYK").convert("RGB"))
    elif picture.mode in ("L", "LA"):
        gray = pixels if pixels.ndim == 2 else pixels[..., 0]
        pixels = np.repeat(gray[..., None], 3, axis=2)
    return pixels[..., :3].astype(np.float32) / _white(pixels)


def from_rgb(rgb: npt.NDArray[np.float32], like: Picture) -> Pixels:
    """Return the pixels of a picture like the given one, in these colours and with its own alpha.

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


def from_array(array: Pixels) -> Picture:
    """Take an array `[H, W]`, `[H, W, 3]` or `[H, W, 4]` for a picture.

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
    return Picture(array, mode)


def from_pillow(image: Image.Image) -> Picture:
    """Take a Pillow image for a picture; raises `ImageError` for 32-bit and floating-point modes."""
    pixels, mode = _to_known_mode(image, "the image")
    return Picture(pixels, mode)


def to_pillow(picture: Picture) -> Image.Image:
    """Turn a picture with 8 bits a channel, or 16-bit grey, into a Pillow image."""
    return _to_pillow(picture.pixels, picture.mode)


def to_uint8(rgb: npt.NDArray[np.float32]) -> npt.NDArray[np.uint8]:
    """Round values in [0, 1] to 0…255; what lies outside is clipped."""
    return np.rint(np.clip(rgb, 0, 1) * 255).astype(np.uint8)


def check_range(low: float, high: float) -> None:
    """Refuse values that do not lie in [0, 1], naming their range and the cure."""
    if low >= 0 and high <= 1:
        return
    if math.isnan(low) or math.isnan(high):
        raise ImageError("image values are not finite: there is a NaN in it")
    cure = "divide by 255" if high > 2 else "shift and scale it to 0 to 1"
    raise ImageError(f"image values run from {low:g} to {high:g}, expected 0 to 1: {cure}")


def _white(pixels: Pixels) -> np.float32:
    """The value of white in an array."""
    return np.float32(1 if pixels.dtype.kind == "f" else np.iinfo(pixels.dtype).max)


def _quantise(values: npt.NDArray[np.float32], like: Pixels) -> Pixels:
    """Bring values in [0, 1] to the type and range of an array."""
    scaled = np.clip(values, 0, 1) * _white(like)
    return (scaled if like.dtype.kind == "f" else np.rint(scaled)).astype(like.dtype)


def _in_memory(path: File) -> File:
    """Read a file's bytes once; a path that cannot be read is left for `_opened` to complain of."""
    try:
        return path if isinstance(path, Encoded) else Encoded(path.name, path.read_bytes())
    except OSError:
        return path


def _decode_plain_jpeg(file: File, short_side: int) -> Pixels | None:
    """Decode a common JPEG to BGR by OpenCV, upright and at least twice the size asked for.

    It takes half of Pillow's time. None for everything else, and for a file that does not end as it
    should, of which OpenCV would make a half-grey picture: Pillow judges those.
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


def _check_large_enough(path: File, width: int, height: int, short_side: int) -> None:
    if min(width, height) < short_side:
        raise ImageError(f"{path.name} is {width}×{height}, less than --size {short_side}", "small")


def _opened(
    path: File, formats: tuple[str, ...] | None = None, max_pixels: int = MAX_PIXELS
) -> Image.Image:
    """Open a file with its header read and its size checked, but no pixel decoded."""
    try:
        stream = io.BytesIO(path.data) if isinstance(path, Encoded) else path
        with warnings.catch_warnings():
            # Pillow warns of large pictures; we refuse them with a limit of our own just below.
            warnings.simplefilter("ignore")
            image = Image.open(stream, formats=formats)
    except UnidentifiedImageError:
        allowed = f": it must be {', '.join(formats)}" if formats else ""
        raise ImageError(f"{path.name} is not a picture that can be read{allowed}") from None
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


def _complete(image: Image.Image, path: File) -> Image.Image:
    """Decode all pixels; a file cut short is an error, not a half-grey picture."""
    with _damage_named(path):
        image.load()
    return image


@contextmanager
def _damage_named(path: File) -> Iterator[None]:
    """Turn what decoders raise for a damaged file into one error that names it."""
    try:
        with warnings.catch_warnings():
            # Decoders warn of odd metadata, which does not concern the pixels.
            warnings.simplefilter("ignore")
            yield
    except (OSError, SyntaxError, ValueError, EOFError, IndexError, struct.error) as error:
        raise _damaged(path, error) from None


def _damaged(path: File, error: Exception | None = None) -> ImageError:
    reason = f": {error}" if error else ""
    return ImageError(f"{path.name} is damaged or cut short{reason}", finding="damaged")


def _decode_rgb(image: Image.Image, path: File) -> npt.NDArray[np.uint8]:
    """Decode an open file to RGB uint8, upright and on white."""
    if image.mode not in ("L", "RGB") or _is_deep_colour(image):
        return _on_white(_decode(image, path))
    _complete(image, path)
    with _damage_named(path):
        upright = ImageOps.exif_transpose(image)
    return np.asarray(upright.convert("RGB"))


def _decode(image: Image.Image, path: File) -> Picture:
    """Decode an open file into the modes that `Picture` knows."""
    deep = _is_deep_colour(image)  # asked first: reading the EXIF of a PNG decodes it
    icc_profile, exif = image.info.get("icc_profile"), _exif(image, path)
    orientation = exif.get(_EXIF_ORIENTATION, 1)
    exif.pop(_EXIF_ORIENTATION, None)
    if deep:
        pixels, mode = _decode_deep_colour(path)
    else:
        pixels, mode = _to_known_mode(_complete(image, path), path.name)
    return Picture(
        _upright(pixels, orientation), mode, icc_profile, exif.tobytes() if len(exif) else None
    )


def _exif(image: Image.Image, path: File) -> Image.Exif:
    """Read the EXIF data, for which some formats decode all of the file."""
    with _damage_named(path):
        return image.getexif()


def _is_deep_colour(image: Image.Image) -> bool:
    """Tell whether the file holds 16-bit colour, which Pillow would cut to 8 bit."""
    codecs = [str(tile.args) for tile in getattr(image, "tile", [])]
    return image.mode in ("RGB", "RGBA", "LA") and any(";16" in codec for codec in codecs)


def _decode_deep_colour(path: File) -> tuple[Pixels, str]:
    data = path.data if isinstance(path, Encoded) else path.read_bytes()
    pixels = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_UNCHANGED)
    if pixels is None or pixels.dtype != np.uint16:
        raise _damaged(path)
    if pixels.ndim == 2:
        return pixels, "L"
    if pixels.shape[2] == 4:
        return cv2.cvtColor(pixels, cv2.COLOR_BGRA2RGBA), "RGBA"
    return cv2.cvtColor(pixels, cv2.COLOR_BGR2RGB), "RGB"


def _to_known_mode(image: Image.Image, name: str) -> tuple[Pixels, str]:
    if image.mode in ("L", "LA", "RGB", "RGBA", "CMYK"):
        return np.asarray(image), image.mode
    if image.mode.startswith("I"):
        pixels = np.asarray(image)
        if pixels.min() < 0 or pixels.max() > 65535:
            raise ImageError(f"{name} has 32-bit values: save it with 8 or 16 bits a channel")
        return pixels.astype(np.uint16), "L"
    if image.mode == "F":
        raise ImageError(f"{name} has floating-point values: save it with 8 or 16 bits a channel")
    if image.mode == "1":
        goal = "L"
    elif image.mode in ("PA", "La", "RGBa") or "transparency" in image.info:
        goal = "RGBA"
    else:
        goal = "RGB"
    return np.asarray(image.convert(goal)), goal


def _upright(pixels: Pixels, orientation: int) -> Pixels:
    turns, flipped = _UPRIGHT.get(orientation, (0, False))
    turned = np.rot90(pixels, turns)
    return np.ascontiguousarray(np.fliplr(turned) if flipped else turned)


def _on_white(picture: Picture) -> npt.NDArray[np.uint8]:
    rgb = to_rgb(picture)
    if picture.mode in ("LA", "RGBA"):
        alpha = picture.pixels[..., -1:].astype(np.float32) / _white(picture.pixels)
        rgb = rgb * alpha + (1 - alpha)
    return to_uint8(rgb)


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
    image = _to_pillow(picture.pixels, picture.mode).convert(goal)
    profile = picture.icc_profile if picture.mode != "CMYK" else None
    return replace(picture, pixels=np.asarray(image), mode=goal, icc_profile=profile)


def _encode(picture: Picture, suffix: str, quality: int = 95, compression: int = 6) -> bytes:
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
    elif suffix == ".png":
        options |= {"compress_level": compression}
    buffer = io.BytesIO()
    names = {".jpg": "JPEG", ".tif": "TIFF"}
    format_name = names.get(suffix, suffix[1:].upper())
    _to_pillow(picture.pixels, picture.mode).save(buffer, format=format_name, **options)
    return buffer.getvalue()


def _to_pillow(pixels: Pixels, mode: str) -> Image.Image:
    if mode == "CMYK":  # four channels would be taken for RGBA
        height, width = pixels.shape[:2]
        return Image.frombytes("CMYK", (width, height), np.ascontiguousarray(pixels).tobytes())
    return Image.fromarray(pixels)


def _encode_deep_colour(pixels: Pixels, suffix: str) -> bytes:
    order = cv2.COLOR_RGBA2BGRA if pixels.shape[2] == 4 else cv2.COLOR_RGB2BGR
    done, data = cv2.imencode(suffix, cv2.cvtColor(pixels, order))
    if not done:
        raise ImageError(f"cannot encode a 16-bit picture as {suffix}")
    return data.tobytes()

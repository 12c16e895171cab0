"""What files hold beside pixels: colour profile, EXIF, XMP and resolution, kept from file to file."""

import io
import math
import re
import struct
from typing import Any

from PIL import Image, PngImagePlugin, TiffTags
from PIL.TiffImagePlugin import ImageFileDirectory_v2

from inpaintlab.images.values import DecodedImage

ORIENTATION = 0x0112
_XMP_ORIENTATION = re.compile(rb'(tiff:Orientation(?:="|>))([2-8])')
_EXIF_FOLDER, _GPS_FOLDER = 0x8769, 0x8825
_STRIPS, _STRIP_BYTES, _ROWS = 273, 279, 278
_XMP, _PROFILE = 700, 34675
#: Tags of a TIFF that say how its pixels lie in the file. They stand among the EXIF data that is read
#: from a TIFF, and would contradict the file that is written. Left out is, too, what has its own field.
_OF_THE_FILE = frozenset(
    {254, 255, 256, 257, 258, 259, 262, 263, 264, 265, 266, _STRIPS, 277, _ROWS, _STRIP_BYTES}
    | {280, 281, 282, 283, 284, 288, 289, 290, 291, 292, 293, 296, 297, 301, 317, 318, 319, 320, 321}
    | {322, 323, 324, 325, 330, 332, 338, 339, 340, 341, 347, 512, 513, 514, 529, 530, 531, 532}
    | {_XMP, _PROFILE, 42112, 42113}
)
#: Colour space in the header of an ICC profile -> modes that it can belong to.
_SPACES = {b"GRAY": ("L", "LA"), b"RGB ": ("RGB", "RGBA"), b"CMYK": ("CMYK",)}
_PNG_START = 33  # signature and header chunk


def exif_of(image: Image.Image) -> Image.Exif | None:
    """Return the EXIF data of an open image; None for what stands in their place and is none."""
    try:
        return image.getexif()
    except Exception:  # noqa: BLE001 - of odd data, Pillow raises whatever comes up
        return None


def orientation_of(exif: Image.Exif | None) -> int:
    """Return how the pixels of a file lie, 1 to 8; what is no such number is 1, upright."""
    value = exif.get(ORIENTATION) if exif is not None else None
    return value if isinstance(value, int) and 1 <= value <= 8 else 1


def of_file(
    exif: Image.Exif | None, info: dict[Any, Any], orientation: int
) -> tuple[dict[str, Any], list[str]]:
    """Return what a `DecodedImage` keeps of a file beside its pixels, which lay by an orientation.

    With it come the names of what cannot be read and is left out.
    """
    xmp = info.get("xmp")
    xmp = xmp.encode(errors="replace") if isinstance(xmp, str) else xmp
    kept, lost = _sound_exif(exif) if exif is not None else (None, ["EXIF"])
    return {
        "icc_profile": info.get("icc_profile") or None,
        "exif": kept,
        "xmp": _XMP_ORIENTATION.sub(rb"\g<1>1", xmp) if xmp else None,
        "dpi": _resolution(info, turned=orientation in (5, 6, 7, 8)),
    }, lost


def _sound_exif(exif: Image.Exif) -> tuple[bytes | None, list[str]]:
    """Return EXIF data as bytes, and what is left out: entries that are not of the type of their tag."""
    for tag in [tag for tag in exif if tag == ORIENTATION or tag in _OF_THE_FILE]:
        del exif[tag]
    if (data := _exif_bytes(exif)) is not None:
        return data or None, []
    sound = Image.Exif()
    for tag in exif:
        value = _entry(exif, tag)
        if isinstance(value, dict):
            value = {name: one for name, one in value.items() if _exif_bytes(_alone(name, one))}
        if value and _exif_bytes(_alone(tag, value)):
            sound[tag] = value
    return _exif_bytes(sound) or None, ["entries of the EXIF data"]


def _entry(exif: Image.Exif, tag: int) -> Any:
    """Return an entry, or all of a folder of them; None for what cannot be read."""
    try:
        return exif.get_ifd(tag) if tag in (_EXIF_FOLDER, _GPS_FOLDER) else exif[tag]
    except Exception:  # noqa: BLE001 - as in `exif_of`
        return None


def _alone(tag: int, value: Any) -> Image.Exif:
    exif = Image.Exif()
    exif[tag] = value
    return exif


def _exif_bytes(exif: Image.Exif) -> bytes | None:
    """Return EXIF data as bytes, none if there are no entries; None for what cannot be written."""
    try:
        return exif.tobytes() if len(exif) else b""
    except Exception:  # noqa: BLE001 - as in `exif_of`
        return None


def _resolution(info: dict[Any, Any], *, turned: bool) -> tuple[float, float] | None:
    """Return pixels per inch, across and down; 1 is what Pillow gives for a TIFF that does not say."""
    try:
        across, down = (float(value) for value in info["dpi"])
    except (KeyError, TypeError, ValueError, ZeroDivisionError):
        return None
    if not all(math.isfinite(value) and 1 < value < 65535 for value in (across, down)):
        return None
    return (down, across) if turned else (across, down)


def profile_fits(profile: bytes, mode: str) -> bool:
    """Tell whether a colour profile can belong to pixels of a mode; one of an unknown space can."""
    return mode in _SPACES.get(profile[16:20], (mode,))


def options(image: DecodedImage, suffix: str) -> dict[str, Any]:
    """Return what Pillow's `save` takes to keep what stands beside the pixels.

    Of a TIFF nothing: Pillow fails on one that is compressed and has folders in its EXIF data, so that
    `into_tiff` is for all of them.
    """
    if suffix in (".tif", ".tiff"):
        return {}
    kept: dict[str, Any] = {"icc_profile": image.icc_profile, "exif": image.exif}
    if suffix != ".webp":
        kept["dpi"] = image.dpi
    if suffix == ".png" and image.xmp:
        text = PngImagePlugin.PngInfo()
        text.add_itxt("XML:com.adobe.xmp", image.xmp.decode(errors="replace"))
        kept["pnginfo"] = text
    elif suffix in (".jpg", ".jpeg", ".webp"):
        kept["xmp"] = image.xmp
    return {key: value for key, value in kept.items() if value}


def into_png(data: bytes, image: DecodedImage) -> bytes:
    """Put what stands beside the pixels into a PNG file that was written without it.

    Pillow, which cannot write 16-bit colour, writes a file of one pixel whose chunks are copied.
    """
    buffer = io.BytesIO()
    Image.new("RGB", (1, 1)).save(buffer, format="PNG", **options(image, ".png"))
    donor, chunks, place = buffer.getvalue(), b"", _PNG_START
    while place < len(donor):
        (length,) = struct.unpack_from(">I", donor, place)
        end = place + length + 12
        chunks += donor[place:end] if donor[place + 4 : place + 8] not in (b"IDAT", b"IEND") else b""
        place = end
    return data[:_PNG_START] + chunks + data[_PNG_START:]


def into_tiff(data: bytes, decoded: DecodedImage) -> bytes:
    """Put what stands beside the pixels into a TIFF file of strips that was written without it."""
    if not any((decoded.icc_profile, decoded.exif, decoded.xmp, decoded.dpi)):
        return data
    with Image.open(io.BytesIO(data)) as image:
        written = dict(image.tag_v2)  # type: ignore[attr-defined]
        types = image.tag_v2.tagtype  # type: ignore[attr-defined]
    parts = zip(written[_STRIPS], written[_STRIP_BYTES], strict=True)
    strips = [data[start : start + length] for start, length in parts]
    tags = ImageFileDirectory_v2(ifh=data[:8])
    for tag, value in written.items():
        tags.tagtype[tag] = types[tag]
        tags[tag] = value
    # Offsets count from the end of the tags: Pillow moves them when it knows where that is.
    tags.tagtype[_STRIPS] = TiffTags.LONG
    tags[_STRIPS] = tuple(sum(len(strip) for strip in strips[:count]) for count in range(len(strips)))
    for tag, value in _tiff_tags(decoded).items():
        tags[tag] = value
    if decoded.icc_profile:
        tags.tagtype[_PROFILE] = TiffTags.UNDEFINED
        tags[_PROFILE] = decoded.icc_profile
    if decoded.dpi:
        tags[282], tags[283], tags[296] = *decoded.dpi, 2
    buffer = io.BytesIO()
    tags.save(buffer)
    return buffer.getvalue() + b"".join(strips)


def _tiff_tags(image: DecodedImage) -> ImageFileDirectory_v2:
    """Return EXIF and XMP as tags of a TIFF."""
    tags = ImageFileDirectory_v2()
    exif = Image.Exif()
    if image.exif:
        exif.load(image.exif)
    for tag, value in exif.items():
        tags[tag] = exif.get_ifd(tag) if tag in (_EXIF_FOLDER, _GPS_FOLDER) else value
        if tag in (_EXIF_FOLDER, _GPS_FOLDER):
            tags.tagtype[tag] = TiffTags.LONG
    if image.xmp:
        tags.tagtype[_XMP] = TiffTags.BYTE
        tags[_XMP] = image.xmp
    return tags

"""Files without the metadata that Pillow fails on, which would cost a sound image.

Of PNG, what is carried from file to file is tried piece by piece beside one pixel, and all else that is
no pixel is left out. Of TIFF, entries that point out of the file are left out, at which Pillow stops
reading. With JPEG and WebP it needs no such help (benchmarks/metadata.py).
"""

import io
import struct
import warnings
import zlib

from PIL import Image

_PNG = b"\x89PNG\r\n\x1a\n"
_PIXEL = struct.pack(">IIBBBBB", 1, 1, 8, 0, 0, 0, 0)
#: What is kept of a PNG beside its pixels, by the beginnings of chunks, the first of each.
_CARRIED = (b"eXIf", b"iCCP", b"pHYs", b"iTXtXML:com.adobe.xmp\0", b"zTXtRaw profile type exif\0")
#: Bytes of a value by the type of an entry.
_SIZES = dict(enumerate((0, 1, 1, 2, 4, 8, 1, 1, 2, 4, 8, 4, 8, 4, 0, 0, 8, 8, 8)))
#: How classic and big TIFF are laid out: where the place of the folder stands; the width of places and
#: of counts of values; that of counts of entries.
_FOLDERS = {42: (4, "I", "H"), 43: (8, "Q", "Q")}


def without_odd_metadata(data: bytes) -> bytes | None:
    """Return the bytes of a file without metadata that cannot be read; None where there are none.

    What says how the pixels lie is kept as it is, sound or not.
    """
    try:
        if data.startswith(_PNG):
            mended = _mended_png(data)
        elif data[:2] in (b"II", b"MM"):
            mended = _mended_tiff(data)
        else:
            return None
    except (struct.error, KeyError):  # cut short
        return None
    return mended if mended != data else None


def _mended_png(data: bytes) -> bytes:
    kept, place, seen = [_PNG], len(_PNG), set()
    while place < len(data):
        (length,) = struct.unpack_from(">I", data, place)
        piece = data[place : place + length + 12]
        place += len(piece)
        body = piece[4:-4]
        carried = next((name for name in _CARRIED if body.startswith(name)), None)
        if carried is None:
            is_of_pixels = body[:1].isupper() or body[:4] == b"tRNS"
            kept += [piece] if is_of_pixels else []
        elif carried not in seen:  # of many, more would only take time
            seen.add(carried)
            is_whole = piece[-4:] == struct.pack(">I", zlib.crc32(body))
            kept += [piece] if is_whole and _is_read(body) else []
    return b"".join(kept)


def _is_read(body: bytes) -> bool:
    """Tell whether Pillow reads a PNG of one pixel with this chunk in it."""
    bodies = (b"IHDR" + _PIXEL, body, b"IDAT" + zlib.compress(b"\0\0"), b"IEND")
    chunks = [struct.pack(">I", len(b) - 4) + b + struct.pack(">I", zlib.crc32(b)) for b in bodies]
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            with Image.open(io.BytesIO(_PNG + b"".join(chunks))) as image:
                image.load()
    except Exception:  # noqa: BLE001 - of odd chunks, Pillow raises whatever comes up
        return False
    return True


def _mended_tiff(data: bytes) -> bytes:
    order = "<" if data[:2] == b"II" else ">"
    (version,) = struct.unpack_from(f"{order}H", data, 2)
    place, long, short = _FOLDERS[version]
    (start,) = struct.unpack_from(order + long, data, place)
    (count,) = struct.unpack_from(order + short, data, start)
    entry, inline = struct.Struct(f"{order}HH{long}{long}"), struct.calcsize(long)
    first = start + struct.calcsize(short)
    end = first + count * entry.size
    if end > len(data):
        return data
    kept = []
    for at in range(first, end, entry.size):
        _, kind, values, offset = entry.unpack_from(data, at)
        size = values * _SIZES.get(kind, 0)
        if size <= inline or offset + size <= len(data):
            kept.append(data[at : at + entry.size])
    folder = struct.pack(order + short, len(kept)) + b"".join(kept) + data[end : end + inline]
    return data[:start] + folder + data[start + len(folder) :]

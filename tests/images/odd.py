"""Sound images with odd metadata: one table, which the tests of every door run through.

Each maker takes pixels, uint8 `[H, W, 3]` or grey, to the bytes of a file that holds exactly them.
"""

import io
import struct
import zlib

import cv2
import numpy as np
from PIL import Image

_LARGE = zlib.compress(bytes(1_200_000))


def encoded(pixels, kind="PNG", **options):
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, kind, **options)
    return buffer.getvalue()


def chunk(name, body, wrong=0):
    return (
        struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body) ^ wrong)
    )


def in_png(*parts, last=False, wrong=0):
    """A PNG with a chunk behind its header, or before its end."""

    def make(pixels):
        data, place = encoded(pixels), -12 if last else 33
        return data[:place] + chunk(*parts, wrong) + data[place:]

    return make


def in_jpeg(tiff):
    """A JPEG, as good as lossless in flat colours, with these EXIF data."""

    def make(pixels):
        data, body = encoded(pixels, "JPEG", quality=100, subsampling=0), b"Exif\0\0" + tiff
        return data[:2] + b"\xff\xe1" + struct.pack(">H", len(body) + 2) + body + data[2:]

    return make


def in_webp(name, body):
    def make(pixels):
        data = encoded(pixels, "WEBP", lossless=True, exif=b"Exif\0\0II*\0\x08\0\0\0\0\0\0\0\0\0")
        data += name + struct.pack("<I", len(body)) + body + bytes(len(body) % 2)
        return data[:4] + struct.pack("<I", len(data) - 8) + data[8:]

    return make


def entries(*values):
    """EXIF data with entries (tag, type, count, the four bytes of the value)."""
    packed = (struct.pack("<HHI", tag, kind, count) + value for tag, kind, count, value in values)
    return b"II*\0\x08\0\0\0" + struct.pack("<H", len(values)) + b"".join(packed) + bytes(4)


def in_tiff(tag, kind, count, offset, big=False, **options):
    """A TIFF whose software entry became another one."""

    def make(pixels):
        data = encoded(pixels, "TIFF", software="a program", big_tiff=big, **options)
        form = "<HHQQ" if big else "<HHII"
        with Image.open(io.BytesIO(data)) as image:
            place = image.tag_v2._offset
        size, first = struct.calcsize(form), place + (8 if big else 2)
        at = next(at for at in range(first, len(data), size) if data[at : at + 2] == b"\x31\1")
        return data[:at] + struct.pack(form, tag, kind, count, offset) + data[at + size :]

    return make


def deep_with_text(pixels):
    data = cv2.imencode(".png", cv2.cvtColor(pixels, cv2.COLOR_RGB2BGR).astype(np.uint16) * 257)[
        1
    ].tobytes()
    return data[:33] + chunk(b"zTXt", b"workflow\0\0" + _LARGE) + data[33:]


FLOAT_FOR_TEXT = (0x0131, 11, 1, struct.pack("<f", 1.5))
ODD = {
    "eXIf that is no TIFF": in_png(b"eXIf", b"\0\x08\0\2\1\x12\0\3"),
    "empty eXIf": in_png(b"eXIf", b""),
    "text over 1 MB": in_png(b"zTXt", b"workflow\0\0" + _LARGE),
    "text over 1 MB behind the pixels": in_png(b"zTXt", b"workflow\0\0" + _LARGE, last=True),
    "international text over 1 MB": in_png(b"iTXt", b"a\0\1\0\0\0" + _LARGE),
    "XMP over 1 MB": in_png(b"iTXt", b"XML:com.adobe.xmp\0\1\0\0\0" + _LARGE),
    "profile over 1 MB": in_png(b"iCCP", b"ICC\0\0" + _LARGE),
    "profile in an unknown packing": in_png(b"iCCP", b"ICC\0\x07nothing"),
    "raw EXIF that is no number": in_png(b"tEXt", b"Raw profile type exif\0\nexif\n 2\nxy"),
    "resolution cut short": in_png(b"pHYs", b"\0\0"),
    "checksum of a text": in_png(b"tEXt", b"a\0b", wrong=1),
    "text over 1 MB in 16 bits": deep_with_text,
    "software is a number": in_jpeg(entries(FLOAT_FOR_TEXT)),
    "orientation twice": in_jpeg(entries((0x0112, 3, 2, struct.pack("<HH", 1, 1)))),
    "orientation is text": in_jpeg(entries((0x0112, 2, 4, b"six\0"))),
    "orientation of 77": in_jpeg(entries((0x0112, 3, 1, struct.pack("<HH", 77, 0)))),
    "folder that points nowhere": in_jpeg(entries((0x8769, 4, 1, b"\xff\xff\xff\x7f"))),
    "EXIF of noise": in_jpeg(np.random.default_rng(0).bytes(300)),
    "WebP with EXIF of noise": in_webp(b"EXIF", np.random.default_rng(0).bytes(301)),
    "WebP with XMP of noise": in_webp(b"XMP ", np.random.default_rng(0).bytes(300)),
    "TIFF with a text out of the file": in_tiff(0x0131, 2, 2**31, 8),
    "TIFF with a number for a text": in_tiff(0x0131, 11, 1, 0),
    "TIFF of an unknown type": in_tiff(0x0131, 99, 1, 0),
    "packed TIFF with a text out of the file": in_tiff(0x0131, 2, 2**31, 8, compression="tiff_lzw"),
    "big TIFF with a text out of the file": in_tiff(0x0131, 2, 2**40, 8, big=True),
}

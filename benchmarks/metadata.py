"""Spoils what stands beside the pixels of sound images, and counts that every one is read and written.

Of JPEG, PNG, TIFF and WebP files, profile, EXIF, XMP, resolution, texts and unknown pieces are
overwritten, cut, enlarged, repeated and invented; lengths and checksums stay right, and no byte of the
pixels is touched. A file counts as read where its pixels come back, in any orientation that a spoilt
entry may name, at every door: `load` (filling, REST), `load_rgb` (training) and `load_rgb_whole`
(preparing). It is then written to every format, where a changed pixel counts as a failure, too. So do
warnings.

Usage: python benchmarks/metadata.py [CASES]      8,000 cases by default
"""

import io
import struct
import sys
import traceback
import warnings
import zlib
from collections import Counter
from collections.abc import Callable

import numpy as np
from PIL import Image, ImageCms, PngImagePlugin

from inpaintlab.images import Encoded, encode, load, load_rgb, load_rgb_whole

SIZE = (40, 28)
Random = np.random.Generator
#: A name and a body: a chunk of PNG or WebP, a segment of JPEG.
Piece = tuple[bytes, bytes]


def main(cases: int = 8_000) -> None:
    random = np.random.default_rng(0)
    read: Counter[str] = Counter()
    failures: Counter[str] = Counter()
    notes = 0
    for number in range(cases):
        kind = sorted(SPOIL)[number % len(SPOIL)]
        data, truth = sample(random, kind)
        spoilt = SPOIL[kind](random, data)
        read[kind] += 1
        for door, use in DOORS.items():
            try:
                with warnings.catch_warnings():
                    warnings.simplefilter("error")
                    notes += use(Encoded(f"a.{kind}", spoilt), truth)
            except Exception as error:  # noqa: BLE001 - all are counted
                failures[f"{kind} at {door}: {type(error).__name__}: {error}"] += 1
                if failures.total() <= 3:
                    traceback.print_exc()
    for kind, count in read.items():
        failed = sum(n for what, n in failures.items() if what.startswith(f"{kind} "))
        print(f"{kind:5} {count:6,} files, {failed} failures at {len(DOORS)} doors")
    for what, count in failures.most_common(20):
        print(f"{count:6} {what}")
    print(f"{read.total():,} files, {failures.total()} failures, {notes:,} with a note of what was lost")
    assert not failures, "a sound image was lost"


def sample(random: Random, kind: str) -> tuple[bytes, np.ndarray]:
    """Return a file with all that can stand beside pixels, and its pixels, RGB."""
    pixels = random.integers(0, 256, (SIZE[1], SIZE[0], 3), np.uint8)
    exif = Image.Exif()
    exif[0x8298], exif[0x0110], exif[0x0132] = "me", "a camera", "2024:01:01 00:00:00"
    exif.get_ifd(0x8769)[0x829A], exif.get_ifd(0x8769)[0x9003] = 0.25, "2024:01:01 00:00:00"
    exif.get_ifd(0x8825)[1], exif.get_ifd(0x8825)[2] = "N", (1.0, 2.0, 3.0)
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    options = {"exif": exif, "icc_profile": profile}
    xmp = b'<x:xmpmeta xmlns:x="adobe:ns:meta/"><a tiff:Orientation="1">here</a></x:xmpmeta>'
    if kind == "jpg":
        options |= {"xmp": xmp, "dpi": (300, 150), "comment": b"by me", "quality": 95}
    elif kind == "png":
        text = PngImagePlugin.PngInfo()
        text.add_itxt("XML:com.adobe.xmp", xmp.decode())
        text.add_text("a", "b", zip=True)
        options |= {"pnginfo": text, "dpi": (300, 150)}
    elif kind == "webp":
        options |= {"xmp": xmp, "lossless": True}
    else:
        packed = random.choice(["raw", "tiff_lzw", "tiff_adobe_deflate"])
        options |= {"dpi": (300, 150), "compression": str(packed), "tiffinfo": {700: xmp}}
    buffer = io.BytesIO()
    names = {"jpg": "JPEG", "tif": "TIFF"}
    Image.fromarray(pixels).save(buffer, names.get(kind, kind.upper()), **options)
    with Image.open(buffer) as image:
        return buffer.getvalue(), np.asarray(image)


def spoilt_bytes(random: Random, body: bytes) -> bytes:
    """Overwrite, cut, enlarge, repeat or replace."""
    body = bytearray(body)
    for _ in range(random.integers(1, 4)):
        place = int(random.integers(0, len(body) + 1))
        piece = random.bytes(int(random.integers(1, 9)))
        match random.integers(6):
            case 0 | 1:
                body[place : place + len(piece)] = piece
            case 2:
                del body[place:]
            case 3:
                body[place:place] = piece
            case 4:
                body += body[place : place + 2_000]
            case _:
                body = bytearray(random.bytes(int(random.integers(0, 200))))
    return bytes(body)


def spoil_pieces(
    random: Random, pieces: list[Piece], named: tuple[bytes, ...], most: int
) -> list[Piece]:
    """Spoil pieces of these names, and put in new ones; the last piece stays the last."""
    spoilt = []
    for name, body in pieces:
        wanted = name in named and random.integers(2)
        spoilt.append((name, spoilt_bytes(random, body)[:most] if wanted else body))
        if name in named and not random.integers(8):
            spoilt.append(spoilt[-1])
    if not random.integers(4):
        new = (named[random.integers(len(named))], random.bytes(int(random.integers(0, 60))))
        spoilt.insert(int(random.integers(1, len(spoilt))), new)
    return spoilt


_PNG_NAMES = (b"eXIf", b"iCCP", b"iTXt", b"tEXt", b"zTXt", b"pHYs", b"tIME", b"gAMA", b"cHRM", b"vpAg")
_BOMB = zlib.compress(bytes(3_000_000))


def spoil_png(random: Random, data: bytes) -> bytes:
    pieces, place = [], 8
    while place < len(data):
        (length,) = struct.unpack_from(">I", data, place)
        pieces.append((data[place + 4 : place + 8], data[place + 8 : place + 8 + length]))
        place += length + 12
    pieces = spoil_pieces(random, pieces, _PNG_NAMES, 2**31)
    if not random.integers(8):  # more text, or a larger profile, than decoders take
        bombs = [(b"zTXt", b"a\0\0" + _BOMB), (b"iCCP", b"a\0\0" + _BOMB)]
        bombs.append((b"iTXt", b"a\0\1\0\0\0" + _BOMB))
        place = int(random.integers(1, len(pieces)))
        pieces.insert(place, bombs[random.integers(len(bombs))])
    return data[:8] + b"".join(
        struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body))
        for name, body in pieces
    )


def spoil_jpeg(random: Random, data: bytes) -> bytes:
    pieces, place = [], 2
    while data[place + 1] != 0xDA:  # where the pixels begin
        (length,) = struct.unpack_from(">H", data, place + 2)
        pieces.append((data[place : place + 2], data[place + 4 : place + 2 + length]))
        place += 2 + length
    names = (b"\xff\xe1", b"\xff\xe2", b"\xff\xed", b"\xff\xfe")
    pieces = spoil_pieces(random, pieces, names, 65_533)
    segments = (name + struct.pack(">H", len(body) + 2) + body for name, body in pieces)
    return data[:2] + b"".join(segments) + data[place:]


def spoil_webp(random: Random, data: bytes) -> bytes:
    pieces, place = [], 12
    while place < len(data):
        (length,) = struct.unpack_from("<I", data, place + 4)
        pieces.append((data[place : place + 4], data[place + 8 : place + 8 + length]))
        place += 8 + length + length % 2
    pieces = spoil_pieces(random, pieces, (b"EXIF", b"XMP ", b"ICCP"), 2**31)
    body = b"WEBP" + b"".join(
        name + struct.pack("<I", len(body)) + body + bytes(len(body) % 2) for name, body in pieces
    )
    return b"RIFF" + struct.pack("<I", len(body)) + body


#: Tags that say nothing of how the pixels lie in the file; the resolution is among them.
_TIFF_TAGS = (270, 271, 272, 274, 282, 283, 296, 305, 306, 315, 700, 33432, 33723, 34665, 34675, 34853)


def spoil_tiff(random: Random, data: bytes) -> bytes:
    """Spoil entries of the folder and what they point to, and add some; the folder moves to the end."""
    order = "<" if data[:2] == b"II" else ">"
    (start,) = struct.unpack_from(f"{order}I", data, 4)
    (count,) = struct.unpack_from(f"{order}H", data, start)
    entries = [data[start + 2 + 12 * n : start + 14 + 12 * n] for n in range(count)]
    for number, entry in enumerate(entries):
        (tag,) = struct.unpack_from(f"{order}H", entry)
        if tag in _TIFF_TAGS and not random.integers(3):
            place = int(random.integers(2, 12))
            entries[number] = entry[:place] + random.bytes(12 - place)
    if not random.integers(3):
        tag = int(random.choice(_TIFF_TAGS))
        kind, length = int(random.integers(0, 20)), int(random.integers(0, 9))
        new = struct.pack(f"{order}HHII", tag, kind, length, int(random.integers(0, 2**31)))
        present = [struct.unpack_from(f"{order}H", entry)[0] for entry in entries]
        if tag not in present:
            entries.append(new)
    entries.sort(key=lambda entry: struct.unpack_from(f"{order}H", entry))
    folder = struct.pack(f"{order}H", len(entries)) + b"".join(entries) + bytes(4)
    data += bytes(len(data) % 2)
    return data[:4] + struct.pack(f"{order}I", len(data)) + data[8:] + folder


SPOIL: dict[str, Callable[[Random, bytes], bytes]] = {
    "jpg": spoil_jpeg,
    "png": spoil_png,
    "tif": spoil_tiff,
    "webp": spoil_webp,
}


def compare(seen: np.ndarray, truth: np.ndarray, tolerance: int = 0) -> None:
    """Refuse other pixels than the true ones, in whichever of the eight orientations."""
    turned = [np.rot90(flat, turns) for flat in (truth, truth[:, ::-1]) for turns in range(4)]
    same = (
        np.abs(one.astype(int) - seen).max() <= tolerance for one in turned if one.shape == seen.shape
    )
    assert any(same), "other pixels"


def read_whole(file: Encoded, truth: np.ndarray) -> int:
    compare(load_rgb_whole(file)[0], truth)
    return 0


def read_for_training(file: Encoded, truth: np.ndarray) -> int:
    # A JPEG is decoded by OpenCV here, which rounds colours in its own way.
    compare(load_rgb(file, min(SIZE)), truth, 3)
    return 0


def fill_and_write(file: Encoded, truth: np.ndarray) -> int:
    image = load(file)
    compare(image.pixels, truth)
    for suffix in (".png", ".tif", ".webp", ".bmp", ".jpg"):
        again = load(Encoded(f"b{suffix}", encode(image, suffix)[0]))
        compare(again.pixels, image.pixels, 255 if suffix == ".jpg" else 0)
    return bool(image.notes)


DOORS: dict[str, Callable[[Encoded, np.ndarray], int]] = {
    "load and encode": fill_and_write,
    "load_rgb": read_for_training,
    "load_rgb_whole": read_whole,
}


if __name__ == "__main__":
    main(*(int(word) for word in sys.argv[1:]))

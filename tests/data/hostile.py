"""A folder of broken, hostile and odd files, as one finds them in scraped collections."""

import io
import os
import struct
import zlib
from pathlib import Path

import numpy as np
from PIL import Image

#: What is written of each kind, and the finding that must come of it (None: an image to be used).
KINDS = {
    "cut": (20, "damaged"),
    "bomb": (10, "bomb"),
    "text": (20, "unreadable"),
    "empty": (10, "unreadable"),
    "noise": (20, "unreadable"),
    "corrupt": (10, "damaged"),
    "loop": (5, "unreadable"),
    "badname": (10, "unreadable"),
    "pipe": (1, "unreadable"),
    "longtext": (1, "unreadable"),
    "shard": (4, "unreadable"),
    "float": (5, "unreadable"),
    "tiny": (5, "small"),
    "long": (5, "narrow"),
    "constant": (10, "constant"),
    "wrong": (10, "suffix"),
    "animated": (10, "frames"),
    "copy": (5, "copy"),
    "cmyk": (10, None),
    "deep": (10, "grey"),
    "new\nline": (10, None),
    "<b>&'\",": (9, None),
}


def write(folder: Path) -> None:
    """Write all of `KINDS`, about 200 files."""
    folder.mkdir()
    random = np.random.default_rng(0)
    for kind, (count, _) in KINDS.items():
        for index in range(count):
            _write_one(folder, kind, index, random)
    below = folder / "below"
    below.mkdir()
    (below / "up").symlink_to("..")
    (folder / "again").symlink_to(folder)
    (folder / "folder.png").mkdir()


def noise(random, width=64, height=64) -> Image.Image:
    return Image.fromarray(random.integers(0, 256, (height, width, 3), dtype=np.uint8))


def encode(image: Image.Image, kind: str, **options) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, kind, **options)
    return buffer.getvalue()


def png(width: int, height: int, *chunks: tuple[bytes, bytes]) -> bytes:
    """A PNG file with this header, whatever else it holds."""
    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    parts = [(b"IHDR", header), *chunks, (b"IEND", b"")]
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body))
        for name, body in parts
    )


def _write_one(folder: Path, kind: str, index: int, random: np.random.Generator) -> None:
    match kind:
        case "cut":
            data = encode(noise(random), "JPEG")
            (folder / f"cut{index}.jpg").write_bytes(data[: len(data) * (index + 5) // 26])
        case "bomb":
            (folder / f"bomb{index}.png").write_bytes(
                png(60_000, 60_000, (b"IDAT", zlib.compress(b"0" * 1000)))
            )
        case "text":
            (folder / f"text{index}.jpg").write_text("not an image " * index)
        case "empty":
            (folder / f"empty{index}.png").write_bytes(b"")
        case "noise":
            (folder / f"noise{index}.webp").write_bytes(b"RIFF" + random.bytes(300 * index + 10))
        case "corrupt":
            data = bytearray(encode(noise(random), "PNG"))
            data[len(data) // 2 : len(data) // 2 + 20] = random.bytes(20)
            (folder / f"corrupt{index}.png").write_bytes(data)
        case "loop":
            (folder / f"loop{index}.png").symlink_to(folder / f"loop{index}.png")
        case "badname":
            name = os.fsencode(folder) + b"/bad\xff\xfe%d.png" % index
            with open(name, "wb") as file:  # noqa: PTH123 - Path takes no bytes
                file.write(encode(noise(random), "PNG"))
        case "pipe":
            os.mkfifo(folder / "pipe.png")
        case "longtext":
            text = (b"zTXt", b"a\0\0" + zlib.compress(b"0" * 50_000_000))
            (folder / "longtext.png").write_bytes(png(64, 64, text))
        case "shard":
            (folder / f"shard{index}.tar").write_bytes(random.bytes(2000))
        case "float":
            values = random.random((64, 64)).astype(np.float32)
            Image.fromarray(values).save(folder / f"float{index}.tif")
        case "tiny":
            noise(random, 8, 9).save(folder / f"tiny{index}.png")
        case "long":
            noise(random, 2000, 40).save(folder / f"long{index}.png")
        case "constant":
            colour = (index * 20, 5, 90)
            Image.new("RGB", (64, 64), colour).save(folder / f"constant{index}.png")
        case "wrong":
            (folder / f"wrong{index}.jpg").write_bytes(encode(noise(random), "PNG"))
        case "animated":
            frames = [noise(random) for _ in range(3)]
            frames[0].save(folder / f"animated{index}.gif", save_all=True, append_images=frames[1:])
        case "copy":  # of `wrong`, whose names come after: so the copy is the one that stays
            (folder / f"xcopy{index}.png").write_bytes((folder / f"wrong{index}.jpg").read_bytes())
        case "cmyk":
            noise(random).convert("CMYK").save(folder / f"cmyk{index}.jpg")
        case "deep":
            values = random.integers(0, 65535, (64, 64)).astype(np.uint16)
            Image.fromarray(values).save(folder / f"deep{index}.png")
        case _:
            noise(random).save(folder / f"{kind}{index}.png")

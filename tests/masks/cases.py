"""Masks of every kind, and what each one means: one table, which the tests of every door run through.

`FILES` are images that a door may get as a file, as bytes, as PIL, numpy or torch; `ARRAYS` come from
Python alone. Each makes a mask from a hole, uint8 `[H, W]` of 0 and 1.
"""

import io
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from PIL import Image, ImageFilter

from inpaintlab.arrays import UInt8


@dataclass(frozen=True)
class Case:
    """A kind of mask: `reads` is what a door makes of a hole, `note` a word of the one remark on it.

    `error` is a pattern of the refusal, where the mask is refused. `kind` is a format of Pillow's.
    """

    make: Callable[[UInt8], Any]
    reads: Callable[[UInt8], UInt8] = lambda hole: hole
    note: str | None = None
    error: str | None = None
    kind: str = "PNG"

    def encode(self, hole: UInt8) -> bytes:
        """The mask as the bytes of a file."""
        buffer = io.BytesIO()
        self.make(hole).save(buffer, self.kind, **({"quality": 90} if self.kind == "JPEG" else {}))
        return buffer.getvalue()


def grey(hole: UInt8, white: int = 255, black: int = 0) -> Image.Image:
    return Image.fromarray(np.where(hole > 0, white, black).astype(np.uint8))


def in_colour(hole: UInt8, *colour: int) -> Image.Image:
    return Image.fromarray(hole[..., None] * np.array(colour, np.uint8))


def transparent(hole: UInt8, colours: Any = 0) -> Image.Image:
    """Transparent in the hole, opaque outside."""
    rgb = np.broadcast_to(np.asarray(colours, np.uint8), (*hole.shape, 3))
    return Image.fromarray(np.dstack([rgb, 255 * (1 - hole)]))


def photo(hole: UInt8) -> UInt8:
    return np.random.default_rng(0).integers(0, 256, (*hole.shape, 3), np.uint8)


def deep(hole: UInt8, white: int) -> Image.Image:
    return Image.fromarray(hole.astype(np.uint16) * white)


def whole(hole: UInt8, white: int) -> Image.Image:
    return Image.fromarray(hole.astype(np.int32) * white)


def soft(hole: UInt8) -> Image.Image:
    return grey(hole).filter(ImageFilter.GaussianBlur(1))


FILES = {
    "white": Case(grey),
    "white in colour": Case(lambda hole: grey(hole).convert("RGB")),
    "one bit": Case(lambda hole: grey(hole).convert("1")),
    "palette": Case(lambda hole: grey(hole).convert("RGB").quantize(2)),
    "red": Case(lambda hole: in_colour(hole, 255, 0, 0)),
    "dark red": Case(lambda hole: in_colour(hole, 200, 0, 0)),
    "red in a palette": Case(lambda hole: in_colour(hole, 255, 0, 0).quantize(2)),
    "dark grey on black": Case(lambda hole: grey(hole, 100), error="no hole: it holds 0, 100, and what"),
    "labels": Case(
        lambda hole: Image.fromarray(hole + (np.arange(hole.shape[1]) > 20)),
        error="no hole: it holds 0, 1, 2, .* give what is to be filled the value 255, and all else 0",
    ),
    "one label": Case(lambda hole: grey(hole, 2), error="no hole: it holds 0, 2"),
    "many labels": Case(
        lambda hole: Image.fromarray(np.uint8(np.arange(hole.size).reshape(hole.shape) % 21)),
        error="no hole: it holds 0, 1, 2, …, 20",
    ),
    "labels in 16 bits": Case(lambda hole: deep(hole, 7), error="no hole: it holds 0, 7, .* above 127"),
    "dark in 16 bits": Case(lambda hole: deep(hole, 3000), error="above 32767 .* value 65535"),
    "light grey on dark grey": Case(lambda hole: grey(hole, 128, 127)),
    "zero and one": Case(lambda hole: grey(hole, 1), note="0 and 1"),
    "zero and one in 16 bits": Case(lambda hole: deep(hole, 1), note="0 and 1"),
    "zero and one in 32 bits": Case(lambda hole: whole(hole, 1), note="0 and 1", kind="TIFF"),
    "white of 8 bits in 16": Case(lambda hole: deep(hole, 255)),
    "white of 8 bits in 32": Case(lambda hole: whole(hole, 255), kind="TIFF"),
    "16 bits": Case(lambda hole: deep(hole, 65535)),
    "a photo": Case(
        lambda hole: Image.fromarray(photo(hole)), error=r"grey in \d+% of it: is it a mask"
    ),
    "grey in a part": Case(
        lambda hole: Image.fromarray(np.where(hole > 0, 255, np.arange(hole.shape[1])).astype(np.uint8)),
        note="is grey in",
    ),
    "soft edges": Case(soft, lambda hole: np.uint8(np.asarray(soft(hole)) > 127)),
    "JPEG": Case(grey, kind="JPEG"),
    "GIF": Case(grey, kind="GIF"),
    "CMYK": Case(lambda hole: grey(hole).convert("RGB").convert("CMYK"), kind="TIFF"),
    "transparent in black": Case(transparent, note="alpha"),
    "transparent in white": Case(lambda hole: transparent(hole, 255), note="alpha"),
    "transparent in a photo": Case(lambda hole: transparent(hole, photo(hole)), note="alpha"),
    "transparent in grey": Case(lambda hole: transparent(hole, 77).convert("LA"), note="alpha"),
    "white strokes on nothing": Case(
        lambda hole: Image.fromarray(np.repeat(255 * hole[..., None], 4, axis=2))
    ),
    "opaque": Case(lambda hole: grey(hole).convert("RGBA")),
    "inverted": Case(lambda hole: grey(1 - hole), lambda hole: 1 - hole, note="looks inverted"),
    "empty": Case(lambda hole: grey(0 * hole), lambda hole: 0 * hole, error="marks no hole, so"),
    "full": Case(lambda hole: grey(0 * hole + 1), lambda hole: 0 * hole + 1, error="marks 100%"),
    "another size": Case(lambda hole: grey(hole[:-1]), lambda hole: hole[:-1], error="sizes must agree"),
}

ARRAYS = {
    "bool": Case(lambda hole: hole > 0),
    "int64": Case(lambda hole: hole.astype(np.int64)),
    "int64 of 255": Case(lambda hole: hole.astype(np.int64) * 255),
    "int32 of 65,535": Case(lambda hole: hole.astype(np.int32) * 65535),
    "float": Case(lambda hole: hole.astype(np.float64)),
    "half": Case(lambda hole: hole.astype(np.float16)),
    "soft float": Case(lambda hole: 0.4 + 0.2 * hole.astype(np.float32), note="grey"),
    "float of 255": Case(lambda hole: hole * np.float32(255)),
    "flipped view": Case(lambda hole: np.ascontiguousarray(hole[::-1])[::-1]),
    "[1, H, W]": Case(lambda hole: hole[None]),
    "[H, W, 1]": Case(lambda hole: hole[..., None]),
    "PIL F": Case(lambda hole: Image.fromarray(hole.astype(np.float32))),
    "PIL I": Case(lambda hole: Image.fromarray(hole.astype(np.int32) * 255)),
    "tensor": Case(torch.from_numpy),
    "tensor [1, H, W]": Case(lambda hole: torch.from_numpy(hole)[None].float()),
    "tensor [1, 1, H, W]": Case(lambda hole: torch.from_numpy(hole)[None, None] > 0),
    "tensor [3, H, W]": Case(lambda hole: torch.from_numpy(hole).expand(3, -1, -1) * 255),
    "tensor bfloat16": Case(lambda hole: torch.from_numpy(hole).bfloat16()),
    "NaN": Case(lambda hole: np.where(hole > 0, np.nan, 0), error="values from nan to nan"),
    "negative": Case(lambda hole: hole - 0.5, error=r"from -0\.5 to 0\.5, expected 0 to 1"),
    "too large": Case(lambda hole: hole.astype(int) * 70_000, error="expected 0 to 1, or 0 to 65535"),
    "too large for floating point": Case(lambda hole: hole * 300.0, error="0 to 1, or 0 to 255"),
    "complex": Case(lambda hole: hole * 1j, error="got complex128"),
    "five channels": Case(lambda hole: np.repeat(hole[..., None], 5, 2), error=r"\[height, width\]"),
    "a row": Case(lambda hole: hole[0], error=r"\[height, width\], got"),
    "nothing": Case(lambda hole: hole[:0], error=r"\[height, width\], got"),
    "a number": Case(lambda _: 3, error="got int"),
}

#: Those of `FILES` whose full transparency says, at the door that takes nothing else, the same.
TRANSPARENT = [name for name, case in FILES.items() if name.startswith("transparent")]

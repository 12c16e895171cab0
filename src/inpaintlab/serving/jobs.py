"""What goes to a worker process and what comes back. Free of torch.

What comes back is JSON and bytes, never a pickle: a worker decodes files of strangers, so nothing that
it says is run here.
"""

import json
from base64 import b64encode
from dataclasses import asdict, dataclass
from multiprocessing.connection import Connection
from typing import Any

from inpaintlab.images import MAX_PIXELS
from inpaintlab.settings.filling import SPREAD


@dataclass(frozen=True)
class About:
    """The model of a worker: names, side of its training images in pixels, time of its file (Unix).

    `varies` says whether it fills a hole in several ways.
    """

    name: str
    network: str
    size: int
    sha256: str
    created: int
    varies: bool = False


@dataclass(frozen=True)
class Options:
    """How to fill an image and how to encode the reply.

    `suffix` is `.png`, `.webp` or `.jpg`; `quality` is for JPEG. With `transparent`, the hole is where
    the mask, or without a mask the image, is fully transparent. `size` is the width and height that the
    image must have. `method`, `strategy` and `blend` are those of `Inpainter.fill_image`; None is its
    default. `variants`, `seed` and `spread` are those of `Inpainter.fill_variants`, `fallback` and
    `strict` those of `Inpainter.heeded`. With `assess`, the reply says how wrong the fill may be. With
    `fields`, the route has the fields `invert_mask` and `grey_mask`, which errors name.
    """

    suffix: str = ".png"
    quality: int = 95
    invert_mask: bool = False
    grey_mask: bool = False
    fields: bool = False
    transparent: bool = False
    method: str | None = None
    strategy: str | None = None
    blend: str | None = None
    variants: int = 1
    seed: int = 0
    spread: float = SPREAD
    fallback: str = "none"
    strict: bool = False
    assess: bool = False
    max_pixels: int = MAX_PIXELS
    size: tuple[int, int] | None = None


@dataclass(frozen=True)
class Job:
    """One image to fill: the bytes of two files. Without a mask, transparency marks the hole."""

    image: bytes
    mask: bytes | None
    options: Options


@dataclass(frozen=True)
class Judged:
    """How far a fill is to be trusted, as `inpainter.Judgement` says it.

    The hole PSNR is expected to be `expected_psnr` ± `expected_within` dB.
    """

    trusted: bool
    reasons: list[str]
    novelty: float | None = None
    better_method: str | None = None
    expected_psnr: float | None = None
    expected_within: float | None = None


@dataclass(frozen=True)
class Reply:
    """A worker's answer: an encoded image, or the class of an error in `error` and its `message`.

    `others` are further variants, in their order, or the map of what was assessed. `seconds` is the
    time for decoding, filling and encoding. `judged` is None where nothing is known of the fill.
    """

    data: bytes = b""
    others: tuple[bytes, ...] = ()
    width: int = 0
    height: int = 0
    seconds: float = 0
    notes: tuple[str, ...] = ()
    judged: Judged | None = None
    error: str | None = None
    message: str = ""

    def base64(self) -> list[str]:
        """Return all images as text, the first first."""
        return [b64encode(image).decode() for image in (self.data, *self.others)]


def send(pipe: Connection, message: About | Reply) -> None:
    """Write what a worker says, bytes apart from the rest."""
    values = asdict(message)
    images = (values.pop("data", b""), *values.pop("others", ()))
    pipe.send_bytes(json.dumps(values | {"images": len(images)}).encode())
    for image in images:
        pipe.send_bytes(image)


def receive(pipe: Connection) -> About | Reply:
    """Read what `send` wrote; raises `EOFError` when the other side has gone."""
    values: dict[str, Any] = json.loads(pipe.recv_bytes())
    data, *others = (pipe.recv_bytes() for _ in range(values.pop("images")))
    if "sha256" in values:
        return About(**values)
    judged = Judged(**values["judged"]) if values["judged"] else None
    read = {"notes": tuple(values["notes"]), "judged": judged, "data": data, "others": tuple(others)}
    return Reply(**values | read)

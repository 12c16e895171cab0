"""What goes to a worker process and what comes back. Free of torch.

Both ways go JSON and bytes, never pickles: a worker decodes files of strangers, so what it says is not
run here.
"""

import json
from dataclasses import asdict, dataclass, field
from multiprocessing.connection import Connection
from typing import Any

from inpaintlab.images import MAX_PIXELS


@dataclass(frozen=True)
class Options:
    """How an image is to be filled, and what the reply is to be.

    `suffix` is `.png`, `.webp` or `.jpg`; `quality` is that of JPEG. With `transparent` the hole is
    where the mask, or without a mask the image, is fully transparent. `size` is the width and height
    that the image must have. `strategy` and `blend` are those of `Inpainter.fill_image`; None is its
    default.
    """

    suffix: str = ".png"
    quality: int = 95
    invert_mask: bool = False
    transparent: bool = False
    strategy: str | None = None
    blend: str | None = None
    max_pixels: int = MAX_PIXELS
    size: tuple[int, int] | None = None


@dataclass(frozen=True)
class Job:
    """One image to fill: the bytes of two files; no mask: the image's own transparency."""

    image: bytes
    mask: bytes | None
    options: Options


@dataclass(frozen=True)
class Reply:
    """What a worker says of a job.

    `data` is the encoded image; `error` names the class of an error, and its message stands in
    `message`. `seconds` is what decoding, filling and encoding took.
    """

    data: bytes = b""
    width: int = 0
    height: int = 0
    seconds: float = 0
    notes: tuple[str, ...] = field(default=())
    error: str | None = None
    message: str = ""


def send_job(pipe: Connection, job: Job) -> None:
    """Write a job to a pipe."""
    head = asdict(job.options) | {"has_mask": job.mask is not None}
    send_json(pipe, head)
    pipe.send_bytes(job.image)
    if job.mask is not None:
        pipe.send_bytes(job.mask)


def receive_job(pipe: Connection) -> Job:
    """Read what `send_job` wrote; raises `EOFError` when the other side has gone."""
    head = receive_json(pipe)
    has_mask = head.pop("has_mask")
    image = pipe.recv_bytes()
    return Job(image, pipe.recv_bytes() if has_mask else None, Options(**head))


def send_reply(pipe: Connection, reply: Reply) -> None:
    """Write a reply to a pipe."""
    head = {name: value for name, value in vars(reply).items() if name != "data"}
    send_json(pipe, head)
    pipe.send_bytes(reply.data)


def receive_reply(pipe: Connection) -> Reply:
    """Read what `send_reply` wrote; raises `EOFError` when the other side has gone."""
    head = receive_json(pipe)
    return Reply(**head | {"notes": tuple(head["notes"]), "data": pipe.recv_bytes()})


def send_json(pipe: Connection, values: dict[str, Any]) -> None:
    """Write JSON to a pipe."""
    pipe.send_bytes(json.dumps(values).encode())


def receive_json(pipe: Connection) -> dict[str, Any]:
    """Read JSON from a pipe; raises `EOFError` when the other side has gone."""
    values: dict[str, Any] = json.loads(pipe.recv_bytes())
    return values

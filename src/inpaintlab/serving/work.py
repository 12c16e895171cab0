"""What a worker process does: encoded images in, filled and encoded images out.

Everything that reads a stranger's bytes happens here. If a decoder crashes, or an image takes too much
memory or time, this process is lost and nothing else. Only the process imports torch, not this module.
"""

import logging
import os
import signal
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import replace
from multiprocessing.connection import Connection
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from inpaintlab.arrays import UInt8
from inpaintlab.errors import ImageError, InpaintlabError
from inpaintlab.images import DecodedImage, Encoded, check_writable, encode, encode_png, load
from inpaintlab.registry import load_installed_plugins, load_plugins, loaded_plugins
from inpaintlab.serving.jobs import About, Job, Judged, Options, Reply, send
from inpaintlab.serving.pool import Pool, default_workers

if TYPE_CHECKING:
    from inpaintlab.inpainter import Inpainter
    from inpaintlab.inpainter.assessment import Judgement
    from inpaintlab.masks import Door

#: Decided by content; a name or a content type of a client counts for nothing.
_READABLE = ("PNG", "JPEG", "WEBP", "TIFF", "BMP", "GIF")
#: Of PNG: a third of the time that the common 6 takes, for about a tenth more bytes.
_COMPRESSION = 1
_LOG = logging.getLogger("inpaintlab.serving")


def worker_pool(
    weights: str | os.PathLike[str],
    *,
    plugins: Sequence[str] = (),
    workers: int | None = None,
    queue: int = 32,
    seconds: float = 60.0,
) -> Pool:
    """Return a pool of processes that fill with a run folder or a file of weights.

    Each process imports the `plugins`, and those that this one has loaded. Without `workers` there are
    as many as processors and memory allow; `queue` jobs may wait, and one may take `seconds`.
    """
    count = workers or default_workers()
    known = (*loaded_plugins(), *plugins)
    return Pool(work, os.fspath(weights), known, workers=count, queue=queue, seconds=seconds)


def work(pipe: Connection, weights: str, plugins: Sequence[str] = ()) -> None:
    """Load weights, tell which model they are, and answer jobs until the pipe closes."""
    _stand_back()
    try:
        load_installed_plugins()
        load_plugins(plugins)
        inpainter, about = _load(Path(weights))
    except InpaintlabError as error:
        send(pipe, Reply(error=type(error).__name__, message=str(error)))
        return
    with suppress(EOFError, BrokenPipeError):  # the server has gone
        send(pipe, about)
        while True:
            send(pipe, answer(inpainter, pipe.recv()))


def answer(inpainter: "Inpainter", job: Job) -> Reply:
    """Do one job; whatever is wrong with it becomes a reply."""
    start = time.perf_counter()
    options = job.options
    try:
        fills, judgement = _fill(inpainter, job)
        how = {"quality": options.quality, "compression": _COMPRESSION}
        encoded = [encode(filled, options.suffix, **how) for filled in fills]
    except InpaintlabError as error:
        is_bomb = getattr(error, "finding", None) == "bomb"
        return Reply(error="TooManyPixels" if is_bomb else type(error).__name__, message=str(error))
    except Exception:  # noqa: BLE001 - one bad image must not end the process
        _LOG.exception("a fill failed")
        return Reply(error="InternalError", message="the fill failed; the server's log says why")
    (data, notes), *others = encoded
    height, width = fills[0].size
    return Reply(
        data,
        (*(other for other, _ in others), *_map(judgement)),
        width,
        height,
        time.perf_counter() - start,
        (*fills[0].notes, *notes),
        _judged(judgement),
    )


def _judged(judgement: "Judgement | None") -> Judged | None:
    if judgement is None:
        return None
    psnr, within = judgement.expected_error or (None, None)
    return Judged(
        judgement.trusted,
        judgement.reasons,
        judgement.novelty,
        judgement.better_method,
        psnr,
        within,
    )


def _map(judgement: "Judgement | None") -> list[bytes]:
    """Return how far values may be off as a grey PNG of 16 bits, white for 1; none if it is unknown."""
    if judgement is None or judgement.uncertainty is None:
        return []
    levels = np.rint(judgement.uncertainty * np.iinfo(np.uint16).max).astype(np.uint16)
    return [encode(DecodedImage(levels, "L"), ".png", compression=_COMPRESSION)[0]]


def _stand_back() -> None:
    """Leave signals to the server, which closes the pipe; be what the kernel kills for memory."""
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_IGN)
    with suppress(OSError):
        Path("/proc/self/oom_score_adj").write_text("500")


def _load(weights: Path) -> tuple["Inpainter", About]:
    """Load weights, fill one small image to have everything in memory, and describe them."""
    import torch

    from inpaintlab.inpainter import Inpainter
    from inpaintlab.inpainter.weights import find_weights
    from inpaintlab.networks import noise_of

    # The other cores are for the other workers.
    torch.set_num_threads(1)
    inpainter = Inpainter.load(weights, quickest=True)
    size = inpainter.card.size
    hole = np.zeros((size, size, 3), np.uint8)
    hole[: size // 2, : size // 2] = 255
    small = encode_png(hole)
    answer(inpainter, Job(small, small, Options()))
    return inpainter, About(
        name=weights.stem if weights.is_file() else weights.resolve().name,
        network=inpainter.card.network,
        size=size,
        sha256=inpainter.sha256,
        created=int(find_weights(weights).stat().st_mtime),
        varies=noise_of(inpainter.network) > 0,
    )


def _fill(inpainter: "Inpainter", job: Job) -> "tuple[list[DecodedImage], Judgement | None]":
    """Decode, judge and fill, with names that the client knows in every error."""
    options = job.options
    image = load(Encoded("the image", job.image), formats=_READABLE, max_pixels=options.max_pixels)
    height, width = image.size
    if options.size not in (None, (width, height)):
        asked = "×".join(str(side) for side in options.size or ())
        raise ImageError(f"the image is {width}×{height} and keeps its size: {asked} is not possible")
    check_writable(options.suffix, image.size)
    hole, remarks = _hole(image, job)
    how: dict[str, Any] = {name: getattr(options, name) for name in ("method", "strategy", "blend")}
    given = {name: value for name, value in how.items() if value}
    door = _door(options)
    seen = {name: value for name, value in given.items() if name != "blend"}
    # An assessment judges for itself, and more.
    judged = not options.assess
    seen |= {"fallback": options.fallback, "strict": options.strict, "judged": judged}
    method, doubts, judgement = inpainter.heeded(image, hole, "the mask", door=door, **seen)
    if options.assess:
        judgement = inpainter.judge_image(image, hole, options.strategy or "auto")
        doubts = judgement.reasons
    if method:
        given["method"] = method
    fills, _ = inpainter.fill_variants(
        image,
        hole,
        options.variants,
        options.seed,
        options.spread,
        "the mask",
        door=door,
        **given,
    )
    if job.mask is None:
        fills = [_opaque(filled, hole) for filled in fills]
    return [replace(filled, notes=(*doubts, *filled.notes, *remarks)) for filled in fills], judgement


def _opaque(filled: DecodedImage, hole: UInt8) -> DecodedImage:
    """Return an image whose hole was transparent: its filling is not."""
    pixels = filled.pixels.copy()
    pixels[..., -1][hole == 1] = np.iinfo(pixels.dtype).max
    return replace(filled, pixels=pixels)


def _hole(image: DecodedImage, job: Job) -> tuple[UInt8, list[str]]:
    """Return the hole, `[H, W]` of 0 and 1, and notes on how the mask was read."""
    from inpaintlab.masks import read_mask

    mask, options = image, job.options
    if job.mask is not None:
        mask = load(Encoded("the mask", job.mask), formats=_READABLE, max_pixels=options.max_pixels)
    return read_mask(
        mask,
        invert=options.invert_mask or None,
        grey=options.grey_mask,
        door=_door(options),
        transparent=options.transparent,
        name="the image" if job.mask is None else "the mask",
    )


def _door(options: Options) -> "Door":
    """Return what a client can send, for errors to name."""
    from inpaintlab.masks import Door

    return Door("invert_mask=true", "grey_mask=true") if options.fields else Door()

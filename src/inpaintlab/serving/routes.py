"""The server's own routes: `/v1/fill` and its kin for several images and ways, and its state."""

import asyncio
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Form, Header, Response, UploadFile
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest
from pydantic import BaseModel, Field

from inpaintlab.serving.errors import OF_FILLS, Problem, RefusedError, documented
from inpaintlab.serving.forms import (
    FORMATS,
    AssessForm,
    BatchForm,
    FillForm,
    VariantsForm,
    negotiate,
)
from inpaintlab.serving.jobs import Judged
from inpaintlab.serving.service import Here, Service, image_reply

#: Pairs in one batch, at most: all replies stand in memory at once.
MAX_BATCH = 32
_JUDGED = "How far the fill is to be trusted; null where nothing is known of the model's limits."


class Result(BaseModel):
    """The outcome for one pair of a batch: an image, or an error."""

    index: int = Field(description="Number of the pair, from 0.")
    image: str | None = Field(default=None, description="The filled image in base64.")
    seconds: float | None = Field(default=None, description="Time for decoding, filling and encoding.")
    notes: list[str] = Field(
        default_factory=list,
        description="Sentences on what was lost, and on what speaks against the fill.",
    )
    judged: Judged | None = Field(default=None, description=_JUDGED)
    error: Problem | None = Field(default=None, description="Why there is no image.")


class BatchReply(BaseModel):
    """The results of a batch, in the order of its pairs."""

    model: str = Field(description="Name of the run that filled the images.")
    sha256: str = Field(description="SHA-256 of its weights.")
    media_type: str = Field(description="Format of the images.")
    results: list[Result]


router = APIRouter()
_Accept = Annotated[str, Header(description=f"Format of the reply: {', '.join(FORMATS)}. [PNG]")]


@router.post(
    "/v1/fill",
    tags=["fill"],
    response_class=Response,
    responses=image_reply(*FORMATS) | documented(*OF_FILLS, 406),
    summary="Fill the hole of one image",
)
async def fill(
    service: Here,
    form: Annotated[FillForm, Form(media_type="multipart/form-data")],
    accept: _Accept = "*/*",
) -> Response:
    """Return the image with its hole filled; PNG and WebP keep all other pixels exactly."""
    media_type = negotiate(accept)
    reply = await service.fill(form.image, form.mask, form.options(media_type))
    return service.response(reply, media_type)


class OneReply(BaseModel):
    """What is said of the fill of one image."""

    model: str = Field(description="Name of the run that filled the image.")
    sha256: str = Field(description="SHA-256 of its weights.")
    media_type: str = Field(description="Format of what was filled.")
    seconds: float = Field(description="Time for decoding, filling and encoding.")
    notes: list[str] = Field(
        description="Sentences on what was lost, and on what speaks against the fill."
    )
    judged: Judged | None = Field(description=_JUDGED)


class VariantsReply(OneReply):
    """Fills of one hole, the most typical first."""

    images: list[str] = Field(description="The filled images in base64.")


class AssessReply(OneReply):
    """A filled image, and how far the fill is to be trusted."""

    image: str = Field(description="The filled image in base64.")
    uncertainty: str | None = Field(
        description="By how much values may be off: a grey PNG of 16 bits in base64, white for 1. "
        "Nine of ten are off by less. Null where the model does not know its limits."
    )
    judged: Judged = Field(description="How far the fill is to be trusted.")


async def _filled(service: Service, form: AssessForm | VariantsForm) -> tuple[list[str], dict[str, Any]]:
    """Fill one image; return what comes back in base64, and what `OneReply` says of it."""
    media_type = f"image/{form.format}"
    reply = await service.fill(form.image, form.mask, form.options(media_type))
    about = service.pool.about
    return reply.base64(), {
        "model": about.name,
        "sha256": about.sha256,
        "media_type": media_type,
        "seconds": reply.seconds,
        "notes": list(reply.notes),
        "judged": reply.judged,
    }


@router.post(
    "/v1/fill:assess",
    tags=["fill"],
    responses=documented(*OF_FILLS),
    summary="Fill the hole of one image, and say how far to trust it",
)
async def assess(
    service: Here, form: Annotated[AssessForm, Form(media_type="multipart/form-data")]
) -> AssessReply:
    """Return the network's fill in base64, how wrong it may be, and what speaks against it."""
    (image, *maps), said = await _filled(service, form)
    return AssessReply(image=image, uncertainty=maps[0] if maps else None, **said)


@router.post(
    "/v1/fill:variants",
    tags=["fill"],
    responses=documented(*OF_FILLS),
    summary="Fill the hole of one image in several ways",
)
async def fill_variants(
    service: Here, form: Annotated[VariantsForm, Form(media_type="multipart/form-data")]
) -> VariantsReply:
    """Return several fills in base64, the most typical first; the model must have learnt to vary."""
    images, said = await _filled(service, form)
    return VariantsReply(images=images, **said)


@router.post(
    "/v1/fill:batch",
    tags=["fill"],
    responses=documented(*OF_FILLS),
    response_model_exclude_none=True,
    summary="Fill several images",
)
async def fill_batch(
    service: Here, form: Annotated[BatchForm, Form(media_type="multipart/form-data")]
) -> BatchReply:
    """Return the images in base64, in their order; a pair that fails has an `error` instead."""
    if len(form.image) > MAX_BATCH:
        message = f"a batch has at most {MAX_BATCH} pairs, this one has {len(form.image)}: send several"
        raise RefusedError(413, "too_large", message)
    media_type = f"image/{form.format}"
    options = form.options(media_type)
    free = asyncio.Semaphore(service.pool.workers)  # no more at a time than there are workers

    async def result(index: int, image: UploadFile, mask: UploadFile) -> Result:
        async with free:
            try:
                reply = await service.fill_in_place(image, mask, options)
            except RefusedError as refused:
                return Result(index=index, error=Problem(type=refused.kind, message=str(refused)))
        (filled,) = reply.base64()
        notes = list(reply.notes)
        return Result(index=index, image=filled, seconds=reply.seconds, notes=notes, judged=reply.judged)

    pairs = enumerate(zip(form.image, form.mask, strict=True))
    with service.pool.place():
        results = await asyncio.gather(*(result(index, *pair) for index, pair in pairs))
    about = service.pool.about
    return BatchReply(model=about.name, sha256=about.sha256, media_type=media_type, results=results)


class State(BaseModel):
    """The server answers."""

    status: Literal["ok"] = "ok"
    workers: int = Field(description="Worker processes that are ready.")


@router.get("/healthz", tags=["state"], responses=documented(), summary="Is the server there?")
async def healthz(service: Here) -> State:
    """Answer, whatever the workers do. Needs no token."""
    return State(workers=service.pool.ready)


@router.get("/readyz", tags=["state"], responses=documented(503), summary="Would an image be filled?")
async def readyz(service: Here) -> State:
    """Answer if a worker has its model loaded. Needs no token."""
    if not service.pool.ready:
        raise RefusedError(503, "no_worker", "no worker process is ready: try again later")
    return State(workers=service.pool.ready)


@router.get(
    "/metrics",
    tags=["state"],
    response_class=Response,
    responses=documented() | {200: {"content": {"text/plain": {"schema": {"type": "string"}}}}},
    summary="Metrics for Prometheus",
)
async def metrics(service: Here) -> Response:
    """Return counts and times of requests and fills, and the state of the workers."""
    return Response(generate_latest(service.metrics.registry), media_type=CONTENT_TYPE_LATEST)

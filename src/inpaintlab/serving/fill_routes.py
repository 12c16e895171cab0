"""`/v1/fill` and `/v1/fill:batch`: the server's own way to ask."""

import asyncio
import base64
from typing import Annotated, Any

from fastapi import APIRouter, Form, Header, Response, UploadFile
from pydantic import BaseModel, Field

from inpaintlab.serving.errors import OF_FILLS, Problem, RefusedError, documented
from inpaintlab.serving.forms import FORMATS, BatchForm, FillForm, negotiate
from inpaintlab.serving.jobs import Job, Options
from inpaintlab.serving.service import HEADERS, Service

#: Pairs in one batch, at most: all replies stand in memory at once.
MAX_BATCH = 32


class Result(BaseModel):
    """What became of one pair of a batch: an image, or an error."""

    index: int = Field(description="Which pair, from 0.")
    image: str | None = Field(default=None, description="The filled image, base64.")
    seconds: float | None = Field(default=None, description="What decoding, filling and encoding took.")
    notes: list[str] = Field(default_factory=list, description="What could not be kept.")
    error: Problem | None = Field(default=None, description="Why there is no image.")


class BatchReply(BaseModel):
    """The results of a batch, in the order of its pairs."""

    model: str
    sha256: str = Field(description="Of the weights.")
    media_type: str = Field(description="Of the images.")
    results: list[Result]


Accept = Annotated[str, Header(description=f"The format of the reply: {', '.join(FORMATS)}. [PNG]")]
_PICTURE: dict[int | str, dict[str, Any]] = {
    200: {
        "description": "The filled image. PNG and WebP are without loss.",
        "headers": HEADERS,
        "content": {name: {"schema": {"type": "string", "contentMediaType": name}} for name in FORMATS},
    }
}


def fill_router(service: Service) -> APIRouter:
    """Return the routes."""
    router = APIRouter(tags=["fill"])

    @router.post(
        "/v1/fill",
        response_class=Response,
        responses=_PICTURE | documented(*OF_FILLS, 406),
        summary="Fill the hole of one image",
    )
    async def fill(
        form: Annotated[FillForm, Form(media_type="multipart/form-data")], accept: Accept = "*/*"
    ) -> Response:
        """Return the image with its hole filled; in PNG and WebP all other pixels are as they were."""
        media_type = negotiate(accept)
        options = form.options(media_type, service.max_pixels)
        with service.pool.place():
            reply = await service.run(await _job(form.image, form.mask, options))
        return service.response(reply, media_type)

    @router.post(
        "/v1/fill:batch",
        responses=documented(*OF_FILLS),
        response_model_exclude_none=True,
        summary="Fill several images",
    )
    async def fill_batch(
        form: Annotated[BatchForm, Form(media_type="multipart/form-data")],
    ) -> BatchReply:
        """Return the images in base64, in their order; a pair that fails has an `error` instead."""
        if len(form.image) > MAX_BATCH:
            message = f"{len(form.image)} pairs are too many for one batch, the limit is {MAX_BATCH}"
            raise RefusedError(413, "too_large", message)
        media_type = f"image/{form.format}"
        options = form.options(media_type, service.max_pixels)
        about = service.pool.about
        free = asyncio.Semaphore(service.pool.workers)
        pairs = enumerate(zip(form.image, form.mask, strict=True))
        with service.pool.place():
            results = await asyncio.gather(
                *(_result(service, free, index, *pair, options) for index, pair in pairs)
            )
        return BatchReply(
            model=about["name"], sha256=about["sha256"], media_type=media_type, results=results
        )

    return router


async def _result(
    service: Service,
    free: asyncio.Semaphore,
    index: int,
    image: UploadFile,
    mask: UploadFile,
    options: Options,
) -> Result:
    """Fill one pair of a batch, with no more of them at a time than there are workers."""
    async with free:
        try:
            reply = await service.run(await _job(image, mask, options))
        except RefusedError as refused:
            return Result(index=index, error=Problem(type=refused.kind, message=str(refused)))
    filled = base64.b64encode(reply.data).decode()
    return Result(index=index, image=filled, seconds=reply.seconds, notes=list(reply.notes))


async def _job(image: UploadFile, mask: UploadFile, options: Options) -> Job:
    return Job(await image.read(), await mask.read(), options)

"""What all routes that fill share: a place in the queue, metrics, and the headers of replies."""

import json
from dataclasses import replace
from typing import Annotated, Any

from fastapi import Depends, Request, Response, UploadFile

from inpaintlab.serving.errors import RefusedError, refused_by_worker
from inpaintlab.serving.jobs import Job, Judged, Options, Reply
from inpaintlab.serving.metrics import Metrics
from inpaintlab.serving.pool import Pool

#: What a client sent as a file, or in JSON.
File = UploadFile | bytes


class Service:
    """Fills images for the routes; a request may have `max_bytes`, each of its images `max_pixels`."""

    def __init__(self, pool: Pool, *, max_bytes: int, max_pixels: int) -> None:
        self.pool = pool
        self.metrics = Metrics(pool)
        self.max_bytes = max_bytes
        self.max_pixels = max_pixels

    async def fill(self, image: File, mask: File | None, options: Options) -> Reply:
        """Fill one image; raises `RefusedError` where there is no place in the queue, or no image."""
        with self.pool.place():
            return await self.fill_in_place(image, mask, options)

    async def fill_in_place(self, image: File, mask: File | None, options: Options) -> Reply:
        """Fill one image for a request that holds a place in the queue."""
        options = replace(options, max_pixels=self.max_pixels)
        try:
            job = Job(await _read(image), None if mask is None else await _read(mask), options)
            reply = await self.pool.run(job)
            if reply.error:
                raise refused_by_worker(reply.error, reply.message)
        except RefusedError as refused:
            self.metrics.fills.labels(refused.kind).inc()
            raise
        self.metrics.fills.labels("done").inc()
        self.metrics.fill_seconds.observe(reply.seconds)
        return reply

    def response(self, reply: Reply, media_type: str, headers: dict[str, str] | None = None) -> Response:
        """Return a filled image as the body of a reply."""
        about = {
            # A header is ASCII, the name of a folder need not be.
            "Inpaintlab-Model": self.pool.about.name.encode("ascii", "backslashreplace").decode(),
            "Inpaintlab-Model-Sha256": self.pool.about.sha256,
            "Inpaintlab-Seconds": f"{reply.seconds:.4f}",
        }
        if reply.notes:
            about["Inpaintlab-Notes"] = json.dumps(reply.notes)
        about |= _judged(reply.judged)
        return Response(reply.data, media_type=media_type, headers=about | (headers or {}))


def _judged(judged: Judged | None) -> dict[str, str]:
    """Return what headers say of how far a fill is to be trusted; none where nothing is known."""
    if judged is None:
        return {}
    found = {"Inpaintlab-Trusted": str(judged.trusted).lower()}
    if judged.reasons:
        found["Inpaintlab-Reasons"] = json.dumps(judged.reasons)
    if judged.novelty is not None:
        found["Inpaintlab-Novelty"] = f"{judged.novelty:.4f}"
    if judged.better_method:
        found["Inpaintlab-Better-Method"] = judged.better_method
    return found


async def _read(file: File) -> bytes:
    return file if isinstance(file, bytes) else await file.read()


async def _service(request: Request) -> Service:
    service: Service = request.app.state.service
    return service


#: The service of the application that a route belongs to.
Here = Annotated[Service, Depends(_service)]

_HEADERS = {
    "Inpaintlab-Model": "Name of the run that filled the image.",
    "Inpaintlab-Model-Sha256": "SHA-256 of its weights.",
    "Inpaintlab-Seconds": "Time for decoding, filling and encoding.",
    "Inpaintlab-Notes": "JSON list of sentences on what was lost, and on what speaks against trusting "
    "the fill; only if there are any.",
    "Inpaintlab-Trusted": "`false` where something speaks against trusting the fill, else `true`; none "
    "of these four where nothing is known of the model's limits.",
    "Inpaintlab-Reasons": "JSON list of sentences on what speaks against it.",
    "Inpaintlab-Novelty": "How unlike the images of training this one is: above 1 is foreign.",
    "Inpaintlab-Better-Method": "A classical method that fills this image better.",
}


def image_reply(*media_types: str) -> dict[int | str, dict[str, Any]]:
    """Return what OpenAPI says of a filled image as the body of a reply."""
    text = {"type": "string"}
    headers = {name: {"description": what, "schema": text} for name, what in _HEADERS.items()}
    content = {name: {"schema": text | {"contentMediaType": name}} for name in media_types}
    about = "The filled image. PNG and WebP are lossless."
    return {200: {"description": about, "headers": headers, "content": content}}

"""What all routes that fill share: a place in the line, figures, and what replies say of themselves."""

import json

from fastapi import Response

from inpaintlab.serving.errors import RefusedError, refused_by_worker
from inpaintlab.serving.jobs import Job, Reply
from inpaintlab.serving.metrics import Metrics
from inpaintlab.serving.pool import Pool


class Service:
    """Fills images for the routes; `max_pixels` is the limit of each image."""

    def __init__(self, pool: Pool, metrics: Metrics, *, max_pixels: int) -> None:
        self.pool = pool
        self.metrics = metrics
        self.max_pixels = max_pixels

    async def run(self, job: Job) -> Reply:
        """Have a job done, inside a place of the pool; raises `RefusedError` without an image."""
        try:
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
            "Inpaintlab-Model": self.pool.about["name"].encode("ascii", "backslashreplace").decode(),
            "Inpaintlab-Model-Sha256": self.pool.about["sha256"],
            "Inpaintlab-Seconds": f"{reply.seconds:.4f}",
        }
        if reply.notes:
            about["Inpaintlab-Notes"] = json.dumps(reply.notes)
        return Response(reply.data, media_type=media_type, headers=about | (headers or {}))


#: The headers of `Service.response`, for OpenAPI.
HEADERS = {
    "Inpaintlab-Model": {"description": "The run that filled.", "schema": {"type": "string"}},
    "Inpaintlab-Model-Sha256": {"description": "Of its weights.", "schema": {"type": "string"}},
    "Inpaintlab-Seconds": {
        "description": "What decoding, filling and encoding took.",
        "schema": {"type": "number"},
    },
    "Inpaintlab-Notes": {
        "description": "JSON list of sentences on what could not be kept; only if there are any.",
        "schema": {"type": "string"},
    },
}

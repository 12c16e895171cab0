"""The page for people, beside the routes for programs: it fills through the same pool.

It stands at `/page`, not at `/`: mounted there it would answer every path that no route knows, in a
shape of its own.
"""

import io

import anyio.from_thread
import numpy as np
from fastapi import FastAPI
from fastapi.responses import RedirectResponse
from PIL import Image

from inpaintlab.serving.jobs import Job, Options, Reply
from inpaintlab.serving.service import Service

PATH = "/page"


def mount_for_people(app: FastAPI, service: Service) -> None:
    """Add the page to an application; what stands before its routes stands before the page, too."""
    from inpaintlab.serving.page import mount_page

    @app.get("/", include_in_schema=False)
    def to_the_page() -> RedirectResponse:
        return RedirectResponse(f"{PATH}/")

    async def fill(job: Job) -> Reply:
        with service.pool.place():
            return await service.run(job)

    def fill_from_thread(image: Image.Image, hole: Image.Image) -> Image.Image:
        """Fill as the page asks: it calls this from one of the server's threads."""
        job = Job(_png(image), _png(hole), Options(max_pixels=service.max_pixels))
        reply = anyio.from_thread.run(fill, job)
        with Image.open(io.BytesIO(reply.data)) as filled:
            return Image.fromarray(np.asarray(filled))

    mount_page(app, fill_from_thread, service.pool.about, path=PATH)


def _png(image: Image.Image) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, "PNG", compress_level=1)
    return buffer.getvalue()

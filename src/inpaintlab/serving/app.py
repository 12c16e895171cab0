"""The application: routes, and what stands before them."""

import os
from collections.abc import AsyncIterator, Collection
from contextlib import asynccontextmanager, nullcontext
from importlib.metadata import version

from fastapi import FastAPI
from fastapi.middleware.cors import CORSMiddleware

from inpaintlab.serving import iopaint, openai, page_routes, routes
from inpaintlab.serving.errors import install
from inpaintlab.serving.guards import BodyGuard, Guard, host_check, token_check
from inpaintlab.serving.metrics import Measured
from inpaintlab.serving.pool import Pool
from inpaintlab.serving.routes import MAX_BATCH
from inpaintlab.serving.service import Service
from inpaintlab.serving.work import worker_pool

_DESCRIPTION = """Fills holes in images with a trained network.

Every reply that is no success has the body `{"error": {"type": …, "message": …}}`."""
_EXPOSED = ("Inpaintlab-Model", "Inpaintlab-Seconds", "Inpaintlab-Notes", "X-Seed")


def create_app(
    model: Pool | str | os.PathLike[str],
    *,
    token: str | None = None,
    hosts: Collection[str] | None = None,
    origins: Collection[str] = (),
    max_bytes: int = 64 * 2**20,
    max_pixels: int = 40_000_000,
    upload_seconds: float = 60.0,
    page: bool = False,
) -> FastAPI:
    """Return the application for a model: a run folder, a file of weights, or a `worker_pool`.

    `hosts` are the names in the Host header that are answered (None: all), `origins` those whose web
    pages may ask. A request may have `max_bytes` and take `upload_seconds` to arrive; each of its
    images may have `max_pixels`. With `page` there is also the web page, to which `/` leads.
    """
    pool = model if isinstance(model, Pool) else worker_pool(model)

    @asynccontextmanager
    async def with_workers(_: FastAPI) -> AsyncIterator[None]:
        async with nullcontext() if pool.started else pool:
            yield

    app = FastAPI(
        title="inpaintlab",
        version=version("inpaintlab"),
        description=_DESCRIPTION,
        # The pages of documentation would load scripts from other servers.
        docs_url=None,
        redoc_url=None,
        lifespan=with_workers,
        form_limits={
            "max_files": 2 * MAX_BATCH + 2,
            "max_fields": 64,
            "max_part_size": 2**16,
        },
    )
    install(app)
    service = app.state.service = Service(pool, max_bytes=max_bytes, max_pixels=max_pixels)
    for module in (routes, openai, iopaint, *([page_routes] if page else [])):
        app.include_router(module.router)
    # From the innermost to the outermost.
    app.add_middleware(BodyGuard, pool=pool, max_bytes=max_bytes, seconds=upload_seconds)
    if token:
        app.add_middleware(Guard, check=token_check(token))
    if origins:
        app.add_middleware(
            CORSMiddleware,
            allow_origins=list(origins),
            allow_methods=["GET", "POST"],
            allow_headers=["Authorization", "Content-Type"],
            expose_headers=_EXPOSED,
        )
    app.add_middleware(Guard, check=host_check(hosts, origins))
    app.add_middleware(Measured, metrics=service.metrics)
    return app

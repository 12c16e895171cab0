"""The application: routes, and what stands before them."""

from collections.abc import Collection
from importlib.metadata import version

from fastapi import FastAPI
from fastapi.middleware.cors import CORSMiddleware

from inpaintlab.serving.errors import install
from inpaintlab.serving.fill_routes import MAX_BATCH, fill_router
from inpaintlab.serving.guards import BodyGuard, HostGuard, Plain, TokenGuard
from inpaintlab.serving.iopaint import iopaint_router
from inpaintlab.serving.metrics import Measured, Metrics
from inpaintlab.serving.openai import openai_router
from inpaintlab.serving.pool import Pool
from inpaintlab.serving.service import Service
from inpaintlab.serving.state_routes import state_router
from inpaintlab.serving.tokens import Token, login_router

_DESCRIPTION = """Fills holes in images with a trained network.

Every reply that is no success has the body `{"error": {"type": …, "message": …}}`."""


def create_app(
    pool: Pool,
    *,
    token: str | None = None,
    hosts: Collection[str] | None = None,
    origins: Collection[str] = (),
    max_bytes: int = 64 * 2**20,
    max_pixels: int = 40_000_000,
    upload_seconds: float = 60.0,
    page: bool = False,
) -> FastAPI:
    """Return the application for a pool that has been entered.

    `hosts` are the names in the Host header that are answered (None: all), `origins` those whose web
    pages may ask. A request may have `max_bytes` and take `upload_seconds` to arrive; each of its
    images may have `max_pixels`. With `page` there is also the page for people, to which `/` leads.
    """
    app = FastAPI(
        title="inpaintlab",
        version=version("inpaintlab"),
        description=_DESCRIPTION,
        # The pages of documentation would load scripts from other servers.
        docs_url=None,
        redoc_url=None,
        form_limits={"max_files": 2 * MAX_BATCH + 2, "max_fields": 64, "max_part_size": 2**16},
    )
    install(app)
    metrics = Metrics(pool)
    service = Service(pool, metrics, max_pixels=max_pixels)
    for router in (fill_router, openai_router, iopaint_router, state_router):
        app.include_router(router(service))
    if page:
        from inpaintlab.serving.page import page_router

        app.include_router(page_router(service, max_bytes))
    # From the innermost to the outermost.
    app.add_middleware(BodyGuard, pool=pool, max_bytes=max_bytes, seconds=upload_seconds)
    if token:
        checked = Token(token)
        app.include_router(login_router(checked))
        app.add_middleware(TokenGuard, token=checked, has_page=page)
    if origins:
        app.add_middleware(
            CORSMiddleware,
            allow_origins=list(origins),
            allow_methods=["GET", "POST"],
            allow_headers=["Authorization", "Content-Type"],
            expose_headers=["Inpaintlab-Model", "Inpaintlab-Seconds", "Inpaintlab-Notes", "X-Seed"],
        )
    app.add_middleware(HostGuard, hosts=hosts, origins=origins)
    app.add_middleware(Plain)
    app.add_middleware(Measured, metrics=metrics)
    return app

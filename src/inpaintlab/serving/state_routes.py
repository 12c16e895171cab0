"""`/healthz`, `/readyz` and `/metrics`: for those who look after the server."""

from typing import Literal

from fastapi import APIRouter, Response
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest
from pydantic import BaseModel, Field

from inpaintlab.serving.errors import RefusedError, documented
from inpaintlab.serving.service import Here

router = APIRouter(tags=["state"])


class State(BaseModel):
    """The server answers."""

    status: Literal["ok"] = "ok"
    workers: int = Field(description="Worker processes that are ready.")


@router.get("/healthz", responses=documented(), summary="Is the server there?")
async def healthz(service: Here) -> State:
    """Answer, whatever the workers do. Needs no token."""
    return State(workers=service.pool.ready)


@router.get("/readyz", responses=documented(503), summary="Would an image be filled?")
async def readyz(service: Here) -> State:
    """Answer if a worker has its model loaded. Needs no token."""
    if not service.pool.ready:
        raise RefusedError(503, "no_worker", "no worker process is ready: try again later")
    return State(workers=service.pool.ready)


@router.get(
    "/metrics",
    response_class=Response,
    responses=documented() | {200: {"content": {"text/plain": {"schema": {"type": "string"}}}}},
    summary="Metrics for Prometheus",
)
async def metrics(service: Here) -> Response:
    """Return counts and times of requests and fills, and the state of the workers."""
    return Response(generate_latest(service.metrics.registry), media_type=CONTENT_TYPE_LATEST)

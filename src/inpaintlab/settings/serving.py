"""Settings of the server."""

from pathlib import Path

from pydantic import Field

from inpaintlab.settings.parts import Settings


class ServeSettings(Settings):
    """Settings of `inpaint serve`."""

    run: Path | None = Field(
        None, description="run folder or file of weights; none: the newest under runs/"
    )
    host: str = Field(
        "127.0.0.1", description="address to listen at; any but this machine's own needs a token"
    )
    port: int = Field(8080, ge=0, le=65535, description="port to listen at; 0: any free one")
    token: str | None = Field(
        None, description="what clients must know; none: INPAINTLAB_TOKEN of the environment"
    )
    allow_host: list[str] = Field(
        default_factory=list, description="further names in the Host header that are answered"
    )
    cors: list[str] = Field(
        default_factory=list, description="origins whose web pages may ask, as https://example.org"
    )
    workers: int | None = Field(
        None, ge=1, description="worker processes; none: as processors and memory allow"
    )
    queue: int = Field(
        32, ge=0, description="requests that may wait; further ones are told to come back"
    )
    seconds: float = Field(60.0, gt=0, description="time limit of one image")
    upload_seconds: float = Field(60.0, gt=0, description="time in which a request must have arrived")
    max_bytes: int = Field(64 * 2**20, ge=1024, description="size limit of one request")
    max_pixels: int = Field(40_000_000, ge=1, description="limit of each image, before it is decoded")
    page: bool = Field(True, description="the page for people, beside the routes for programs")

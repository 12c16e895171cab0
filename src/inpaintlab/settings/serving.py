"""Settings of the server."""

from pathlib import Path
from typing import Annotated

from pydantic import Field

from inpaintlab.settings.parts import Argument, Flag, Settings


class ServeSettings(Settings):
    """Settings of `inpaint serve`."""

    run: Annotated[Path | None, Argument()] = None
    """Run folder or file of weights; by default the newest under runs/, or else the model that
    comes with inpaintlab."""
    host: Annotated[str, Flag()] = "127.0.0.1"
    """Address to listen at; any but this machine's own needs a token."""
    port: Annotated[int, Flag()] = Field(default=8080, ge=0, le=65535)
    """Port to listen at; 0 is any free one."""
    token: Annotated[str | None, Flag(env="INPAINTLAB_TOKEN")] = None
    """Secret that clients must know; by default $INPAINTLAB_TOKEN."""
    workers: Annotated[int | None, Flag()] = Field(default=None, ge=1)
    """Worker processes; by default as many as processors and memory allow."""
    cors: Annotated[list[str], Flag(metavar="ORIGIN")] = Field(default_factory=list)
    """Origin whose web pages may ask, as https://example.org."""
    allow_host: Annotated[list[str], Flag(metavar="NAME")] = Field(default_factory=list)
    """Further name of this server in the Host header."""
    page: Annotated[bool, Flag()] = True
    """Web page for people, beside the routes for programs."""
    queue: int = Field(default=32, ge=0)
    """Requests that may wait; further ones are told to come back."""
    seconds: float = Field(default=60.0, gt=0)
    """Time limit of one image in seconds."""
    upload_seconds: float = Field(default=60.0, gt=0)
    """Seconds in which a request must have arrived."""
    max_bytes: int = Field(default=64 * 2**20, ge=1024)
    """Largest request in bytes."""
    max_pixels: int = Field(default=40_000_000, ge=1)
    """Largest image in pixels; others are not decoded."""

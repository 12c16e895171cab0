"""The web page: open a photo, paint over what should go, fill, compare, go on.

Plain files without a build chain. The page fills through `/v1/fill`, so that a worker process decodes
a strange file. It loads nothing from elsewhere and sends nothing there.
"""

from functools import cache
from html import escape
from pathlib import Path
from string import Template
from typing import Any

from fastapi import APIRouter, Response
from fastapi.responses import RedirectResponse

from inpaintlab.data.samples import draw
from inpaintlab.images import DecodedImage, encode
from inpaintlab.serving.errors import RefusedError
from inpaintlab.serving.service import Service

_HERE = Path(__file__).parent
_KINDS = {"css": "text/css", "js": "text/javascript", "svg": "image/svg+xml"}
_FILES = ("page.css", "page.js", "hole.js", "icon.svg")
#: Sample portraits whose faces differ, in good light.
_SAMPLES = (10, 8, 20, 14)
_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' blob:; connect-src 'self'; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)


def page_router(service: Service, max_bytes: int) -> APIRouter:
    """Return the routes of the page, to which `/` leads; photos may have `max_bytes`."""
    router = APIRouter(include_in_schema=False)

    @router.get("/")
    def root() -> RedirectResponse:
        return RedirectResponse("page/")

    @router.get("/page/")
    def page() -> Response:
        text = Template((_HERE / "page.html").read_text(encoding="utf-8")).substitute(
            model=escape(_model(service.pool.about)),
            max_bytes=max_bytes,
            max_pixels=service.max_pixels,
            samples=len(_SAMPLES),
        )
        headers = {"Content-Security-Policy": _POLICY, "Referrer-Policy": "no-referrer"}
        return Response(text, media_type="text/html", headers=headers | _FRESH)

    @router.get("/page/{name}")
    def file(name: str) -> Response:
        """Send one of the page's files; a name that is not theirs reaches no path."""
        if name in _FILES:
            kind = _KINDS[name.rpartition(".")[2]]
            return Response((_HERE / name).read_bytes(), media_type=kind, headers=_FRESH)
        numbers = {f"sample-{number}.jpg": index for number, index in enumerate(_SAMPLES, 1)}
        if name in numbers:
            return Response(_sample(numbers[name]), media_type="image/jpeg", headers=_FRESH)
        raise RefusedError(404, "not_found", f"there is nothing at /page/{name[:80]}")

    return router


#: Browsers ask each time: another server may answer at the same address tomorrow.
_FRESH = {"Cache-Control": "no-cache"}


def _model(about: dict[str, Any]) -> str:
    """Say which model fills."""
    return f"Filled by {about['name']}, trained on images of {about['size']}×{about['size']}."


@cache
def _sample(index: int) -> bytes:
    """Draw a portrait to try the page with."""
    return encode(DecodedImage(draw(index, 512), "RGB"), ".jpg")[0]

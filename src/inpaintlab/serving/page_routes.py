"""The web page: open a photo, paint over what should go, fill, compare, go on.

Its files in `page/` are plain, without a build chain. The page fills through `/v1/fill`, so that worker
processes decode what strangers send. It loads nothing from elsewhere and sends nothing there.
"""

from functools import cache
from pathlib import Path
from string import Template

from fastapi import APIRouter, Response
from fastapi.responses import RedirectResponse

from inpaintlab.data.samples import draw
from inpaintlab.images import DecodedImage, encode
from inpaintlab.serving.errors import RefusedError
from inpaintlab.serving.service import Here

_FOLDER = Path(__file__).parent / "page"
#: The files that are sent as they are, and their media types.
_FILES = {
    "page.css": "text/css",
    "page.js": "text/javascript",
    "hole.js": "text/javascript",
    "icon.svg": "image/svg+xml",
}
#: Sample portraits whose faces differ, in good light.
_SAMPLES = {f"sample-{number}.jpg": index for number, index in enumerate((10, 8, 20, 14), 1)}
_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' blob:; connect-src 'self'; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
#: Browsers ask each time: tomorrow another server may answer at the same address.
_FRESH = {"Cache-Control": "no-cache"}

router = APIRouter(include_in_schema=False)


@router.get("/")
async def root() -> RedirectResponse:
    """Lead to the page."""
    return RedirectResponse("page/")


@router.get("/page/")
def page(service: Here) -> Response:
    """Send the page, with the limits of this server in it."""
    text = Template((_FOLDER / "page.html").read_text(encoding="utf-8")).substitute(
        max_bytes=service.max_bytes, max_pixels=service.max_pixels, samples=len(_SAMPLES)
    )
    headers = {"Content-Security-Policy": _POLICY, "Referrer-Policy": "no-referrer"}
    return Response(text, media_type="text/html", headers=headers | _FRESH)


@router.get("/page/{name}")
def file(name: str) -> Response:
    """Send one of the page's files; no other name reaches a path."""
    if name in _FILES:
        return Response((_FOLDER / name).read_bytes(), media_type=_FILES[name], headers=_FRESH)
    if name in _SAMPLES:
        return Response(_sample(_SAMPLES[name]), media_type="image/jpeg", headers=_FRESH)
    raise RefusedError(404, "not_found", f"there is nothing at /page/{name[:80]}")


@cache
def _sample(index: int) -> bytes:
    """Draw a portrait to try the page with."""
    return encode(DecodedImage(draw(index, 512), "RGB"), ".jpg")[0]

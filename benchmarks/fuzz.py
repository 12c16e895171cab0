"""Throws odd requests at a server and counts what it says; it must never answer 5xx.

Half of the cases are requests that schemathesis makes from the server's own OpenAPI, each answer
compared with what is documented. The other half are image files that hypothesis makes and then
damages, sent to all routes that fill. The server is a real one, with worker processes.

Usage: python benchmarks/fuzz.py RUN [CASES]      10,000 cases by default
"""

import base64
import io
import sys
from collections import Counter
from collections.abc import Callable
from typing import Any

import httpx2
import numpy as np
import schemathesis
from hypothesis import HealthCheck, Phase, given, seed, settings, strategies as st
from PIL import Image
from schemathesis import openapi
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
)
from server import running

_CHECKS = [
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_schema_conformance,
]
_MODES = {
    "PNG": ("1", "L", "LA", "P", "RGB", "RGBA", "I;16"),
    "JPEG": ("L", "RGB", "CMYK"),
    "WEBP": ("RGB", "RGBA"),
    "TIFF": ("1", "L", "LA", "RGB", "RGBA", "CMYK", "F", "I;16"),
    "BMP": ("1", "L", "RGB", "P"),
    "GIF": ("L", "P"),
    "PPM": ("L", "RGB"),
}

#: What was asked, and the status that came.
Counts = Counter[tuple[str, int]]


def main(run: str, cases: int = 10_000) -> None:
    with running(run, "--workers", "2") as server:
        counts = from_description(openapi.from_url(f"{server.url}/openapi.json"), cases // 2)
        with httpx2.Client(base_url=server.url, timeout=60) as client:
            counts += from_images(client, cases - counts.total())
            assert client.get("/readyz").status_code == 200
    show(counts)
    assert not any(status >= 500 for _, status in counts), "the server failed"


def show(counts: Counts) -> None:
    """Print how often each route gave each status."""
    for (what, status), count in sorted(counts.items()):
        print(f"{what:36} {status} {count:7,}")
    print(f"{counts.total():,} cases, {sum(n for (_, s), n in counts.items() if s >= 500)} with 5xx")


def from_description(schema: schemathesis.BaseSchema, cases: int) -> Counts:
    """Ask what the OpenAPI description allows, and what it nearly allows, route by route."""
    counts: Counts = Counter()
    operations = [found.ok() for found in schema.get_all_operations()]

    def ask(case: schemathesis.Case) -> None:
        reply = case.call()
        counts[f"{case.method} {case.operation.path}", reply.status_code] += 1
        case.validate_response(reply, checks=_CHECKS)

    modes = list(schemathesis.GenerationMode)
    varied = sum(bool(operation.body) or bool(operation.path_parameters) for operation in operations)
    for operation in operations:  # of those that take nothing there is one request to make
        made = st.one_of(*(operation.as_strategy(generation_mode=mode) for mode in modes))
        repeat(ask, made, cases // varied)
    return counts


def from_images(client: httpx2.Client, cases: int) -> Counts:
    """Send made and damaged images to the routes that fill."""
    counts: Counts = Counter()

    def ask(drawn: tuple[str, tuple[bytes, bytes]]) -> None:
        route, (image, mask) = drawn
        reply = client.post(route, **_body(route, image, mask))
        counts[f"images to {route}", reply.status_code] += 1
        assert reply.status_code == 200 or set(reply.json()) == {"error"}
        if reply.status_code >= 500:
            print(f"{reply.text}\nimage {base64.b64encode(image)}\nmask {base64.b64encode(mask)}")

    repeat(ask, st.tuples(st.sampled_from(_ROUTES), pairs()), cases)
    return counts


_ROUTES = ("/v1/fill", "/v1/fill:batch", "/v1/fill:variants", "/v1/images/edits", "/api/v1/inpaint")


def _body(route: str, image: bytes, mask: bytes) -> dict[str, Any]:
    """Return the images as the route wants them."""
    if route == "/api/v1/inpaint":
        encoded = {"image": base64.b64encode(image).decode(), "mask": base64.b64encode(mask).decode()}
        return {"json": encoded}
    files = {"image": ("image", image), "mask": ("mask", mask)}
    return {"files": files, "data": {"prompt": "none"} if "edits" in route else {}}


def repeat(ask: Callable[[Any], None], strategy: st.SearchStrategy[Any], cases: int) -> None:
    """Call a function with so many drawn values, always the same ones."""
    quiet = settings(
        max_examples=cases,
        deadline=None,
        database=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    seed(0)(quiet(given(strategy)(ask)))()


@st.composite
def pairs(draw: st.DrawFn) -> tuple[bytes, bytes]:
    """Draw an image file of any kind and a mask of its size; half of the images are damaged."""
    kind = draw(st.sampled_from(sorted(_MODES)))
    mode = draw(st.sampled_from(_MODES[kind]))
    width, height = draw(st.integers(1, 48)), draw(st.integers(1, 48))
    random = np.random.default_rng(draw(st.integers(0, 99)))
    image = _encoded(random, kind, mode, width, height)
    right, bottom = draw(st.integers(0, width)), draw(st.integers(0, height))
    mask = _mask(width, height, right, bottom)
    if draw(st.booleans()):
        image = _damaged(draw, image)
    return image, _damaged(draw, mask) if draw(st.integers(0, 19)) == 0 else mask


def _mask(width: int, height: int, right: int, bottom: int) -> bytes:
    """Return a mask whose hole, white and transparent, begins in a corner."""
    image = Image.new("RGBA", (width, height), "black")
    image.paste((255, 255, 255, 0), (0, 0, right, bottom))
    buffer = io.BytesIO()
    image.save(buffer, "PNG")
    return buffer.getvalue()


def _encoded(random: np.random.Generator, kind: str, mode: str, width: int, height: int) -> bytes:
    pixels = random.integers(0, 256, (height, width, 3), np.uint8)
    if mode == "I;16":
        image = Image.fromarray(random.integers(0, 65536, (height, width)).astype(np.uint16))
    else:
        image = Image.fromarray(pixels).convert("L" if mode == "LA" else mode).convert(mode)
    buffer = io.BytesIO()
    image.save(buffer, kind)
    return buffer.getvalue()


def _damaged(draw: st.DrawFn, data: bytes) -> bytes:
    """Cut, overwrite, insert and repeat."""
    for _ in range(draw(st.integers(1, 4))):
        place = draw(st.integers(0, max(0, len(data) - 1)))
        piece = draw(st.binary(max_size=8))
        match draw(st.sampled_from(["cut", "overwrite", "insert", "repeat"])):
            case "cut":
                data = data[:place]
            case "overwrite":
                data = data[:place] + piece + data[place + len(piece) :]
            case "insert":
                data = data[:place] + piece + data[place:]
            case _:
                data = data[:place] + data[place // 2 :]
    return data


if __name__ == "__main__":
    main(sys.argv[1], *(int(word) for word in sys.argv[2:]))

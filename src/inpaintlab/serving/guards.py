"""What a request must pass before any route sees it: Host, Origin, token, and the limits of its body.

Each guard is plain ASGI middleware; `app.create_app` puts them in order.
"""

import asyncio
import hmac
from collections.abc import Callable, Collection
from urllib.parse import urlsplit

from starlette.datastructures import Headers
from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from inpaintlab.serving.errors import RefusedError, error_response
from inpaintlab.serving.pool import Pool

#: Paths that need no token: they only say that the server is there. The page asks for it in the browser.
_OPEN = ("/healthz", "/readyz", "/")
#: Beginnings of paths whose POST is an image to fill.
_FILLS = ("/v1/", "/api/v1/")


#: Raises `RefusedError` for a request that is to go no further.
Check = Callable[[Scope, Headers], None]


class Guard:
    """Middleware that passes a request on or replies with why it does not."""

    def __init__(self, app: ASGIApp, check: Check) -> None:
        self._app, self._check = app, check

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Check the head of a request. There are no websockets here: they are closed."""
        if scope["type"] == "websocket":
            await send({"type": "websocket.close", "code": 1008})
            return
        if scope["type"] == "http":
            try:
                self._check(scope, Headers(scope=scope))
            except RefusedError as refused:
                await error_response(refused)(scope, receive, send)
                return
            receive = self.receiver(receive)
        await self._app(scope, receive, send)

    def receiver(self, receive: Receive) -> Receive:
        """Return what the body is to be read with."""
        return receive


def host_check(hosts: Collection[str] | None, origins: Collection[str] = ()) -> Check:
    """Refuse other names than `hosts` (None: every name will do), and web pages of other `origins`.

    A page of a stranger can have its own name point here (DNS rebinding), or post a form.
    """

    def check(_: Scope, headers: Headers) -> None:
        host = headers.get("host", "")
        if hosts is not None and _name(host) not in hosts:
            message = f"this server is not {host[:80]!r} but {', '.join(sorted(hosts))}"
            raise RefusedError(421, "wrong_host", f"{message}: use one of these, or set --allow-host")
        origin = headers.get("origin")
        if origin is not None and origin not in origins and urlsplit(origin).netloc != host:
            message = "web pages of other origins may not ask: start the server with --cors ORIGIN"
            raise RefusedError(403, "cross_origin", message)

    return check


def _name(host: str) -> str:
    """Return the name in a Host header, without its port."""
    try:
        return urlsplit(f"//{host}").hostname or ""
    except ValueError:
        return ""


def token_check(token: str) -> Check:
    """Refuse requests without `Authorization: Bearer TOKEN`; only paths that tell nothing are open."""

    def check(scope: Scope, headers: Headers) -> None:
        if scope["path"] in _OPEN or scope["path"].startswith("/page/"):
            return
        scheme, _, text = headers.get("authorization", "").partition(" ")
        if scheme.lower() == "bearer" and hmac.compare_digest(text.strip().encode(), token.encode()):
            return
        message = "this server wants its token: send the header Authorization: Bearer TOKEN"
        raise RefusedError(401, "unauthorized", message, headers={"WWW-Authenticate": "Bearer"})

    return check


class BodyGuard(Guard):
    """Refuses bodies that are too large or too slow, and fills for which the queue has no place."""

    def __init__(self, app: ASGIApp, pool: Pool, *, max_bytes: int, seconds: float) -> None:
        super().__init__(app, self._look)
        self._pool, self._max_bytes, self._seconds = pool, max_bytes, seconds

    def _look(self, scope: Scope, headers: Headers) -> None:
        """Refuse by the head what need not be read."""
        length = headers.get("content-length", "0")
        if not length.isdecimal() or int(length[:20]) > self._max_bytes:
            raise self._too_large()
        if scope["method"] == "POST" and scope["path"].startswith(_FILLS) and self._pool.full:
            raise self._pool.no_place()

    def receiver(self, receive: Receive) -> Receive:
        """Count the bytes of a body, and the seconds until it is there."""
        deadline = asyncio.get_running_loop().time() + self._seconds
        seen, complete = 0, False

        async def counting() -> Message:
            nonlocal seen, complete
            if complete:  # what comes now is that the client has gone, whenever that is
                return await receive()
            try:
                async with asyncio.timeout_at(deadline):
                    message = await receive()
            except TimeoutError:
                late = f"the request did not arrive within {self._seconds:g} s, the limit"
                raise HTTPException(408, late) from None
            seen += len(message.get("body", b""))
            complete = not message.get("more_body", False)
            if seen > self._max_bytes:
                raise HTTPException(413, str(self._too_large()))
            return message

        return counting

    def _too_large(self) -> RefusedError:
        message = f"the request has more than {self._max_bytes:,} bytes, the limit"
        return RefusedError(413, "too_large", message)

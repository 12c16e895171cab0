"""What a request must pass before any route sees it: Host, Origin, token, and the limits of its body.

Each guard is plain ASGI middleware; `app.create_app` puts them in order.
"""

import asyncio
import hmac
from collections.abc import Collection
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


class Guard:
    """Middleware that passes a request on or replies with why it does not."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Check the head of a request. There are no websockets here: they are closed."""
        if scope["type"] == "websocket":
            await send({"type": "websocket.close", "code": 1008})
            return
        if scope["type"] == "http":
            try:
                self.check(scope, Headers(scope=scope))
            except RefusedError as refused:
                await error_response(refused)(scope, receive, send)
                return
            receive = self.receiver(receive)
        await self._app(scope, receive, send)

    def check(self, scope: Scope, headers: Headers) -> None:
        """Raise `RefusedError` for a request that is to go no further."""

    def receiver(self, receive: Receive) -> Receive:
        """Return what the body is to be read with."""
        return receive


class HostGuard(Guard):
    """Refuses other names than those allowed, and web pages of other origins.

    A page of a stranger can have its own name point to this machine (DNS rebinding), or post a form
    here. With `hosts` None every name will do; `origins` are those that `--cors` allows.
    """

    def __init__(
        self, app: ASGIApp, hosts: Collection[str] | None, origins: Collection[str] = ()
    ) -> None:
        super().__init__(app)
        self._hosts, self._origins = hosts, frozenset(origins)

    def check(self, scope: Scope, headers: Headers) -> None:  # noqa: ARG002
        """Compare the headers with what is allowed."""
        host = headers.get("host", "")
        if self._hosts is not None and _name(host) not in self._hosts:
            message = f"this server is not {host[:80]!r} but {', '.join(sorted(self._hosts))}"
            raise RefusedError(421, "wrong_host", f"{message}: use one of these, or set --allow-host")
        origin = headers.get("origin")
        if origin is None or origin in self._origins or urlsplit(origin).netloc == host:
            return
        message = "web pages of other origins may not ask: start the server with --cors ORIGIN"
        raise RefusedError(403, "cross_origin", message)


def _name(host: str) -> str:
    """Return the name in a Host header, without its port."""
    try:
        return urlsplit(f"//{host}").hostname or ""
    except ValueError:
        return ""


class TokenGuard(Guard):
    """Refuses requests without `Authorization: Bearer TOKEN`; only paths that tell nothing are open."""

    def __init__(self, app: ASGIApp, token: str) -> None:
        super().__init__(app)
        self._token = token.encode()

    def check(self, scope: Scope, headers: Headers) -> None:
        """Look for the token, and compare it in constant time."""
        if scope["path"] in _OPEN or scope["path"].startswith("/page/"):
            return
        scheme, _, text = headers.get("authorization", "").partition(" ")
        if scheme.lower() == "bearer" and hmac.compare_digest(text.strip().encode(), self._token):
            return
        message = "this server wants its token: send the header Authorization: Bearer TOKEN"
        raise RefusedError(401, "unauthorized", message, headers={"WWW-Authenticate": "Bearer"})


class BodyGuard(Guard):
    """Refuses bodies that are too large or too slow, and fills for which the queue has no place."""

    def __init__(self, app: ASGIApp, pool: Pool, *, max_bytes: int, seconds: float) -> None:
        super().__init__(app)
        self._pool, self._max_bytes, self._seconds = pool, max_bytes, seconds

    def check(self, scope: Scope, headers: Headers) -> None:
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

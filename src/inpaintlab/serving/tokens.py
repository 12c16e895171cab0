"""The token that a server may want, and the form by which a browser gives it once.

The form's cookie holds not the token but what only its owner could have computed from it; scripts cannot
read it, and other sites' pages cannot have it sent.
"""

import hashlib
import hmac
from typing import Annotated

from fastapi import APIRouter, Form, Response
from fastapi.responses import HTMLResponse, RedirectResponse
from starlette.datastructures import Headers
from starlette.requests import cookie_parser

_COOKIE = "inpaintlab"
#: A token that is guessed at over a network should be longer than what can be tried.
MIN_LENGTH = 16
_FORM = """<!doctype html><html lang="en"><meta charset="utf-8"><title>inpaintlab</title>
<meta name="viewport" content="width=device-width, initial-scale=1">
<style>body{{font:1.1rem system-ui;margin:20vh auto;max-width:22rem;padding:1rem}}
input,button{{font:inherit;width:100%;box-sizing:border-box;margin:.4rem 0;padding:.5rem}}</style>
<form method="post" action="../login"><label>The token of this server
<input type="password" name="token" autocomplete="current-password" required autofocus></label>
<button>Open the page</button>{note}</form></html>"""


class Token:
    """A token, compared in constant time."""

    def __init__(self, text: str) -> None:
        self._text = text.encode()
        self.cookie = hmac.new(self._text, b"inpaintlab page", hashlib.sha256).hexdigest()

    def matches(self, text: str) -> bool:
        """Tell whether this is the token."""
        return hmac.compare_digest(text.encode(), self._text)

    def is_in(self, headers: Headers) -> bool:
        """Tell whether a request carries the token, or the cookie of one who gave it."""
        scheme, _, text = headers.get("authorization", "").partition(" ")
        if scheme.lower() == "bearer" and self.matches(text.strip()):
            return True
        given = cookie_parser(headers.get("cookie", "")).get(_COOKIE, "")
        return hmac.compare_digest(given.encode(), self.cookie.encode())


def login_page(note: str = "") -> Response:
    """Return the form that asks for the token."""
    headers = {
        "Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'; form-action 'self'",
        "Cache-Control": "no-store",
    }
    shown = f"<p role=alert>{note}</p>" if note else ""
    return HTMLResponse(_FORM.format(note=shown), status_code=401, headers=headers)


def login_router(token: Token) -> APIRouter:
    """Return the route that takes the form."""
    router = APIRouter()

    @router.post("/login", include_in_schema=False)
    def login(token_field: Annotated[str, Form(alias="token")]) -> Response:
        """Give the cookie for the token."""
        if not token.matches(token_field):
            return login_page("This is not the token.")
        reply = RedirectResponse("page/", status_code=303)
        reply.set_cookie(_COOKIE, token.cookie, httponly=True, samesite="strict")
        return reply

    return router

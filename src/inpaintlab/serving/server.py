"""Running the server: address, signals, log."""

import asyncio
import ipaddress
import math
import os
import signal
import socket
from collections.abc import Collection
from pathlib import Path

import uvicorn

from inpaintlab.errors import OutputError, SettingError
from inpaintlab.runs import run_or_default
from inpaintlab.serving.app import create_app
from inpaintlab.serving.work import worker_pool
from inpaintlab.settings import ServeSettings

#: A token that is guessed at over a network must be longer than what can be tried.
MIN_LENGTH = 16
#: What a browser calls this machine.
_OWN_NAMES = frozenset({"localhost", "127.0.0.1", "::1"})
#: Connections that wait for the server to turn to them.
_BACKLOG = 512
#: Everything goes to stderr: each request with its status, and what went wrong.
_LOGGING = {
    "version": 1,
    "disable_existing_loggers": False,
    "formatters": {"plain": {"format": "%(asctime)s %(levelname)s %(message)s"}},
    "handlers": {"stderr": {"class": "logging.StreamHandler", "formatter": "plain"}},
    "loggers": {
        "uvicorn.error": {"handlers": ["stderr"], "level": "WARNING"},
        "uvicorn.access": {"handlers": ["stderr"], "level": "INFO"},
        "inpaintlab.serving": {"handlers": ["stderr"], "level": "INFO"},
    },
}


def serve(settings: ServeSettings) -> None:
    """Serve until a signal; then finish the requests under way, and take no new ones.

    Raises `SettingError` for an address or a token that would not be safe, `OutputError` for an address
    that is taken or not there, and `RunError` for weights that cannot be loaded.
    """
    token = settings.token or os.environ.get("INPAINTLAB_TOKEN") or None
    _check_token(settings.host, token)
    run = run_or_default(settings.run)
    with _listening(settings.host, settings.port) as listener:
        asyncio.run(_serve(settings, token, run, listener))


async def _serve(settings: ServeSettings, token: str | None, run: Path, listener: socket.socket) -> None:
    pool = worker_pool(
        run,
        plugins=settings.plugins,
        workers=settings.workers,
        queue=settings.queue,
        seconds=settings.seconds,
    )
    async with pool:
        app = create_app(
            pool,
            token=token,
            hosts=allowed_hosts(settings.host, settings.allow_host),
            origins=settings.cors,
            max_bytes=settings.max_bytes,
            max_pixels=settings.max_pixels,
            upload_seconds=settings.upload_seconds,
            page=settings.page,
        )
        config = uvicorn.Config(
            app,
            log_config=_LOGGING,
            server_header=False,
            ws="none",
            timeout_graceful_shutdown=math.ceil(settings.seconds) + 5,
        )
        # Uvicorn raises a signal once more when all is done; by then it has been obeyed.
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, signal.SIG_IGN)
        print(greeting(run, _address(listener), settings.page), flush=True)
        await uvicorn.Server(config).serve(sockets=[listener])


def greeting(run: object, address: str, page: bool) -> str:
    """Return what is printed once the server listens.

    >>> greeting("runs/a", "http://127.0.0.1:8080", True)
    'runs/a: page http://127.0.0.1:8080/page/, REST http://127.0.0.1:8080/v1/ (Ctrl-C ends it)'
    """
    return f"{run}: {f'page {address}/page/, ' if page else ''}REST {address}/v1/ (Ctrl-C ends it)"


def is_loopback(host: str) -> bool:
    """Tell whether an address can be reached from this machine alone."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def allowed_hosts(host: str, others: Collection[str] = ()) -> frozenset[str] | None:
    """Return the names in the Host header that a server at `host` answers; None: all.

    Elsewhere than on loopback the token keeps strangers' pages out, and names are many.
    """
    if not is_loopback(host) and not others:
        return None
    return _OWN_NAMES | {host, *others}


def _check_token(host: str, token: str | None) -> None:
    cure = "python -c 'import secrets; print(secrets.token_urlsafe())' makes one"
    if token is None and not is_loopback(host):
        raise SettingError(
            f"{host} can be reached from other machines: set INPAINTLAB_TOKEN, or give --token; {cure}"
        )
    if token is not None and len(token) < MIN_LENGTH:
        raise SettingError(
            f"the token has {len(token)} characters, which is short: give {MIN_LENGTH} or more; {cure}"
        )


def _listening(host: str, port: int) -> socket.socket:
    """Return a socket that listens; raises `OutputError` where that cannot be."""
    try:
        family, *_, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        return socket.create_server(address[:2], family=family, backlog=_BACKLOG)
    except OSError as error:
        raise OutputError(
            f"cannot listen at {host}:{port}: {error.strerror or error}; --port 0 takes any free port"
        ) from None


def _address(listener: socket.socket) -> str:
    host, port = listener.getsockname()[:2]
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"

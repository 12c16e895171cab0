"""Mounting the page in a server: its looks, and the doors of gradio that are closed."""

import asyncio
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import gradio as gr
from fastapi import FastAPI
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Receive, Scope, Send

from inpaintlab.serving.page.layout import create_page
from inpaintlab.serving.page.photos import Fill

#: Larger files are refused while they come in.
MAX_UPLOAD = "60mb"
_SYSTEM = ("system-ui", "-apple-system", "Segoe UI", "Roboto", "sans-serif")


def mount_page(app: FastAPI, fill: Fill, about: Mapping[str, Any], path: str = "/") -> FastAPI:
    """Mount the page, made of `fill` and `about` as in `create_page`, and return the app.

    Add your own routes before: at "/" the page answers everything that is left.
    """
    return _in_a_loop(lambda: _mount(app, create_page(fill, about), path))


def _in_a_loop(build: Callable[[], FastAPI]) -> FastAPI:
    """Build inside an event loop: gradio makes loops and never closes them where none is running."""

    async def building() -> FastAPI:
        return build()

    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return asyncio.run(building())
    return build()


def _mount(app: FastAPI, page: gr.Blocks, path: str) -> FastAPI:
    # Gradio checks the paths that browsers send only when it runs its own server; here a stranger could
    # open any image of this machine as if it had been uploaded.
    page.has_launched = True
    # Gradio would summarise after each event, with pandas, how long the last thousands took.
    page._queue.ANAYLTICS_CACHE_FREQUENCY = sys.maxsize
    for block in page.blocks.values():
        _keep_local(block)
    app.add_middleware(_NoFetching)
    here = Path(__file__).parent
    gr.mount_gradio_app(
        app,
        page,
        path=path,
        footer_links=[],
        run_history=False,
        show_error=False,
        max_file_size=MAX_UPLOAD,
        ssr_mode=False,
        enable_monitoring=False,
        pwa=False,
        mcp_server=False,
        theme=_theme(),
        css=(here / "page.css").read_text(encoding="utf-8"),
        js=(here / "page.js").read_text(encoding="utf-8"),
    )
    return app


def _theme() -> gr.themes.Base:
    """Quiet, with one colour, and the fonts that are there: gradio's own would be fetched."""
    theme = gr.themes.Default(
        primary_hue="indigo",
        secondary_hue="indigo",
        neutral_hue="slate",
        radius_size="lg",
        font=_SYSTEM,
        font_mono=("ui-monospace", "monospace"),
    )
    # White on the lighter shade that is the default does not reach a contrast of 4.5.
    shades = {"button_primary_background_fill": "*primary_600"}
    shades["button_primary_background_fill_hover"] = "*primary_700"
    return theme.set(**shades, **{f"{name}_dark": shade for name, shade in shades.items()})


def _keep_local(block: Any) -> None:
    """Make a part of the page refuse addresses where a file should be: gradio would fetch them."""
    move = block.async_move_resource_to_block_cache

    async def move_files_only(file: str | None) -> str | None:
        if file is not None and "://" in str(file):
            raise ValueError("a file is needed, not an address")
        moved: str | None = await move(file)
        return moved

    block.async_move_resource_to_block_cache = move_files_only


class _NoFetching:
    """Refuses gradio's routes that fetch an address for the visitor: nothing leaves this machine."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        path = scope.get("path", "")
        if scope["type"] == "http" and ("/file=http" in path or "/proxy=" in path):
            await PlainTextResponse("addresses are not fetched", 403)(scope, receive, send)
            return
        await self._app(scope, receive, send)

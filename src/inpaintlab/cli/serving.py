"""The command that fills images for others: serve."""

from importlib.util import find_spec
from pathlib import Path
from typing import Annotated

import typer

from inpaintlab.cli.options import Assignments, Config
from inpaintlab.errors import InpaintlabError

#: What the extra `serve` brings, as Python calls it.
_NEEDED = ("fastapi", "uvicorn", "python_multipart", "prometheus_client")


def serve(
    run: Annotated[
        Path | None, typer.Argument(help="Run folder or file of weights. [the newest under runs/]")
    ] = None,
    host: Annotated[
        str | None, typer.Option(help="Address to listen at; others need --token. [127.0.0.1]")
    ] = None,
    port: Annotated[int | None, typer.Option(help="0 is any free one. [8080]")] = None,
    token: Annotated[
        str | None,
        typer.Option(envvar="INPAINTLAB_TOKEN", help="What clients must know.", show_envvar=True),
    ] = None,
    workers: Annotated[
        int | None, typer.Option(help="Processes. [as processors and memory allow]")
    ] = None,
    cors: Annotated[
        list[str] | None, typer.Option(help="Origin whose web pages may ask. Repeatable.")
    ] = None,
    allow_host: Annotated[
        list[str] | None, typer.Option(help="Further name of this server, as of a proxy. Repeatable.")
    ] = None,
    no_page: Annotated[bool, typer.Option("--no-page", help="Only REST, no web page.")] = False,
    config: Config = None,
    assignments: Assignments = None,
) -> None:
    """Fill images for others: REST, also for clients of OpenAI and IOPaint, and a web page."""
    from inpaintlab.settings import ServeSettings, build

    flags = {
        "run": run, "host": host, "port": port, "token": token, "workers": workers, "cors": cors,
        "allow_host": allow_host, "page": False if no_page else None,
    }  # fmt: skip
    settings = build(ServeSettings, config=config, assignments=assignments or (), flags=flags)
    for name in _NEEDED:
        if find_spec(name) is None:
            raise InpaintlabError(f"inpaint serve needs {name}: pip install 'inpaintlab[serve]'")
    from inpaintlab.serving.server import serve as run_server

    run_server(settings)

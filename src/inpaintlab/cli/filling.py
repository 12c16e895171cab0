"""Commands that use a network: fill."""

from pathlib import Path
from typing import Annotated, Any

import typer

from inpaintlab.cli.options import Assignments, Config, Json, print_json


def fill(
    image: Annotated[
        Path,
        typer.Argument(help="Picture, folder, or list of them: .txt, .jsonl, .csv.", show_default=False),
    ],
    mask: Annotated[
        Path | None,
        typer.Argument(
            help="Mask file of the same size, white = hole; or folder of masks. "
            "[NAME_mask.png beside NAME.png]",
            show_default=False,
        ),
    ] = None,
    output: Annotated[
        Path | None,
        typer.Option(
            "-o",
            "--output",
            help="File to write, its suffix says the format; of several pictures a folder.",
            show_default=False,
        ),
    ] = None,
    run: Annotated[
        Path | None, typer.Option(help="Run folder or file of weights. [the newest under runs/]")
    ] = None,
    invert_mask: Annotated[
        bool | None,
        typer.Option(
            "--invert-mask/--no-invert-mask",
            help="Black marks the hole; or white does, though masks look inverted.",
            show_default=False,
        ),
    ] = None,
    preview: Annotated[
        bool, typer.Option("--preview", help="Only draw a sheet of pictures with their holes.")
    ] = False,
    format_name: Annotated[
        str | None,
        typer.Option(
            "--format", help="Of several: same, png, tif, webp, bmp, jpg. [same; png if that is lossy]"
        ),
    ] = None,
    shard: Annotated[
        str | None, typer.Option(metavar="I/N", help="Of several, only the I-th of N equal parts.")
    ] = None,
    config: Config = None,
    assignments: Assignments = None,
    as_json: Json = False,
) -> None:
    """Fill the holes of a picture, a folder or a list; everything outside them stays as it is."""
    from inpaintlab.configs import FillSettings, build

    flags = {
        "image": image, "mask": mask, "output": output, "run": run, "invert_mask": invert_mask,
        "preview": preview or None, "format": format_name, "shard": shard,
    }  # fmt: skip
    settings = build(FillSettings, config=config, assignments=assignments or (), flags=flags)
    from inpaintlab.inpainter import fill_files

    try:
        result = fill_files(settings)
    except KeyboardInterrupt:
        raise typer.Exit(130) from None
    _tell(result, as_json)
    if result["findings"]:
        raise typer.Exit(1)


def _tell(result: dict[str, Any], as_json: bool) -> None:
    """Print a result: notes and findings to stderr, one line or JSON to stdout."""
    from inpaintlab.progress import say

    for note in result["notes"]:
        say(f"note: {note}")
    for finding in result["findings"]:
        say(f"finding: {finding}")
    if as_json:
        print_json(result)
    elif "preview" in result:
        typer.echo(f"{result['preview']} shows the holes in red; nothing was filled")
    elif "filled" in result:
        skipped = f", {result['skipped']} were there already" if result["skipped"] else ""
        failed = f", {result['failed']} failed" if result["failed"] else ""
        typer.echo(
            f"{result['output']}: {result['filled']} filled{skipped}{failed} (by {result['run']})"
        )
    else:
        typer.echo(f"{result['output']} (filled by {result['run']})")

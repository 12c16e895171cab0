"""Commands that use a network: fill."""

from pathlib import Path
from typing import Annotated

import typer

from inpaintlab.cli.options import Json, print_json


def fill(
    image: Annotated[Path, typer.Argument(help="Picture file.", show_default=False)],
    mask: Annotated[
        Path, typer.Argument(help="Mask file of the same size, white = hole.", show_default=False)
    ],
    output: Annotated[
        Path,
        typer.Option(
            "-o", "--output", help="File to write; the suffix says the format.", show_default=False
        ),
    ],
    run: Annotated[
        Path | None, typer.Option(help="Run folder or file of weights. [the newest under runs/]")
    ] = None,
    invert_mask: Annotated[bool, typer.Option("--invert-mask", help="Black marks the hole.")] = False,
    as_json: Json = False,
) -> None:
    """Fill the hole of one picture; everything outside it stays as it is."""
    from inpaintlab.checkpoints import newest_run
    from inpaintlab.inpainter import Inpainter
    from inpaintlab.progress import say

    chosen = run or newest_run(Path("runs"))
    notes = Inpainter.load(chosen).fill_file(image, mask, output, invert_mask=invert_mask)
    for note in notes:
        say(f"note: {note}")
    if as_json:
        print_json({"output": str(output), "run": str(chosen), "notes": notes})
    else:
        typer.echo(f"{output} (filled by {chosen})")

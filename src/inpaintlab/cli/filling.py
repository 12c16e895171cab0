"""Commands that use a network: fill, export."""

from pathlib import Path
from typing import Annotated, Any

import typer

from inpaintlab.cli.options import Assignments, Config, Json, print_json


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


def export(
    run: Annotated[Path, typer.Argument(help="Run folder, or file of weights.", show_default=False)],
    output: Annotated[
        Path | None, typer.Option("-o", "--output", help="File to write. [model.onnx of the run]")
    ] = None,
    config: Config = None,
    assignments: Assignments = None,
    as_json: Json = False,
) -> None:
    """Write a network as one ONNX file, after comparing it with torch; exit code 1 if they differ."""
    from inpaintlab.configs import ExportSettings, build

    flags = {"run": run, "output": output}
    settings = build(ExportSettings, config=config, assignments=assignments or (), flags=flags)
    from inpaintlab.inpainter.export import export as run_export

    result = run_export(settings)
    if as_json:
        print_json(result)
    else:
        _print_export(result)
    if result["findings"]:
        raise typer.Exit(1)


def _print_export(result: dict[str, Any]) -> None:
    for check in result["checks"]:
        shape = f"{check['batch']} × {check['height']}×{check['width']}"
        typer.echo(f"{shape:>16}  differs by {check['difference']:.1e}")
    for finding in result["findings"]:
        typer.echo(finding)
    if result["output"]:
        most, allowed = result["largest_difference"], result["tolerance"]
        typer.echo(
            f"{result['output']} ({result['bytes'] / 1e6:.1f} MB): differs from torch by at most "
            f"{most:.1e}, allowed is {allowed:.0e}; sides are multiples of {result['multiple_of']}, "
            f"at least {result['min_size']}"
        )

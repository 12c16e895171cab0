"""Commands that use a network: fill, export."""

from pathlib import Path
from typing import Annotated, Any

import typer

from inpaintlab.cli.options import Assignments, Config, Json, print_json


def fill(
    image: Annotated[
        Path,
        typer.Argument(
            help="DecodedImage, folder, or list of them: .txt, .jsonl, .csv.", show_default=False
        ),
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
            help="File to write, its suffix says the format; of several images a folder.",
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
        bool, typer.Option("--preview", help="Only draw a sheet of images with their holes.")
    ] = False,
    format_name: Annotated[
        str | None,
        typer.Option(
            "--format", help="Of several: same, png, tif, webp, bmp, jpg. [same; png if that is lossy]"
        ),
    ] = None,
    strategy: Annotated[
        str | None,
        typer.Option(help="What the network sees of an image: auto, crop or whole. [auto]"),
    ] = None,
    blend: Annotated[
        str | None,
        typer.Option(help="How the fill meets known pixels: gradient or none. [gradient]"),
    ] = None,
    verbose: Annotated[
        bool, typer.Option("--verbose", "-v", help="Say of each image how it is filled.")
    ] = False,
    shard: Annotated[
        str | None, typer.Option(metavar="I/N", help="Of several, only the I-th of N equal parts.")
    ] = None,
    config: Config = None,
    assignments: Assignments = None,
    as_json: Json = False,
) -> None:
    """Fill the holes of an image, a folder or a list; everything outside them stays as it is."""
    from inpaintlab.settings import FillSettings, build

    flags = {
        "image": image, "mask": mask, "output": output, "run": run, "invert_mask": invert_mask,
        "preview": preview or None, "format": format_name, "shard": shard,
        "strategy": strategy, "blend": blend, "verbose": verbose or None,
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
    from inpaintlab.settings import ExportSettings, build

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

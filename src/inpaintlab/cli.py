"""The command `inpaint`.

Only typer is imported here; each command imports what it needs when it runs, so that help is quick.
Results go to stdout, everything else to stderr. Exit codes: 0 done, 1 a finding, 2 a mistake of the
user (one line, no traceback), 130 stopped by Ctrl-C with everything saved.
"""

import json
import sys
from pathlib import Path
from typing import Annotated, Any

import typer

from inpaintlab.errors import InpaintlabError

app = typer.Typer(
    name="inpaint",
    help="Train an image-inpainting network on your own pictures, know whether to trust it, use it.",
    add_completion=False,
    pretty_exceptions_enable=False,
)

Config = Annotated[
    Path | None,
    typer.Option("--config", help="Recipe: a YAML file of settings.", show_default=False),
]
Assignments = Annotated[
    list[str] | None,
    typer.Option("-s", metavar="KEY=VALUE", help="Any setting, e.g. network.width=48. Repeatable."),
]
Masks = Annotated[
    list[str] | None,
    typer.Option(
        "--masks", help="rectangles, strokes, or a folder of mask files. Repeat for a mixture."
    ),
]
Json = Annotated[bool, typer.Option("--json", help="Print the result as JSON, alone on stdout.")]


@app.command()
def align(
    folder: Annotated[Path, typer.Argument(help="Folder of pictures.", show_default=False)],
    output: Annotated[
        Path, typer.Argument(metavar="OUT", help="New or empty folder for crops.", show_default=False)
    ],
    size: Annotated[int | None, typer.Option(help="Side of the crops in pixels. [200]")] = None,
    eyes: Annotated[
        str | None,
        typer.Option(
            metavar="WHERE", help="utkface (the default), celeba-hq, or x,y,x,y in shares of the side."
        ),
    ] = None,
    detector: Annotated[
        str | None, typer.Option(help="haar, dlib or points. By default points where given, else haar.")
    ] = None,
    points: Annotated[
        Path | None, typer.Option(help="Known eyes: a CSV, or a folder of point lists.")
    ] = None,
    faces: Annotated[
        str | None, typer.Option(help="largest (the default) or all, of several faces in a picture.")
    ] = None,
    config: Config = None,
    assignments: Assignments = None,
    as_json: Json = False,
) -> None:
    """Cut faces out of pictures so that the eyes stand where you want them."""
    from inpaintlab.configs import AlignSettings, build

    flags = {
        "folder": folder, "output": output, "size": size, "eyes": eyes, "detector": detector,
        "points": points, "faces": faces,
    }  # fmt: skip
    settings = build(AlignSettings, config=config, assignments=assignments or (), flags=flags)
    from inpaintlab.data.faces import align as run_alignment
    from inpaintlab.data.faces import summary

    report = run_alignment(settings)
    if as_json:
        _print_json(report)
    else:
        typer.echo(summary(report))
    if not report["crops"]:
        raise typer.Exit(1)


@app.command()
def train(
    data: Annotated[
        str | None,
        typer.Argument(
            help="Folder of pictures, searched recursively, or samples:N for drawn portraits."
        ),
    ] = None,
    size: Annotated[
        int | None,
        typer.Option(help="Side of the training pictures in pixels. [64 on CPU, else 256]"),
    ] = None,
    minutes: Annotated[
        float | None, typer.Option(help="Time to take, reading and validation included. [10]")
    ] = None,
    steps: Annotated[int | None, typer.Option(help="Number of steps, instead of minutes.")] = None,
    network: Annotated[str | None, typer.Option(help="Network by name. [unet]")] = None,
    mask_kinds: Masks = None,
    batch: Annotated[int | None, typer.Option(help="Pictures in a step, over all devices. [32]")] = None,
    seed: Annotated[int | None, typer.Option(help="Of weights, order, masks and flips. [0]")] = None,
    devices: Annotated[int | None, typer.Option(help="Accelerators, or processes on CPU. [1]")] = None,
    output: Annotated[
        Path | None, typer.Option("-o", "--output", help="Run folder. [a new one under runs/]")
    ] = None,
    resume: Annotated[
        Path | None, typer.Option(help="Go on with this run folder, from its last save.")
    ] = None,
    config: Config = None,
    assignments: Assignments = None,
    as_json: Json = False,
) -> None:
    """Train a network on a folder of pictures, or go on with a run."""
    from inpaintlab.configs import TrainSettings, build, mask_parts

    flags = {
        "data": data, "size": size, "minutes": minutes, "steps": steps, "network": network,
        "masks": mask_parts(mask_kinds), "batch": batch, "seed": seed, "devices": devices,
        "output": output,
    }  # fmt: skip
    if resume:
        _finish_training(_resume(resume, flags, config, assignments), as_json)
        return
    if not data and not config:
        raise InpaintlabError(
            "say what to train on: inpaint train FOLDER, or samples:2000 to try it out"
        )
    settings = build(TrainSettings, config=config, assignments=assignments or (), flags=flags)
    from inpaintlab.training import train as run_training

    _finish_training(run_training(settings), as_json)


@app.command()
def evaluate(
    run: Annotated[Path, typer.Argument(help="Run folder.", show_default=False)],
    data: Annotated[
        str | None, typer.Option(help="Other pictures. [the validation part of the run's own]")
    ] = None,
    mask_kinds: Masks = None,
    limit: Annotated[int | None, typer.Option(help="At most so many pictures.")] = None,
    config: Config = None,
    assignments: Assignments = None,
    as_json: Json = False,
) -> None:
    """Measure a run beside classical methods; write metrics and report.html into the run folder."""
    from inpaintlab.configs import EvaluateSettings, build, mask_parts

    flags = {"run": run, "data": data, "masks": mask_parts(mask_kinds), "limit": limit}
    settings = build(EvaluateSettings, config=config, assignments=assignments or (), flags=flags)
    from inpaintlab.evaluation.evaluate import evaluate as run_evaluation
    from inpaintlab.evaluation.table import show

    result = run_evaluation(settings)
    if as_json:
        _print_json(result)
    else:
        show(result)
        typer.echo(f"report: {run / 'report.html'}")


@app.command()
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
        Path | None, typer.Option(help="Run folder or .safetensors file. [the newest under runs/]")
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
        _print_json({"output": str(output), "run": str(chosen), "notes": notes})
    else:
        typer.echo(f"{output} (filled by {chosen})")


def main() -> None:
    """Run the command line; every mistake of the user is one line on stderr and exit code 2."""
    arguments = sys.argv[1:] or ["--help"]
    try:
        code = app(arguments, prog_name="inpaint", standalone_mode=False)
    except typer.TyperException as error:
        code = _complain(error.format_message())
    except InpaintlabError as error:
        code = _complain(str(error))
    sys.exit(code)


def _complain(message: str) -> int:
    print("inpaint:", " ".join(message.split()), file=sys.stderr)
    return 2


def _resume(
    folder: Path, flags: dict[str, Any], config: Path | None, assignments: list[str] | None
) -> Any:
    if config or assignments:
        raise InpaintlabError("--resume keeps the settings of the run: leave out --config and -s")
    from inpaintlab.training import resume

    return resume(folder, {key: value for key, value in flags.items() if value is not None})


def _finish_training(result: Any, as_json: bool) -> None:
    """Print how a run ended and what to do next."""
    if as_json:
        _print_json(
            {
                "run": str(result.run),
                "steps": result.steps,
                "hole_psnr": result.hole_psnr,
                "seconds": round(result.seconds, 1),
                "interrupted": result.interrupted,
            }
        )
    elif result.interrupted:
        typer.echo(
            f"stopped and saved at step {result.steps}; go on: inpaint train --resume {result.run}"
        )
    else:
        typer.echo(
            f"{result.run}: {result.steps} steps, best hole PSNR {result.hole_psnr:.2f} dB\n"
            f"next: inpaint evaluate {result.run}"
        )
    if result.interrupted:
        raise typer.Exit(130)


def _print_json(values: Any) -> None:
    typer.echo(json.dumps(values, indent=1, ensure_ascii=False))

"""Options that several commands have, and how results are printed."""

import json
from pathlib import Path
from typing import Annotated, Any

import typer

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


EvaluationMasks = Annotated[
    list[str] | None,
    typer.Option(
        "--masks",
        help="rectangles, strokes, a folder of mask files, or a frozen set: rectangles-v1, strokes-v1, "
        "nvidia-style-v1. [as in training]",
    ),
]


Rate = Annotated[
    str | None,
    typer.Option("--lr", metavar="RATE", help="Peak learning rate, or auto. [the network's own]"),
]


TrainData = Annotated[
    str | None,
    typer.Argument(help="Folder of images, prepared dataset, or samples:N for drawn portraits."),
]


TrainSize = Annotated[
    int | None, typer.Option(help="Side of the training images in pixels. [64 on CPU, else 256]")
]


NetworkName = Annotated[str | None, typer.Option(help="Network by name. [swift]")]


Objective = Annotated[str | None, typer.Option(help="What a step minimises, by name. [reconstruction]")]


Curriculum = Annotated[
    str | None,
    typer.Option(help="How holes grow during the run: linear, stepped, success or off. [off]"),
]


Guards = Annotated[
    str | None,
    typer.Option(help="Guards that see a run go wrong: off, watch, or act: go back and mend. [act]"),
]


Augment = Annotated[
    str | None, typer.Option(help="How images vary: none, flip, light, medium or strong. [flip]")
]


BatchSize = Annotated[int | None, typer.Option(help="Images in a step, over all devices. [32]")]


Seed = Annotated[int | None, typer.Option(help="Of weights, order, masks and augmentation. [0]")]


Json = Annotated[bool, typer.Option("--json", help="Print the result as JSON, alone on stdout.")]


def print_json(values: Any) -> None:
    """Print a result for machines, alone on stdout."""
    typer.echo(json.dumps(values, indent=1, ensure_ascii=False))

"""Commands before a run, and of runs: summary, check, train, crossval."""

from pathlib import Path
from typing import Annotated, Any

import typer

from inpaintlab.cli.options import (
    Assignments,
    Augment,
    BatchSize,
    Config,
    Curriculum,
    Guards,
    Json,
    Masks,
    NetworkName,
    Objective,
    Rate,
    Seed,
    TrainData,
    TrainSize,
    print_json,
)
from inpaintlab.cli.verdicts import print_verdicts
from inpaintlab.errors import InpaintlabError


def summary(
    network: Annotated[str | None, typer.Argument(help="Network by name. [swift]")] = None,
    size: Annotated[
        int | None,
        typer.Option(help="Side of the image in pixels. [64, or the next that the network takes]"),
    ] = None,
    batch_size: Annotated[int | None, typer.Option(help="Images at a time. [1]")] = None,
    hole: Annotated[
        float | None, typer.Option(help="Side of the hole, as a share of the image's. [0.5]")
    ] = None,
    compare: Annotated[
        str | None,
        typer.Option(metavar="A,B,…", help="Networks for one table, beside NETWORK if given."),
    ] = None,
    config: Config = None,
    assignments: Assignments = None,
    as_json: Json = False,
) -> None:
    """Show a network layer by layer: shapes, receptive field, parameters, FLOPs, memory, warnings."""
    from inpaintlab.settings import SummarySettings, build

    names = [name.strip() for name in compare.split(",") if name.strip()] if compare else []
    if names and not network and not config:
        if any(assignment.startswith("network") for assignment in assignments or ()):
            raise InpaintlabError(
                "-s network.… sets up NETWORK: name it, as in inpaint summary unet --compare …"
            )
        network = names.pop(0)
    flags = {"network": network, "size": size, "batch_size": batch_size, "hole": hole, "compare": names}
    settings = build(SummarySettings, config=config, assignments=assignments or (), flags=flags)
    from inpaintlab.networks.summary import summarise

    result = summarise(settings)
    if as_json:
        print_json(result)
    else:
        from inpaintlab.networks.table import show

        show(result)


def check(
    data: TrainData = None,
    size: TrainSize = None,
    minutes: Annotated[float | None, typer.Option(help="Time that the run is to take. [10]")] = None,
    steps: Annotated[int | None, typer.Option(help="Number of its steps, instead of minutes.")] = None,
    network: NetworkName = None,
    mask_kinds: Masks = None,
    augment: Augment = None,
    batch_size: BatchSize = None,
    rate: Rate = None,
    seed: Seed = None,
    output: Annotated[
        Path | None, typer.Option("-o", "--output", help="Page to write. [check.html]")
    ] = None,
    config: Config = None,
    assignments: Assignments = None,
    as_json: Json = False,
) -> None:
    """Find out what can be known before `inpaint train` with these settings; exit code 1 if amiss."""
    from inpaintlab.settings import CheckSettings, build, mask_parts

    flags = {
        "data": data, "size": size, "minutes": minutes, "steps": steps, "network": network,
        "masks": mask_parts(mask_kinds), "augment": augment, "batch_size": batch_size, "seed": seed,
        "output": output, "learning_rate": rate,
    }  # fmt: skip
    if not data and not config:
        raise InpaintlabError("say what to check: inpaint check FOLDER, or samples:2000 to try it out")
    settings = build(CheckSettings, config=config, assignments=assignments or (), flags=flags)
    from inpaintlab.diagnosis.check import check as run_check

    print_verdicts(run_check(settings), as_json)


def train(
    data: TrainData = None,
    size: TrainSize = None,
    minutes: Annotated[
        float | None, typer.Option(help="Time to take, reading and validation included. [10]")
    ] = None,
    steps: Annotated[int | None, typer.Option(help="Number of steps, instead of minutes.")] = None,
    network: NetworkName = None,
    objective: Objective = None,
    mask_kinds: Masks = None,
    curriculum: Curriculum = None,
    augment: Augment = None,
    batch_size: BatchSize = None,
    rate: Rate = None,
    seed: Seed = None,
    devices: Annotated[int | None, typer.Option(help="Accelerators, or processes on CPU. [1]")] = None,
    guards: Guards = None,
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
    """Train a network on a folder of images, or go on with a run."""
    from inpaintlab.settings import TrainSettings, build, mask_parts

    flags = {
        "data": data, "size": size, "minutes": minutes, "steps": steps, "network": network,
        "objective": objective, "masks": mask_parts(mask_kinds), "curriculum": curriculum,
        "augment": augment, "batch_size": batch_size, "seed": seed, "devices": devices, "guards": guards,
        "output": output,
        "learning_rate": rate,
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


def crossval(
    data: TrainData = None,
    folds: Annotated[int | None, typer.Option(help="How many. [those of the dataset, else 5]")] = None,
    variations: Annotated[
        list[str] | None,
        typer.Option(
            "--vary", metavar="SETTING=A,B", help="Compare values, e.g. network=unet,swift. Repeatable."
        ),
    ] = None,
    jobs: Annotated[
        int | None, typer.Option(help="Runs side by side. [as processors, devices and memory allow]")
    ] = None,
    size: TrainSize = None,
    minutes: Annotated[float | None, typer.Option(help="Time that each run takes. [10]")] = None,
    steps: Annotated[int | None, typer.Option(help="Steps of each run, instead of minutes.")] = None,
    network: NetworkName = None,
    objective: Objective = None,
    mask_kinds: Masks = None,
    curriculum: Curriculum = None,
    augment: Augment = None,
    batch_size: BatchSize = None,
    rate: Rate = None,
    seed: Seed = None,
    guards: Guards = None,
    output: Annotated[
        Path | None, typer.Option("-o", "--output", help="Folder of all runs. [a new one under runs/]")
    ] = None,
    resume: Annotated[
        Path | None, typer.Option(help="Go on with this folder; what is done there is kept.")
    ] = None,
    config: Config = None,
    assignments: Assignments = None,
    as_json: Json = False,
) -> None:
    """Train and measure fold by fold inside train and val, and compare settings; the test stays shut."""
    from inpaintlab.settings import CrossvalSettings, build, mask_parts, parse_variation

    flags = {
        "data": data, "folds": folds, "size": size, "minutes": minutes, "steps": steps,
        "network": network, "objective": objective, "masks": mask_parts(mask_kinds),
        "curriculum": curriculum, "augment": augment, "batch_size": batch_size, "learning_rate": rate,
        "seed": seed, "guards": guards, "output": output,
        "vary": dict(parse_variation(word) for word in variations or ()) or None,
    }  # fmt: skip
    if resume and (config or assignments or any(value is not None for value in flags.values())):
        raise InpaintlabError("--resume keeps the settings of the folder: give nothing but --jobs")
    if not (data or config or resume):
        raise InpaintlabError(
            "say what to train on: inpaint crossval FOLDER, or samples:2000 to try it out"
        )
    if resume:
        from inpaintlab.evaluation.crossval import resume_crossval

        _finish_crossval(resume_crossval(resume, jobs), as_json)
        return
    settings = build(
        CrossvalSettings, config=config, assignments=assignments or (), flags={**flags, "jobs": jobs}
    )
    from inpaintlab.evaluation.crossval import crossval as run_crossval

    _finish_crossval(run_crossval(settings), as_json)


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
        print_json(result.as_dict())
    else:
        typer.echo(str(result))
    if result.interrupted:
        raise typer.Exit(130)
    if result.stopped:
        raise typer.Exit(1)


def _finish_crossval(result: dict[str, Any], as_json: bool) -> None:
    """Print the figures of a cross-validation; exit code 1 where a fold has failed."""
    if as_json:
        print_json(result)
    if result["interrupted"]:
        if not as_json:
            typer.echo(
                f"stopped and saved: {result['done']} of {result['of']} runs are done; "
                f"go on: inpaint crossval --resume {result['folder']}"
            )
        raise typer.Exit(130)
    if not as_json:
        from inpaintlab.evaluation.folds_table import show

        show(result)
        typer.echo(f"all figures: {result['folder']}/crossval.json")
    if result["failed"]:
        raise typer.Exit(1)

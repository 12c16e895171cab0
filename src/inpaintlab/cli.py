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

#: Names that `prepare` takes for a known data set. (A table of torch-free names: help must be quick.)
KNOWN_DATASETS = ("celeba-hq", "ffhq", "imagenet", "paris", "places2")

app = typer.Typer(
    name="inpaint",
    help="Train an image-inpainting network on your own pictures, know whether to trust it, use it.",
    add_completion=False,
    pretty_exceptions_enable=False,
    # Otherwise a default in square brackets, as [swift], is taken for markup and swallowed.
    rich_markup_mode=None,
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
    typer.Argument(help="Folder of pictures, prepared dataset, or samples:N for drawn portraits."),
]
TrainSize = Annotated[
    int | None, typer.Option(help="Side of the training pictures in pixels. [64 on CPU, else 256]")
]
NetworkName = Annotated[str | None, typer.Option(help="Network by name. [swift]")]
Objective = Annotated[str | None, typer.Option(help="What a step minimises, by name. [reconstruction]")]
Curriculum = Annotated[
    str | None,
    typer.Option(help="How holes grow during the run: linear, stepped, success or off. [off]"),
]
Wheels = Annotated[
    str | None,
    typer.Option(help="Guards that see a run go wrong: off, watch, or act: go back and mend. [act]"),
]
Augment = Annotated[
    str | None, typer.Option(help="How pictures vary: none, flip, light, medium or strong. [flip]")
]
BatchSize = Annotated[int | None, typer.Option(help="Pictures in a step, over all devices. [32]")]
Seed = Annotated[int | None, typer.Option(help="Of weights, order, masks and augmentation. [0]")]
Json = Annotated[bool, typer.Option("--json", help="Print the result as JSON, alone on stdout.")]


@app.command()
def prepare(
    sources: Annotated[
        list[str] | None,
        typer.Argument(
            help="Folders of pictures, .tar shards, or hf:NAME; or a known data set and its folder: "
            "celeba-hq, ffhq, imagenet, paris, places2."
        ),
    ] = None,
    output: Annotated[
        Path | None, typer.Option("-o", "--output", help="The dataset: a folder NAME.dataset.")
    ] = None,
    group_by: Annotated[
        str | None,
        typer.Option(help="What stays on one side, e.g. a person: folder, name:REGEX, column:NAME."),
    ] = None,
    against: Annotated[
        str | None,
        typer.Option(help="Only list pictures that stand in this other folder or dataset, too."),
    ] = None,
    preview: Annotated[
        bool, typer.Option("--preview", help="Also draw preview.png: what training would see.")
    ] = False,
    config: Config = None,
    assignments: Assignments = None,
    as_json: Json = False,
) -> None:
    """Check, de-duplicate, split and seal a dataset; the pictures stay where they are."""
    from inpaintlab.configs import PrepareSettings, build

    words = list(sources or [])
    layout = words.pop(0) if words and words[0] in KNOWN_DATASETS else None
    flags = {"sources": words, "output": output, "group_by": group_by, "layout": layout}
    settings = build(PrepareSettings, config=config, assignments=assignments or (), flags=flags)
    if against:
        _print_leaks(settings, against, as_json)
        return
    from inpaintlab.data.prepare import prepare as run_preparation
    from inpaintlab.data.prepare import show

    facts = run_preparation(settings)
    assert settings.output is not None  # or it would not have been prepared
    if preview:
        # Only now: it needs torch, which reading pictures does without.
        from inpaintlab.data.preview import write_preview

        write_preview(settings)
    if as_json:
        _print_json(facts)
    else:
        typer.echo(show(facts, settings.output))


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
def summary(
    network: Annotated[str | None, typer.Argument(help="Network by name. [swift]")] = None,
    size: Annotated[
        int | None,
        typer.Option(help="Side of the picture in pixels. [64, or the next that the network takes]"),
    ] = None,
    batch: Annotated[int | None, typer.Option(help="Pictures at a time. [1]")] = None,
    hole: Annotated[
        float | None, typer.Option(help="Side of the hole, as a share of the picture's. [0.5]")
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
    from inpaintlab.configs import SummarySettings, build

    names = [name.strip() for name in compare.split(",") if name.strip()] if compare else []
    if names and not network and not config:
        if any(assignment.startswith("network") for assignment in assignments or ()):
            raise InpaintlabError(
                "-s network.… sets up NETWORK: name it, as in inpaint summary unet --compare …"
            )
        network = names.pop(0)
    flags = {"network": network, "size": size, "batch": batch, "hole": hole, "compare": names}
    settings = build(SummarySettings, config=config, assignments=assignments or (), flags=flags)
    from inpaintlab.networks.summary import summarise

    result = summarise(settings)
    if as_json:
        _print_json(result)
    else:
        from inpaintlab.networks.table import show

        show(result)


@app.command()
def check(
    data: TrainData = None,
    size: TrainSize = None,
    minutes: Annotated[float | None, typer.Option(help="Time that the run is to take. [10]")] = None,
    steps: Annotated[int | None, typer.Option(help="Number of its steps, instead of minutes.")] = None,
    network: NetworkName = None,
    mask_kinds: Masks = None,
    augment: Augment = None,
    batch: BatchSize = None,
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
    from inpaintlab.configs import CheckSettings, build, mask_parts

    flags = {
        "data": data, "size": size, "minutes": minutes, "steps": steps, "network": network,
        "masks": mask_parts(mask_kinds), "augment": augment, "batch": batch, "seed": seed,
        "output": output, "learning_rate": rate,
    }  # fmt: skip
    if not data and not config:
        raise InpaintlabError("say what to check: inpaint check FOLDER, or samples:2000 to try it out")
    settings = build(CheckSettings, config=config, assignments=assignments or (), flags=flags)
    from inpaintlab.diagnosis.check import check as run_check

    _print_check(run_check(settings), as_json)


@app.command()
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
    batch: BatchSize = None,
    rate: Rate = None,
    seed: Seed = None,
    devices: Annotated[int | None, typer.Option(help="Accelerators, or processes on CPU. [1]")] = None,
    wheels: Wheels = None,
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
        "objective": objective, "masks": mask_parts(mask_kinds), "curriculum": curriculum,
        "augment": augment, "batch": batch, "seed": seed, "devices": devices, "wheels": wheels,
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


@app.command()
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
    batch: BatchSize = None,
    rate: Rate = None,
    seed: Seed = None,
    wheels: Wheels = None,
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
    from inpaintlab.configs import CrossvalSettings, build, mask_parts, parse_variation

    flags = {
        "data": data, "folds": folds, "size": size, "minutes": minutes, "steps": steps,
        "network": network, "objective": objective, "masks": mask_parts(mask_kinds),
        "curriculum": curriculum, "augment": augment, "batch": batch, "learning_rate": rate,
        "seed": seed, "wheels": wheels, "output": output,
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


@app.command()
def evaluate(
    run: Annotated[Path, typer.Argument(help="Run folder.", show_default=False)],
    data: Annotated[
        str | None, typer.Option(help="Other pictures. [the validation part of the run's own]")
    ] = None,
    split: Annotated[
        str | None, typer.Option(help="val, or test: sealed, and every look is written down. [val]")
    ] = None,
    mask_kinds: EvaluationMasks = None,
    against: Annotated[
        list[Path] | None, typer.Option(help="A further run to stand in the table. Repeatable.")
    ] = None,
    also: Annotated[
        list[str] | None,
        typer.Option(help="A folder of other pictures: how much is lost there? Repeatable."),
    ] = None,
    shift: Annotated[
        bool | None,
        typer.Option("--shift", help="Also: what is lost on pictures turned, moved, blurred, …?"),
    ] = None,
    by: Annotated[
        str | None, typer.Option(help="Figures by group: folder, name:REGEX, column:NAME. [folder]")
    ] = None,
    limit: Annotated[int | None, typer.Option(help="At most so many pictures.")] = None,
    weights: Annotated[
        list[str] | None,
        typer.Option(metavar="NAME=PATH", help="File of a feature network: fid, lpips. Repeatable."),
    ] = None,
    config: Config = None,
    assignments: Assignments = None,
    as_json: Json = False,
) -> None:
    """Measure a run beside classical methods; write metrics and report.html into the run folder."""
    from inpaintlab.configs import EvaluateSettings, build, mask_parts

    flags = {
        "run": run, "data": data, "split": split, "masks": mask_parts(mask_kinds), "limit": limit,
        "against": against, "also": also, "shift": shift, "by": by, "weights": _pairs(weights),
    }  # fmt: skip
    settings = build(EvaluateSettings, config=config, assignments=assignments or (), flags=flags)
    from inpaintlab.evaluation.evaluate import evaluate as run_evaluation
    from inpaintlab.evaluation.table import show

    result = run_evaluation(settings)
    if as_json:
        _print_json(result)
    else:
        show(result)
        typer.echo(f"report: {run / 'report.html'}")
    if result["findings"]:
        raise typer.Exit(1)


@app.command()
def compare(
    runs: Annotated[list[Path], typer.Argument(help="Two run folders or more.", show_default=False)],
    result: Annotated[
        str | None, typer.Option(help="Results to compare: NAME of metrics/NAME.json. [val]")
    ] = None,
    config: Config = None,
    assignments: Assignments = None,
    as_json: Json = False,
) -> None:
    """Compare runs with the first one, pair by pair on the same pictures and masks, with intervals."""
    from inpaintlab.configs import CompareSettings, build

    flags = {"runs": runs, "result": result}
    settings = build(CompareSettings, config=config, assignments=assignments or (), flags=flags)
    from inpaintlab.evaluation.compare import compare as run_comparison
    from inpaintlab.evaluation.table import show_comparison

    found = run_comparison(settings)
    if as_json:
        _print_json(found)
    else:
        show_comparison(found)


@app.command()
def diagnose(
    run: Annotated[Path, typer.Argument(help="Run folder.", show_default=False)],
    data: Annotated[
        str | None, typer.Option(help="Where its pictures are now. [where they were in training]")
    ] = None,
    output: Annotated[
        Path | None, typer.Option("-o", "--output", help="Page to write. [RUN/diagnosis.html]")
    ] = None,
    config: Config = None,
    assignments: Assignments = None,
    as_json: Json = False,
) -> None:
    """Say what is wrong with a finished or stopped run, and what to try next; exit code 1 if amiss."""
    from inpaintlab.configs import DiagnoseSettings, build

    flags = {"run": run, "data": data, "output": output}
    settings = build(DiagnoseSettings, config=config, assignments=assignments or (), flags=flags)
    from inpaintlab.diagnosis.diagnose import diagnose as run_diagnosis

    result = run_diagnosis(settings)
    _print_verdicts(result, result.headline, as_json)
    if result.findings:
        raise typer.Exit(1)


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
        _print_json({"output": str(output), "run": str(chosen), "notes": notes})
    else:
        typer.echo(f"{output} (filled by {chosen})")


@app.command("masks")
def draw_masks(
    output: Annotated[Path, typer.Argument(help="Folder to write, new or empty.", show_default=False)],
    mask_kinds: Masks = None,
    size: Annotated[int | None, typer.Option(help="Side of a mask in pixels. [256]")] = None,
    count: Annotated[int | None, typer.Option(help="Number of masks. [100]")] = None,
    seed: Annotated[int | None, typer.Option(help="The same seed draws the same masks. [0]")] = None,
    preview: Annotated[bool, typer.Option("--preview", help="Write only the sheet.")] = False,
    config: Config = None,
    assignments: Assignments = None,
    as_json: Json = False,
) -> None:
    """Draw a mask set into a folder, or only a sheet of it, and print its hole ratios."""
    from inpaintlab.configs import MaskSettings, build, mask_parts

    flags = {
        "output": output, "masks": mask_parts(mask_kinds), "size": size, "count": count,
        "seed": seed, "preview": preview or None,
    }  # fmt: skip
    settings = build(MaskSettings, config=config, assignments=assignments or (), flags=flags)
    from inpaintlab.data.mask_sets import show, write_masks

    facts = write_masks(settings)
    if as_json:
        _print_json(facts)
    else:
        typer.echo(show(facts))
        typer.echo(f"{output / 'sheet.png'} shows the first of them")
        if not settings.preview:
            typer.echo(f"train with them: inpaint train FOLDER --masks {output / 'masks'}")


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
        _print_json(result.as_dict())
    else:
        typer.echo(str(result))
    if result.interrupted:
        raise typer.Exit(130)
    if result.stopped:
        raise typer.Exit(1)


def _finish_crossval(result: dict[str, Any], as_json: bool) -> None:
    """Print the figures of a cross-validation; exit code 1 where a fold has failed."""
    if as_json:
        _print_json(result)
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


def _print_check(result: Any, as_json: bool) -> None:
    """Print what a check found; exit code 1 where a run would suffer."""
    from inpaintlab.diagnosis.page import headline

    _print_verdicts(result, headline(result.verdicts), as_json)
    if result.has_findings:
        raise typer.Exit(1)


def _print_verdicts(result: Any, headline: str, as_json: bool) -> None:
    """Print the verdicts of a check or a diagnosis: as a table with its headline, or as JSON."""
    if as_json:
        _print_json(result.as_dict())
        return
    from inpaintlab.diagnosis.table import show

    show(result.title, result.verdicts)
    typer.echo(f"{headline}\npage: {result.page}")


def _pairs(words: list[str] | None) -> dict[str, str] | None:
    """Read NAME=PATH words; none of them: None."""
    pairs = [word.partition("=") for word in words or ()]
    for name, equals, path in pairs:
        if not (name and equals and path):
            raise InpaintlabError(f"--weights takes NAME=PATH, got {name + equals + path!r}")
    return {name: path for name, _, path in pairs} or None


def _print_leaks(settings: Any, against: str, as_json: bool) -> None:
    """Print the pictures that stand in another collection; exit code 1 if there are any."""
    from inpaintlab.data.leaks import find_leaks, show

    leaks = find_leaks(settings, against)
    if as_json:
        _print_json(leaks)
    else:
        typer.echo(show(leaks, against))
    if leaks["pairs"]:
        raise typer.Exit(1)


def _print_json(values: Any) -> None:
    typer.echo(json.dumps(values, indent=1, ensure_ascii=False))

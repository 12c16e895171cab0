"""Commands that judge a run: evaluate, compare, diagnose."""

from pathlib import Path
from typing import Annotated

import typer

from inpaintlab.cli.options import Assignments, Config, EvaluationMasks, Json, print_json
from inpaintlab.cli.verdicts import print_verdicts
from inpaintlab.errors import InpaintlabError


def evaluate(
    run: Annotated[Path, typer.Argument(help="Run folder.", show_default=False)],
    data: Annotated[
        str | None, typer.Option(help="Other images. [the validation part of the run's own]")
    ] = None,
    split: Annotated[
        str | None, typer.Option(help="val, or test: sealed, and every look is written down. [val]")
    ] = None,
    mask_kinds: EvaluationMasks = None,
    against: Annotated[
        list[Path] | None, typer.Option(help="A further run to stand in the table. Repeatable.")
    ] = None,
    ood: Annotated[
        list[str] | None,
        typer.Option(help="A folder of other images: how much is lost there? Repeatable."),
    ] = None,
    corruptions: Annotated[
        bool | None,
        typer.Option("--corruptions", help="Also: what is lost on images turned, moved, blurred, …?"),
    ] = None,
    group_by: Annotated[
        str | None, typer.Option(help="Figures by group: folder, name:REGEX, column:NAME. [folder]")
    ] = None,
    limit: Annotated[int | None, typer.Option(help="At most so many images.")] = None,
    weights: Annotated[
        list[str] | None,
        typer.Option(metavar="NAME=PATH", help="File of a feature network: fid, lpips. Repeatable."),
    ] = None,
    config: Config = None,
    assignments: Assignments = None,
    as_json: Json = False,
) -> None:
    """Measure a run beside classical methods; write metrics and report.html into the run folder."""
    from inpaintlab.settings import EvaluateSettings, build, mask_parts

    flags = {
        "run": run, "data": data, "split": split, "masks": mask_parts(mask_kinds), "limit": limit,
        "against": against, "ood": ood, "corruptions": corruptions, "group_by": group_by,
        "weights": _pairs(weights),
    }  # fmt: skip
    settings = build(EvaluateSettings, config=config, assignments=assignments or (), flags=flags)
    from inpaintlab.evaluation.evaluate import evaluate as run_evaluation
    from inpaintlab.evaluation.table import show

    result = run_evaluation(settings)
    if as_json:
        print_json(result)
    else:
        show(result)
        typer.echo(f"report: {run / 'report.html'}")
    if result["findings"]:
        raise typer.Exit(1)


def compare(
    runs: Annotated[list[Path], typer.Argument(help="Two run folders or more.", show_default=False)],
    result: Annotated[
        str | None, typer.Option(help="Results to compare: NAME of metrics/NAME.json. [val]")
    ] = None,
    config: Config = None,
    assignments: Assignments = None,
    as_json: Json = False,
) -> None:
    """Compare runs with the first one, pair by pair on the same images and masks, with intervals."""
    from inpaintlab.settings import CompareSettings, build

    flags = {"runs": runs, "result": result}
    settings = build(CompareSettings, config=config, assignments=assignments or (), flags=flags)
    from inpaintlab.evaluation.compare import compare as run_comparison
    from inpaintlab.evaluation.table import show_comparison

    found = run_comparison(settings)
    if as_json:
        print_json(found)
    else:
        show_comparison(found)


def diagnose(
    run: Annotated[Path, typer.Argument(help="Run folder.", show_default=False)],
    data: Annotated[
        str | None, typer.Option(help="Where its images are now. [where they were in training]")
    ] = None,
    output: Annotated[
        Path | None, typer.Option("-o", "--output", help="Page to write. [RUN/diagnosis.html]")
    ] = None,
    config: Config = None,
    assignments: Assignments = None,
    as_json: Json = False,
) -> None:
    """Say what is wrong with a finished or stopped run, and what to try next; exit code 1 if amiss."""
    from inpaintlab.settings import DiagnoseSettings, build

    flags = {"run": run, "data": data, "output": output}
    settings = build(DiagnoseSettings, config=config, assignments=assignments or (), flags=flags)
    from inpaintlab.diagnosis.diagnose import diagnose as run_diagnosis

    print_verdicts(run_diagnosis(**dict(settings)), as_json)


def _pairs(words: list[str] | None) -> dict[str, str] | None:
    """Read NAME=PATH words; none of them: None."""
    pairs = [word.partition("=") for word in words or ()]
    for name, equals, path in pairs:
        if not (name and equals and path):
            raise InpaintlabError(f"--weights takes NAME=PATH, got {name + equals + path!r}")
    return {name: path for name, _, path in pairs} or None

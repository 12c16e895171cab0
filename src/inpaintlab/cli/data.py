"""Commands that make data: prepare, align, masks."""

from pathlib import Path
from typing import Annotated, Any

import typer

from inpaintlab.cli.options import Assignments, Config, Json, Masks, print_json

#: Names that `prepare` takes for a known data set. (A table of torch-free names: help must be quick.)
KNOWN_DATASETS = ("celeba-hq", "ffhq", "imagenet", "paris", "places2")


def prepare(
    sources: Annotated[
        list[str] | None,
        typer.Argument(
            help="Folders of images, .tar shards, or hf:NAME; or a known data set and its folder: "
            "celeba-hq, ffhq, imagenet, paris, places2."
        ),
    ] = None,
    output: Annotated[
        Path | None, typer.Option("-o", "--output", help="The dataset: a folder NAME.dataset.")
    ] = None,
    group_by: Annotated[
        str | None,
        typer.Option(help="What stays in one part, e.g. a person: folder, name:REGEX, column:NAME."),
    ] = None,
    against: Annotated[
        str | None,
        typer.Option(help="Only list images that stand in this other folder or dataset, too."),
    ] = None,
    preview: Annotated[
        bool, typer.Option("--preview", help="Also draw preview.png: what training would see.")
    ] = False,
    config: Config = None,
    assignments: Assignments = None,
    as_json: Json = False,
) -> None:
    """Check, de-duplicate, split and seal a dataset; the images stay where they are."""
    from inpaintlab.settings import PrepareSettings, build

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
        # Only now: it needs torch, which reading images does without.
        from inpaintlab.data.preview import write_preview

        write_preview(settings)
    if as_json:
        print_json(facts)
    else:
        typer.echo(show(facts, settings.output))


def align(
    folder: Annotated[Path, typer.Argument(help="Folder of images.", show_default=False)],
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
        str | None, typer.Option(help="largest (the default) or all, of several faces in an image.")
    ] = None,
    config: Config = None,
    assignments: Assignments = None,
    as_json: Json = False,
) -> None:
    """Cut faces out of images so that the eyes stand where you want them."""
    from inpaintlab.settings import AlignSettings, build

    flags = {
        "folder": folder, "output": output, "size": size, "eyes": eyes, "detector": detector,
        "points": points, "faces": faces,
    }  # fmt: skip
    settings = build(AlignSettings, config=config, assignments=assignments or (), flags=flags)
    from inpaintlab.data.faces import align as run_alignment
    from inpaintlab.data.faces import summary

    report = run_alignment(settings)
    if as_json:
        print_json(report)
    else:
        typer.echo(summary(report))
    if not report["crops"]:
        raise typer.Exit(1)


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
    from inpaintlab.settings import MaskSettings, build, mask_parts

    flags = {
        "output": output, "masks": mask_parts(mask_kinds), "size": size, "count": count,
        "seed": seed, "preview": preview or None,
    }  # fmt: skip
    settings = build(MaskSettings, config=config, assignments=assignments or (), flags=flags)
    from inpaintlab.data.mask_sets import show, write_masks

    facts = write_masks(settings)
    if as_json:
        print_json(facts)
    else:
        typer.echo(show(facts))
        typer.echo(f"{output / 'sheet.png'} shows the first of them")
        if not settings.preview:
            typer.echo(f"train with them: inpaint train FOLDER --masks {output / 'masks'}")


def _print_leaks(settings: Any, against: str, as_json: bool) -> None:
    """Print the images that stand in another collection; exit code 1 if there are any."""
    from inpaintlab.data.leaks import find_leaks, show

    leaks = find_leaks(settings, against)
    if as_json:
        print_json(leaks)
    else:
        typer.echo(show(leaks, against))
    if leaks["pairs"]:
        raise typer.Exit(1)

"""Printing the verdicts of `check` and `diagnose`."""

from typing import Any

import typer

from inpaintlab.cli.options import print_json


def print_check(result: Any, as_json: bool) -> None:
    """Print what a check found; exit code 1 where a run would suffer."""
    from inpaintlab.diagnosis.page import headline

    print_verdicts(result, headline(result.verdicts), as_json)
    if result.has_findings:
        raise typer.Exit(1)


def print_verdicts(result: Any, headline: str, as_json: bool) -> None:
    """Print the verdicts of a check or a diagnosis: as a table with its headline, or as JSON."""
    if as_json:
        print_json(result.as_dict())
        return
    from inpaintlab.diagnosis.table import show

    show(result.title, result.verdicts)
    typer.echo(f"{headline}\npage: {result.page}")

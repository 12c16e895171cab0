"""Printing the verdicts of `check` and `diagnose`."""

from typing import Any

import typer

from inpaintlab.cli.options import print_json


def print_verdicts(result: Any, as_json: bool, verbose: bool = False) -> None:
    """Print what a check or a diagnosis found, or its JSON; exit code 1 where there is a finding."""
    if as_json:
        print_json(result.as_dict())
    else:
        result.answer().show(verbose=verbose)
    if result.findings:
        raise typer.Exit(1)

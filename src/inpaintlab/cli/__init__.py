"""The command `inpaint`.

Only typer is imported here; each command imports what it needs when it runs, so that help is quick.
Results go to stdout, everything else to stderr. Exit codes: 0 done, 1 a finding, 2 a mistake of the
user (one line, no traceback), 130 stopped by Ctrl-C with everything saved.
"""

import sys
from collections.abc import Callable

import typer

from inpaintlab.cli.data import align, draw_masks, prepare
from inpaintlab.cli.filling import export, fill
from inpaintlab.cli.judging import compare, diagnose, evaluate
from inpaintlab.cli.serving import serve
from inpaintlab.cli.training import check, crossval, summary, train
from inpaintlab.errors import InpaintlabError

#: All commands, in the order of `inpaint --help`.
COMMANDS: dict[str, Callable[..., None]] = {
    "prepare": prepare,
    "align": align,
    "masks": draw_masks,
    "summary": summary,
    "check": check,
    "train": train,
    "crossval": crossval,
    "evaluate": evaluate,
    "compare": compare,
    "diagnose": diagnose,
    "fill": fill,
    "export": export,
    "serve": serve,
}


def _assemble() -> typer.Typer:
    application = typer.Typer(
        name="inpaint",
        help="Train an image-inpainting network on your own images, know whether to trust it, use it.",
        add_completion=False,
        pretty_exceptions_enable=False,
        # Otherwise a default in square brackets, as [swift], is taken for markup and swallowed.
        rich_markup_mode=None,
    )
    for name, command in COMMANDS.items():
        application.command(name)(command)
    return application


app = _assemble()


def main() -> None:
    """Run the command line; every mistake of the user is one line on stderr and exit code 2."""
    arguments = sys.argv[1:] or ["--help"]
    try:
        code = app(arguments, prog_name="inpaint", standalone_mode=False)
    except typer.TyperException as error:
        code = _complain(_renamed(error) or error.format_message())
    except InpaintlabError as error:
        code = _complain(str(error))
    sys.exit(code)


def _renamed(error: typer.TyperException) -> str:
    """Return what an unknown flag is called now, if it had another name once."""
    from inpaintlab.settings.build import RENAMED

    old = getattr(error, "option_name", "")
    new = RENAMED.get(old.lstrip("-").replace("-", "_"), "")
    return f"{old} is called --{new.replace('_', '-')} now" if new else ""


def _complain(message: str) -> int:
    print("inpaint:", " ".join(message.split()), file=sys.stderr)
    return 2

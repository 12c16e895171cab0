"""The command `inpaint`, generated from the settings.

Results go to stdout, everything else to stderr. Exit codes: 0 done, 1 a finding, 2 a mistake of the
user (one line, no traceback), 130 stopped by Ctrl-C with everything saved. Only the command that is
called is built, and imports what it needs. A fault of ours ends with 70 and a file to report.
"""

import io
import os
import shlex
import sys
import threading
import traceback
from collections.abc import Callable
from contextlib import suppress
from importlib.metadata import version
from pathlib import Path
from typing import Any

import typer

from inpaintlab.cli.commands import COMMANDS, STOPPED, Command, Done
from inpaintlab.errors import InpaintlabError
from inpaintlab.files import cache_folder, check_place, is_full, json_text, refused, write_atomically

#: Exit code of a fault of inpaintlab (EX_SOFTWARE of sysexits.h).
FAULT = 70


def main() -> None:
    """Run the command line; every mistake of the user is one line on stderr and exit code 2."""
    words = sys.argv[1:] or ["--help"]
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="backslashreplace")  # names of files need not be text
    threading.excepthook = _thread_ended
    _keep_to_our_cache()
    try:
        code = _application(words)(words, prog_name="inpaint", standalone_mode=False)
        sys.stdout.flush()  # now, where it can be told that the disk is full
    except typer.TyperException as error:
        code = _complain(_renamed(error) or error.format_message())
    except InpaintlabError as error:
        code = _complain(str(error))
    except (typer.Abort, KeyboardInterrupt):
        code = STOPPED
    except OSError as error:
        code = _disk_ended(error) if is_full(error) else _report_fault(words)
    except Exception:  # noqa: BLE001 - whatever we have overlooked
        code = _report_fault(words)
    sys.exit(code)


def _keep_to_our_cache() -> None:
    """Have matplotlib, which torchmetrics imports too, keep its list of fonts in our cache.

    Otherwise it makes two folders in the home of everyone who trains. A library leaves it as it is.
    """
    with suppress(RuntimeError):  # a container without a home
        os.environ.setdefault("MPLCONFIGDIR", str(cache_folder() / "matplotlib"))


def _disk_ended(error: OSError) -> int:
    """Tell of a full disk that a dependency ran into, or a stdout that goes into a file."""
    with suppress(OSError):  # else Python tries once more at its end, and tells
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    return _complain(str(refused(error.filename or "a file, or what is printed into one", error)))


def _thread_ended(args: threading.ExceptHookArgs) -> None:
    """Leave to the command what the disk refused to a thread that writes for it, as TensorBoard's."""
    if not isinstance(args.exc_value, OSError):
        threading.__excepthook__(args)


def _application(words: list[str]) -> typer.Typer:
    """Return all commands for typer; of those that the words do not name, only the help."""
    application = typer.Typer(
        name="inpaint",
        help="Train an image-inpainting network on your own images, know whether to trust it, use it.",
        add_completion=False,
        pretty_exceptions_enable=False,
        # Otherwise a default in square brackets, as [swift], is taken for markup and swallowed.
        rich_markup_mode=None,
    )
    application.callback(help=application.info.help)(_about)
    for name, command in COMMANDS.items():
        function = _function(command) if name in words else lambda: None
        application.command(name, help=command.run.__doc__, short_help=command.run.__doc__)(function)
    return application


def _about(
    _: bool = typer.Option(
        False, "--version", help="Print the version.", is_eager=True, callback=lambda on: _version(on)
    ),
) -> None:
    """Hold the flags that need no command."""


def _version(wanted: bool) -> None:
    if wanted:
        print("inpaintlab", version("inpaintlab"))
        raise typer.Exit


def _function(command: Command) -> Callable[..., int]:
    """Return a command as typer takes it: a function of its flags."""
    from inpaintlab import settings
    from inpaintlab.cli.flags import function_for

    kind: type[settings.Settings] = getattr(settings, command.settings)

    def run(
        flags: dict[str, Any],
        config: Path | None,
        assignments: list[str] | None,
        verbose: bool,
        as_json: bool,
        resume: Path | None = None,
    ) -> int:
        if resume and command.resume:
            if config or assignments:
                raise InpaintlabError("--resume keeps all settings: leave out --config and -s")
            _load_plugins(flags.pop("plugins", ()))
            return _finish(command.resume(resume, settings.typed(kind, flags)), verbose, as_json)
        if verbose and "verbose" in kind.model_fields:
            flags["verbose"] = True
        built = settings.build(kind, config=config, assignments=assignments or (), flags=flags)
        for name in ("output", "cache_dir"):
            if place := getattr(built, name, None):
                check_place(place)
        _load_plugins(built.plugins)
        return _finish(command.run(built), verbose, as_json)

    return function_for(kind, run, resume=command.resume is not None)


def _load_plugins(plugins: Any) -> None:
    from inpaintlab.registry import load_installed_plugins, load_plugins

    load_installed_plugins()
    load_plugins(plugins)


def _finish(done: Done, verbose: bool, as_json: bool) -> int:
    """Print what a command has done, and return its exit code."""
    from inpaintlab.machine import speaks_for_all

    if not speaks_for_all():
        return int(done.code)
    if as_json:
        print(json_text(done.values))
    else:
        done.show(verbose)
    return int(done.code)


def _renamed(error: typer.TyperException) -> str:
    """Return what an unknown flag is called now, if it had another name once."""
    from inpaintlab.settings.build import RENAMED

    old = getattr(error, "option_name", "")
    new = RENAMED.get(old.lstrip("-").replace("-", "_"), "")
    return f"{old} is called --{new.replace('_', '-')} now" if new else ""


def _report_fault(words: list[str]) -> int:
    """Write down a fault of ours, and say so in one line: a traceback is of no use to most people."""
    path, seen = cache_folder() / "fault.txt", traceback.format_exc()
    last = " ".join(seen.strip().splitlines()[-1].split())
    about = f"inpaintlab {version('inpaintlab')}, Python {sys.version}"
    text = f"{about}\ninpaint {shlex.join(words)}\n\n{seen}"
    try:
        write_atomically(path, text.encode("utf-8", "backslashreplace"))
    except InpaintlabError:
        print(seen, file=sys.stderr)
        path = Path("stderr")
    _complain(
        f"this is a fault of inpaintlab, not yours: {last}; the traceback is in {path}: please report it"
    )
    return FAULT


def _complain(message: str) -> int:
    with suppress(OSError):  # stderr may go into a file of a full disk, too
        print("inpaint:", " ".join(message.split()), file=sys.stderr, flush=True)
    return 2

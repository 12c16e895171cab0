"""Processes of Python whose imports are done: each is forked from one that has done nothing else.

Importing torch and what trains takes five seconds, which most commands of the tests do not last.
"""

import os
import sys
from collections.abc import Sequence
from multiprocessing import get_context
from multiprocessing.process import BaseProcess
from pathlib import Path
from subprocess import CompletedProcess

#: The real command.
COMMAND = "from inpaintlab.cli import main; main()"
_CONTEXT = get_context("forkserver")
_CONTEXT.set_forkserver_preload(
    ["inpaintlab.evaluation.command", "inpaintlab.inpainter", "inpaintlab.training", "torch._dynamo"]
)


def start(code: str, words: Sequence[str], out: str = os.devnull, err: str = os.devnull) -> BaseProcess:
    """Start a process like `python -c code words` here, which writes into two files."""
    given = code, list(map(str, words)), str(Path.cwd()), dict(os.environ), out, err
    process = _CONTEXT.Process(target=_run, args=given)
    process.start()
    return process


def run(code: str, words: Sequence[str], folder: Path) -> "CompletedProcess[str]":
    """Run such a process to its end; what it prints lies in a folder meanwhile."""
    out, err = folder / "printed.out", folder / "printed.err"
    process = start(code, words, str(out), str(err))
    process.join()
    assert process.exitcode is not None
    done = CompletedProcess([*words], process.exitcode, out.read_text(), err.read_text())
    out.unlink()
    err.unlink()
    return done


def _run(
    code: str, words: list[str], folder: str, environment: dict[str, str], out: str, err: str
) -> None:
    os.chdir(folder)
    os.environ.clear()
    os.environ.update(environment)
    for path, number in ((out, 1), (err, 2)):
        os.dup2(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC), number)
    sys.argv = words if words[0].endswith(".py") else ["-c", *words]
    exec(code, {"__name__": "__main__"})  # noqa: S102

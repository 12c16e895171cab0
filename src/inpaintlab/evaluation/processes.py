"""Running commands side by side, each in a process of its own: one that breaks leaves the others.

A command is asked to stop by closing its stdin, which also happens when this process is killed: none is
left behind. `worker.stop_with_parent` is what it calls to stop then as it would on Ctrl-C.
"""

import os
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from inpaintlab.errors import OutputError
from inpaintlab.progress import say
from inpaintlab.training.stop import StopSignal

#: Seconds between two looks at the processes.
_PAUSE = 0.1


def run_all(
    commands: Sequence[Sequence[str]],
    logs: Sequence[Path],
    places: Sequence[Mapping[str, str]],
    ended: Callable[[int, int], None],
) -> bool:
    """Run commands in order, as many at a time as there are places; return whether a stop was asked for.

    A place is what the environment of its processes has besides ours. What a command prints goes to its
    log; `ended` is called with its number and exit code, negative for a signal. On Ctrl-C all are asked
    to stop and waited for; on the second one they are killed.
    """
    waiting = list(range(len(commands)))
    running: dict[int, tuple[int, subprocess.Popen[bytes]]] = {}
    asked = False
    with StopSignal() as stop:
        try:
            while running or (waiting and not stop.requested):
                for place, environment in enumerate(places):
                    if place in running:
                        number, process = running[place]
                        if (code := process.poll()) is not None:
                            _shut(process)
                            del running[place]
                            ended(number, code)
                    elif waiting and not stop.requested:
                        number = waiting.pop(0)
                        running[place] = number, _start(commands[number], logs[number], environment)
                if stop.requested and not asked:
                    asked = True
                    say("stopping: every run saves what it has; Ctrl-C again ends them at once")
                    for _, process in running.values():
                        _shut(process)
                time.sleep(_PAUSE)
        finally:
            for _, process in running.values():
                _shut(process)
                process.kill()
                process.wait()
    return stop.requested


def _shut(process: "subprocess.Popen[bytes]") -> None:
    """Close the stdin of a process: it is asked to stop if it still runs."""
    assert process.stdin is not None
    process.stdin.close()


def _start(
    command: Sequence[str], log: Path, environment: Mapping[str, str]
) -> "subprocess.Popen[bytes]":
    try:
        log.parent.mkdir(parents=True, exist_ok=True)
        with log.open("ab") as output:
            # A session of its own: Ctrl-C in the terminal must not reach it twice.
            return subprocess.Popen(  # noqa: S603 - our own words
                command,
                stdin=subprocess.PIPE,
                stdout=output,
                stderr=output,
                env={**os.environ, **environment},
                start_new_session=True,
            )
    except OSError as error:
        raise OutputError(f"cannot start a run with its log {log}: {error.strerror}") from None

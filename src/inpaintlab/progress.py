"""Progress and messages for people: always on stderr, so that stdout stays for results."""

import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from functools import cache
from typing import TypeVar

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    ProgressColumn,
    TextColumn,
    TimeRemainingColumn,
)

from inpaintlab.machine import processors

Item = TypeVar("Item")
Result = TypeVar("Result")

#: Seconds from line to line where there is no terminal to show a bar on.
EVERY = 30.0
#: Results that wait to be taken at most.
_AHEAD = 4096


@cache
def console() -> Console:
    """Return the one console that all messages go through."""
    return Console(stderr=True, highlight=False, soft_wrap=True)


def say(message: str) -> None:
    """Print one message to stderr, above a progress bar if one is running."""
    console().print(message, markup=False)


@cache
def say_once(message: str) -> None:
    """Print a message, unless this process has printed it before."""
    say(message)


def progress_bar(*columns: ProgressColumn) -> Progress:
    """Return a bar that vanishes when done, and that only a terminal shows."""
    hidden = not console().is_terminal
    return Progress(*columns, console=console(), transient=True, disable=hidden)


def time_left(elapsed: float, share: float) -> str:
    """Return how long the rest takes, if a share took so many seconds.

    >>> time_left(30, 0.25), time_left(3600, 0.1)
    ('1:30 left', '540:00 left')
    """
    minutes, seconds = divmod(int(elapsed * (1 - min(share, 1.0)) / max(share, 1e-6)), 60)
    return f"{minutes}:{seconds:02} left"


@contextmanager
def bar(description: str, total: int) -> Iterator[Callable[..., None]]:
    """Show a progress bar; the function it yields moves it on by one, or by a part of it.

    Where there is no terminal, as in the log of a cluster, a line says every half minute how far it is.
    """
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
    )
    with progress_bar(*columns) as progress:
        task = progress.add_task(description, total=total)
        start = told = time.monotonic()
        done = 0.0

        def advance(amount: float = 1.0) -> None:
            nonlocal done, told
            done += amount
            progress.advance(task, amount)
            now = time.monotonic()
            if progress.disable and now - told >= EVERY and done < total:
                told = now
                say(f"{description}: {int(done)} of {total}, {time_left(now - start, done / total)}")

        yield advance


def in_threads(function: Callable[[Item], Result], items: Sequence[Item], what: str) -> Iterator[Result]:
    """Yield what a function gives for each item, in order, worked out in threads, with a bar."""
    with ThreadPoolExecutor(processors()) as pool, bar(what, len(items)) as advance:
        for start in range(0, len(items), _AHEAD):
            for result in pool.map(function, items[start : start + _AHEAD]):
                advance()
                yield result

"""Progress and messages for people: always on stderr, so that stdout stays for results."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    ProgressColumn,
    TextColumn,
    TimeRemainingColumn,
)


@cache
def console() -> Console:
    """Return the one console that all messages go through."""
    return Console(stderr=True, highlight=False, soft_wrap=True)


def say(message: str) -> None:
    """Print one message to stderr, above a progress bar if one is running."""
    console().print(message, markup=False)


def progress_bar(*columns: ProgressColumn) -> Progress:
    """Return a bar that vanishes when done, and that only a terminal shows."""
    hidden = not console().is_terminal
    return Progress(*columns, console=console(), transient=True, disable=hidden)


@contextmanager
def bar(description: str, total: int) -> Iterator[Callable[[], None]]:
    """Show a progress bar; the function it yields moves it on by one."""
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
    )
    with progress_bar(*columns) as progress:
        task = progress.add_task(description, total=total)
        yield lambda: progress.advance(task)

"""A server in a process of its own, for the measurements that want one."""

import re
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import psutil


@dataclass(frozen=True)
class Server:
    """Where it answers, and its process."""

    url: str
    process: psutil.Process

    def megabytes(self) -> float:
        """Return the memory of the server and its workers that they share with nobody."""
        processes = [self.process, *self.process.children(recursive=True)]
        return sum(process.memory_full_info().uss for process in processes) / 2**20


@contextmanager
def running(run: str, *flags: str) -> Iterator[Server]:
    """Serve a run on any free port, without the page, until the block is left."""
    code = "from inpaintlab.cli import main; main()"
    words = [sys.executable, "-c", code, "serve", run, "--port", "0", "--no-page", *flags]
    with subprocess.Popen(
        words, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    ) as process:
        assert process.stdout is not None
        found = re.search(r"http://\S+", process.stdout.readline())
        assert found, "the server did not start: try inpaint serve by hand"
        try:
            yield Server(found[0], psutil.Process(process.pid))
        finally:
            process.terminate()

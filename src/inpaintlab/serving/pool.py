"""Worker processes, and the queue of jobs that wait for them.

Each worker has a pipe of its own and does one job at a time. One that crashes, is killed for memory or
takes too long is replaced, and only its own job fails. (Process pools that share one pipe and a lock
among workers, as pebble's and the standard library's do, break as a whole when a worker is killed while
it reads from it.)
"""

import asyncio
import logging
import math
import multiprocessing
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any, Self, TypeVar

from inpaintlab.errors import RunError
from inpaintlab.machine import free_memory, processors
from inpaintlab.serving.errors import RefusedError
from inpaintlab.serving.jobs import About, Job, Reply, receive

T = TypeVar("T")
#: What a process runs, its pipe first: it says which model it has loaded, and then answers jobs.
Work = Callable[..., None]
_LOG = logging.getLogger("inpaintlab.serving")
#: Memory of a worker with an image of some millions of pixels in it.
_WORKER_MEMORY = 2**30
#: Seconds between attempts to replace a worker, at most.
_LONGEST_PAUSE = 30.0
#: How much the newest job counts in the average time of a job.
_NEWEST = 0.1
#: Clients of OpenAI repeat what failed with 5xx; this image would only fail again.
_NOT_AGAIN = {"x-should-retry": "false"}


def default_workers() -> int:
    """Return how many workers this machine has processors and memory for."""
    return max(1, min(processors(), free_memory() // _WORKER_MEMORY))


class Worker:
    """One process and this side of its pipe; the methods that wait are for a thread."""

    def __init__(self, work: Work, arguments: tuple[Any, ...]) -> None:
        context = multiprocessing.get_context("spawn")
        self._pipe, theirs = context.Pipe()
        self._process = context.Process(target=work, args=(theirs, *arguments), daemon=True)
        self._process.start()
        theirs.close()
        #: Readable once the process has ended.
        self.sentinel = self._process.sentinel

    def hello(self) -> About:
        """Wait until the worker has loaded its model; raises `RunError` if it cannot."""
        try:
            about = receive(self._pipe)
        except (EOFError, OSError):
            message = "a worker process died before it was ready: is there memory for it?"
            raise RunError(message) from None
        if isinstance(about, Reply):
            raise RunError(about.message)
        return about

    def ask(self, job: Job) -> Reply:
        """Have a job done; raises `EOFError` or `OSError` if the process dies of it."""
        self._pipe.send(job)
        reply = receive(self._pipe)
        if not isinstance(reply, Reply):
            raise EOFError  # it has lost the thread: as good as dead
        return reply

    def is_alive(self) -> bool:
        """Tell whether the process runs."""
        return self._process.is_alive()

    def close(self, seconds: float) -> None:
        """Let the process end, and kill it if it does not within some seconds."""
        self._pipe.close()
        self._process.join(seconds)
        self.kill()

    def kill(self) -> None:
        """End the process at once; whoever waits for it gets an `EOFError`."""
        self._process.kill()
        self._process.join()


class Pool:
    """Workers that answer jobs, used as `async with Pool(…) as pool`.

    `work` is what their processes run, with `arguments`. At most `queue` jobs wait while all `workers`
    are busy. A job may take `seconds`. `about` describes the model of the workers once the pool has
    `started`; `restarts` counts replaced workers by the reason.
    """

    about: About

    def __init__(
        self, work: Work, *arguments: Any, workers: int = 1, queue: int = 32, seconds: float = 60.0
    ) -> None:
        self.workers, self.queue, self.seconds = workers, queue, seconds
        self.started = False
        self.pending = 0
        self.restarts: Counter[str] = Counter()
        self._work, self._arguments = work, arguments
        self._all: set[Worker] = set()
        self._busy: set[Worker] = set()
        self._idle: asyncio.Queue[Worker] = asyncio.Queue()
        self._tasks: set[asyncio.Task[None]] = set()
        self._threads = ThreadPoolExecutor(workers, thread_name_prefix="worker")
        self._average = 1.0

    @property
    def ready(self) -> int:
        """How many workers run and have their model loaded."""
        return sum(worker.is_alive() for worker in self._all)

    @property
    def full(self) -> bool:
        """Whether no further job would be taken."""
        return self.pending >= self.workers + self.queue

    async def __aenter__(self) -> Self:
        """Start all workers and wait until they are warm; raises `RunError` if one cannot be."""
        started = [Worker(self._work, self._arguments) for _ in range(self.workers)]
        try:
            self.about, *_ = await asyncio.gather(*(self._thread(worker.hello) for worker in started))
        except BaseException:
            for worker in started:
                worker.kill()
            self._threads.shutdown(wait=False)
            raise
        for worker in started:
            self._welcome(worker)
        self.started = True
        return self

    async def __aexit__(self, *_: object) -> None:
        """End all workers; a job that still runs has some seconds left."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        for worker in self._all:
            asyncio.get_running_loop().remove_reader(worker.sentinel)
            await asyncio.to_thread(worker.close, 5.0)
        self._threads.shutdown(wait=False, cancel_futures=True)

    @contextmanager
    def place(self) -> Iterator[None]:
        """Hold a place in the queue; raises `RefusedError` (429) where there is none left."""
        if self.full:
            raise self.no_place()
        self.pending += 1
        try:
            yield
        finally:
            self.pending -= 1

    def no_place(self) -> RefusedError:
        """Return the error for a full queue, with the time after which it has moved on."""
        seconds = max(1, math.ceil(self.pending * self._average / self.workers))
        message = f"{self.pending} requests are waiting, which is the limit: try again in {seconds} s"
        return RefusedError(429, "queue_full", message, headers={"Retry-After": str(seconds)})

    async def run(self, job: Job) -> Reply:
        """Have a job done by the next free worker, inside a `place`.

        Raises `RefusedError` when the worker died of it (500) or took too long (504), and when there was
        no worker for a long time (503).
        """
        worker = await self._take()
        self._busy.add(worker)
        reply = None
        loop = asyncio.get_running_loop()
        start = loop.time()
        try:
            async with asyncio.timeout(self.seconds):
                reply = await self._thread(worker.ask, job)
        except TimeoutError:
            message = f"this image took more than {self.seconds:g} s, the limit: send a smaller one"
            raise self._failed("time limit", 504, "time_limit", message) from None
        except (EOFError, OSError):
            message = "the process that filled this image died: too little memory, or a broken file"
            raise self._failed("crash", 500, "worker_died", message) from None
        finally:
            self._busy.discard(worker)
            if reply is None:  # dead, late, or of no more interest: not to be used again
                self._replace(worker)
            else:
                self._idle.put_nowait(worker)
        self._average += _NEWEST * (loop.time() - start - self._average)
        return reply

    def _failed(self, reason: str, status: int, kind: str, message: str) -> RefusedError:
        self.restarts[reason] += 1
        return RefusedError(status, kind, message, headers=_NOT_AGAIN)

    async def _take(self) -> Worker:
        """Wait for a worker; the longest that a full queue can take, and no longer."""
        try:
            async with asyncio.timeout(self.seconds * (1 + math.ceil(self.queue / self.workers))):
                while not (worker := await self._idle.get()).is_alive():
                    pass  # `_lost` has replaced it, or is about to
        except TimeoutError:
            raise RefusedError(503, "no_worker", "no worker process is ready: try again later") from None
        return worker

    def _lost(self, worker: Worker) -> None:
        """Replace a process that ended while it had nothing to do; `run` sees to the others."""
        asyncio.get_running_loop().remove_reader(worker.sentinel)
        if worker in self._all - self._busy:
            self.restarts["crash"] += 1
            self._replace(worker)

    def _replace(self, worker: Worker) -> None:
        asyncio.get_running_loop().remove_reader(worker.sentinel)
        self._all.discard(worker)
        worker.kill()
        task = asyncio.get_running_loop().create_task(self._restart())
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _restart(self) -> None:
        """Start a worker in the place of another, however often that takes."""
        pause = 0.5
        while True:
            worker = Worker(self._work, self._arguments)
            try:
                await self._thread(worker.hello)
                return self._welcome(worker)
            except RunError as error:
                _LOG.error("a worker cannot start, next attempt in %g s: %s", pause, error)
                worker.kill()
            except BaseException:
                worker.kill()
                raise
            await asyncio.sleep(pause)
            pause = min(2 * pause, _LONGEST_PAUSE)

    def _welcome(self, worker: Worker) -> None:
        asyncio.get_running_loop().add_reader(worker.sentinel, self._lost, worker)
        self._all.add(worker)
        self._idle.put_nowait(worker)

    async def _thread(self, function: Callable[..., T], *arguments: Any) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._threads, function, *arguments)

"""The server beside the best that can be done in Python: images a second, and how long one waits.

The same files are decoded, filled and encoded by a pool of processes of the standard library, one for
each processor with one thread of torch, and by the server for 8 clients at once. Both are measured in
turn, so that their ratio holds although the machine drifts. Then clients ask for images of one size,
half as often as the server could fill them and at random times: how long does one wait in the median,
and what do 99 % stay below?

Usage: python benchmarks/serve.py RUN [PICTURES]      200 images a round by default
"""

import asyncio
import io
import itertools
import multiprocessing
import os
import random
import statistics
import sys
import time
from concurrent.futures import ProcessPoolExecutor
from functools import cache

import httpx2
import numpy as np
from PIL import Image
from server import running
from timing import median, median_ratio

from inpaintlab.data import samples
from inpaintlab.serving.jobs import Job, Options

CLIENTS = 8
ROUNDS = 5
#: A 99th percentile is the second largest of so many.
ASKED = 200
#: Sides of the images in pixels, as photos for the web have.
SIZES = ((640, 480), (800, 600), (1024, 768))

Pair = tuple[bytes, bytes]


def main(run: str, images: int = 200) -> None:
    pairs = make_pairs(20)
    workers = len(os.sched_getaffinity(0))
    rates: dict[str, list[float]] = {"server": [], "in process": []}
    with running(run, "--workers", str(workers)) as server, _processes(run, workers) as executor:
        fill_directly(executor, pairs, 4 * workers)
        asyncio.run(fill_all(server.url, pairs, 4 * workers, CLIENTS))
        for _ in range(ROUNDS):
            start = time.perf_counter()
            fill_directly(executor, pairs, images)
            rates["in process"].append(images / (time.perf_counter() - start))
            start = time.perf_counter()
            asyncio.run(fill_all(server.url, pairs, images, CLIENTS))
            rates["server"].append(images / (time.perf_counter() - start))
        for name, values in rates.items():
            print(f"{name:>10}: {median(values):6.1f} images/s with {workers} processes")
        print(f"server / in process: {median_ratio(rates['server'], rates['in process']):.2f}")
        alike = pairs[1 :: len(SIZES)]
        start = time.perf_counter()
        asyncio.run(fill_all(server.url, alike, images, CLIENTS))
        rate = images / (time.perf_counter() - start)
        waits = sorted(asyncio.run(ask_at(server.url, alike, rate / 2)))
    middle, late = statistics.median(waits), waits[int(0.99 * len(waits)) - 1]
    print(f"at half load: median {middle * 1000:.0f} ms, 99 % below {late * 1000:.0f} ms: ", end="")
    print(f"{late / middle:.1f} times")


def make_pairs(count: int) -> list[Pair]:
    """Return files of images and masks, JPEG and PNG, of several sizes."""
    pairs = []
    for index, (width, height) in zip(range(count), itertools.cycle(SIZES), strict=False):
        portrait = Image.fromarray(samples.draw(index, 128)).resize(
            (width, height), Image.Resampling.BICUBIC
        )
        grain = np.random.default_rng(index).integers(0, 8, (height, width, 3), np.uint8)
        pixels = np.asarray(portrait) // 2 + 60 + grain
        hole = Image.new("L", (width, height))
        hole.paste(255, (width // 3, height // 3, width // 2, height // 2))
        kind = ("JPEG", "PNG")[index % 2]
        pairs.append((_file(Image.fromarray(pixels), kind), _file(hole, "PNG")))
    return pairs


def _file(image: Image.Image, kind: str) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, kind)
    return buffer.getvalue()


async def fill_all(url: str, pairs: list[Pair], count: int, clients: int) -> list[float]:
    """Fill `count` images through a server with so many clients; return how long each took."""
    waiting = iter(range(count))
    seconds: list[float] = []

    async def client() -> None:
        async with httpx2.AsyncClient(base_url=url, timeout=60) as connection:
            for index in waiting:
                seconds.append(await _ask(connection, pairs[index % len(pairs)]))

    await asyncio.gather(*(client() for _ in range(clients)))
    return seconds


async def ask_at(url: str, pairs: list[Pair], rate: float) -> list[float]:
    """Ask at random times, so often a second in the mean; return how long each took."""
    drawn = random.Random(0)  # noqa: S311 - times of a measurement
    async with httpx2.AsyncClient(base_url=url, timeout=60) as connection:
        tasks = []
        for index in range(ASKED):
            tasks.append(asyncio.create_task(_ask(connection, pairs[index % len(pairs)])))
            await asyncio.sleep(drawn.expovariate(rate))
        return list(await asyncio.gather(*tasks))


async def _ask(connection: httpx2.AsyncClient, pair: Pair) -> float:
    body, headers = _form(pair)
    start = time.perf_counter()
    reply = await connection.post("/v1/fill", content=body, headers=headers)
    assert reply.status_code == 200, reply.text
    return time.perf_counter() - start


@cache
def _form(pair: Pair) -> tuple[bytes, dict[str, str]]:
    """Return the body of a request and its headers; made once, for clients share the processors."""
    files = {"image": ("image", pair[0]), "mask": ("mask", pair[1])}
    request = httpx2.Request("POST", "http://localhost", files=files)
    return request.read(), {"content-type": request.headers["content-type"]}


def _processes(run: str, workers: int) -> ProcessPoolExecutor:
    context = multiprocessing.get_context("spawn")
    return ProcessPoolExecutor(workers, mp_context=context, initializer=_load, initargs=(run,))


def fill_directly(executor: ProcessPoolExecutor, pairs: list[Pair], count: int) -> None:
    """Fill `count` images with processes that are handed the bytes."""
    jobs = [pairs[index % len(pairs)] for index in range(count)]
    for data in executor.map(_fill, jobs):
        assert data


def _load(run: str) -> None:
    global _inpainter
    import torch

    from inpaintlab.inpainter import Inpainter

    torch.set_num_threads(1)
    _inpainter = Inpainter.load(run)


def _fill(pair: Pair) -> bytes:
    from inpaintlab.serving.work import answer

    return answer(_inpainter, Job(*pair, Options())).data


if __name__ == "__main__":
    main(sys.argv[1], *(int(word) for word in sys.argv[2:]))

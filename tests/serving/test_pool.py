"""Worker processes: one that is lost costs its own job and nothing else."""

import asyncio
import os
import signal

import pytest

from inpaintlab.errors import RunError
from inpaintlab.serving.errors import RefusedError
from inpaintlab.serving.jobs import Job, Options
from inpaintlab.serving.pool import Pool, default_workers
from tests.serving import workers


def job(image):
    return Job(image, None, Options())


def with_pool(test, work=workers.obey, **limits):
    """Run an asynchronous test with a pool of processes."""

    async def run():
        async with Pool(work, **limits) as pool:
            await test(pool)

    asyncio.run(run())


async def until(condition):
    while not condition():
        await asyncio.sleep(0.01)


def test_bytes_come_back_whole():
    async def test(pool):
        assert pool.about.name == "obedient"
        for size in (0, 1, 70_000, 5_000_000):
            data = os.urandom(size)
            assert (await pool.run(job(data))).data == data

    with_pool(test)


@pytest.mark.parametrize("image", [b"", b"an image", bytes(100_000)])
def test_variants_come_back_whole_and_in_order(image):
    async def test(pool):
        reply = await pool.run(Job(image, None, Options(variants=3)))
        assert (reply.data, reply.others) == (image, (b"2 " + image, b"3 " + image))
        assert (await pool.run(job(b"one"))).others == ()

    with_pool(test)


def test_a_crash_costs_one_job_and_the_others_go_on():
    async def test(pool):
        others = [asyncio.create_task(pool.run(job(b"fine"))) for _ in range(20)]
        with pytest.raises(RefusedError, match="process that filled this image died") as refused:
            await pool.run(job(b"die"))
        assert (refused.value.status, refused.value.kind) == (500, "worker_died")
        assert {reply.data for reply in await asyncio.gather(*others)} == {b"fine"}
        await until(lambda: pool.ready == 2)
        assert (await pool.run(job(b"again"))).data == b"again"
        assert pool.restarts == {"crash": 1}

    with_pool(test, workers=2)


def test_a_job_over_the_time_limit_is_ended():
    async def test(pool):
        with pytest.raises(RefusedError, match=r"more than 0\.3 s") as refused:
            await pool.run(job(b"hang"))
        assert refused.value.status == 504
        # The next one waits for the new process.
        pool.seconds = 30
        assert (await pool.run(job(b"next"))).data == b"next"
        assert pool.restarts == {"time limit": 1}

    with_pool(test, seconds=0.3)


def test_an_idle_worker_that_is_killed_is_replaced():
    async def test(pool):
        os.kill(pool.about.created, signal.SIGKILL)
        await until(lambda: pool.restarts["crash"] == 1 and pool.ready == 1)
        reply = await pool.run(job(b"x"))
        assert reply.notes != (str(pool.about.created),)

    with_pool(test)


def test_a_worker_killed_while_it_reads_a_large_job():
    """Where a pool shares one pipe among its workers, this breaks all of it."""

    async def test(pool):
        os.kill(pool.about.created, signal.SIGSTOP)
        running = asyncio.create_task(pool.run(job(bytes(20_000_000))))
        await until(lambda: pool._busy)
        os.kill(pool.about.created, signal.SIGKILL)
        with pytest.raises(RefusedError, match="process that filled this image died"):
            await running
        assert (await pool.run(job(b"x"))).data == b"x"

    with_pool(test)


def test_whoever_gives_up_takes_the_worker_along():
    async def test(pool):
        running = asyncio.create_task(pool.run(job(b"hang")))
        await until(lambda: pool._busy)
        running.cancel()
        with pytest.raises(asyncio.CancelledError):
            await running
        assert (await pool.run(job(b"x"))).data == b"x"

    with_pool(test)


def test_the_line_is_bounded():
    async def test(pool):
        with pool.place(), pool.place():
            assert pool.full
            with pytest.raises(RefusedError) as refused, pool.place():
                pass
        assert refused.value.status == 429
        assert int(refused.value.headers["Retry-After"]) >= 1
        assert not pool.full

    with_pool(test, queue=1)


def test_no_worker_for_a_long_time():
    async def test(pool):
        pool._work = workers.vanish
        pool.seconds = 0.1
        with pytest.raises(RefusedError):
            await pool.run(job(b"die"))
        with pytest.raises(RefusedError, match="no worker") as refused:
            await pool.run(job(b"x"))
        assert (refused.value.status, pool.ready) == (503, 0)

    with_pool(test, queue=0)


@pytest.mark.parametrize(
    ("work", "message"), [(workers.fail, "no run folder here"), (workers.vanish, "died before")]
)
def test_a_model_that_cannot_be_loaded(work, message):
    with pytest.raises(RunError, match=message):
        with_pool(None, work, workers=2)


def test_as_many_workers_as_there_is_memory_for(monkeypatch):
    monkeypatch.setattr("inpaintlab.serving.pool.free_memory", lambda: 2**29)
    assert default_workers() == 1
    monkeypatch.setattr("inpaintlab.serving.pool.free_memory", lambda: 2**50)
    assert default_workers() == len(os.sched_getaffinity(0))

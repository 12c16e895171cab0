"""The application from Python: of a run folder or a pool, which it starts and ends itself."""

import asyncio
import base64

import numpy as np
import pytest
from fastapi.testclient import TestClient

from inpaintlab.errors import RunError
from inpaintlab.serving.app import create_app
from inpaintlab.serving.pool import default_workers
from inpaintlab.serving.work import worker_pool
from tests.serving.conftest import decoded


def test_it_starts_workers_which_know_the_plugins(trained_run, tmp_path, files, portrait, hole):
    (tmp_path / "mine.py").write_text(f"open({str(tmp_path / 'loaded')!r}, 'w').close()")
    pool = worker_pool(trained_run, plugins=[str(tmp_path / "mine.py")], workers=1)
    with TestClient(create_app(pool)) as client:
        assert (tmp_path / "loaded").exists()
        assert client.get("/v1/models").json()["data"][0]["id"] == trained_run.name
        filled = decoded(client.post("/v1/fill", files=files).content)
    assert np.array_equal(filled[~hole], portrait[~hole])
    assert not np.array_equal(filled[hole], portrait[hole])
    assert pool.ready == 0


def test_a_model_that_varies_says_so(varied_inpainter, tmp_path, files, portrait, hole):
    """In a process of its own, through which several images come back."""
    varied_inpainter.save(tmp_path / "varied.safetensors")
    with TestClient(create_app(worker_pool(tmp_path / "varied.safetensors", workers=1))) as client:
        assert client.get("/v1/models").json()["data"][0]["varies"]
        found = client.post("/v1/fill:variants", files=files, data={"method": "model"}).json()["images"]
    wanted = varied_inpainter.variants(portrait, hole, 4)
    assert np.array_equal([decoded(base64.b64decode(image)) for image in found], wanted)


def test_a_run_folder_is_enough(trained_run):
    pool = create_app(trained_run).state.service.pool
    assert (pool.workers, pool.started) == (default_workers(), False)


def test_a_plugin_that_is_not_there(trained_run):
    async def start():
        async with worker_pool(trained_run, plugins=["nowhere.py"], workers=1):
            pass

    with pytest.raises(RunError, match=r"nowhere\.py"):
        asyncio.run(start())

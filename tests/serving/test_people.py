"""The page fills through the same pool; what it is made of has tests of its own."""

import sys
import types

import numpy as np
import pytest
from fastapi.testclient import TestClient
from PIL import Image

from inpaintlab.serving.app import create_app


@pytest.fixture
def mounted(monkeypatch):
    """Stands for the page: notes what it was given, and fills when it is asked to."""
    given = {}

    def mount_page(app, fill, about, path):
        given.update(fill=fill, about=about, path=path)

        @app.post(f"{path}/try")
        def try_it(empty: bool = False):  # a plain function: it runs in a thread, as the page's do
            hole = Image.new("L", (48, 40))
            if not empty:
                hole.paste(255, (14, 10, 30, 22))
            given["filled"] = given["fill"](Image.fromarray(given["image"]), hole)
            return "done"

    page = types.ModuleType("inpaintlab.serving.page")
    page.mount_page = mount_page
    monkeypatch.setitem(sys.modules, "inpaintlab.serving.page", page)
    return given


def test_the_page_fills_through_the_pool(mounted, pool, portrait, hole):
    client = TestClient(create_app(pool, page=True), follow_redirects=False)
    assert client.get("/").headers["location"] == "/page/"
    assert (mounted["path"], mounted["about"]) == ("/page", pool.about)
    mounted["image"] = portrait
    assert client.post("/page/try").status_code == 200
    filled = np.asarray(mounted["filled"])
    assert np.array_equal(filled[~hole], portrait[~hole])
    assert not np.array_equal(filled[hole], portrait[hole])


def test_the_page_hears_what_is_wrong(mounted, pool, portrait):
    client = TestClient(create_app(pool, page=True))
    mounted["image"] = portrait
    assert "no hole" in client.post("/page/try?empty=true").json()["error"]["message"]
    pool.pending = 1000
    assert client.post("/page/try").json()["error"]["type"] == "queue_full"


def test_without_the_page_there_is_nothing(client):
    assert client.get("/").status_code == client.get("/page/").status_code == 404

"""A few hundred of the requests of `benchmarks/fuzz.py`, without processes."""

from pathlib import Path

import pytest

PROJECT = Path(__file__).parents[2]


@pytest.fixture
def fuzz(monkeypatch):
    monkeypatch.syspath_prepend(PROJECT / "benchmarks")
    import fuzz

    return fuzz


@pytest.fixture(params=["client", "varied"])
def server(request):
    """A server whose model fills a hole in one way, and one whose model fills it in several."""
    return request.getfixturevalue(request.param)


def test_damaged_images(fuzz, server):
    counts = fuzz.from_images(server, 150)
    assert counts.total() >= 150
    assert {status for _, status in counts} >= {200, 400}
    assert not any(status >= 500 for _, status in counts)


def test_what_the_description_allows(fuzz, server):
    counts = fuzz.from_description(fuzz.openapi.from_asgi("/openapi.json", server.app), 150)
    assert counts.total() >= 150
    routes = {"POST /v1/fill", "POST /v1/fill:variants", "GET /healthz", "POST /api/v1/inpaint"}
    assert {what for what, _ in counts} >= routes

"""A few hundred of the requests of `benchmarks/fuzz.py`, without processes."""

from pathlib import Path

import pytest

PROJECT = Path(__file__).parents[2]


@pytest.fixture
def fuzz(monkeypatch):
    monkeypatch.syspath_prepend(PROJECT / "benchmarks")
    import fuzz

    return fuzz


def test_damaged_images(fuzz, client):
    counts = fuzz.from_images(client, 150)
    assert counts.total() >= 150
    assert {status for _, status in counts} >= {200, 400}


def test_what_the_description_allows(fuzz, client):
    counts = fuzz.from_description(fuzz.openapi.from_asgi("/openapi.json", client.app), 150)
    assert counts.total() >= 150
    assert {what for what, _ in counts} >= {"POST /v1/fill", "GET /healthz", "POST /api/v1/inpaint"}

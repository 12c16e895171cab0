"""Doors of gradio that strangers could come in by."""

import json
import secrets

import pytest
from PIL import Image

from inpaintlab.data import samples

httpx = pytest.importorskip("httpx", reason="needs what gradio brings: pip install 'inpaintlab[serve]'")


@pytest.fixture
def client(served):
    with httpx.Client(base_url=served.url) as client:
        yield client


@pytest.fixture
def private(tmp_path):
    """An image of the server's owner, in the folder that the server was started in."""
    Image.fromarray(samples.draw(1, 70)).save(tmp_path / "private.png")
    return tmp_path / "private.png"


class Visitor:
    """Speaks to the page as its own scripts do, and says what it likes."""

    def __init__(self, client):
        self.client, self.session = client, secrets.token_hex(6)
        config = client.get("/config").json()
        self.events = {event["api_name"]: event["id"] for event in config["dependencies"]}
        self.call("start")

    def call(self, name, *data):
        body = {"data": data, "fn_index": self.events[name], "session_hash": self.session}
        joined = self.client.post("/gradio_api/queue/join", json=body)
        joined.raise_for_status()
        where = "/gradio_api/queue/data?session_hash=" + self.session
        with self.client.stream("GET", where) as stream:
            for line in stream.iter_lines():
                said = json.loads(line.removeprefix("data: ") or "{}")
                if said.get("msg") == "process_completed":
                    return said
        raise AssertionError("no answer")


def file_data(path):
    return {"path": str(path), "meta": {"_type": "gradio.FileData"}}


def test_uploaded_files_are_opened(client, private):
    visitor = Visitor(client)
    files = {"files": ("a.png", private.read_bytes())}
    uploaded = client.post("/gradio_api/upload", files=files).json()[0]
    done = visitor.call("open", None, file_data(uploaded))
    assert done["success"]
    assert "70×70" in json.dumps(done["output"], ensure_ascii=False)


@pytest.mark.parametrize("relative", [True, False])
def test_files_of_the_machine_are_not_opened(client, private, relative):
    done = Visitor(client).call("open", None, file_data(private.name if relative else private))
    assert not done["success"]
    assert "private" not in json.dumps(done["output"])


def test_addresses_are_not_opened(client, monkeypatch):
    from gradio import processing_utils

    fetched = []

    async def fetch(address, cache_dir):
        fetched.append(address)

    monkeypatch.setattr(processing_utils, "async_ssrf_protected_download", fetch)
    done = Visitor(client).call("open", None, file_data("http://images.example/a.png"))
    assert not done["success"]
    assert fetched == []


@pytest.mark.parametrize("path", ["/etc/passwd", "private.png", "../../etc/passwd", "pyproject.toml"])
def test_files_of_the_machine_are_not_served(client, private, path):
    assert client.get(f"/gradio_api/file={path}").status_code in (403, 404)
    assert client.get(f"/gradio_api/file={private}").status_code == 403


@pytest.mark.parametrize("route", ["file=", "proxy=", "file=HTTP%3A%2F%2F127.0.0.1", "proxy=x"])
def test_addresses_are_not_fetched(client, served, route):
    address = "" if "%" in route or route.endswith("x") else f"{served.url}/theme.css"
    assert client.get(f"/gradio_api/{route}{address}").status_code == 403


def test_uploads_have_a_limit(client):
    too_much = b"0" * (61 * 2**20)
    reply = client.post("/gradio_api/upload", files={"files": too_much})
    assert reply.status_code == 413


def test_nothing_is_recorded_or_told(client):
    config = client.get("/config").json()
    assert config["analytics_enabled"] is False
    assert config["run_history"] is False
    assert client.get("/gradio_api/monitoring").status_code in (403, 404)
    assert client.get("/gradio_api/info").json()["named_endpoints"] == {}


def test_what_is_said_of_the_model_is_escaped(client):
    text = client.get("/config").text
    assert "swift &lt;64&gt;" in text
    assert "swift <64>" not in text

"""What a request must pass before a route sees it."""

import asyncio

import pytest
from fastapi.testclient import TestClient

from inpaintlab.serving.app import create_app
from tests.serving.test_fill import problem

TOKEN = "a token of some length"  # noqa: S105


@pytest.fixture
def serve(pool):
    """Make a client of an application with these limits."""
    return lambda **limits: TestClient(create_app(pool, **limits), follow_redirects=False)


def test_a_token_is_wanted_for_all_but_health(serve):
    client = serve(token=TOKEN)
    for path in ("/v1/models", "/metrics", "/openapi.json", "/nowhere", "/api/v1/model"):
        reply = client.get(path)
        assert problem(reply, 401)["type"] == "unauthorized"
        assert reply.headers["www-authenticate"] == "Bearer"
        allowed = client.get(path, headers={"authorization": f"Bearer {TOKEN}"})
        assert allowed.status_code == (404 if path == "/nowhere" else 200)
    assert client.get("/healthz").status_code == client.get("/readyz").status_code == 200


@pytest.mark.parametrize(
    "header",
    [b"Bearer", b"Bearer x", f"Basic {TOKEN}".encode(), b"Bearer \xff\xfe", f"Bearer {TOKEN}x".encode()],
)
def test_what_is_not_the_token(serve, header):
    problem(serve(token=TOKEN).get("/v1/models", headers={"authorization": header}), 401)


def test_the_page_and_its_files_need_no_token(pool):
    client = TestClient(create_app(pool, token=TOKEN, page=True), follow_redirects=False)
    assert client.get("/").status_code == 307
    for name in ("", "page.js", "hole.js", "page.css", "icon.svg", "sample-1.jpg"):
        reply = client.get(f"/page/{name}")
        assert reply.status_code == 200
        assert TOKEN not in reply.text
    problem(client.post("/page/../v1/fill"), 401)
    problem(client.post("/page/%2e%2e/v1/fill"), 404)


def test_only_own_names_are_answered(serve):
    client = serve(hosts={"localhost", "::1"})
    for host in ("localhost", "localhost:8080", "LOCALHOST", "[::1]:80"):
        assert client.get("/healthz", headers={"host": host}).status_code == 200
    for host in ("evil.example", "localhost.evil.example", "", "[", "localhost@evil.example", "1"):
        error = problem(client.get("/healthz", headers={"host": host}), 421)
        assert error["type"] == "wrong_host"


def test_pages_of_others_are_refused(serve, files):
    client = serve()
    own = {"origin": "http://testserver"}
    assert client.post("/v1/fill", files=files, headers=own).status_code == 200
    for origin in ("http://evil.example", "null", "http://testserver.evil.example", "["):
        error = problem(client.post("/v1/fill", files=files, headers={"origin": origin}), 403)
        assert error["type"] == "cross_origin"


def test_pages_that_are_allowed(serve, files):
    client = serve(origins=["https://good.example"], token=TOKEN)
    headers = {"origin": "https://good.example"}
    asked = client.options(
        "/v1/fill",
        headers=headers
        | {"access-control-request-method": "POST", "access-control-request-headers": "authorization"},
    )
    assert asked.status_code == 200
    headers["authorization"] = f"Bearer {TOKEN}"
    reply = client.post("/v1/fill", files=files, headers=headers)
    assert reply.headers["access-control-allow-origin"] == "https://good.example"
    problem(client.post("/v1/fill", files=files, headers={"origin": "https://evil.example"}), 403)


def test_without_cors_no_page_may_read(serve):
    assert "access-control-allow-origin" not in serve().get("/healthz").headers


def test_large_requests(serve, files):
    client = serve(max_bytes=5000)
    assert client.post("/v1/fill", files=files).status_code == 200
    large = {**files, "mask": ("m.png", bytes(5000))}
    assert problem(client.post("/v1/fill", files=large), 413)["type"] == "too_large"
    json = {"content-type": "application/json"}
    reply = client.post("/api/v1/inpaint", content=chunks(), headers=json)
    assert "5,000 bytes" in problem(reply, 413)["message"]
    for length in ("x", "-1", "9" * 400):
        reply = client.post("/v1/fill", content=b"", headers={"content-length": length})
        assert problem(reply, 413)


def chunks():
    """A body whose length the head does not tell."""
    for _ in range(100):
        yield bytes(100)


def test_large_images(serve, files):
    error = problem(serve(max_pixels=1000).post("/v1/fill", files=files), 413)
    assert "1,000 pixels" in error["message"]


def test_a_full_line(serve, pool, files):
    pool.pending = pool.workers + pool.queue
    reply = serve().post("/v1/fill", content=chunks())  # refused before it is read
    assert problem(reply, 429)["type"] == "queue_full"
    assert int(reply.headers["retry-after"]) == 33
    assert serve().get("/v1/models").status_code == 200


def test_requests_that_do_not_arrive(pool):
    """A client that sends the half of a body and then nothing more."""
    app = create_app(pool, upload_seconds=0.05)
    sent = []

    async def receive():
        if not sent:
            sent.append("half")
            return {"type": "http.request", "body": b"--x", "more_body": True}
        return await asyncio.get_running_loop().create_future()

    async def send(message):
        sent.append(message)

    headers = [(b"content-type", b"multipart/form-data; boundary=x"), (b"host", b"h")]
    scope = {
        "type": "http", "method": "POST", "path": "/v1/fill", "headers": headers, "query_string": b"",
        "root_path": "", "scheme": "http", "server": ("h", 80), "client": ("c", 1),
    }  # fmt: skip
    asyncio.run(app(scope, receive, send))
    assert sent[1]["status"] == 408


def test_there_are_no_websockets(serve):
    from starlette.websockets import WebSocketDisconnect

    with pytest.raises(WebSocketDisconnect), serve().websocket_connect("/v1/fill"):
        pass

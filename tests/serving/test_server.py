"""The command itself: a process that is started, asked, and told to end."""

import re
import signal
import socket
import subprocess
import sys
from urllib.parse import urlsplit

import httpx2
import numpy as np
import pytest

from inpaintlab.serving.server import allowed_hosts, is_loopback
from tests.serving.conftest import decoded

COMMAND = [sys.executable, "-c", "from inpaintlab.cli import main; main()", "serve"]
FLAGS = ["--port", "0", "--no-page", "--workers", "1"]


@pytest.fixture
def started(trained_run):
    """A server in a process of its own, and where it is."""
    words = [*COMMAND, str(trained_run), *FLAGS]
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    with subprocess.Popen(words, text=True, **pipes) as process:
        (url,) = re.findall(r"(http://\S+)/v1/", process.stdout.readline())
        try:
            yield process, url
        finally:
            process.kill()


def form(files):
    """The body of a form and its headers."""
    request = httpx2.Request("POST", "http://x", files=files)
    return request.read(), request.headers["content-type"]


def answered(connection):
    """The next reply on a socket: its head and body."""
    data = b""
    while b"\r\n\r\n" not in data:
        data += connection.recv(65536)
    head, _, body = data.partition(b"\r\n\r\n")
    length = int((re.findall(rb"content-length: (\d+)", head) or [b"0"])[0])
    while len(body) < length:
        body += connection.recv(65536)
    return head, body


def test_it_fills_and_ends_when_all_is_done(started, files, portrait, hole):
    """A request that is on its way when the signal comes is answered, and no other one is taken."""
    process, url = started
    assert httpx2.get(f"{url}/readyz").json()["workers"] == 1
    body, kind = form(files)
    address = urlsplit(url).hostname, urlsplit(url).port
    with socket.create_connection(address) as connection:
        head = f"POST /v1/fill HTTP/1.1\r\nHost: localhost\r\nContent-Type: {kind}\r\n"
        head += f"Content-Length: {len(body)}\r\nExpect: 100-continue\r\n\r\n"
        connection.sendall(head.encode())
        assert b" 100 " in answered(connection)[0]  # the server has begun with it
        process.send_signal(signal.SIGTERM)
        while is_open(address):
            pass
        connection.sendall(body)
        head, image = answered(connection)
    assert b" 200 " in head
    filled = decoded(image)
    assert np.array_equal(filled[~hole], portrait[~hole])
    assert not np.array_equal(filled[hole], portrait[hole])
    out, err = process.communicate()
    assert (process.returncode, out) == (0, "")
    assert "Traceback" not in err
    assert "POST /v1/fill" in err


def is_open(address):
    try:
        socket.create_connection(address).close()
    except OSError:
        return False
    return True


def test_a_stranger_s_name_is_refused(started):
    _, url = started
    assert httpx2.get(f"{url}/healthz", headers={"host": "evil.example"}).status_code == 421


@pytest.fixture
def refuse(trained_run, monkeypatch, capfd):
    """Run a command line that ends at once; returns what it says."""
    from inpaintlab import cli

    def run(*words):
        monkeypatch.setattr(sys, "argv", ["inpaint", "serve", *words])
        with pytest.raises(SystemExit) as stopped:
            cli.main()
        out, err = capfd.readouterr()
        assert (stopped.value.code, out, err.count("\n")) == (2, "", 1)
        return err

    return run


def test_mistakes_are_one_line(refuse, trained_run, monkeypatch):
    run = str(trained_run)
    monkeypatch.setattr("inpaintlab.cli.commands.find_spec", lambda name: name)
    assert "nowhere does not exist" in refuse("nowhere")
    assert "set INPAINTLAB_TOKEN" in refuse(run, "--host", "0.0.0.0")  # noqa: S104
    assert "16 or more" in refuse(run, "--token", "short")
    monkeypatch.setenv("INPAINTLAB_TOKEN", "short")
    assert "5 characters" in refuse(run)
    monkeypatch.delenv("INPAINTLAB_TOKEN")
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        assert f"cannot listen at 127.0.0.1:{port}" in refuse(run, "--port", port)
    assert "cannot listen at nowhere.invalid" in refuse(
        run, "--host", "nowhere.invalid", "--token", "x" * 16
    )
    assert "port: " in refuse(run, "--port", "99999")
    monkeypatch.setattr("inpaintlab.cli.commands.find_spec", lambda name: None)
    assert "pip install 'inpaintlab[serve]'" in refuse(run)


def test_weights_that_cannot_be_loaded(refuse, tmp_path):
    assert "is not a run folder" in refuse(str(tmp_path), *FLAGS)


@pytest.mark.parametrize(
    ("host", "own"),
    [
        *(("127.0.0.1", True), ("127.9.9.9", True), ("::1", True), ("localhost", True)),
        *(("0.0.0.0", False), ("::", False), ("192.168.1.2", False), ("example.org", False)),  # noqa: S104
    ],
)
def test_addresses_of_this_machine_alone(host, own):
    assert is_loopback(host) == own
    hosts = allowed_hosts(host)
    assert (hosts is not None) == own
    assert allowed_hosts(host, ["a.b"]) >= {"a.b", "localhost", host}


def test_the_server_itself_is_free_of_torch():
    code = "import sys, inpaintlab.serving.server; print('torch' in sys.modules)"
    assert subprocess.check_output([sys.executable, "-c", code], text=True) == "False\n"

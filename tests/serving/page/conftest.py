"""A served page to talk to."""

import socket
import threading
from dataclasses import dataclass, field

import numpy as np
import pytest
from PIL import Image

MAGENTA = (255, 0, 255)


def paint_all_over(image, hole):
    """A careless fill: everything is magenta, known or not."""
    mode = "RGBA" if image.mode in ("LA", "RGBA") else "RGB"
    return Image.new(mode, image.size, MAGENTA)


@dataclass
class Served:
    """Where the page is, what it was asked to fill, and what goes wrong next."""

    url: str
    asked: list = field(default_factory=list)
    error: Exception | None = None

    def fill(self, image, hole):
        self.asked.append((image, np.asarray(hole) > 0))
        if self.error:
            raise self.error
        return paint_all_over(image, hole)


@pytest.fixture(scope="session")
def server(tmp_path_factory):
    reason = "needs the page: pip install 'inpaintlab[serve]'"
    pytest.importorskip("gradio", reason=reason)
    uvicorn = pytest.importorskip("uvicorn", reason=reason)
    from fastapi import FastAPI

    from inpaintlab.serving.page import mount_page

    listening = socket.create_server(("127.0.0.1", 0))
    served = Served(f"http://127.0.0.1:{listening.getsockname()[1]}")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("GRADIO_TEMP_DIR", str(tmp_path_factory.mktemp("page")))
        app = mount_page(FastAPI(), served.fill, {"name": "swift <64>", "size": 64})
        running = uvicorn.Server(uvicorn.Config(app, log_level="warning"))
        thread = threading.Thread(target=running.run, kwargs={"sockets": [listening]})
        thread.start()
        yield served
        running.should_exit = True
        thread.join()


@pytest.fixture
def served(server):
    """The page, with nothing asked of it yet and nothing wrong."""
    server.asked.clear()
    server.error = None
    return server

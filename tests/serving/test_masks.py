"""Every kind of mask over REST."""

import base64
import io
import re

import numpy as np
import pytest
from fastapi.testclient import TestClient

from inpaintlab.serving.app import create_app
from tests.inpainter.holes import white_inpainter
from tests.masks.cases import FILES, TRANSPARENT
from tests.serving.conftest import HerePool, decoded, encoded

BLACK = encoded(np.zeros((40, 48, 3), np.uint8))


@pytest.fixture(scope="module")
def client():
    return TestClient(create_app(HerePool(white_inpainter())))


def multipart(client, mask):
    return client.post("/v1/fill", files={"image": BLACK, "mask": mask})


def iopaint(client, mask):
    image, mask = (base64.b64encode(data).decode() for data in (BLACK, mask))
    return client.post("/api/v1/inpaint", json={"image": image, "mask": mask})


def openai(client, mask):
    return client.post(
        "/v1/images/edits", files={"image": BLACK, "mask": mask}, data={"prompt": "nothing"}
    )


@pytest.mark.parametrize("ask", [multipart, iopaint])
@pytest.mark.parametrize("name", FILES)
def test_files_mean_what_they_mean_everywhere(client, hole, name, ask):
    case, hole = FILES[name], hole.astype(np.uint8)
    reply = ask(client, case.encode(hole))
    if case.error:
        assert reply.status_code == 400
        assert re.search(case.error, reply.text)
        return
    assert np.array_equal(decoded(reply.content).max(axis=2) > 0, case.reads(hole) > 0)
    assert (case.note or "") in reply.headers.get("inpaintlab-notes", "")


MOST = encoded(np.uint8(255) * (np.arange(40 * 48).reshape(40, 48) > 100))


@pytest.mark.parametrize("name", [*[name for name in FILES if FILES[name].error], "most"])
@pytest.mark.parametrize("ask", [multipart, iopaint, openai])
def test_cures_are_those_of_the_route(client, hole, name, ask):
    mask = MOST if name == "most" else FILES[name].encode(hole.astype(np.uint8))
    message = ask(client, mask).json()["error"]["message"]
    assert "--" not in message
    assert "True" not in message
    assert ("_mask=true" in message) == (ask is multipart and name in ("most", "a photo"))


def test_the_field_that_insists(client, hole):
    files = {"image": BLACK, "mask": FILES["a photo"].encode(hole.astype(np.uint8))}
    reply = client.post("/v1/fill", files=files, data={"grey_mask": "true"})
    assert reply.status_code == 200
    assert "is grey in" in reply.headers["inpaintlab-notes"]


@pytest.mark.parametrize("name", FILES)
def test_openai_takes_transparency_alone(client, hole, name):
    reply = openai(client, FILES[name].encode(hole.astype(np.uint8)))
    if name not in TRANSPARENT:
        assert reply.status_code == 400 or name == "white strokes on nothing"
        return
    data = base64.b64decode(reply.json()["data"][0]["b64_json"])
    assert np.array_equal(decoded(io.BytesIO(data).getvalue()).max(axis=2) > 0, hole)

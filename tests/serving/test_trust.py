"""What a server says of how far its fills are to be trusted."""

import json
from base64 import b64decode
from multiprocessing import Pipe

import numpy as np
import pytest
from fastapi.testclient import TestClient

from inpaintlab.data import samples
from inpaintlab.inpainter import Inpainter
from inpaintlab.serving.app import create_app
from inpaintlab.serving.jobs import Judged, Reply, receive, send
from tests.serving.conftest import HerePool, decoded, encoded
from tests.serving.test_fill import problem

HOLE = np.zeros((32, 32), np.uint8)
HOLE[6:20, 8:24] = 255
MASK = encoded(HOLE)
PORTRAIT = encoded(samples.draw(5, 32))
NOISE = encoded(np.random.default_rng(0).integers(0, 256, (32, 32, 3), np.uint8))


@pytest.fixture
def client(knowing):
    with TestClient(create_app(HerePool(knowing)), raise_server_exceptions=False) as client:
        yield client


def post(client, path, image, **fields):
    return client.post(path, files={"image": image, "mask": MASK}, data=fields)


def test_headers_say_what_speaks_against_a_fill(client):
    reply = post(client, "/v1/fill", NOISE)
    assert reply.headers["Inpaintlab-Trusted"] == "false"
    assert float(reply.headers["Inpaintlab-Novelty"]) > 1
    assert reply.headers["Inpaintlab-Better-Method"] == "telea"
    reasons = json.loads(reply.headers["Inpaintlab-Reasons"])
    assert reasons == json.loads(reply.headers["Inpaintlab-Notes"])
    assert reasons[0].startswith("this image is unlike those the model was trained on")


def test_nothing_speaks_against_an_image_like_those_of_training(client):
    reply = post(client, "/v1/fill", PORTRAIT)
    assert reply.headers["Inpaintlab-Trusted"] == "true"
    assert float(reply.headers["Inpaintlab-Novelty"]) <= 1
    assert not {"inpaintlab-reasons", "inpaintlab-better-method"} & set(reply.headers)


def test_a_model_that_does_not_know_its_limits_says_nothing(knowing):
    pool = HerePool(Inpainter(knowing.network, knowing.card))
    with TestClient(create_app(pool)) as client:
        reply = post(client, "/v1/fill", NOISE)
        assert not [name for name in reply.headers if "trusted" in name or "novelty" in name]
        found = post(client, "/v1/fill:assess", NOISE).json()
    assert found["uncertainty"] is None
    assert found["judged"]["novelty"] is found["judged"]["expected_psnr"] is None


@pytest.mark.parametrize("image", [PORTRAIT, NOISE])
def test_an_assessment_is_what_the_inpainter_says(client, knowing, image):
    found = post(client, "/v1/fill:assess", image).json()
    wanted = knowing.assess(decoded(image), HOLE > 0)
    judged = found["judged"]
    assert judged["novelty"] == pytest.approx(wanted.novelty)
    assert (judged["expected_psnr"], judged["expected_within"]) == pytest.approx(wanted.expected_error)
    assert (judged["trusted"], judged["reasons"]) == (wanted.trusted, wanted.reasons)
    assert judged["better_method"] == wanted.better_method
    assert np.array_equal(decoded(b64decode(found["image"])), wanted.image)
    levels = decoded(b64decode(found["uncertainty"]))
    assert levels.dtype == np.uint16
    assert np.allclose(levels / 65535, wanted.uncertainty, atol=1e-5)


def test_an_assessment_is_of_the_model_alone(client):
    error = problem(post(client, "/v1/fill:assess", NOISE, method="telea"), 400)
    assert "leave method out" in error["message"]


def test_strict_refuses(client):
    error = problem(post(client, "/v1/fill", NOISE, strict="true"), 422)
    assert error["type"] == "trust_error"
    assert error["message"].startswith("not filled: this image is unlike")
    assert post(client, "/v1/fill", PORTRAIT, strict="true").status_code == 200


def test_a_fallback_fills_what_is_foreign(client):
    model, fallback, telea = (
        post(client, "/v1/fill", NOISE, **how).content
        for how in ({"method": "model"}, {"fallback": "auto"}, {"method": "telea"})
    )
    assert fallback == telea != model


def test_a_batch_says_it_of_each(client):
    files = [("image", PORTRAIT), ("mask", MASK), ("image", NOISE), ("mask", MASK)]
    found = client.post("/v1/fill:batch", files=files, data={"fallback": "auto"}).json()["results"]
    assert [one["judged"]["trusted"] for one in found] == [True, False]


def test_variants_have_no_fallback(client):
    error = problem(post(client, "/v1/fill:variants", NOISE, fallback="auto"), 422)
    assert error["type"] == "bad_field"
    assert "unknown field 'fallback'" in error["message"]


@pytest.mark.parametrize("judged", [None, Judged(False, ["so"], 1.5, "telea", 20.0, 3.0)])
def test_it_goes_from_a_worker_to_the_server(judged):
    here, there = Pipe()
    reply = Reply(b"image", (b"map",), 4, 3, 0.5, ("a note",), judged)
    send(there, reply)
    assert receive(here) == reply

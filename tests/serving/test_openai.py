"""OpenAI's own Python client against our server."""

import base64

import numpy as np
import openai
import pytest
from fastapi.testclient import TestClient

from inpaintlab.serving.app import create_app
from tests.serving.conftest import decoded, encoded

KEY = "a token of some length"


@pytest.fixture
def ask(pool):
    """OpenAI's client, whose transport is our application."""
    http = TestClient(create_app(pool, token=KEY))
    return openai.OpenAI(
        api_key=KEY,
        base_url="http://testserver/v1",
        http_client=http,
        max_retries=0,
    )


@pytest.fixture(scope="module")
def image(files):
    return files["image"]


@pytest.fixture(scope="module")
def mask(hole):
    """As OpenAI has it: transparent in the hole."""
    return ("mask.png", encoded(np.dstack([np.zeros((40, 48, 3), np.uint8), np.uint8(255) * ~hole])))


def pixels(reply):
    return decoded(base64.b64decode(reply.data[0].b64_json))


def test_edit_with_a_mask(ask, image, mask, portrait, hole):
    reply = ask.images.edit(image=image, mask=mask, prompt="ignored", model="gpt-image-1")
    filled = pixels(reply)
    assert np.array_equal(filled[~hole], portrait[~hole])
    assert not np.array_equal(filled[hole], portrait[hole])
    assert reply.output_format == "png"
    assert reply.size == "48x40"
    assert reply.created > 1_700_000_000


def test_the_image_s_own_transparency(ask, portrait, hole):
    alpha = np.where(hole, 0, 200).astype(np.uint8)
    image = ("cut.png", encoded(np.dstack([portrait, alpha])))
    filled = pixels(ask.images.edit(image=image, prompt="x"))
    assert np.array_equal(filled[~hole], np.dstack([portrait, alpha])[~hole])
    assert (filled[hole][:, 3] == 255).all()


def test_a_list_of_one_image(ask, image, mask, portrait, hole):
    filled = pixels(ask.images.edit(image=[image], mask=mask, prompt="x"))
    assert np.array_equal(filled[~hole], portrait[~hole])


def test_values_that_change_nothing(ask, image, mask):
    plain = ask.images.edit(image=image, mask=mask, prompt="x")
    full = ask.images.edit(
        image=image, mask=mask, prompt="y", n=1, size="48x40", response_format="b64_json",
        background="opaque", quality="high", input_fidelity="high", user="somebody", stream=False,
        output_compression=100, output_format="png",
    )  # fmt: skip
    assert plain.data == full.data


@pytest.mark.parametrize(("kind", "head"), [("jpeg", b"\xff\xd8"), ("webp", b"RIFF")])
def test_other_formats(ask, image, mask, kind, head):
    reply = ask.images.edit(image=image, mask=mask, prompt="x", output_format=kind)
    assert base64.b64decode(reply.data[0].b64_json).startswith(head)


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"n": 11}, "n: "),
        ({"size": "large"}, "size: auto"),
        ({"response_format": "url"}, "response_format: "),
        ({"background": "transparent"}, "background: "),
        ({"output_format": "svg"}, "output_format: "),
        ({"output_compression": 50}, "png is lossless"),
        ({"partial_images": 2}, "partial_images: "),
        ({"extra_body": {"stream": True}}, "stream: "),
        ({"frame_count": 3}, "unknown field 'frame_count'"),
    ],
)
def test_what_is_not_done_is_refused_by_name(ask, image, mask, fields, message):
    with pytest.raises(openai.UnprocessableEntityError) as refused:
        ask.images.edit(image=image, mask=mask, prompt="x", **fields)
    assert message in refused.value.body["message"]
    assert refused.value.type == "bad_field"


def test_several_images_of_a_model_that_varies(ask, varied, image, mask, portrait, hole):
    data = {"prompt": "x", "n": "3"}
    found = varied.post("/v1/images/edits", files={"image": image, "mask": mask}, data=data).json()
    fills = [decoded(base64.b64decode(one["b64_json"])) for one in found["data"]]
    assert len({fill.tobytes() for fill in fills}) == 3
    assert all(np.array_equal(fill[~hole], portrait[~hole]) for fill in fills)
    with pytest.raises(openai.BadRequestError, match="has learnt one fill for each hole"):
        ask.images.edit(image=image, mask=mask, prompt="x", n=2)


def test_fills_of_an_image_s_own_transparency_are_opaque(varied, portrait, hole):
    image = ("cut.png", encoded(np.dstack([portrait, np.where(hole, 0, 200).astype(np.uint8)])))
    data = {"prompt": "x", "n": "2"}
    found = varied.post("/v1/images/edits", files={"image": image}, data=data).json()["data"]
    fills = [decoded(base64.b64decode(one["b64_json"])) for one in found]
    assert len({fill.tobytes() for fill in fills}) == 2
    for fill in fills:
        assert (fill[hole][:, 3] == 255).all()
        assert (fill[~hole][:, 3] == 200).all()


def test_images_that_cannot_be_used(ask, image, mask):
    with pytest.raises(openai.BadRequestError, match="48×40 and keeps its size"):
        ask.images.edit(image=image, mask=mask, prompt="x", size="1024x1024")
    with pytest.raises(openai.BadRequestError, match="the image has no transparency"):
        ask.images.edit(image=image, prompt="x")
    with pytest.raises(openai.BadRequestError, match="the mask has no transparency"):
        ask.images.edit(image=image, mask=image, prompt="x")
    with pytest.raises(openai.UnprocessableEntityError, match="image\\[\\]"):
        ask.images.edit(image=[image, image], prompt="x")


def test_the_key_is_the_token(ask, image, mask):
    with pytest.raises(openai.AuthenticationError, match="wants its token"):
        ask.with_options(api_key="another").images.edit(image=image, mask=mask, prompt="x")


def test_models(ask):
    assert [model.id for model in ask.models.list()] == ["faces"]
    assert ask.models.retrieve("faces").owned_by == "inpaintlab"
    with pytest.raises(openai.NotFoundError):
        ask.models.retrieve("gpt")

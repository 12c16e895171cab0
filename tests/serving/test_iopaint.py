"""Requests as clients of IOPaint send them."""

import base64

import numpy as np
import pytest

from tests.serving.conftest import decoded
from tests.serving.test_fill import problem

# What IOPaint's own page sends with an erasing model, two misspelt names included: its api.ts.
PAGE = {
    "ldm_steps": 30, "ldm_sampler": "ddim", "zits_wireframe": True, "cv2_flag": "INPAINT_NS",
    "cv2_radius": 5, "hd_strategy": "Crop", "hd_strategy_crop_triger_size": 640,
    "hd_strategy_crop_margin": 128, "hd_trategy_resize_imit": 2048, "prompt": "",
    "negative_prompt": "out of frame", "use_croper": False, "croper_x": 0, "croper_y": 0,
    "croper_height": 512, "croper_width": 512, "use_extender": False, "extender_x": 0,
    "extender_y": 0, "extender_height": 512, "extender_width": 512, "sd_mask_blur": 12,
    "sd_strength": 1.0, "sd_steps": 50, "sd_guidance_scale": 7.5, "sd_sampler": "UniPC", "sd_seed": -1,
    "sd_match_histograms": False, "sd_lcm_lora": False, "paint_by_example_example_image": None,
    "p2p_image_guidance_scale": 1.5, "enable_controlnet": False,
    "controlnet_conditioning_scale": 0.4, "controlnet_method": "", "enable_brushnet": False,
    "brushnet_method": "random_mask", "brushnet_conditioning_scale": 1.0,
    "powerpaint_task": "text-guided",
}  # fmt: skip


@pytest.fixture(scope="module")
def pair(files):
    return {name: base64.b64encode(data).decode() for name, (_, data) in files.items()}


def test_what_its_page_sends(client, pair, portrait, hole):
    reply = client.post("/api/v1/inpaint", json=pair | PAGE)
    assert (reply.status_code, reply.headers["content-type"]) == (200, "image/png")
    assert reply.headers["x-seed"] == "-1"
    filled = decoded(reply.content)
    assert np.array_equal(filled[~hole], portrait[~hole])
    assert not np.array_equal(filled[hole], portrait[hole])


@pytest.mark.parametrize(
    ("named", "strategy"), [("Original", "whole"), ("Resize", "whole"), ("Crop", "auto")]
)
def test_its_strategies_have_names_here(client, pair, portrait, hole, inpainter, named, strategy):
    reply = client.post("/api/v1/inpaint", json=pair | {"hd_strategy": named})
    assert np.array_equal(decoded(reply.content), inpainter.fill(portrait, hole, strategy=strategy))


def test_data_addresses(client, pair):
    plain = client.post("/api/v1/inpaint", json=pair)
    urls = {name: f"data:image/png;base64,{text}" for name, text in pair.items()}
    assert client.post("/api/v1/inpaint", json=urls).content == plain.content


@pytest.mark.parametrize(
    "asked",
    [
        {"prompt": "a cat"},
        {"use_croper": True},
        {"use_extender": True},
        {"sd_keep_unmasked_area": False},
        {"sd_match_histograms": True},
        {"enable_controlnet": True},
        {"enable_brushnet": True},
        {"enable_powerpaint_v2": True},
        {"paint_by_example_example_image": "aGk="},
    ],
    ids=str,
)
def test_what_is_not_done_is_refused_by_name(client, pair, asked):
    error = problem(client.post("/api/v1/inpaint", json=pair | asked), 400)
    assert error["type"] == "not_supported"
    assert error["message"].startswith(next(iter(asked)))


@pytest.mark.parametrize(
    ("body", "status", "message"),
    [
        ({"image": "?", "mask": "?"}, 400, "image is not base64"),
        ({"image": "", "mask": ""}, 400, "the image is not an image"),
        ({"image": ""}, 422, "mask: Field required"),
        ({"image": "", "mask": "", "hd_strategy": "Tile"}, 422, "hd_strategy: "),
        ([], 422, ""),
    ],
)
def test_mistakes(client, body, status, message):
    assert message in problem(client.post("/api/v1/inpaint", json=body), status)["message"]
    assert problem(client.post("/api/v1/inpaint", content=b"{"), 422)


def test_what_it_asks_first(client):
    config = client.get("/api/v1/server-config").json()
    model = client.get("/api/v1/model").json()
    assert config["modelInfos"] == [model]
    assert (model["name"], model["model_type"], model["need_prompt"]) == ("faces", "inpaint", False)
    assert (config["plugins"], config["disableModelSwitch"]) == ([], True)

"""`/v1/fill`, its batch and its variants: images come back filled, all else is refused in one shape."""

import base64
import io
import json
import zlib

import cv2
import numpy as np
import pytest
from PIL import Image, ImageCms

from inpaintlab.serving.routes import MAX_BATCH
from tests.data.hostile import noise, png
from tests.serving.conftest import ABOUT, decoded, encoded


def problem(reply, status):
    """The error of a reply, which has the one shape."""
    assert reply.status_code == status, reply.text
    (error,) = reply.json().values()
    assert list(reply.json()) == ["error"]
    assert set(error) == {"type", "message"}
    return error


def test_known_pixels_come_back_bit_by_bit(client, files, portrait, hole):
    reply = client.post("/v1/fill", files=files)
    assert (reply.status_code, reply.headers["content-type"]) == (200, "image/png")
    filled = decoded(reply.content)
    assert np.array_equal(filled[~hole], portrait[~hole])
    assert not np.array_equal(filled[hole], portrait[hole])


def test_headers_say_who_filled(client, files):
    headers = client.post("/v1/fill", files=files).headers
    assert headers["inpaintlab-model"] == ABOUT.name
    assert headers["inpaintlab-model-sha256"] == ABOUT.sha256
    assert 0 < float(headers["inpaintlab-seconds"]) < 60
    assert headers["x-content-type-options"] == "nosniff"
    assert "inpaintlab-notes" not in headers


@pytest.mark.parametrize(
    ("accept", "kind"),
    [
        ("*/*", "PNG"),
        ("", "PNG"),
        ("image/*", "PNG"),
        ("image/webp", "WEBP"),
        ("image/jpeg, image/png;q=0.5", "JPEG"),
        ("text/html,image/avif,image/webp,*/*;q=0.8", "WEBP"),
        ("image/png;q=0, */*", "WEBP"),
        ("IMAGE/JPEG;q=0.1", "JPEG"),
    ],
)
def test_the_format_is_the_client_s_choice(client, files, portrait, hole, accept, kind):
    reply = client.post("/v1/fill", files=files, headers={"accept": accept})
    image = Image.open(io.BytesIO(reply.content))
    assert (image.format, reply.headers["content-type"]) == (kind, f"image/{kind.lower()}")
    if kind == "JPEG":
        assert "lossy" in json.loads(reply.headers["inpaintlab-notes"])[0]
    else:
        assert np.array_equal(np.asarray(image)[~hole], portrait[~hole])


@pytest.mark.parametrize(
    "accept", ["text/html", "image/avif", "image/png;q=0", "image/png;q=x", ",", "\xff"]
)
def test_formats_that_cannot_be_had(client, files, accept):
    reply = client.post("/v1/fill", files=files, headers={"accept": accept.encode("latin-1")})
    assert problem(reply, 406)["type"] == "not_acceptable"


def test_quality_of_jpeg(client, files):
    def ask(quality):
        return client.post(
            "/v1/fill", files=files, data={"quality": quality}, headers={"accept": "image/jpeg"}
        )

    assert len(ask(20).content) < len(ask(90).content)
    assert problem(ask(101), 422)["message"].startswith("quality: ")
    assert "JPEG" in problem(client.post("/v1/fill", files=files, data={"quality": 5}), 400)["message"]


def test_a_mask_the_other_way_round(client, files, portrait, hole):
    mask = encoded(np.uint8(255) * ~hole)
    reply = client.post(
        "/v1/fill", files=files | {"mask": ("m.png", mask)}, data={"invert_mask": "true"}
    )
    assert reply.content == client.post("/v1/fill", files=files).content


@pytest.mark.parametrize("options", [{"strategy": "whole"}, {"blend": "none"}])
def test_strategy_and_blend_are_those_of_the_inpainter(
    client, files, portrait, hole, inpainter, options
):
    reply = client.post("/v1/fill", files=files, data=options)
    assert np.array_equal(decoded(reply.content), inpainter.fill(portrait, hole, **options))


def test_16_bits_survive(client, files, portrait, hole):
    deep = portrait.astype(np.uint16) * 255 + 77
    image = cv2.imencode(".png", deep)[1].tobytes()
    reply = client.post("/v1/fill", files=files | {"image": ("deep.png", image)})
    filled = cv2.imdecode(np.frombuffer(reply.content, np.uint8), cv2.IMREAD_UNCHANGED)
    assert filled.dtype == np.uint16
    assert np.array_equal(filled[~hole], deep[~hole])


def test_alpha_profile_and_exif_survive(client, files, portrait, hole):
    alpha = np.arange(40 * 48, dtype=np.uint8).reshape(40, 48, 1)
    exif = Image.Exif()
    exif[0x010F] = "a maker"
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    image = encoded(np.dstack([portrait, alpha]), exif=exif, icc_profile=profile)
    reply = client.post("/v1/fill", files=files | {"image": ("a.png", image)})
    filled = Image.open(io.BytesIO(reply.content))
    assert np.array_equal(np.asarray(filled)[..., 3], alpha[..., 0])
    assert (filled.info["icc_profile"], filled.getexif()[0x010F]) == (profile, "a maker")


@pytest.mark.parametrize("kind", ["JPEG", "WEBP", "TIFF", "BMP", "GIF"])
def test_formats_are_known_by_their_content(client, files, portrait, hole, kind):
    image = encoded(portrait, kind)
    reply = client.post("/v1/fill", files=files | {"image": ("photo.exe", image, "text/html")})
    expected = np.asarray(Image.open(io.BytesIO(image)).convert("RGB"))
    assert np.array_equal(decoded(reply.content)[~hole], expected[~hole])


@pytest.mark.parametrize(("kind", "longest"), [("webp", 16_383), ("jpeg", 65_500)])
def test_images_too_large_for_the_format_of_the_reply(client, kind, longest):
    mask = np.zeros((2, longest + 1), np.uint8)
    mask[:, 40:44] = 255
    files = {"image": encoded(mask), "mask": encoded(mask)}
    reply = client.post("/v1/fill", files=files, headers={"accept": f"image/{kind}"})
    assert f"at most {longest:,} pixels: take png" in problem(reply, 400)["message"]
    fields = {"prompt": "none", "output_format": kind}
    transparent = encoded(np.dstack([mask] * 3 + [255 - mask]))
    reply = client.post("/v1/images/edits", files={"image": transparent}, data=fields)
    assert f"at most {longest:,} pixels: take png" in problem(reply, 400)["message"]


def test_metadata_too_large_for_jpeg(client, files, portrait):
    exif = Image.Exif()
    exif[0x010E] = "x" * 70_000
    image = encoded(portrait, exif=exif)
    reply = client.post("/v1/fill", files=files | {"image": image}, headers={"accept": "image/jpeg"})
    assert reply.status_code == 200
    assert "EXIF of 70," in reply.headers["inpaintlab-notes"]


def test_what_follows_an_image_does_not_come_back(client, files):
    image = files["image"][1] + b"<script>alert(1)</script>PK\x03\x04"
    reply = client.post("/v1/fill", files=files | {"image": ("p.html", image)})
    assert reply.content == client.post("/v1/fill", files=files).content


BOMB = png(60_000, 60_000, (b"IDAT", zlib.compress(b"0" * 1000)))
LONG_TEXT = png(64, 64, (b"zTXt", b"a\0\0" + zlib.compress(b"0" * 50_000_000)))


@pytest.mark.parametrize("part", ["image", "mask"])
@pytest.mark.parametrize(
    ("data", "status", "kind"),
    [
        (b"", 400, "image_error"),
        (b"not an image", 400, "image_error"),
        (b"<svg xmlns='http://www.w3.org/2000/svg'/>", 400, "image_error"),
        (b"%PDF-1.4", 400, "image_error"),
        (encoded(np.zeros((8, 8, 3), np.uint8), "PPM"), 400, "image_error"),
        (encoded(np.zeros((8, 8, 3), np.uint8), "TGA"), 400, "image_error"),
        (encoded(np.zeros((8, 8), np.float32), "TIFF"), 400, "image_error"),
        (encoded(np.asarray(noise(np.random.default_rng(0))))[:3000], 400, "image_error"),
        (BOMB, 413, "too_many_pixels"),
        (LONG_TEXT, 400, "image_error"),
    ],
    ids=["empty", "text", "svg", "pdf", "ppm", "tga", "float", "cut", "bomb", "longtext"],
)
def test_what_is_no_image_is_refused(client, files, part, data, status, kind):
    reply = client.post("/v1/fill", files=files | {part: ("photo.png", data)})
    error = problem(reply, status)
    assert error["type"] == kind
    assert error["message"].startswith(f"the {part} ")


def test_masks_that_mark_nothing_or_all(client, files):
    for value, word in ((0, "no hole"), (255, "100%")):
        mask = encoded(np.full((40, 48), value, np.uint8))
        error = problem(client.post("/v1/fill", files=files | {"mask": ("m.png", mask)}), 400)
        assert error["type"] == "mask_error"
        assert word in error["message"]


def test_sizes_must_agree(client, files):
    mask = encoded(np.full((8, 8), 255, np.uint8))
    error = problem(client.post("/v1/fill", files=files | {"mask": ("m.png", mask)}), 400)
    assert "sizes must agree" in error["message"]


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"strateg": "crop"}, "unknown field 'strateg', did you mean 'strategy'?"),
        ({"strategy": "corp"}, "strategy: "),
        ({"invert_mask": "perhaps"}, "invert_mask: "),
        ({"quality": "high"}, "quality: "),
    ],
)
def test_fields_that_are_not_known(client, files, fields, message):
    error = problem(client.post("/v1/fill", files=files, data=fields), 422)
    assert error["type"] == "bad_field"
    assert message in error["message"]


def test_files_must_be_files(client, files):
    error = problem(client.post("/v1/fill", data={"image": "/etc/passwd", "mask": "x"}), 422)
    assert "curl -F image=@FILE" in error["message"]
    assert problem(client.post("/v1/fill", files={"image": files["image"]}), 422)["message"] == (
        "mask: Field required"
    )


def test_paths_and_methods_that_are_not_there(client):
    assert problem(client.get("/nowhere"), 404)["type"] == "not_found"
    assert problem(client.get("/v1/fill"), 405)["type"] == "method_not_allowed"
    assert problem(client.post("/v1/fill", content=b"x", headers={"content-type": "a/b"}), 422)
    broken = {"content-type": "multipart/form-data; boundary=x"}
    assert problem(client.post("/v1/fill", content=b"no boundary", headers=broken), 400)


def test_what_nobody_foresaw_is_told_in_the_log_alone(pool, files, caplog):
    from fastapi.testclient import TestClient

    from inpaintlab.serving.app import create_app

    async def run(_):
        raise ZeroDivisionError("a secret")

    pool.run = run
    client = TestClient(create_app(pool), raise_server_exceptions=False)
    reply = client.post("/v1/fill", files=files)
    assert problem(reply, 500)["type"] == "internal_error"
    assert "secret" not in reply.text
    assert "a secret" in caplog.text


def test_a_batch_keeps_its_order_and_survives_a_failure(client, files, portrait, hole):
    pairs = [*files.items(), ("image", b"broken"), ("mask", files["mask"]), *files.items()]
    reply = client.post("/v1/fill:batch", files=pairs)
    assert reply.status_code == 200
    body = reply.json()
    assert (body["model"], body["sha256"]) == (ABOUT.name, ABOUT.sha256)
    first, failed, last = body["results"]
    assert [result["index"] for result in body["results"]] == [0, 1, 2]
    assert failed["error"]["type"] == "image_error"
    assert "image" not in failed
    assert first["image"] == last["image"]
    filled = decoded(base64.b64decode(first["image"]))
    assert np.array_equal(filled[~hole], portrait[~hole])


def test_a_batch_in_another_format(client, files):
    fields = {"format": "jpeg", "quality": 50}
    body = client.post("/v1/fill:batch", files=files, data=fields).json()
    assert body["media_type"] == "image/jpeg"
    assert base64.b64decode(body["results"][0]["image"]).startswith(b"\xff\xd8")
    assert "lossy" in body["results"][0]["notes"][0]


def test_batches_that_cannot_be(client, files):
    error = problem(client.post("/v1/fill:batch", files=[*files.items(), ("image", b"x")]), 422)
    assert "2 images need as many masks" in error["message"]
    many = [*files.items()] * (MAX_BATCH + 1)
    assert problem(client.post("/v1/fill:batch", files=many), 413)["type"] == "too_large"
    assert problem(client.post("/v1/fill:batch", files=[*files.items()] * 80), 400)


def test_variants_come_in_one_reply_and_keep_known_pixels(varied, files, portrait, hole):
    reply = varied.post("/v1/fill:variants", files=files, data={"variants": "3", "format": "webp"})
    found = reply.json()
    assert set(found) == {"model", "sha256", "media_type", "images", "seconds", "notes", "judged"}
    assert (reply.status_code, found["media_type"], found["notes"]) == (200, "image/webp", [])
    fills = [decoded(base64.b64decode(image)) for image in found["images"]]
    assert len({fill.tobytes() for fill in fills}) == 3
    assert all(np.array_equal(fill[~hole], portrait[~hole]) for fill in fills)
    # The first is the nearest to the mean of all.
    inside = np.stack([fill[hole] for fill in fills]).astype(float)
    apart = ((inside - inside.mean(0)) ** 2).mean((1, 2))
    assert (apart == sorted(apart)).all()


def test_variants_are_those_of_python_and_one_is_the_usual_fill(
    varied, varied_inpainter, files, portrait, hole
):
    data = {"variants": "3", "seed": "7", "method": "model"}
    found = varied.post("/v1/fill:variants", files=files, data=data).json()["images"]
    wanted = varied_inpainter.variants(portrait, hole, 3, seed=7)
    assert np.array_equal([decoded(base64.b64decode(image)) for image in found], wanted)
    (one,) = varied.post("/v1/fill:variants", files=files, data={"variants": "1"}).json()["images"]
    assert base64.b64decode(one) == varied.post("/v1/fill", files=files).content


def test_notes_of_variants_are_told_once(varied, files):
    notes = [
        varied.post("/v1/fill:variants", files=files, data=data).json()["notes"]
        for data in ({"format": "jpeg", "variants": "1"}, {"format": "jpeg", "variants": "3"})
    ]
    assert notes[0] == notes[1] != []


def test_variants_of_a_seed_come_again(varied, files):
    asked = [
        varied.post("/v1/fill:variants", files=files, data=data).json()["images"]
        for data in ({}, {"seed": "0", "variants": "4"}, {"seed": "1"})
    ]
    assert asked[0] == asked[1]
    assert asked[0] != asked[2]


@pytest.mark.parametrize(
    ("data", "status", "words"),
    [
        ({"variants": "11"}, 422, "variants"),
        ({"variants": "0"}, 422, "variants"),
        ({"seed": "-1"}, 422, "seed"),
        ({"seed": str(2**63)}, 422, "seed"),
        ({"format": "gif"}, 422, "format"),
        ({"spread": "2"}, 422, "spread"),
        ({"method": "telea"}, 400, "telea fills a hole in one way"),
        ({"varients": "2"}, 422, "unknown field 'varients', did you mean 'variants'?"),
    ],
)
def test_variants_that_cannot_be_are_refused(varied, files, data, status, words):
    assert words in problem(varied.post("/v1/fill:variants", files=files, data=data), status)["message"]


def test_a_model_with_one_fill_for_each_hole_says_so(client, files):
    message = problem(client.post("/v1/fill:variants", files=files), 400)["message"]
    assert "has learnt one fill for each hole" in message
    assert "--look real" in message

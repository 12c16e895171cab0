"""Health, readiness, models, figures and the description of it all."""

from prometheus_client.parser import text_string_to_metric_families

from inpaintlab.serving.errors import ErrorReply
from tests.serving.conftest import ABOUT
from tests.serving.test_fill import problem


def test_health_and_readiness(client, pool):
    assert client.get("/healthz").json() == {"status": "ok", "workers": 1}
    assert client.get("/readyz").status_code == 200
    pool.ready = 0
    assert client.get("/healthz").json()["workers"] == 0
    assert problem(client.get("/readyz"), 503)["type"] == "no_worker"


def test_the_model(client):
    (model,) = client.get("/v1/models").json()["data"]
    assert model == client.get("/v1/models/faces").json()
    assert model["id"] == "faces"
    assert (model["network"], model["size"], model["sha256"]) == (
        ABOUT.network,
        ABOUT.size,
        ABOUT.sha256,
    )
    assert not model["varies"]
    problem(client.get("/v1/models/other"), 404)


def test_figures(client, files, pool):
    client.post("/v1/fill", files=files)
    client.post("/v1/fill", files=files | {"image": b"x"})
    client.get("/no/such/place")
    pool.restarts["crash"] = 2
    text = client.get("/metrics").text
    values = {
        (sample.name, *sorted(sample.labels.values())): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }
    assert values["inpaintlab_requests_total", "/v1/fill", "200", "POST"] == 1
    assert values["inpaintlab_requests_total", "/v1/fill", "400", "POST"] == 1
    assert values["inpaintlab_requests_total", "404", "other", "other"] == 1
    assert values["inpaintlab_fills_total", "done"] == 1
    assert values["inpaintlab_fills_total", "image_error"] == 1
    assert values[("inpaintlab_fill_seconds_count",)] == 1
    assert values["inpaintlab_worker_restarts_total", "crash"] == 2
    assert values[("inpaintlab_workers",)] == 1
    assert values[("inpaintlab_pending",)] == 0
    assert "/no/such/place" not in text


def test_two_servers_in_one_process_count_apart(client, files, inpainter):
    from fastapi.testclient import TestClient

    from inpaintlab.serving.app import create_app
    from tests.serving.conftest import HerePool

    other = TestClient(create_app(HerePool(inpainter)))
    client.post("/v1/fill", files=files)
    assert "inpaintlab_fills_total{" not in other.get("/metrics").text


def test_openapi_knows_every_error_and_its_shape(client):
    described = client.get("/openapi.json").json()
    shape = "#/components/schemas/ErrorReply"
    assert set(ErrorReply.model_fields) == set(
        described["components"]["schemas"]["ErrorReply"]["properties"]
    )
    for path, methods in described["paths"].items():
        for operation in methods.values():
            failures = {s: r for s, r in operation["responses"].items() if s[0] in "45"}
            assert {"401", "403", "421"} <= set(failures), path
            for status, reply in failures.items():
                assert reply["content"]["application/json"]["schema"]["$ref"] == shape, (path, status)
            assert operation["summary"]
            if "requestBody" in operation:
                assert {"400", "408", "413", "422", "429", "500", "503", "504"} <= set(failures)
    assert "HTTPValidationError" not in described["components"]["schemas"]
    assert client.get("/docs").status_code == 404

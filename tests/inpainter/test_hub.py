"""Saving, hashes, and the hub, which is never asked for anything here."""

import hashlib
import json
import shutil
import sys
from types import SimpleNamespace

import huggingface_hub
import pytest
import yaml
from huggingface_hub import HfApi, constants
from huggingface_hub.errors import (
    LocalTokenNotFoundError,
    RemoteEntryNotFoundError,
    RepositoryNotFoundError,
    RevisionNotFoundError,
)

from inpaintlab import Inpainter, networks
from inpaintlab.checkpoints import ModelCard, read_json, write_json
from inpaintlab.errors import OutputError, RunError
from inpaintlab.inpainter.readme import readme

COMMIT = "c" * 40
TOKEN = "t"  # noqa: S105


@pytest.fixture
def inpainter(trained_run):
    return Inpainter.load(trained_run)


@pytest.fixture(autouse=True)
def _no_hub(monkeypatch, tmp_path):
    """Whatever slips through finds nobody, and nothing in the cache."""
    monkeypatch.setattr(constants, "ENDPOINT", "http://127.0.0.1:9")
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "cache"))


def test_saved_and_loaded_byte_by_byte(inpainter, trained_run, tmp_path):
    inpainter.save(tmp_path / "a.safetensors")
    data = (tmp_path / "a.safetensors").read_bytes()
    assert data == (trained_run / "model.safetensors").read_bytes()
    assert inpainter.sha256 == hashlib.sha256(data).hexdigest()
    assert Inpainter.load(tmp_path / "a.safetensors").card == inpainter.card
    with pytest.raises(OutputError, match=r"saved as NAME\.safetensors"):
        inpainter.save(tmp_path / "a.pt")


def test_the_hash_of_what_was_never_a_file(tmp_path):
    arguments = {"width": 8, "depth": 1}
    inpainter = Inpainter(networks.create("unet", **arguments), ModelCard("unet", arguments, 16))
    inpainter.save(tmp_path / "a.safetensors")
    assert inpainter.sha256 == Inpainter.load(tmp_path / "a.safetensors").sha256


def test_the_hash_is_of_what_was_loaded(inpainter, tmp_path):
    inpainter.save(tmp_path / "a.safetensors")
    loaded = Inpainter.load(tmp_path / "a.safetensors")
    loaded.card.provenance["step"] = 10**6
    loaded.save(tmp_path / "a.safetensors")
    with pytest.raises(RunError, match="was changed after it was loaded"):
        _ = loaded.sha256


@pytest.fixture
def online(monkeypatch, trained_run):
    """A hub with one model, at the level of its client's functions; returns what it was asked."""
    asked = []

    def model_info(self, repo_id, **options):
        asked.append(("model_info", repo_id, options["revision"]))
        return SimpleNamespace(sha=COMMIT)

    def download(repo_id, filename, **options):
        asked.append(("download", repo_id, filename, options["revision"]))
        return str(trained_run / filename)

    def create_repo(self, repo_id, **options):
        asked.append(("create", repo_id, options["private"], self.token))
        return SimpleNamespace(repo_id=repo_id)

    def upload(self, folder_path, **options):
        files = {path.name: path.read_bytes() for path in folder_path.iterdir()}
        asked.append(("upload", options["repo_id"], options["revision"], files))
        return f"https://hub/{options['repo_id']}/commit/{COMMIT}"

    monkeypatch.setattr(HfApi, "model_info", model_info)
    monkeypatch.setattr(HfApi, "create_repo", create_repo)
    monkeypatch.setattr(HfApi, "upload_folder", upload)
    monkeypatch.setattr(huggingface_hub, "hf_hub_download", download)
    return asked


def test_loading_by_name(online, inpainter):
    loaded = Inpainter.load("user/faces", revision="v2")
    assert loaded.sha256 == inpainter.sha256
    # One file, at the commit that the revision stood for.
    assert online == [
        ("model_info", "user/faces", "v2"),
        ("download", "user/faces", "model.safetensors", COMMIT),
    ]


@pytest.mark.parametrize(
    "path", ["user/none", "/user/faces", "a/b/c", "faces", "./faces", "user/a.onnx"]
)
def test_what_is_no_name_of_the_hub(online, tmp_path, path):
    (tmp_path / "user").mkdir()  # a folder here: what stands in it or not is a path
    with pytest.raises(RunError, match=r"does not exist|there is no file"):
        Inpainter.load(path)
    assert online == []


def test_pushing(online, inpainter, trained_run):
    address = inpainter.push_to_hub(
        "user/faces", private=True, license="mit", token=TOKEN, revision="v2"
    )
    assert address == f"https://hub/user/faces/commit/{COMMIT}"
    (_, *created), (_, repo_id, branch, files) = online
    assert created == ["user/faces", True, TOKEN]
    assert (repo_id, branch) == ("user/faces", "v2")
    assert files["model.safetensors"] == (trained_run / "model.safetensors").read_bytes()
    assert b"license: mit" in files["README.md"]
    assert json.loads(files["config.json"])["network"] == "unet"
    assert set(files) == {"README.md", "config.json", "model.safetensors"}


def response(status=404):
    request = SimpleNamespace(url="https://hub", method="GET")
    return SimpleNamespace(status_code=status, headers={}, request=request)


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (RepositoryNotFoundError, "neither here nor a model of the hub; .*hf auth login"),
        (RevisionNotFoundError, "has no revision v2"),
        (RemoteEntryNotFoundError, r"has no model\.safetensors: it is not of inpaintlab"),
    ],
)
def test_what_the_hub_does_not_have(online, monkeypatch, error, words):
    def refuse(*_, **__):
        raise error("no\nwords", response=response())

    monkeypatch.setattr(huggingface_hub, "hf_hub_download", refuse)
    with pytest.raises(RunError, match=words):
        Inpainter.load("user/faces", revision="v2")


def test_pushing_as_nobody(online, monkeypatch, inpainter):
    def refuse(*_, **__):
        raise LocalTokenNotFoundError("no token")

    monkeypatch.setattr(HfApi, "create_repo", refuse)
    with pytest.raises(RunError, match="hf auth login, or give a token"):
        inpainter.push_to_hub("user/faces")
    with pytest.raises(RunError, match="no name for the hub"):
        inpainter.push_to_hub("a/b/c")


def test_without_a_connection(inpainter):
    for ask in (
        lambda: Inpainter.load("user/faces"),
        lambda: inpainter.push_to_hub("user/faces", token=TOKEN),
    ):
        with pytest.raises(
            RunError, match="user/faces is not available: the hub is out of reach"
        ) as told:
            ask()
        assert "\n" not in str(told.value)


def test_without_a_connection_the_cache_is_used(inpainter, trained_run, tmp_path):
    kept = tmp_path / "cache" / "models--user--faces"
    (kept / "refs").mkdir(parents=True)
    (kept / "refs" / "main").write_text(COMMIT)
    shutil.copytree(trained_run, kept / "snapshots" / COMMIT)
    assert Inpainter.load("user/faces").sha256 == inpainter.sha256


def test_without_the_extra(monkeypatch, inpainter):
    monkeypatch.setitem(sys.modules, "huggingface_hub", None)
    with pytest.raises(RunError, match=r"user/faces is not here; .*pip install 'inpaintlab\[hub\]'"):
        Inpainter.load("user/faces")
    with pytest.raises(RunError, match=r"pip install 'inpaintlab\[hub\]'"):
        inpainter.push_to_hub("user/faces")


def as_readme(inpainter, repo_id, license=None):
    return readme(inpainter.card, inpainter.sha256, inpainter.run, repo_id, license)


def result(weights):
    mean = {"mean": 24.123, "low": 23.9, "high": 24.4}
    return {
        "data": "/home/me/secret/faces",
        "part": "validation",
        "methods": {"telea": {"weights": ""}, "mine": {"weights": weights}},
        "masks": {"hash": "beef", "parts": [{"name": "rectangles"}]},
        "overall": {"n": 500, "methods": {"telea": {"hole_psnr": mean}, "mine": {"hole_psnr": mean}}},
        "gain": {
            "model": "mine",
            "baseline": "telea",
            "hole_psnr": {"mean": 3.0, "low": 2.5, "high": 3.5},
        },
    }


def test_the_readme(trained_run, tmp_path):
    run = shutil.copytree(trained_run, tmp_path / "run")
    recipe = yaml.safe_load((run / "recipe.yaml").read_text())
    recipe["masks"] = [{"name": "folder", "path": "/home/me/secret/masks"}]
    (run / "recipe.yaml").write_text(yaml.safe_dump(recipe))
    inpainter = Inpainter.load(run)
    write_json(run / "metrics" / "val.json", result(inpainter.sha256[:16]))
    write_json(run / "metrics" / "old.json", result("0" * 16))
    text = as_readme(inpainter, "user/my-faces")
    head = yaml.safe_load(text.split("---")[1])
    assert head["library_name"] == "inpaintlab"
    assert "license" not in head
    counts = read_json(run / "data.json")
    for words in (
        "# my-faces",
        f"`{inpainter.sha256}`",
        f"{counts['train']} learnt from",
        "| holes | folder: path masks |",
        "`val`: faces, validation, 500 images, masks `beef` (rectangles)",
        "| this model | 24.12 [23.90, 24.40] |",
        "3.00 [2.50, 3.50] dB above telea",
        "no evidence of anything",
        "None was stated",
    ):
        assert words in text
    assert "secret" not in text
    assert "`old`" not in text


def test_the_code_of_the_readme_runs(online, inpainter, tmp_path):
    from PIL import Image

    text = as_readme(inpainter, "user/faces")
    (code,) = [part.split("```")[0] for part in text.split("```python\n")[1:]]
    Image.new("RGB", (40, 40), "red").save("photo.png")
    hole = Image.new("L", (40, 40))
    hole.paste(255, (10, 10, 20, 20))
    hole.save("mask.png")
    exec(compile(code, "README.md", "exec"), {})  # noqa: S102
    with Image.open("filled.png") as filled:
        assert filled.size == (40, 40)


def test_the_readme_of_a_lone_file(inpainter, tmp_path):
    inpainter.save(tmp_path / "a.safetensors")
    text = as_readme(Inpainter.load(tmp_path / "a.safetensors"), "user/faces", "mit")
    assert "there are no figures to go by" in text
    assert "license: mit" in text
    assert "learnt from, " not in text

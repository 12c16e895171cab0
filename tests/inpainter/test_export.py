"""Exporting every network of the table, and what the command does when it goes wrong."""

import hashlib
import json
import re
import sys
from pathlib import Path

import numpy as np
import onnx
import pytest
import torch
import torch.nn.functional as F

from inpaintlab import ExportSettings, Inpainter, cli, export, networks
from inpaintlab.checkpoints import ModelCard, load_model, save_model
from inpaintlab.errors import OutputError, RunError
from inpaintlab.inpainter import export as module
from inpaintlab.inpainter.onnx import OnnxNetwork
from inpaintlab.trust import trust
from tests.test_networks import SMALL


def save(path, name="unet", arguments=None, size=32):
    """Write a network with random weights that paints more than a grey plane."""
    torch.manual_seed(0)
    arguments = networks.resolve(name, arguments or SMALL[name])
    network = networks.create(name, **arguments).eval()
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.add_(torch.randn_like(parameter) * 0.02)
    save_model(path, network.state_dict(), ModelCard(name, arguments, size, {"data": "faces"}))
    return path


#: Every layer once or twice: the exporter takes its time for each.
EXPORTED = SMALL | {
    "partial-unet": {"width": 8, "depth": 2},
    "unet": {"width": 8, "depth": 1, "dilations": (2,)},
    "lama": {"width": 8, "depth": 1, "blocks": 1},
}


@pytest.mark.parametrize(
    ("name", "arguments"),
    [
        *EXPORTED.items(),
        ("swift", {"width": 8, "stem": 1, "side": 8, "start": "smooth"}),
        ("swift", EXPORTED["swift"] | {"noise": 3}),
    ],
)
def test_every_network_of_the_table(name, arguments, tmp_path):
    weights = save(tmp_path / "model.safetensors", name, arguments)
    result = export(ExportSettings(run=weights, checks=5))
    assert result.findings == []
    assert result.largest_difference <= 1e-4
    assert result.output == tmp_path / "model.onnx"
    written = (tmp_path / "model.onnx").read_bytes()
    assert result.sha256 == hashlib.sha256(written).hexdigest()
    assert result.weights_sha256 == hashlib.sha256(weights.read_bytes()).hexdigest()
    network, card = load_model(weights)
    exported = OnnxNetwork.load(tmp_path / "model.onnx")
    assert (exported.multiple_of, exported.min_size) == (network.multiple_of, network.min_size)
    assert exported.facts.card == card
    assert exported.card.provenance == {"data": "faces", "weights_sha256": result.weights_sha256}
    assert len({check.batch for check in result.checks}) > 1
    assert {(c.height, c.width) for c in result.checks} >= {(network.min_size,) * 2}
    # All sides that it takes, also the largest that the comparison did not try.
    image = torch.rand(3, 3, 5 * network.min_size, network.min_size + network.multiple_of)
    mask = (torch.rand(3, 1, *image.shape[2:]) > 0.7).float()
    with torch.inference_mode():
        assert torch.allclose(network(image, mask), exported(image, mask), atol=1e-4)
        assert exported.noise == network.noise
        for noise in networks.draw_noise(network, image):
            varied = exported(image, mask, noise)
            assert torch.allclose(network(image, mask, noise), varied, atol=1e-4)
            assert not torch.allclose(exported(image, mask), varied, atol=1e-2)
    hidden = torch.where(mask > 0, torch.full_like(image, float("nan")), image)
    assert torch.equal(exported(hidden, mask), exported(image, mask))


@pytest.fixture(scope="module")
def weights(tmp_path_factory):
    return save(tmp_path_factory.mktemp("export") / "model.safetensors")


@pytest.fixture(scope="module")
def data(weights):
    network, card = load_model(weights)
    return module.to_onnx(network, card, "0" * 64)


@pytest.fixture
def traced(monkeypatch, data):
    """Let the exporter give what it gave once: it takes seconds."""
    monkeypatch.setattr(module, "to_onnx", lambda *_: data)


@pytest.fixture
def inpaint(monkeypatch, capfd):
    def run(*words):
        monkeypatch.setattr(sys, "argv", ["inpaint", *map(str, words)])
        with pytest.raises(SystemExit) as stopped:
            cli.main()
        out, err = capfd.readouterr()
        return stopped.value.code or 0, out, err

    return run


def test_the_command(inpaint, traced, weights, tmp_path):
    code, out, err = inpaint("export", weights, "-o", tmp_path / "a.onnx", "-s", "checks=3")
    assert code == 0, err
    assert out.count("e-") == 3 + 2  # of each size, of the largest and what is allowed
    assert "allowed is 1e-04; sides are multiples of 8, at least 16" in out
    code, out, err = inpaint("export", weights, "-o", tmp_path / "a.onnx", "--json")
    assert code == 0, err
    result = module.Exported.from_dict(json.loads(out))
    assert len(result.checks) == 8
    assert result.output == tmp_path / "a.onnx"


@pytest.mark.parametrize("wrong", [0.001, float("nan")])
def test_a_difference_leaves_no_file(inpaint, traced, weights, tmp_path, monkeypatch, wrong):
    forward = OnnxNetwork.forward
    monkeypatch.setattr(OnnxNetwork, "forward", lambda *inputs: forward(*inputs) + wrong)
    code, out, _ = inpaint("export", weights, "-o", tmp_path / "a.onnx")
    assert code == 1
    assert "nothing was written" in out
    assert list(tmp_path.iterdir()) == []


def test_files_that_are_not_to_be_written(weights, tmp_path):
    for output in (tmp_path, tmp_path / "model.safetensors"):
        with pytest.raises(OutputError, match=r"-o takes a file, as model\.onnx"):
            export(ExportSettings(run=weights, output=output))
    (tmp_path / "model.onnx").touch()
    with pytest.raises(RunError, match="is an ONNX file already"):
        export(ExportSettings(run=tmp_path / "model.onnx"))
    with pytest.raises(RunError, match="there is no file of weights"):
        export(ExportSettings(run=tmp_path / "model.safetensors"))


class Strange(networks.Network):
    multiple_of, min_size = 1, 8

    def forward(self, image, mask):
        return torch.special.bessel_j0(image)


def test_a_network_that_cannot_be_exported(weights):
    with pytest.raises(
        RunError, match=r"Strange cannot be written as ONNX, it stays with torch: .*bessel"
    ):
        module.to_onnx(Strange().eval(), ModelCard("strange", {}, 8), "")


def test_a_network_that_is_too_large(monkeypatch, weights):
    monkeypatch.setattr(module, "MOST_BYTES", 1000)
    with pytest.raises(RunError, match="an ONNX file holds 2"):
        module.to_onnx(*load_model(weights), "")


def test_without_the_extra(monkeypatch, weights):
    monkeypatch.setitem(sys.modules, "onnxscript", None)
    with pytest.raises(RunError, match=r"need onnxscript.*pip install 'inpaintlab\[onnx\]'"):
        export(ExportSettings(run=weights))


def test_filled_alike(traced, weights, tmp_path, photo):
    export(ExportSettings(run=weights, output=tmp_path / "model.onnx"))
    hole = np.zeros(photo.shape[:2], np.uint8)
    hole[20:34, 11:30] = 1
    ours, theirs = (
        Inpainter.load(path).fill(photo, hole) for path in (weights, tmp_path / "model.onnx")
    )
    assert np.abs(ours.astype(int) - theirs).max() <= 1
    assert np.array_equal(theirs[hole == 0], photo[hole == 0])


def test_the_recipe_for_strangers(traced, weights, tmp_path):
    """The code of the docs, which needs numpy and onnxruntime alone."""
    export(ExportSettings(run=weights, output=tmp_path / "model.onnx"))
    page = (Path(__file__).parents[2] / "docs/how-to/export.md").read_text()
    (code,) = [part for part in re.findall(r"```python\n(.*?)```", page, re.S) if "session" in part]
    names = {}
    exec(compile(code, "export.md", "exec"), names)  # noqa: S102
    image = torch.rand(2, 3, 21, 13)
    mask = (torch.rand(2, 1, 21, 13) > 0.7).float()
    filled = torch.from_numpy(names["fill"](image.numpy(), mask.numpy()))
    network, _ = load_model(weights)
    padded = [F.pad(value, (0, 3, 0, 3), "replicate") for value in (image, mask)]
    with torch.inference_mode():
        painted = network(*padded)[..., :21, :13]
    assert torch.allclose(filled, torch.where(mask > 0, painted, image), atol=1e-4)


def test_what_is_exported_runs_in_place_of_its_weights_where_asked(tmp_path, data, weights):
    own = tmp_path / "model.safetensors"
    own.write_bytes(weights.read_bytes())
    assert not isinstance(Inpainter.load(own, quickest=True).network, OnnxNetwork)
    (tmp_path / "model.onnx").write_bytes(data)  # of other weights: their hash is 0
    assert not isinstance(Inpainter.load(own, quickest=True).network, OnnxNetwork)
    sha256 = hashlib.sha256(own.read_bytes()).hexdigest()
    (tmp_path / "model.onnx").write_bytes(data.replace(b"0" * 64, sha256.encode()))
    quick, plain = Inpainter.load(own, quickest=True), Inpainter.load(own)
    assert isinstance(quick.network, OnnxNetwork)
    assert not isinstance(plain.network, OnnxNetwork)
    assert (quick.sha256, quick.card) == (plain.sha256, plain.card)
    image, hole = torch.rand(3, 40, 50), torch.zeros(40, 50)
    hole[10:20, 12:25] = 1
    assert torch.allclose(quick.fill(image, hole), plain.fill(image, hole), atol=1e-4)


def test_limits_go_with_the_file(knowing, tmp_path, monkeypatch):
    monkeypatch.setattr(trust, "sources_of", lambda _: {})  # an ONNX file shows no features
    knowing.save(tmp_path / "model.safetensors")
    export(ExportSettings(run=tmp_path / "model.safetensors", output=tmp_path / "alone.onnx", checks=1))
    alone, whole = (Inpainter.load(tmp_path / name) for name in ("alone.onnx", "model.safetensors"))
    hole = np.zeros((32, 32), bool)
    hole[6:20, 8:24] = True
    one, other = (of.assess(np.full((32, 32, 3), 99, np.uint8), hole) for of in (alone, whole))
    assert np.allclose(one.uncertainty, other.uncertainty, atol=1e-3)
    assert one.expected_error == pytest.approx(other.expected_error, abs=1e-2)


@pytest.mark.parametrize(
    ("entries", "message"),
    [
        ({"limits": "no base64!", "limits_facts": "{}"}, "damaged"),
        ({"limits": "AAAA", "limits_facts": "{}"}, "damaged"),
        ({"limits": "AAAA"}, "damaged"),
        ({"limits": "A" * 5_000_000, "limits_facts": "{}"}, "more than 4,000,000 letters"),
        ({"limits": "", "limits_facts": "[1]"}, "damaged"),
    ],
)
def test_damaged_limits_are_refused(data, tmp_path, entries, message):
    model = onnx.load_model_from_string(data)
    for key, value in entries.items():
        model.metadata_props.add(key=key, value=value)
    onnx.save(model, tmp_path / "model.onnx")
    with pytest.raises(RunError, match=message):
        Inpainter.load(tmp_path / "model.onnx")

"""What is taken for an ONNX file of ours, and how it is called."""

import json
import os
import re
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest
import torch
from onnx import TensorProto, helper, numpy_helper

from inpaintlab import Inpainter
from inpaintlab.checkpoints import ModelCard
from inpaintlab.errors import MaskError, OutputError, RunError, SizeError
from inpaintlab.inpainter.onnx import Facts, OnnxNetwork

FACTS = Facts(ModelCard("unet", {}, 16, {"data": "faces"}), "ab" * 32, 4, 8, True)


def paint(outputs=("painted",), external=False, metadata=None):
    """A file that paints image × 0.5 + 0.25 × mask, as bytes."""
    half = numpy_helper.from_array(np.array(0.5, np.float32), "half")
    quarter = numpy_helper.from_array(np.array(0.25, np.float32), "quarter")
    if external:
        half.ClearField("raw_data")
        half.data_location = TensorProto.EXTERNAL
        entry = half.external_data.add()
        entry.key, entry.value = "location", "../secret"
    nodes = [
        helper.make_node("Mul", ["image", "half"], ["dark"]),
        helper.make_node("Mul", ["mask", "quarter"], ["light"]),
        helper.make_node("Add", ["dark", "light"], [outputs[0]]),
    ]

    def value(name, channels):
        return helper.make_tensor_value_info(name, TensorProto.FLOAT, ["batch", channels, "h", "w"])

    inputs = [value("image", 3), value("mask", 1)]
    graph = helper.make_graph(nodes, "g", inputs, [value(outputs[0], 3)], [half, quarter])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)], ir_version=10)
    helper.set_model_props(model, FACTS.as_metadata() if metadata is None else metadata)
    return model.SerializeToString()


def test_it_is_called_as_every_network(tmp_path):
    (tmp_path / "a.onnx").write_bytes(paint())
    network = OnnxNetwork.load(tmp_path / "a.onnx")
    image, mask = torch.rand(2, 3, 8, 12), torch.zeros(2, 1, 8, 12)
    mask[..., 2:5, 3:6] = 1
    hidden = torch.where(mask > 0, 0, image)  # as from every network
    assert torch.allclose(network(image, mask), hidden * 0.5 + mask * 0.25)
    # In any order of memory, and any floating type.
    turned = image.double().contiguous(memory_format=torch.channels_last)
    assert torch.allclose(network(turned, mask.double()), network(image, mask))
    with pytest.raises(SizeError, match="multiples of 4, at least 8; nearest: 8 or 12"):
        network(torch.rand(1, 3, 8, 10), torch.zeros(1, 1, 8, 10))
    with pytest.raises(MaskError):
        network(image, mask[..., 1:])


def test_many_threads_at_once():
    network = OnnxNetwork(paint(), "a.onnx", threads=1)
    images = [torch.full((1, 3, 8 + 4 * (n % 3), 8), n / 50) for n in range(50)]
    with ThreadPoolExecutor(8) as pool:
        painted = list(pool.map(lambda image: network(image, torch.zeros_like(image[:, :1])), images))
    for image, found in zip(images, painted, strict=True):
        assert torch.equal(found, image * 0.5)


def test_a_stranger_needs_onnxruntime_alone(tmp_path):
    (tmp_path / "a.onnx").write_bytes(paint())
    session = onnxruntime.InferenceSession(tmp_path / "a.onnx")
    told = session.get_modelmeta().custom_metadata_map
    assert told["multiple_of"] == "4"
    assert told["min_size"] == "8"
    assert told["weights_sha256"] == "ab" * 32
    assert told["noise"] == "0"
    assert json.loads(told["inpaintlab"])["size"] == 16
    assert "1 = hole" in told["usage"]


def change(**changes):
    return FACTS.as_metadata() | changes


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"garbage" * 20, "is not an ONNX file, or damaged"),
        (b"", "was not written by inpaintlab"),
        (paint()[:-40], "is not an ONNX file, or damaged"),
        (paint(external=True), "refers to other files for its weights"),
        (paint(metadata={}), r"was not written by inpaintlab: .* inpaint export"),
        (paint(metadata=change(inpaintlab="{}")), "was not written by inpaintlab"),
        (paint(metadata=change(inpaintlab="[1]")), "was not written by inpaintlab"),
        (paint(metadata=change(multiple_of="four")), "was not written by inpaintlab"),
        (paint(metadata=change(multiple_of="0")), "asks for sides of 0 pixels"),
        (paint(metadata=change(min_size="1000000")), "sides of 1000000 pixels, allowed are 1 to 4096"),
        (paint(outputs=("other",)), "takes and gives image, mask, other, expected"),
    ],
)
def test_files_that_are_not_taken(data, words, tmp_path):
    (tmp_path / "a.onnx").write_bytes(data)
    with pytest.raises(RunError, match=words):
        OnnxNetwork.load(tmp_path / "a.onnx")


def with_card(text):
    return paint(metadata=change(inpaintlab=text))


@pytest.mark.parametrize(
    "size", ["0", "-1", "1e30", "Infinity", "NaN", "null", "9" * 5000, "[" * 100_000]
)
def test_cards_that_cannot_be(tmp_path, inpaint, size):
    text = json.dumps({"network": "unet", "arguments": {}, "size": 7}).replace("7", size)
    (tmp_path / "a.onnx").write_bytes(with_card(text))
    with pytest.raises(
        RunError, match=r"a\.onnx (was not written by inpaintlab|asks for sides of)"
    ) as error:
        OnnxNetwork.load(tmp_path / "a.onnx")
    assert len(str(error.value)) < 400


@pytest.mark.parametrize("noise", ["-4", "4097", "1e30", "inf", "nan", "", "9" * 4000])
def test_noise_that_cannot_be(noise):
    with pytest.raises(
        RunError, match=r"was not written by inpaintlab|random numbers: at most 4096"
    ) as error:
        OnnxNetwork(paint(metadata=change(noise=noise)), "a.onnx")
    assert len(str(error.value)) < 400


def test_a_file_that_says_it_takes_noise_takes_it():
    with pytest.raises(RunError, match="image, mask, painted, expected image, mask, noise, painted"):
        OnnxNetwork(paint(metadata=change(noise="3")), "a.onnx")


@pytest.mark.parametrize("key", ["multiple_of", "min_size"])
@pytest.mark.parametrize("value", ["0", "-4", "4097", "1e30", "inf", "nan", "", "9" * 4000])
def test_sizes_that_cannot_be(key, value):
    with pytest.raises(RunError, match=r"was not written by inpaintlab|asks for sides of") as error:
        OnnxNetwork(paint(metadata=change(**{key: value})), "a.onnx")
    assert len(str(error.value)) < 400


def with_weights(values, constant=False):
    """The file with further weights, which nothing uses, or as a constant within the graph."""
    model = onnx.load_model_from_string(paint())
    weights = numpy_helper.from_array(np.asarray(values), "further")
    if constant:
        model.graph.node.append(helper.make_node("Constant", [], ["c"], value=weights))
    else:
        model.graph.initializer.append(weights)
    return model


@pytest.mark.parametrize("constant", [False, True])
@pytest.mark.parametrize("kind", [np.float16, np.float32, np.float64])
@pytest.mark.parametrize("values", [[1, np.nan], [1, np.inf], [-np.inf, 1], np.nan])
def test_weights_that_are_not_finite(values, kind, constant):
    model = with_weights(np.array(values, kind), constant)
    with pytest.raises(RunError, match=r"a\.onnx holds values in further that are not finite"):
        OnnxNetwork(model.SerializeToString(), "a.onnx")


def test_a_lone_infinity_and_whole_numbers_are_weights():
    for values in (np.float32(-np.inf), np.array([1, 2]), np.array([True])):
        OnnxNetwork(with_weights(values).SerializeToString(), "a.onnx")


def test_weights_whose_size_lies():
    model = with_weights(np.ones(4, np.float32))
    model.graph.initializer[-1].dims[:] = [2**40]
    with pytest.raises(RunError, match=r"a\.onnx is damaged: the values of further do not fit its size"):
        OnnxNetwork(model.SerializeToString(), "a.onnx")


def test_more_weights_than_any_network_has(monkeypatch):
    monkeypatch.setattr(sys.modules[OnnxNetwork.__module__], "MOST_TENSORS", 2)
    OnnxNetwork(paint(), "a.onnx")
    with pytest.raises(RunError, match=r"a\.onnx holds 3 tensors, at most 2 are read"):
        OnnxNetwork(with_weights([1.0]).SerializeToString(), "a.onnx")


def test_references_are_found_wherever_they_stand():
    """Also in a constant inside a branch of a function, which no list of weights holds."""
    inner = onnx.load_model_from_string(paint(external=True)).graph
    constant = helper.make_node("Constant", [], ["c"], value=inner.initializer[0])
    branch = helper.make_graph([constant], "branch", [], [])
    choice = helper.make_node("If", ["c"], ["d"], then_branch=branch, else_branch=branch)
    function = helper.make_function("own", "F", [], ["d"], [choice], [helper.make_opsetid("", 20)])
    model = onnx.load_model_from_string(paint())
    model.functions.append(function)
    with pytest.raises(RunError, match="refers to other files"):
        OnnxNetwork(model.SerializeToString(), "a.onnx")


def test_operations_that_onnxruntime_does_not_know():
    model = onnx.load_model_from_string(paint())
    model.graph.node[0].op_type = "Mull"
    with pytest.raises(RunError, match=r"onnxruntime [\d.]+ cannot run a\.onnx: .*Mull"):
        OnnxNetwork(model.SerializeToString(), "a.onnx")


def test_size_and_presence(tmp_path, monkeypatch):
    with pytest.raises(RunError, match=r"cannot read .*No such file"):
        OnnxNetwork.load(tmp_path / "a.onnx")
    (tmp_path / "a.onnx").write_bytes(paint())
    monkeypatch.setattr(sys.modules[OnnxNetwork.__module__], "MOST_BYTES", 100)
    with pytest.raises(RunError, match="larger than 2 GiB"):
        OnnxNetwork.load(tmp_path / "a.onnx")


def test_without_the_extra(tmp_path, monkeypatch):
    (tmp_path / "a.onnx").write_bytes(paint())
    monkeypatch.setitem(sys.modules, "onnxruntime", None)
    with pytest.raises(RunError, match=r"onnxruntime, which is not installed: .*'inpaintlab\[onnx\]'"):
        Inpainter.load(tmp_path / "a.onnx")


def test_an_inpainter_of_it(tmp_path, photo):
    (tmp_path / "a.onnx").write_bytes(paint())
    inpainter = Inpainter.load(tmp_path / "a.onnx")
    assert inpainter.card == ModelCard("unet", {}, 16, {"data": "faces", "weights_sha256": "ab" * 32})
    hole = np.zeros(photo.shape[:2], np.uint8)
    hole[20:31, 17:30] = 1
    filled = inpainter.fill(photo, hole, blend="none")
    # Nothing is known in the hole, so what is painted in its middle is a quarter.
    assert np.abs(filled[25, 23].astype(int) - 64).max() <= 1
    assert np.array_equal(filled[hole == 0], photo[hole == 0])
    with pytest.raises(OutputError, match="no weights to train on"):
        inpainter.save(tmp_path / "a.safetensors")


def test_nothing_is_written_to_the_cache_of_a_user(tmp_path):
    code = "from inpaintlab.inpainter.onnx import needed; needed('onnxruntime')"
    environment = {**os.environ, "HOME": str(tmp_path), "XDG_CACHE_HOME": str(tmp_path)}
    environment.pop("ORT_DISABLE_TELEMETRY", None)
    subprocess.run([sys.executable, "-c", code], env=environment, check=True)
    assert list(tmp_path.iterdir()) == []


PROJECT = Path(__file__).parents[2]
FOLDERS = ("src", "examples", "benchmarks", "docs", "recipes")
IMPORT = re.compile(r"^\s*(import|from) onnxruntime|(import_module|importorskip)\(.onnxruntime", re.M)


def test_whoever_imports_onnxruntime_turns_its_telemetry_off_first():
    texts = [PROJECT / "README.md", *(p for name in FOLDERS for p in (PROJECT / name).rglob("*"))]
    found = [path for path in texts if path.suffix in (".py", ".md", ".yaml", ".ipynb")]
    importing = {p.name: match.start() for p in found if (match := IMPORT.search(p.read_text()))}
    assert set(importing) == {"export.md"}  # of ours only `needed`, by the name it is given
    page = (PROJECT / "docs/how-to/export.md").read_text()
    assert 0 < page.find('os.environ["ORT_DISABLE_TELEMETRY"] = "1"') < importing["export.md"]

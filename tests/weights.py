"""Files of weights with the published names and shapes, but other numbers: tests have no network."""

import hashlib
from dataclasses import replace
from functools import partial
from pathlib import Path
from unittest.mock import patch

import torch
from torch import nn
from torchvision.models import alexnet, vgg

from inpaintlab import features

#: Name -> torchvision's architecture, and the layers of it that count.
TORCHVISION = {
    "alexnet": (alexnet, 12),
    "vgg16": (vgg.vgg16, 17),
    "vgg16-relu": (vgg.vgg16, 30),
    "vgg19": (vgg.vgg19, 19),
}


def tiny_features(weights=None):
    """A feature network without trained weights, in the place of a large one."""
    del weights
    with torch.random.fork_rng():
        torch.manual_seed(0)
        stages = [nn.Conv2d(3, 4, 3, 2, 1), nn.Conv2d(4, 6, 3, 2, 1), nn.Conv2d(6, 8, 3, 2, 1)]
    return features.FeatureNetwork(stages, ((0.5,) * 3, (0.5,) * 3), min_size=4)


def write_torchvision(folder: Path) -> Path:
    """Write NAME.pth for each of `TORCHVISION`."""
    for name, (build, end) in TORCHVISION.items():
        with torch.device("meta"):
            shapes = build().features[:end].state_dict()
        draw = partial(torch.randn, generator=torch.Generator().manual_seed(0))
        weights = {f"features.{key}": draw(value.shape) / 30 for key, value in shapes.items()}
        torch.save(weights | {"classifier.0.bias": torch.zeros(1)}, folder / f"{name}.pth")
    return folder


def write_inception(path: Path) -> Path:
    """Write a file of weights as torch-fidelity's Inception takes it."""
    from torch_fidelity.feature_extractor_inceptionv3 import FeatureExtractorInceptionV3

    with torch.device("meta"), patch.object(FeatureExtractorInceptionV3, "load_state_dict"):
        network = FeatureExtractorInceptionV3("inception", ["2048"], write_empty(path))
    generator = torch.Generator().manual_seed(0)
    weights = {}
    for key, value in network.state_dict().items():
        fan_in = value[0].numel() if value.ndim > 1 else 1
        values = torch.randn(value.shape, generator=generator) * (2 / fan_in) ** 0.5
        weights[key] = values.abs() + 0.5 if value.ndim == 1 else values
    torch.save(weights, path)
    return path


def write_empty(path: Path) -> Path:
    torch.save({}, path)
    return path


def trust(monkeypatch, path: Path, *names: str) -> None:
    """Let the hash of a file be the right one for these names, and let nothing be fetched."""
    sha256 = hashlib.sha256(path.read_bytes()).hexdigest()
    for name in names:
        source = replace(features.SOURCES[name], sha256=sha256[:8], url="http://127.0.0.1:9/w.pth")
        monkeypatch.setitem(features.SOURCES, name, source)

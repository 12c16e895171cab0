"""LaMa against the published network, as `spandrel` keeps it."""

import os
from argparse import Namespace
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import save_file
from spandrel.architectures.LaMa import LaMa as Published
from spandrel.architectures.LaMa.__arch.LaMa import FFCResNetGenerator

from inpaintlab import Inpainter, networks
from inpaintlab.data import samples
from inpaintlab.errors import RunError
from inpaintlab.networks.lama import from_published
from inpaintlab.tensors import to_tensor


def randomised(network):
    """Seeded weights, and statistics as of a network that was trained."""
    torch.manual_seed(0)
    for module in network.modules():
        if isinstance(module, torch.nn.BatchNorm2d):
            torch.nn.init.normal_(module.running_mean, 0, 0.1)
            torch.nn.init.uniform_(module.running_var, 0.5, 2)
            torch.nn.init.uniform_(module.weight, 0.5, 1.5)
            torch.nn.init.normal_(module.bias, 0, 0.1)
    return network.eval()


def published(blocks=2, width=8, most=64):
    """The generator of the published code, narrow, and its weights under their published names."""
    torch.manual_seed(0)
    network = randomised(FFCResNetGenerator(4, 3, ngf=width, n_blocks=blocks, max_features=most))
    return network, {f"generator.{name}": tensor for name, tensor in network.state_dict().items()}


def photo(height=64, width=48):
    image = to_tensor(samples.draw(3, max(height, width))[:height, :width])
    mask = torch.zeros(1, 1, height, width)
    mask[..., height // 4 : height // 2, width // 3 : -4] = 1
    return image, mask


def assert_same_output(network, oracle, sides=((64, 48), (16, 16), (24, 40), (72, 120))):
    for height, width in sides:
        image, mask = photo(height, width)
        with torch.inference_mode():
            expected = oracle(image * (1 - mask), mask)
            assert torch.allclose(network(image, mask), expected, atol=1e-4)


@pytest.mark.parametrize("blocks", [1, 9, 18])
@pytest.mark.parametrize("suffix", [".safetensors", ".pt", ".ckpt"])
def test_published_weights_paint_as_in_the_published_network(tmp_path, blocks, suffix):
    oracle, weights = published(blocks)
    path = tmp_path / f"big-lama{suffix}"
    save_file(weights, path) if suffix == ".safetensors" else torch.save({"state_dict": weights}, path)
    inpainter = Inpainter.load(path)
    assert_same_output(inpainter.network, oracle)
    card = inpainter.card
    arguments = {"width": 8, "blocks": blocks, "depth": 3, "max_width": 64, "ratio": 0.75}
    assert (card.network, card.size, card.arguments) == ("lama", 256, arguments)
    assert card.provenance["published weights"] == path.name
    assert len(card.provenance["sha256"]) == 64


def test_big_lama_in_full(tmp_path):
    """The published size, 51 million parameters, under the names that spandrel writes."""
    torch.manual_seed(0)
    oracle = randomised(Published(in_nc=4))
    image, mask = photo(64, 40)
    path = tmp_path / "big-lama.safetensors"
    with torch.inference_mode():
        expected = oracle.model(image * (1 - mask), mask)
        save_file(oracle.state_dict(), path)
        del oracle  # 200 MB, as is the file, which does not outlive the test
        inpainter = Inpainter.load(path)
        path.unlink()
        assert torch.allclose(inpainter.network(image, mask), expected, atol=1e-4)
    assert inpainter.card.arguments == networks.resolve("lama", {"blocks": 18})


def test_published_weights_fill_an_image_of_any_size(tmp_path):
    save_file(published()[1], tmp_path / "lama.safetensors")
    photo = samples.draw(5, 75)[:61]
    hole = np.zeros((61, 75), bool)
    hole[20:30, 30:50] = True
    filled = Inpainter.load(tmp_path / "lama.safetensors").fill(photo, hole)
    assert np.array_equal(filled[~hole], photo[~hole])
    assert not np.array_equal(filled[hole], photo[hole])


@pytest.mark.parametrize(("width", "most"), [(4, 8), (12, 96)])
def test_width_is_read_off_the_shapes(width, most):
    oracle, weights = published(width=width, most=most)
    arguments, state = from_published(weights)
    network = networks.create("lama", **arguments).eval()
    network.load_state_dict(state)
    assert_same_output(network, oracle)


def test_training_is_the_published_one_too():
    oracle, weights = published()
    arguments, state = from_published(weights)
    network = networks.create("lama", **arguments).train()
    network.load_state_dict(state)
    image, mask = photo()
    assert torch.allclose(network(image, mask), oracle.train()(image * (1 - mask), mask), atol=1e-4)
    statistics = network.state_dict()
    for name, value in oracle.state_dict().items():
        assert torch.allclose(statistics[name], value, atol=1e-5), name


class Hostile:
    """Runs code when it is unpickled the ordinary way."""

    def __reduce__(self):
        return os.mkdir, ("ran",)


class Callback:
    def __init__(self):
        self.best = torch.ones(1)

    def __setstate__(self, state):
        Path("ran").mkdir()


def test_objects_beside_the_weights_are_left_alone(tmp_path):
    """The published checkpoint is one of a whole training, with objects of its framework."""
    oracle, weights = published()
    others = {"discriminator.model.0.weight": torch.ones(2), "loss_resnet_pl.weight": torch.ones(3)}
    training = {"callbacks": {Callback: {"best": 1.0}}, "one": Callback(), "settings": Namespace(a=1)}
    torch.save({"state_dict": weights | others, **training}, tmp_path / "best.ckpt")
    assert_same_output(Inpainter.load(tmp_path / "best.ckpt").network, oracle)
    assert not (tmp_path / "ran").exists()


@pytest.mark.parametrize("old_format", [False, True])
def test_hostile_files_run_nothing(tmp_path, old_format):
    path = tmp_path / "lama.pt"
    content = {"state_dict": published()[1], "extra": Hostile()}
    torch.save(content, path, _use_new_zipfile_serialization=not old_format)
    with pytest.raises(RunError, match=r"save its tensors as \.safetensors"):
        Inpainter.load(path)
    assert not (tmp_path / "ran").exists()


@pytest.mark.filterwarnings("ignore::FutureWarning", "ignore::DeprecationWarning")
def test_a_torchscript_program_is_refused_with_a_way_to_convert_it(tmp_path):
    oracle, _ = published()
    path = tmp_path / "big-lama.pt"
    torch.jit.trace(oracle, [torch.rand(1, 3, 16, 16), torch.rand(1, 1, 16, 16)]).save(path)
    with pytest.raises(RunError, match="is a TorchScript program") as refused:
        Inpainter.load(path)
    command = str(refused.value).split('python -c "')[1].removesuffix('"')
    exec(command)  # noqa: S102 (it is our own)
    assert_same_output(Inpainter.load(path.with_suffix(".safetensors")).network, oracle)


FIRST = "generator.model.1.ffc.convl2l.weight"


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({FIRST: None}, r"nor known: .* hold one model\.1\.ffc\.convl2l\.weight, it holds 0"),
        ({f"ema.{FIRST}": torch.ones(8, 4, 7, 7)}, "it holds 2"),
        ({"generator.model.2.bn_l.bias": None}, r"it has no model\.2\.bn_l\.bias"),
        ({"generator.model.2.bn_l.extra": torch.ones(1)}, r"model\.2\.bn_l\.extra, which the network"),
        ({"generator.model.2.bn_l.bias": torch.ones(3)}, r"bias is \[3\], the network's \[16\]"),
        ({FIRST: torch.ones(8, 3, 7, 7)}, r"is \[8, 3, 7, 7\], the network's \[8, 4, 7, 7\]"),
        ({FIRST: torch.ones(())}, "width must be at least 4, got 0"),
        ({"generator.model.4.ffc.convl2g.weight": None}, "does not fit this version of inpaintlab"),
    ],
)
@pytest.mark.parametrize("suffix", [".safetensors", ".pt"])
def test_other_layouts_are_refused_in_one_line(tmp_path, suffix, changes, words):
    weights = {**published()[1], **changes}
    weights = {name: tensor for name, tensor in weights.items() if tensor is not None}
    path = tmp_path / f"lama{suffix}"
    save_file(weights, path) if suffix == ".safetensors" else torch.save(weights, path)
    with pytest.raises(RunError, match=words) as refused:
        Inpainter.load(path)
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize("content", [b"", b"garbage" * 10, b"PK\3\4" + b"\0" * 60])
def test_damaged_files(tmp_path, content):
    path = tmp_path / "lama.pt"
    path.write_bytes(content)
    with pytest.raises(RunError, match="is damaged"):
        Inpainter.load(path)


def test_cut_off_files(tmp_path):
    path = tmp_path / "lama.pt"
    torch.save(published()[1], path)
    path.write_bytes(path.read_bytes()[:-500])
    with pytest.raises(RunError, match="is damaged"):
        Inpainter.load(path)


def test_a_list_is_no_file_of_weights(tmp_path):
    torch.save([torch.ones(2)], tmp_path / "lama.pt")
    with pytest.raises(RunError, match="it holds 0"):
        Inpainter.load(tmp_path / "lama.pt")

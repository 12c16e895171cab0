import json
import shutil
from dataclasses import replace

import pytest

import inpaintlab as il
from inpaintlab.data import samples
from inpaintlab.errors import SettingError
from inpaintlab.evaluation.evaluate import evaluate
from inpaintlab.evaluation.probe import probe
from inpaintlab.evaluation.probed import Probed
from inpaintlab.trust.probes import PROBES

CHANGES = [of.label.format(amount) for of in PROBES.values() for amount in of.amounts]
IMAGES = [samples.draw(index, 32) for index in range(12)]


@pytest.fixture(scope="module")
def result(knowing):
    return probe({"mine": knowing}, IMAGES, masks="rectangles", most=0.01, learned=False)


def test_every_change_of_every_method_is_measured(result):
    assert result.methods == ["mine", "telea"]
    assert [(of.change, of.method) for of in result.effects] == [
        (change, name) for change in CHANGES for name in ("mine", "telea")
    ]
    mild, strong = (result.effect(f"worst ± {n}/255").moved.mean for n in (1, 8))
    assert 0 < mild < strong
    assert result.effect("noise ± 8/255").moved.mean < strong
    assert result.images == len(IMAGES)


def test_it_goes_to_json_and_back_without_its_images(result):
    again = Probed.from_dict(json.loads(json.dumps(result.as_dict())))
    assert again == replace(result, sheets={})
    assert "sheets" not in result.as_dict()


def test_the_smallest_change_that_moves_half_of_the_fills_is_named(result):
    effects = [
        replace(of, far_percent={"worst ± 2/255": 49, "worst ± 4/255": 50}.get(of.change, 0))
        for of in result.effects
    ]
    found = replace(result, effects=effects)
    assert found.smallest("gradient") == found.smallest("gradient", "telea") == "worst ± 4/255"
    assert found.smallest("bits") == ""
    assert "half of the fills move by more than 0.01 from worst ± 4/255 on" in found.headline
    still = replace(result, effects=[replace(of, far_percent=0) for of in effects])
    assert "nothing that was tried moves half of the fills by more than 0.01" in still.headline


def test_what_was_not_measured_is_refused_by_name(result):
    for ask in (
        lambda: result.effect("worst ± 3/255"),
        lambda: result.effect("worst ± 1/255", "tele"),
        lambda: result.smallest("gradent"),
        lambda: result.smallest("gradient", "tele"),
    ):
        with pytest.raises(SettingError, match="did you mean"):
            ask()


@pytest.mark.parametrize(
    ("method", "message"),
    [
        (lambda image, mask: image / 0, "values that are not finite"),
        (lambda image, mask: image[..., 1:], r"gives \[12, 3, 32, 31\], expected"),
        (lambda image, mask: None, "gives NoneType"),
    ],
)
def test_methods_that_give_no_image_are_refused(method, message):
    with pytest.raises(SettingError, match=f"method 'mine'.*{message}"):
        probe({"mine": method}, IMAGES, size=32, learned=False)


def test_a_method_without_a_gradient_is_said_to_be_searched(result, knowing):
    assert result.searched == ["telea"]
    assert not result.notes()  # nobody expects one of a baseline

    def without(image, mask):
        return knowing.network(image, mask).detach()

    found = probe({"mine": without}, IMAGES[:2], size=32, learned=False, baselines=())
    assert "mine has no gradient here" in found.notes()[0].text
    assert found.effect("worst ± 8/255").moved.mean < result.effect("worst ± 8/255").moved.mean


def test_the_same_images_are_changed_whatever_stands_beside(result, knowing):
    alone = probe({"mine": knowing}, IMAGES, masks="rectangles", most=0.01, learned=False, baselines=())
    assert alone.effects == [of for of in result.effects if of.method == "mine"]


def test_the_command_writes_a_page_into_the_run(inpaint, trained_run, tmp_path):
    run = shutil.copytree(trained_run, tmp_path / "run")
    code, out, err = inpaint("probe run telea --limit 4 -s learned=false -s baselines=[]")
    assert code == 0, err
    assert out.startswith("run: noise of ± 1/255 moves a fill by ")
    assert out.endswith("page: run/probe.html\n")
    page = (run / "probe.html").read_text()
    assert "Where fills move farthest" in page
    assert page.count("data:image/png") == 2
    assert "has no gradient" not in page
    code, out, _ = inpaint("probe run --limit 4 -s learned=false -o mine.html --json")
    assert json.loads(out)["page"] == "mine.html"
    assert (tmp_path / "mine.html").exists()


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ("probe nowhere", "nowhere is neither a run folder"),
        ("probe telea", "say on which images"),
        ("probe telea --data samples:40", "say size="),
        ("probe run --most 2", "most: "),
        ("probe run -o .", "is a folder: -o takes the page to write"),
    ],
)
def test_mistakes_are_one_line(inpaint, trained_run, tmp_path, words, message):
    shutil.copytree(trained_run, tmp_path / "run")
    code, out, err = inpaint(words)
    assert (code, out) == (2, "")
    assert message in err
    assert len(err.strip().splitlines()) == 1


def test_an_evaluation_has_it_as_a_section(knowing, tmp_path):
    quick = {"learned": False, "slow_images": 0, "baselines": ["telea"], "examples": 2}
    found = evaluate({"mine": knowing}, IMAGES, probe=True, probe_images=3, **quick)
    assert found.probe.images == 3
    assert found.probe.methods == ["mine", "telea"]
    found.html(tmp_path / "report.html")
    assert "How far small changes move the fill" in (tmp_path / "report.html").read_text()
    assert il.Evaluation.from_dict(found.as_dict()).probe.effects == found.probe.effects
    with pytest.raises(SettingError, match="leave out probe"):
        evaluate({"mine": knowing}, IMAGES, probe=True, through="fill", **quick)

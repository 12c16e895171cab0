"""Where a run is to be used: what it refuses of the images that it is given."""

import json
import shutil

import pytest

from inpaintlab.checkpoints import Run
from inpaintlab.diagnosis.limits import Stance, judge_limits
from inpaintlab.training import limits, train
from inpaintlab.trust import trust
from inpaintlab.trust.novelty import Encoder
from tests.conftest import save_noise, small_settings


@pytest.fixture(scope="module")
def knowing_run(tmp_path_factory):
    """A run that has learnt its limits from its own features."""
    output = tmp_path_factory.mktemp("runs") / "run"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(trust, "sources_of", lambda method: {"encoder": Encoder(method)})
        with patch.context() as eager:  # over before another run is trained
            for name, value in {"SHARE": 4.0, "FEWEST_EXAMPLES": 10, "FEWEST_VALIDATED": 1}.items():
                eager.setattr(limits, name, value)
            run = train(small_settings(output=output, data="samples:200"))
        yield run


@pytest.fixture
def run(knowing_run, tmp_path):
    return shutil.copytree(knowing_run.folder, tmp_path / "run")


def judged(out):
    return next(part for part in json.loads(out)["parts"] if part["part"] == "limits")


def test_a_run_says_what_it_refuses_of_the_images_it_is_to_be_used_on(inpaint, run, tmp_path):
    save_noise(tmp_path / "noise", 24)
    _, out, err = inpaint("diagnose run --ood noise --json")
    found = judged(out)
    assert found["word"] == "finding", err
    assert found["text"].startswith("good on validation, refused on what you gave it (noise): ")
    assert found["figures"]["noise"]["refused"] == 100
    assert found["figures"]["noise"]["images"] == 8
    assert found["figures"]["validation"]["refused"] < 30
    _, out, _ = inpaint("diagnose run --json")
    assert judged(out)["word"] == "ok"


def test_a_run_that_does_not_know_its_limits_is_not_asked(inpaint, trained_run, tmp_path):
    save_noise(tmp_path / "noise", 24)
    code, out, err = inpaint(f"diagnose {trained_run} -o page.html --ood noise")
    assert (code, out) == (2, "")
    assert "has not learnt its limits" in err
    assert Run(trained_run).model.exists()


@pytest.mark.parametrize(
    ("refused", "word"), [(4.0, "ok"), (50.0, "ok"), (51.0, "finding"), (None, "ok")]
)
def test_a_set_of_which_most_are_refused_is_a_finding(refused, word):
    verdict = judge_limits({"validation": Stance(9, 5.0, 90.0), "mine": Stance(9, refused, 80.0)})
    assert verdict.word == word
    assert ("of mine" in verdict.text) == (refused is not None)
    assert judge_limits({}) is None

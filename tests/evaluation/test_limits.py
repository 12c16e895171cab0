"""What models say of their own fills, beside the truth."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from inpaintlab.baselines import BASELINES
from inpaintlab.data import samples
from inpaintlab.evaluation.evaluate import evaluate
from inpaintlab.evaluation.evaluation import Evaluation
from inpaintlab.evaluation.limits import Stated, states_of
from inpaintlab.evaluation.limits_report import refused_table, risk_coverage
from inpaintlab.evaluation.tables import limits_notes, limits_tables, ratio_table
from inpaintlab.inpainter import Inpainter
from inpaintlab.metrics.table import OF_LIMITS
from tests.conftest import save_noise, save_portraits

QUICK = {"learned": False, "slow_images": 0, "baselines": ["telea"], "examples": 2}


@pytest.fixture(scope="module")
def images():
    return [samples.draw(index, 32) for index in range(3000, 3024)]


@pytest.fixture(scope="module")
def result(knowing, images):
    return evaluate({"mine": knowing}, images, **QUICK)


def test_figures_are_counted_in_the_hole_alone():
    truth, mask = torch.full((2, 3, 4, 4), 0.5), torch.zeros(2, 1, 4, 4)
    mask[..., :2, :] = 1
    filled = truth.clone()
    filled[:, :, 0] += 0.1  # half of the hole is off by more than is said
    filled[:, :, 3] += 0.4
    stated = Stated(torch.tensor([0.5, 1.5]), torch.tensor([20.0, 30.0]), 0.05 * mask)
    found = stated.figures(filled, truth, mask)
    assert found["inside_percent"].tolist() == [50, 50]
    assert found["refused_percent"].tolist() == [0, 100]
    assert found["expected_psnr"].tolist() == [20, 30]
    unknown = replace(stated, novelty=torch.full((2,), torch.nan)).figures(filled, truth, mask)
    assert set(unknown) == {"inside_percent", "expected_psnr"}


def test_a_model_that_knows_its_limits_has_their_figures_and_others_have_not(result, images, knowing):
    assert set(OF_LIMITS) <= set(result.overall.methods["mine"])
    assert not set(OF_LIMITS) & set(result.overall.methods["telea"])
    plain = evaluate({"grey": lambda image, mask: image * 0 + 0.5}, images, size=32, **QUICK)
    assert not limits_notes(plain)
    unknown = evaluate({"mine": Inpainter(knowing.network, knowing.card)}, images, **QUICK)
    assert unknown.unavailable[0].name == "limits of mine"
    assert not limits_tables(plain)
    assert Evaluation.from_dict(result.as_dict()) == result


@pytest.mark.parametrize("through", ["network", "fill"])
def test_it_is_what_the_inpainter_says(knowing, images, through):
    image = torch.from_numpy(images[0]).permute(2, 0, 1)[None] / 255
    mask = torch.zeros(1, 1, 32, 32)
    mask[..., 4:20, 8:24] = 1
    stated = states_of(knowing, through)(image, mask)
    found = knowing.assess(images[0], mask[0, 0].numpy().astype(bool))
    assert float(stated.novelty) == pytest.approx(found.novelty, abs=1e-4)
    assert float(stated.expected_psnr) == pytest.approx(found.expected_error.psnr, abs=1e-3)
    assert np.allclose(stated.half_width[0, 0].numpy(), found.uncertainty, atol=1e-3)


@pytest.mark.parametrize("side", [32, 45])
def test_images_of_any_size_are_judged(knowing, side):
    given = [samples.draw(index, side) for index in range(4)]
    through = "network" if side == 32 else "fill"
    found = evaluate({"mine": knowing}, given, through=through, **QUICK)
    assert 0 <= found.overall.methods["mine"]["inside_percent"].mean <= 100


def test_the_report_shows_what_was_stated_and_what_was_refused(knowing, images, tmp_path):
    noise = save_noise(tmp_path / "noise", 40)
    found = evaluate({"mine": knowing}, images, ood=[noise], **QUICK)
    (elsewhere,) = found.ood
    assert elsewhere.summary.methods["mine"]["refused_percent"].mean == 100
    assert f"of {noise} are unlike those of training" in limits_notes(found)[0].text
    assert limits_notes(found)[0] in found.answer().notes
    found.html(tmp_path / "report.html")
    page = (tmp_path / "report.html").read_text()
    for words in ("What it knows of its limits", "how far values may be off", "Error of the fills"):
        assert words in page
    headings = [column.heading for column in ratio_table(found).columns]
    assert not any("novelty" in heading for heading in headings)


def test_what_is_refused_is_named_the_most_foreign_first(result):
    novelty = np.linspace(0.8, 1.4, len(result.rows))
    values = {**result.rows.values, "mine": {**result.rows.values["mine"], "novelty": novelty}}
    table = refused_table(replace(result, rows=replace(result.rows, values=values)), "mine")
    names = [str(row.cells[0]) for row in table.rows]
    assert names == result.rows.facts["image"][::-1][: len(names)]
    assert len(names) == (novelty > 1).sum()
    values["mine"]["novelty"] = novelty - 1
    assert refused_table(replace(result, rows=replace(result.rows, values=values)), "mine") is None


def test_the_error_of_the_surest_is_drawn(result):
    """Where what is stated is true, leaving out the least sure raises the quality of the rest."""
    psnr = np.linspace(10, 30, len(result.rows))
    mine = {**result.rows.values["mine"], "expected_psnr": psnr, "hole_psnr": psnr}
    rows = replace(result.rows, values={**result.rows.values, "mine": mine})
    all_of_them = -10 * np.log10((10 ** (-psnr / 10)).mean())
    surest = -10 * np.log10((10 ** (-psnr[-round(0.8 * len(psnr)) :] / 10)).mean())
    words = str(risk_coverage(replace(result, rows=rows)))
    assert f"mine {all_of_them:.2f} dB of all and {surest:.2f} dB of the surest 80 %" in words


def test_the_loss_of_coverage_on_changed_images_is_shown(knowing, images):
    found = evaluate({"mine": knowing}, images[:4], corruptions=True, **QUICK)
    assert all(row.refused and row.inside for row in found.corruptions.rows)
    words = "".join(table.text() for table in limits_tables(found))
    assert "% that mine refuses" in words
    assert "% of values in the intervals" in words


def test_baselines_alone_say_nothing(tmp_path):
    found = evaluate(next(iter(BASELINES)), str(save_portraits(tmp_path / "some", 3)), size=16, **QUICK)
    assert not limits_tables(found)


def test_a_share_of_few_images_is_between_nothing_and_all(knowing, images):
    """Percentages have intervals that are some."""
    found = evaluate({"mine": knowing}, images, **QUICK)
    refused = found.overall.methods["mine"]["refused_percent"]
    assert 0 <= refused.low <= refused.mean <= refused.high <= 100
    assert refused.high - refused.low > 5
    inside = found.overall.methods["mine"]["inside_percent"]
    assert 0 <= inside.low < inside.mean < inside.high <= 100

"""The report: what it says, what it refuses, and how it looks in a browser."""

import base64
import io
import json
import shutil
from dataclasses import replace
from html.parser import HTMLParser
from itertools import pairwise

import numpy as np
import pytest
from PIL import Image

from inpaintlab.checkpoints import Run
from inpaintlab.data import samples
from inpaintlab.errors import RunError, SettingError
from inpaintlab.evaluation.cards import card_grid, make_card
from inpaintlab.evaluation.compare import compared
from inpaintlab.evaluation.evaluation import Evaluation, check_baselines
from inpaintlab.evaluation.result import (
    Corrupted,
    Corruptions,
    Gain,
    Lookalikes,
    MaskFacts,
    MethodFacts,
    OutOfDistribution,
    SetFigures,
    WholeSets,
)
from inpaintlab.evaluation.rows import FACTS, Rows, Summary
from inpaintlab.evaluation.statistics import Interval
from inpaintlab.evaluation.tables import beside_slow, disagreement, further_tables, headline, notes
from inpaintlab.metrics import FIGURES, METRICS, Unavailable
from inpaintlab.metrics.table import OF_SEVERAL

METHODS = {"mean-colour": 15.0, "telea": 18.5, "mine": 22.0}
PROVENANCE = {"step": 6, "seed": 0, "inpaintlab": "0.1.0", "torch": "2.9"}


def mean(value, half=0.25):
    return Interval(value, value - half, value + half)


def row(n=30, **methods):
    names = (methods or METHODS).items()
    return Summary(n, n, {name: {metric: mean(psnr) for metric in METRICS} for name, psnr in names})


def gain(interval):
    return Gain("mine", "telea", interval)


def small_result(**changes):
    """The least that a result can be."""
    network = MethodFacts("network", "unet", 32, "0123456789abcdef", "portraits-1", PROVENANCE)
    baselines = ("mean-colour", "telea", "biharmonic")
    histogram = {"0–10 %": 10, "10–20 %": 20}
    facts = {name: ["x"] for name in FACTS} | {"ratio": [0.1], "border": [True]}
    least = {
        "inpaintlab": "0.1.0",
        "data": "portraits",
        "part": "validation",
        "through": "network",
        "size": 32,
        "masks": MaskFacts("rectangles", [], 7, "fedcba9876543210", 32, 30, 0.15, histogram, 0.25),
        "methods": {**{name: MethodFacts("baseline") for name in baselines}, "mine": network},
        "figures": {name: FIGURES[name] for name in METRICS},
        "rows": Rows(facts, {name: {m: np.ones(1) for m in METRICS} for name in METHODS}),
        "overall": row(),
        "gain": gain(mean(3.5)),
        "bins": {"0–10 %": row(10), "10–20 %": row(20)},
        "command": COMMAND,
    }
    return Evaluation(**(least | changes))


def full_fields():
    """Everything that can be in a result."""
    slow = {**METHODS, "biharmonic": 19.0}
    kid = {name: {"kid": psnr} for name, psnr in METHODS.items()}
    return {
        "test_access": "used once",
        "findings": ["3 images of the test part have been trained on"],
        "lookalikes": Lookalikes(90, 80, [("a.png", "b.png")], row(29)),
        "borders": {"inside": row(20), "touching the border": row(10)},
        "kinds": {"rectangles": row(15), "strokes": row(15)},
        "groups": {"": row(10), "indoors": row(20)},
        "slow": row(5, **slow),
        "sets": WholeSets(SetFigures(30, kid), {}, {}),
        "unavailable": [Unavailable("fid", "there are no weights")],
        "ood": [OutOfDistribution("elsewhere", row(12), mean(1.5), mean(2.0), mean(2.0))],
        "corruptions": Corruptions(
            8,
            mean(22.0),
            mean(3.5),
            [
                Corrupted(name, severity, *(mean(severity / 2) for _ in range(4)))
                for name in ("rotated", "noisy")
                for severity in (1, 2, 3)
            ],
        ),
    }


def full_result(**changes):
    return small_result(**(full_fields() | changes))


def cards_of(*names, side=32):
    """Images with a white hole in the middle, filled with a grey of each method's own."""
    return [_card(name, number, side) for number, name in enumerate(names)]


def _card(name, number, side):
    truth = samples.draw(number, side)
    middle = (slice(side // 4, 3 * side // 4), slice(side // 4, 3 * side // 4))

    def filled(level):
        image = truth.copy()
        image[middle] = level
        return image

    images = {"damaged": filled(255)}
    images |= {method: filled(40 * place) for place, method in enumerate(METHODS)}
    psnr = {method: value + number for method, value in METHODS.items()}
    return make_card(name, psnr, {**images, "truth": truth})


def small_cards():
    return {
        "random": cards_of("one.png", "two.png"),
        "worst": cards_of("two.png"),
        "best": cards_of("one.png"),
    }


COMMAND = "inpaint evaluate runs/portraits-1 --limit 30"


@pytest.fixture
def run(trained_run, tmp_path):
    return Run(shutil.copytree(trained_run, tmp_path / "run"))


@pytest.fixture
def page(run):
    """Writes a report and returns its text."""

    def write(result, cards=None):
        replace(result, cards=cards or small_cards()).html(run.report, run)
        return run.report.read_text()

    return write


@pytest.fixture(scope="module")
def reports(trained_run, tmp_path_factory):
    """The least report and one with everything, written once."""
    paths = {}
    name = "a-name-without-any-place-to-break-" * 4
    full = full_result()
    full.methods["mine"] = replace(full.methods["mine"], run=name)
    for name, result in (("small", small_result()), ("full", full)):
        run = Run(shutil.copytree(trained_run, tmp_path_factory.mktemp(name) / "run"))
        paths[name] = run.report
        replace(result, cards=small_cards()).html(run.report, run)
    return paths


class Outside(HTMLParser):
    """Collects what a page would fetch, and its tags."""

    def __init__(self):
        super().__init__()
        self.asked, self.tags = [], []

    def handle_starttag(self, tag, attributes):
        self.tags.append(tag)
        for name, value in attributes:
            if name in ("src", "href", "xlink:href", "data", "action") and value[0] != "#":
                self.asked.append(value[:5])


def test_headline_has_intervals_and_the_baseline():
    assert headline(small_result()) == (
        "22.00 dB [21.75, 22.25] in the hole, 3.50 dB [3.25, 3.75] above Telea (18.50 dB), pair by "
        "pair; sharpness 22.00 (the truth has 1)"
    )
    below = small_result(gain=gain(mean(-1.0)))
    assert "1.00 dB [0.75, 1.25] below Telea" in headline(below)
    unclear = small_result(gain=gain(mean(0.1)))
    assert "not to be told from Telea (18.50 dB): +0.10 dB [-0.15, +0.35]" in headline(unclear)
    few = small_result(gain=gain(Interval(-2.0)))
    assert "2.00 dB below Telea (18.50 dB) (too few images for intervals);" in headline(few)


def test_what_blur_wins_and_what_it_does_not_stand_side_by_side():
    """Blur has the better PSNR and no sharpness; what only a few images show does not count."""
    blur = {"hole_psnr": 24.0, "sharpness": 0.2, "hole-distance-efficientnet": 0.3}
    sharp = {"hole_psnr": 20.0, "sharpness": 0.9, "hole-distance-efficientnet": 0.1}

    def result(count, **changed):
        noise = np.linspace(-0.01, 0.01, count)
        facts = {name: [str(i) for i in range(count)] for name in FACTS}
        values = {"telea": sharp | changed, "mine": blur}
        rows = {of: {m: value + noise for m, value in one.items()} for of, one in values.items()}
        return small_result(rows=Rows(facts, rows), figures={name: FIGURES[name] for name in blur})

    assert disagreement(result(20)).startswith(
        "mine is best by hole PSNR, Telea by sharpness (0.90 against 0.20) and Telea by hole distance "
        "(0.1000 against 0.3000): PSNR rewards blur"
    )
    # Noise is no more real than blur.
    worse = {"sharpness": 1.9, "hole-distance-efficientnet": 0.4}
    assert disagreement(result(20, **worse)) == ""
    assert "Telea by sharpness (1.50" in disagreement(result(20, **worse | {"sharpness": 1.5}))
    assert disagreement(result(5)) == ""
    assert disagreement(result(20, hole_psnr=25.0)) == ""
    assert [note.head for note in notes(result(20))] == ["The measures disagree:"]


def test_a_figure_that_slow_methods_lack_is_compared_among_the_others():
    """A classifier tells fills of all images, which slow methods have not filled."""
    facts = {name: [str(i) for i in range(20)] for name in FACTS}
    psnr = {"mine": 24.0, "telea": 20.0, "patchmatch": 19.0}
    rows = {of: {"hole_psnr": np.full(20, value)} for of, value in psnr.items()}
    for of, share in (("mine", 95.0), ("telea", 60.0)):
        rows[of]["told_percent"] = np.full(20, share)
    names = ("hole_psnr", "told_percent")
    result = small_result(rows=Rows(facts, rows), figures={name: FIGURES[name] for name in names})
    assert "mine is best by hole PSNR, Telea by told % (60.0 against 95.0)" in disagreement(result)
    del rows["mine"]["told_percent"]
    assert disagreement(result) == ""
    with pytest.raises(SettingError, match="no metric 'told_percent' of 'mine' was measured"):
        result.paired("telea", "mine", "told_percent")
    pair = compared(result.rows, "telea", "mine")
    assert pair.overall.metrics.keys() == {"hole_psnr"}
    assert "told" not in pair.sentence


def test_slow_baselines_are_named_beside_the_headline():
    assert beside_slow(small_result()) == ""
    assert "5 images" in beside_slow(full_result())
    assert "biharmonic 19.00 dB [18.75, 19.25]" in beside_slow(full_result())


def test_everything_goes_to_json_and_back():
    result = full_result(cards=small_cards())
    again = Evaluation.from_dict(json.loads(json.dumps(result.as_dict())))
    assert again == result
    assert again._repr_html_() == result._repr_html_()
    with pytest.raises(RunError, match="no Evaluation of schema 1, it says 99"):
        Evaluation.from_dict(result.as_dict() | {"schema": 99})
    with pytest.raises(RunError, match=r"no Evaluation: overall.n: "):
        Evaluation.from_dict(result.as_dict() | {"overall": {"n": "many"}})


@pytest.mark.parametrize(
    ("place", "name"),
    [
        (lambda result: result.overall, "all images"),
        (lambda result: result.bins["0–10 %"], "0–10 %"),
        (lambda result: result.groups["indoors"], "indoors"),
        (lambda result: result.ood[0].summary, "elsewhere"),
        (lambda result: result.sets.overall, "whole sets"),
    ],
)
def test_figures_without_a_baseline_are_refused(place, name, run):
    check_baselines(full_result())
    result = full_result()
    methods = place(result).methods
    for baseline in ("mean-colour", "telea"):
        del methods[baseline]
    before = run.report.exists()
    with pytest.raises(RunError, match=f"{name}.* no baseline stands beside mine; measure one of"):
        result.html(run.report)
    assert run.report.exists() == before


def test_a_figure_of_the_model_alone_is_refused():
    result = full_result()
    result.overall.methods["mine"]["lpips"] = mean(0.1)
    with pytest.raises(RunError, match="all images no baseline has lpips"):
        check_baselines(result)


@pytest.mark.parametrize("figure", OF_SEVERAL)
def test_figures_of_several_fills_need_no_baseline(figure):
    result = full_result()
    result.overall.methods["mine"][figure] = mean(0.5)
    check_baselines(result)
    result.overall.methods["mine"][figure] = Interval(float("nan"))
    with pytest.raises(RunError, match="mine was measured on fewer holes"):
        check_baselines(result)


def test_methods_measured_on_different_holes_are_refused():
    result = full_result()
    result.slow.methods["mine"]["psnr"] = Interval(float("nan"))
    with pytest.raises(RunError, match="slow baselines mine was measured on fewer holes"):
        check_baselines(result)


def test_each_network_has_its_table_of_sets():
    names = ["fid", "kid", "kid_std", "fd-holes-efficientnet", "kd-holes-efficientnet"]
    methods = {"telea": dict.fromkeys(names, 2.0), "mine": dict.fromkeys(names, 1.0)}
    sets = WholeSets(SetFigures(400, methods), {"fid": 90, "fd-holes-efficientnet": 80}, {})
    found = [of for of in further_tables(small_result(sets=sets)) if "sets" in of.text().lower()]
    whole, holes = (of.text() for of in found)
    assert "fid ↓" in whole
    assert "fid is of 90 images" in whole
    assert "holes" not in whole
    assert "Holes with what is around them" in holes
    assert "fd-holes-efficientnet ↓" in holes
    assert "is of 80 images" in holes
    assert "fid" not in holes


@pytest.mark.parametrize(
    ("key", "words"),
    [
        ("test_access", "used once"),
        ("findings", "Finding:"),
        ("lookalikes", "Look-alikes:"),
        ("borders", "touching the border"),
        ("kinds", "By mask kind"),
        ("groups", "By group"),
        ("slow", "Slow baselines"),
        ("sets", "Whole sets of images"),
        ("ood", "Out-of-distribution images"),
        ("corruptions", "The same images, changed"),
        ("unavailable", "What was not measured"),
    ],
)
def test_sections_come_with_their_data(page, reports, key, words):
    assert words not in reports["small"].read_text()
    assert words in page(small_result(**{key: full_fields()[key]}))


def test_what_every_report_says(reports):
    text = reports["small"].read_text()
    for words in (
        headline(small_result()),
        "Random examples",
        "The worst",
        "The best",
        "nobody picked them",
        "rectangles #fedcba9876543210",
        f"#{small_result().rows.hash}",
        COMMAND,
        "validate_every: 3",
    ):
        assert words in text
    assert "Incidents" not in text


def test_incidents_are_shown(page, run):
    folder = run.incidents / "001"
    folder.mkdir(parents=True)
    Image.new("RGB", (8, 8)).save(folder / "images.png")
    alarm = {"step": 5, "since": 5, "kind": "spike", "sentence": "the loss jumped"}
    verdict = {"cause": "data", "sentence": "two are <odd>", "experiment": "again without them"}
    facts = {"alarm": alarm, "verdict": verdict, "action": "left out", "images": []}
    (folder / "incident.json").write_text(json.dumps(facts))
    text = page(small_result())
    assert "Step 5: spike" in text
    assert "two are &lt;odd&gt;" in text


def test_the_page_asks_for_nothing_from_outside(reports):
    parser = Outside()
    parser.feed(reports["full"].read_text())
    assert set(parser.asked) == {"data:"}
    assert parser.tags.count("script") == 1
    assert not {"link", "iframe", "object", "base"} & set(parser.tags)


def test_names_are_escaped(page):
    hostile = '<img src="x" onerror=alert(1)>$a_{'
    result = full_result(data=hostile)
    result.methods[hostile] = result.methods["telea"]
    for table in (result.overall, *result.bins.values()):
        table.methods[hostile] = table.methods["telea"]
    result.groups[hostile] = result.groups.pop("indoors")
    text = page(result, small_cards() | {"worst": cards_of(hostile)})
    # Matplotlib writes labels into comments of its drawings, with their signs escaped as well.
    assert "<img src" not in text
    assert "&lt;img src=" in text


def test_a_page_is_small_and_the_same_again(page):
    first = page(full_result(), {"random": cards_of(*map(str, range(16)), side=64)})
    assert len(first) < 1_000_000
    assert page(full_result(), {"random": cards_of(*map(str, range(16)), side=64)}) == first


def test_cards_hold_every_image():
    (card,) = cards_of("one.png")
    assert list(card.tops) == ["damaged", *METHODS, "truth"]
    assert card.is_small
    images = card.images()
    assert np.array_equal(images["truth"], samples.draw(0, 32))
    sheet = np.asarray(Image.open(io.BytesIO(base64.b64decode(card.sheet))))
    assert sheet.shape == (card.sheet_height, 32, 3)
    large = make_card("wide", {}, {"truth": samples.draw(0, 300)[:150]})
    assert (large.width, large.height, large.is_small) == (256, 128, False)


def test_cards_of_different_sizes_stand_in_one_grid():
    tall = make_card("tall", {}, {"truth": samples.draw(0, 60)[:, :40]})
    wide = make_card("wide", {}, {"truth": samples.draw(1, 60)[:50]})
    assert card_grid([tall, wide]).shape == (124, 246, 3)


PHONE = {"width": 360, "height": 740}
DESKTOP = {"width": 1200, "height": 900}


class TestInChromium:
    """The page with everything on it, in a real browser."""

    @pytest.fixture
    def opened(self, browser, reports):
        """Opens the report; in the end nothing was complained of, and nothing else was asked for."""
        seen, asked, report = [], [], reports["full"].as_uri()

        def open_page(**options):
            tab = browser.new_context(**options).new_page()
            tab.on("console", lambda message: seen.append(message.text))
            tab.on("pageerror", lambda error: seen.append(str(error)))
            tab.on("request", lambda request: asked.append(request.url))
            tab.goto(report)
            return tab

        yield open_page
        assert seen == []
        assert {url for url in asked if not url.startswith("data:")} == {report}

    def shot(self, tab, path):
        tab.screenshot(path=path, full_page=True)
        pixels = np.asarray(Image.open(path).convert("RGB"))
        assert pixels.std() > 10
        return pixels

    @pytest.mark.parametrize("viewport", [DESKTOP, PHONE])
    @pytest.mark.parametrize("scheme", ["light", "dark"])
    def test_fits_and_follows_the_colours(self, opened, tmp_path, viewport, scheme):
        tab = opened(viewport=viewport, color_scheme=scheme)
        root = "document.documentElement"
        assert tab.evaluate(f"{root}.scrollWidth <= {root}.clientWidth")
        pixels = self.shot(tab, tmp_path / f"{scheme}-{viewport['width']}.png")
        assert (pixels[2, 2].mean() < 64) == (scheme == "dark")
        # Drawings stay black on white.
        assert tab.evaluate("getComputedStyle(document.querySelector('.drawings')).backgroundColor") == (
            "rgb(255, 255, 255)"
        )

    def test_the_slider_moves_by_keyboard(self, opened):
        tab = opened(viewport=DESKTOP)
        slide, slider = tab.locator(".slide").first, tab.get_by_role("slider").first
        half = slide.screenshot()
        slider.focus()
        tab.keyboard.press("Home")
        filled = slide.screenshot()
        tab.keyboard.press("End")
        damaged = slide.screenshot()
        tab.keyboard.press("ArrowLeft")
        assert slider.input_value() == "99"
        assert len({half, damaged, filled}) == 3
        assert "how much of the image is shown damaged" in slider.get_attribute("aria-label")

    def test_the_slider_follows_a_pointer(self, opened):
        tab = opened(viewport=DESKTOP)
        slide = tab.locator(".slide").first
        slide.scroll_into_view_if_needed()
        box = slide.bounding_box()
        tab.mouse.move(box["x"] + box["width"] / 2, box["y"] + 10)
        tab.mouse.down()
        tab.mouse.move(box["x"] + box["width"] / 4, box["y"] + 10)
        tab.mouse.up()
        assert 24 <= int(tab.get_by_role("slider").first.input_value()) <= 26

    def test_every_method_can_be_looked_at(self, opened):
        tab = opened(viewport=DESKTOP)
        slide = tab.locator(".slide").first
        tab.get_by_role("slider").first.fill("0")
        ours = slide.screenshot()
        button = tab.get_by_role("button", name="Telea").first
        button.focus()
        tab.keyboard.press("Enter")
        assert button.get_attribute("aria-pressed") == "true"
        assert slide.locator(".over").inner_text() == "filled by Telea"
        assert slide.screenshot() != ours
        assert tab.get_by_role("img", name="one.png, filled by Telea").count() == 1

    @pytest.mark.parametrize("how", ["printed", "without scripts"])
    def test_damaged_filled_and_truth_stand_side_by_side(self, opened, how, tmp_path):
        tab = opened(viewport=DESKTOP, java_script_enabled=how == "printed")
        if how == "printed":
            tab.emulate_media(media="print")
            tab.pdf(path=tmp_path / "report.pdf", format="A4")
            assert (tmp_path / "report.pdf").read_bytes()[:5] == b"%PDF-"
        boxes = [tab.locator(".images svg").nth(number).bounding_box() for number in range(3)]
        for left, right in pairwise(boxes):
            assert left["x"] + left["width"] <= right["x"]
            assert left["y"] == right["y"]
        assert not tab.locator("input").first.is_visible()
        self.shot(tab, tmp_path / "side-by-side.png")

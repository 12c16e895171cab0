"""The page: its files as a program sees them, and all of it in a real browser, as people use it."""

import base64
import io
import socket
import threading
from contextlib import contextmanager
from dataclasses import replace
from types import SimpleNamespace
from urllib.parse import urlsplit

import numpy as np
import pytest
from fastapi.testclient import TestClient
from PIL import Image

from inpaintlab.data import samples
from inpaintlab.images import DecodedImage
from inpaintlab.inpainter.assessment import Heeded, Judgement
from inpaintlab.serving.app import create_app
from inpaintlab.serving.errors import RefusedError
from tests.serving.conftest import HerePool
from tests.serving.test_fill import problem

uvicorn = pytest.importorskip("uvicorn", reason="needs a server: pip install 'inpaintlab[serve]'")

MAGENTA = (255, 0, 255)
TOKEN = "a token of some length"  # noqa: S105
DESKTOP = {"viewport": {"width": 1280, "height": 860}}
PHONE = {"viewport": {"width": 390, "height": 844}, "has_touch": True, "is_mobile": True}
PHONE |= {"device_scale_factor": 2}


class RecordingPool(HerePool):
    """Fills with magenta and keeps what it was asked; `refusal` is what goes wrong next."""

    def __init__(self):
        super().__init__(SimpleNamespace(fill_variants=self.fill, heeded=self.heeded))
        self.about = replace(self.about, name="swift <64>", varies=True)
        self.asked = []
        self.doubts = []
        self.refusal = None

    def heeded(self, image, hole, name, **how):
        return Heeded(None, self.doubts, Judgement(reasons=self.doubts))

    def fill(self, image, hole, count, seed, spread, name, *, door):
        self.asked.append((image.pixels, hole == 1))
        fills = []
        for number in range(count):
            pixels = image.pixels.copy()
            pixels[hole == 1] = (MAGENTA[0] - 40 * number, *MAGENTA[1:])
            fills.append(DecodedImage(pixels, image.mode, notes=("a <note>",)))
        return fills, "filled with magenta"

    async def run(self, job):
        if self.refusal:
            raise self.refusal
        return await super().run(job)


@contextmanager
def listening(app):
    """Serve an application in a thread; gives its address."""
    listener = socket.create_server(("127.0.0.1", 0))
    server = uvicorn.Server(uvicorn.Config(app, log_level="warning"))
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]})
    thread.start()
    try:
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"
    finally:
        server.should_exit = True
        thread.join()


@pytest.fixture(scope="module")
def server():
    pool = RecordingPool()
    with listening(create_app(pool, page=True, max_pixels=3_000_000)) as url:
        pool.url = url
        yield pool


@pytest.fixture
def served(server):
    """The page, with nothing asked of it yet and nothing wrong."""
    server.asked.clear()
    server.refusal, server.doubts = None, []
    return server


class Visit:
    """One visitor's tab and what they do in it."""

    def __init__(self, tab, url, named=True):
        self.tab = tab
        tab.goto(url)
        self.said("sample-1")
        if named:
            tab.locator("#model", has_text="images of 32×32").wait_for()

    def said(self, text):
        self.tab.locator("#status", has_text=text).wait_for()

    def complained(self, text):
        self.tab.get_by_role("alert").filter(has_text=text).wait_for()

    def open(self, file, said):
        self.tab.set_input_files("#file", file)
        self.said(said)

    def stroke(self, start=(0.4, 0.45), end=(0.6, 0.55)):
        """Drag from one place of the photo to another, both in shares of it."""
        box = self.tab.locator("#hole").bounding_box()
        points = [(box["x"] + x * box["width"], box["y"] + y * box["height"]) for x, y in (start, end)]
        self.tab.mouse.move(*points[0])
        self.tab.mouse.down()
        self.tab.mouse.move(*points[1], steps=6)
        self.tab.mouse.up()

    def fill(self, number=1):
        """Fill, wait until so many results are there."""
        self.tab.click("#fill")
        self.filled(number)

    def filled(self, number):
        self.tab.get_by_role("button", name=f"Result {number}", exact=True).wait_for()

    def download(self):
        """Return the name of the downloaded file and its pixels."""
        with self.tab.expect_download() as started:
            self.tab.click("#download")
        with Image.open(started.value.path()) as image:
            return started.value.suggested_filename, np.asarray(image)


@pytest.fixture
def visit(browser, served):
    """Opens the page; in the end nothing was complained of, and nothing else was asked for."""
    complaints, asked, contexts = [], [], []

    def start(url=served.url, **options):
        contexts.append(browser.new_context(**DESKTOP | options))
        tab = contexts[-1].new_page()
        tab.on("console", lambda said: complaints.append(said.text))
        tab.on("pageerror", lambda error: complaints.append(str(error)))
        tab.on("request", lambda request: asked.append(request.url))
        return Visit(tab, url)

    yield start
    for context in contexts:
        context.close()
    assert [said for said in complaints if "status of 4" not in said] == []
    assert {urlsplit(url).hostname for url in asked if not url.startswith("blob:")} == {"127.0.0.1"}


@pytest.fixture(scope="module")
def photo_file(tmp_path_factory):
    """A photo that is larger than what is shown of it, as PNG."""
    file = tmp_path_factory.mktemp("photo") / "me & you.png"
    Image.fromarray(samples.draw(16, 1800)[:1100]).save(file, compress_level=1)
    return file


def corner(tab):
    """The brightness of the page's own ground."""
    with Image.open(io.BytesIO(tab.screenshot())) as image:
        pixels = np.asarray(image.convert("RGB"))
    assert pixels.std() > 10
    return pixels[2, 2].mean()


@pytest.mark.parametrize("options", [DESKTOP, PHONE], ids=["desktop", "phone"])
def test_a_photo_is_opened_painted_on_filled_and_downloaded(visit, served, photo_file, options):
    served.doubts = ["this image is strange"]
    visitor = visit(**options)
    visitor.open(photo_file, "1800×1100")
    visitor.stroke()
    visitor.said("% to fill")
    visitor.fill()
    ((asked, hole),) = served.asked
    with Image.open(photo_file) as image:
        before = np.asarray(image)
    assert np.array_equal(asked, before)
    # A stroke through the middle, and not much more.
    assert hole[550, 900]
    assert 0.01 < hole.mean() < 0.2
    file, after = visitor.download()
    assert file == "me-you-filled-1.png"
    assert np.array_equal(after[~hole], before[~hole])
    assert (after[hole] == MAGENTA).all()
    assert visitor.tab.locator("#notes li").all_inner_texts() == ["A <note>."]
    assert visitor.tab.locator("#doubts").inner_text() == "This image is strange."
    root = "document.documentElement"
    assert visitor.tab.evaluate(f"{root}.scrollWidth <= {root}.clientWidth")
    assert visitor.tab.locator("#compare").evaluate("(e) => e.getBoundingClientRect().top < innerHeight")
    assert corner(visitor.tab) > 192


def test_it_is_dark_where_the_system_is(visit):
    assert corner(visit(color_scheme="dark").tab) < 64


def test_everything_by_keyboard(visit, served):
    visitor = visit()
    keyboard, passed = visitor.tab.keyboard, []
    while "random" not in passed:
        keyboard.press("Tab")
        passed.append(visitor.tab.evaluate("document.activeElement.id"))
        assert len(passed) < 40
    assert passed.index("open") < passed.index("brush") < passed.index("fill")
    style = visitor.tab.locator("#random").evaluate("(e) => getComputedStyle(e).outlineStyle")
    assert style == "solid"
    keyboard.press("Enter")
    keyboard.press("Control+Enter")
    visitor.filled(1)
    assert 0.005 < served.asked[-1][1].mean() < 0.6
    visitor.tab.get_by_role("slider", name="Before and after").focus()
    keyboard.press("Home")
    keyboard.press("ArrowRight")
    assert visitor.tab.locator("#compare").evaluate("(e) => e.style.getPropertyValue('--split')") == "1%"
    unnamed = """(all) => all.filter((one) => !(one.ariaLabel || one.textContent.trim()
      || one.labels?.length || one.querySelector("img")?.alt)).map((one) => one.outerHTML)"""
    assert visitor.tab.eval_on_selector_all("button, a, input:not([hidden])", unnamed) == []


def test_painting_erasing_and_taking_back(visit, served):
    visitor = visit()
    press = visitor.tab.keyboard.press

    def hole():
        """Fill and return the hole that was asked for."""
        visitor.fill(len(served.asked) + 1)
        return served.asked[-1][1]

    visitor.tab.click("#rectangle")
    rectangle = hole()
    assert rectangle.sum() == 154**2
    assert rectangle[179:333, 179:333].all()
    visitor.stroke((0.2, 0.2), (0.3, 0.2))
    more = hole()
    assert (more & rectangle).sum() == rectangle.sum() < more.sum()
    press("Control+z")
    assert np.array_equal(hole(), rectangle)
    press("Control+z")  # the rectangle itself
    press("Control+z")  # and nothing else: the photo stays
    press("Control+Shift+Z")
    press("Control+y")
    assert np.array_equal(hole(), more)
    visitor.tab.click("#clear")
    visitor.tab.click("#random")
    press("Control+z")
    press("Control+z")
    visitor.tab.click("#eraser")
    press("]")
    visitor.stroke((0.4, 0.5), (0.6, 0.5))
    less = hole()
    assert less.sum() < more.sum()
    assert not less[256, 200:300].any()
    visitor.tab.click("#clear")
    visitor.tab.click("#box")
    visitor.stroke((0.75, 0.5), (0.5, 0.25))
    drawn = hole()
    rows, columns = np.nonzero(drawn)
    assert drawn.sum() == np.ptp(rows) * np.ptp(columns) + np.ptp(rows) + np.ptp(columns) + 1
    assert abs(drawn.mean() - 1 / 16) < 0.002


def test_painting_where_one_has_zoomed_in(visit, served):
    visitor = visit()
    visitor.tab.click("#in")
    visitor.tab.click("#in")
    wide = visitor.tab.locator("#paper").bounding_box()["width"]
    stage = visitor.tab.locator("#stage").bounding_box()
    assert wide > 1.5 * stage["width"]
    visitor.tab.mouse.click(stage["x"] + stage["width"] / 2, stage["y"] + stage["height"] / 2)
    visitor.fill()
    rows, columns = np.nonzero(served.asked[-1][1])
    assert abs(rows.mean() - 256) < 8
    assert abs(columns.mean() - 256) < 8
    assert np.ptp(rows) == pytest.approx(40 / wide * 512, abs=2)


def test_without_a_hole_nothing_is_filled_and_nothing_lost(visit, served):
    visitor = visit()
    visitor.tab.click("#fill")
    visitor.complained("Nothing is painted yet")
    visitor.tab.locator("#share").evaluate("(e) => (e.value = 95)")
    for place in (0, 100):
        visitor.tab.locator("#across").evaluate(f"(e) => (e.value = {place})")
        visitor.tab.click("#rectangle")
    visitor.tab.click("#fill")
    visitor.complained("95 % of the photo is painted over")
    visitor.tab.click("#clear")
    visitor.stroke()
    served.refusal = RefusedError(429, "queue_full", "<b>20 requests</b> are waiting: try again later")
    visitor.tab.click("#fill")
    visitor.complained("<b>20 requests</b> are waiting: try again later.")
    assert served.asked == []
    served.refusal = None
    visitor.fill()
    assert served.asked[-1][1][256, 256]
    assert visitor.tab.locator("#note").is_hidden()


def test_results_can_be_picked_and_gone_on_from(visit, served):
    visitor = visit()
    visitor.tab.click("#rectangle")
    visitor.fill(1)
    first = visitor.download()[1]
    visitor.tab.click("#clear")
    visitor.stroke((0.3, 0.2), (0.6, 0.2))
    visitor.fill(2)
    visitor.tab.get_by_role("button", name="Result 1", exact=True).click()
    file, again = visitor.download()
    assert file == "sample-1-filled-1.png"
    assert np.array_equal(again, first)
    visitor.tab.click("#proceed")
    visitor.tab.locator("#undo:disabled").wait_for()
    visitor.stroke((0.3, 0.2), (0.6, 0.2))
    visitor.fill(3)
    assert np.array_equal(served.asked[-1][0], first)
    assert visitor.download()[0] == "sample-1-filled-3.png"
    for number in range(4, 14):
        visitor.fill(number)
    assert visitor.tab.locator("#gallery button").count() == 12


def test_a_hole_is_filled_in_several_ways_side_by_side(visit, served, browser):
    someone = visit()
    someone.stroke()
    someone.tab.get_by_role("button", name="Fill in 4 ways").click()
    someone.filled(4)
    assert someone.tab.locator("#gallery button").count() == 4
    # The first of them, the most typical, is shown; each can be had.
    assert someone.tab.locator("#gallery button").nth(0).get_attribute("aria-pressed") == "true"
    for number, red in ((1, 255), (3, 175)):
        someone.tab.get_by_role("button", name=f"Result {number}", exact=True).click()
        name, pixels = someone.download()
        assert name == f"sample-1-filled-{number}.png"
        (_, hole), *_ = served.asked
        assert (pixels[hole] == (red, 0, 255)).all()
    assert len(served.asked) == 1
    doubts = someone.tab.locator("#doubts")
    assert doubts.is_hidden()
    served.doubts = ["this image is strange"]
    someone.tab.get_by_role("button", name="Fill in 4 ways").click()
    someone.filled(8)
    assert doubts.inner_text() == "This image is strange."
    someone.tab.get_by_role("button", name="Result 1", exact=True).click()
    assert doubts.is_hidden()


def test_a_refusal_of_several_ways_is_told_and_they_can_be_asked_for_again(visit, served):
    someone = visit()
    several = someone.tab.get_by_role("button", name="Fill in 4 ways")
    several.click()
    someone.complained("Nothing is painted yet")
    someone.stroke()
    served.refusal = RefusedError(429, "queue_full", "20 requests are waiting: try again later")
    several.click()
    someone.complained("20 requests are waiting")
    assert someone.tab.locator("#gallery button").count() == 0
    served.refusal = None
    several.click()
    someone.filled(4)
    assert someone.tab.locator("#note").is_hidden()


def test_a_model_with_one_fill_for_each_hole_offers_no_other(visit, served, monkeypatch):
    monkeypatch.setattr(served, "about", replace(served.about, varies=False))
    assert not visit().tab.get_by_role("button", name="Fill in 4 ways").is_visible()


@pytest.mark.parametrize("way", ["drop", "paste"])
def test_photos_can_be_dropped_and_pasted_anywhere(visit, photo, way):
    visitor = visit()
    buffer = io.BytesIO()
    Image.fromarray(photo).save(buffer, "PNG")
    visitor.tab.evaluate(
        """([way, encoded]) => {
          const bytes = Uint8Array.from(atob(encoded), (c) => c.charCodeAt(0));
          const data = new DataTransfer();
          data.items.add(new File([bytes], "image.png", { type: "image/png" }));
          const event = way === "drop"
            ? new DragEvent("drop", { dataTransfer: data, bubbles: true, cancelable: true })
            : new ClipboardEvent("paste", { clipboardData: data, bubbles: true, cancelable: true });
          document.querySelector("footer").dispatchEvent(event);
        }""",
        [way, base64.b64encode(buffer.getvalue()).decode()],
    )
    visitor.said("image · 75×61")


def test_what_is_no_photo_is_told_and_the_photo_stays(visit, tmp_path):
    (tmp_path / "letter.pdf").write_text("no image")
    Image.new("L", (2000, 2000)).save(tmp_path / "large.png")
    visitor = visit()
    visitor.tab.set_input_files("#file", tmp_path / "letter.pdf")
    visitor.complained("letter.pdf is not an image that this browser can show")
    visitor.tab.set_input_files("#file", tmp_path / "large.png")
    visitor.complained("4 megapixels; the limit is 3")
    visitor.said("sample-1")


def test_visitors_do_not_see_each_others_photos(visit, served, photo_file):
    first, second = visit(), visit()
    first.open(photo_file, "1800×1100")
    second.tab.click("#rectangle")
    second.fill()
    assert served.asked[-1][0].shape == (512, 512, 3)
    assert first.tab.locator("#gallery button").count() == 0


def test_a_server_that_wants_a_token_asks_for_it_once(browser):
    app = create_app(RecordingPool(), page=True, token=TOKEN)
    context = browser.new_context(**DESKTOP)
    with listening(app) as url:
        visitor = Visit(context.new_page(), url, named=False)
        tab, model = visitor.tab, visitor.tab.locator("#model", has_text="Filled by swift <64>")
        tab.get_by_label("token").fill("a guess “№”")
        tab.keyboard.press("Enter")
        tab.get_by_role("alert").filter(has_text="This is not the token").wait_for()
        assert not model.is_visible()
        tab.get_by_label("token").fill(TOKEN)
        tab.keyboard.press("Enter")
        model.wait_for()
        tab.reload()
        model.wait_for()
        visitor.said("sample-1")
        visitor.stroke()
        visitor.fill()
        tab.evaluate("sessionStorage.clear()")
        tab.click("#fill")
        tab.get_by_label("token").wait_for()
        tab.keyboard.press("Escape")
        visitor.complained("This server wants its token")
        context.close()


@pytest.fixture
def client():
    return TestClient(create_app(RecordingPool(), page=True), follow_redirects=False)


def test_only_its_own_files_are_served(client):
    assert client.get("/").headers["location"] == "page/"
    page = client.get("/page/")
    assert "default-src 'none'" in page.headers["content-security-policy"]
    assert 'data-max-pixels="40000000"' in page.text
    kinds = {"page.js": "text/javascript", "page.css": "text/css", "sample-4.jpg": "image/jpeg"}
    for name, kind in kinds.items():
        assert client.get(f"/page/{name}").headers["content-type"].startswith(kind)
    for name in ("__init__.py", "page.html", "..%2fapp.py", "%2fetc%2fpasswd", "sample-5.jpg"):
        assert problem(client.get(f"/page/{name}"), 404)["type"] == "not_found"


def test_without_the_page_there_is_nothing():
    client = TestClient(create_app(RecordingPool()))
    assert client.get("/").status_code == client.get("/page/").status_code == 404

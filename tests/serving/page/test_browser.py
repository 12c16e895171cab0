"""The page in a real browser, as people use it."""

import base64
import io
from urllib.parse import urlsplit

import numpy as np
import pytest
from PIL import Image

from inpaintlab.data import samples
from inpaintlab.errors import InpaintlabError
from tests.serving.page.conftest import MAGENTA

DESKTOP = {"viewport": {"width": 1280, "height": 860}}
DARK = {**DESKTOP, "color_scheme": "dark"}
PHONE = {"viewport": {"width": 390, "height": 844}, "has_touch": True, "is_mobile": True}
PHONE |= {"device_scale_factor": 2}

#: The editor has a new layer, and what it did before is forgotten: a photo has been loaded whole.
_SETTLED = """() => {
  const layers = window.editor?.layer_manager?.get_layers() || [];
  const layer = layers[0];
  if (!layer?.user_created || layer.id === window.seen || window.editor.command_manager.history.previous)
    return false;
  return window.editor.layer_manager.get_active_layer() === layer.container;
}"""
_SEEN = "window.seen = window.editor.layer_manager.get_layers()[0].id"
#: Gradio's editor loads its first layer twice and says so; the second one stays.
_HARMLESS = "No draw texture found for layer"


class Visit:
    """One visitor's tab and what they do in it."""

    def __init__(self, tab, url):
        self.tab = tab
        tab.goto(url)
        self.said("sample-1")
        self.settle()

    def settle(self):
        """Wait until the editor shows the photo and the hole that it was given."""
        self.tab.wait_for_function(_SETTLED)
        self.tab.evaluate(_SEEN)

    def said(self, text):
        self.tab.locator("#status", has_text=text).wait_for()

    def open(self, file, said):
        self.tab.set_input_files("#sources input[type=file]", file)
        self.said(said)
        self.settle()

    def stroke(self, start=(0.4, 0.45), end=(0.6, 0.55)):
        """Paint from one place of the editor to another, both in shares of it."""
        box = self.tab.locator("#editor canvas").last.bounding_box()
        points = [(box["x"] + x * box["width"], box["y"] + y * box["height"]) for x, y in (start, end)]
        self.tab.mouse.move(*points[0])
        self.tab.mouse.down()
        self.tab.mouse.move(*points[1], steps=6)
        self.tab.mouse.up()

    def press(self, name):
        """Press one of the helpers and wait for the hole that it makes."""
        self.tab.click(name)
        self.settle()

    def filled(self, number=1):
        """Wait for a result."""
        self.tab.locator("#gallery button").nth(number - 1).wait_for()
        self.tab.wait_for_function(
            "() => { const all = [...document.querySelectorAll('#slider img')];"
            " return all.length === 2 && all.every((one) => one.complete && one.naturalWidth); }"
        )

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

    def start(**options):
        contexts.append(browser.new_context(**options))
        tab = contexts[-1].new_page()
        tab.on("console", lambda said: said.type == "error" and complaints.append(said.text))
        tab.on("pageerror", lambda error: complaints.append(str(error)))
        tab.on("request", lambda request: asked.append(request.url))
        return Visit(tab, served.url)

    yield start
    for context in contexts:
        context.close()
    assert [said for said in complaints if said != _HARMLESS] == []
    hosts = {urlsplit(url).hostname for url in asked if not url.startswith(("data:", "blob:"))}
    assert hosts == {"127.0.0.1"}


@pytest.fixture
def photo_file(tmp_path):
    """A photo that is larger than what the editor shows, as PNG."""
    file = tmp_path / "me & you.png"
    Image.fromarray(samples.draw(16, 1500)[:1100]).save(file, compress_level=1)
    return file


def shot(tab, path):
    """Keep an image of the page and return its pixels."""
    tab.screenshot(path=path, full_page=True)
    with Image.open(path) as image:
        pixels = np.asarray(image.convert("RGB"))
    assert pixels.std() > 10
    return pixels


@pytest.mark.parametrize(("options", "name"), [(DESKTOP, "light"), (PHONE, "phone")], ids=str)
def test_a_photo_is_opened_painted_on_filled_and_downloaded(
    visit, served, photo_file, tmp_path, options, name
):
    visitor = visit(**options)
    visitor.open(photo_file, "1500×1100")
    visitor.stroke()
    visitor.tab.click("#fill")
    visitor.filled()
    hole = served.asked[-1][1]
    with Image.open(photo_file) as image:
        before = np.asarray(image)
    file, after = visitor.download()
    assert file == "me-you-filled-1.png"
    assert np.array_equal(after[~hole], before[~hole])
    assert (after[hole] == MAGENTA).all()
    # A stroke through the middle, and not much more.
    assert hole[550, 750]
    assert 0.01 < hole.mean() < 0.2
    root = "document.documentElement"
    assert visitor.tab.evaluate(f"{root}.scrollWidth <= {root}.clientWidth")
    assert shot(visitor.tab, tmp_path / f"{name}.png")[2, 2].mean() > 192
    assert visitor.tab.locator("#slider").evaluate("(e) => e.getBoundingClientRect().top < innerHeight")


def test_it_is_dark_where_the_system_is(visit, tmp_path):
    visitor = visit(**DARK)
    assert shot(visitor.tab, tmp_path / "dark.png")[2, 2].mean() < 64


def test_everything_by_keyboard(visit, served, tmp_path):
    visitor = visit(**DESKTOP)
    keyboard = visitor.tab.keyboard
    focused = "document.activeElement.id || document.activeElement.textContent.trim()"
    passed = []
    while "random" not in passed:
        keyboard.press("Tab")
        passed.append(visitor.tab.evaluate(focused))
        assert len(passed) < 40
    assert {"open", "fill"} <= set(passed)
    assert "solid" in visitor.tab.locator("#random").evaluate("(e) => getComputedStyle(e).outlineStyle")
    keyboard.press("Enter")
    visitor.settle()
    shot(visitor.tab, tmp_path / "keyboard.png")
    keyboard.press("Control+Enter")
    visitor.filled()
    assert 0.005 < served.asked[-1][1].mean() < 0.6
    handle = visitor.tab.get_by_role("slider", name="Before and after")
    handle.focus()
    middle = handle.bounding_box()["x"]
    keyboard.press("ArrowLeft")
    assert handle.bounding_box()["x"] < middle - 5
    assert visitor.tab.locator("#fill").get_attribute("title").endswith("(Ctrl+Enter)")


def test_painting_erasing_and_taking_back(visit, served):
    visitor = visit(**DESKTOP)

    def hole():
        """Fill and return the hole that was asked for."""
        visitor.tab.click("#fill")
        visitor.filled(len(served.asked) + 1)
        return served.asked[-1][1]

    visitor.press("#rectangle")
    rectangle = hole()
    assert rectangle.sum() == 154**2
    assert rectangle[179:333, 179:333].all()
    visitor.stroke((0.2, 0.2), (0.3, 0.2))
    more = hole()
    assert (more & rectangle).sum() == rectangle.sum() < more.sum()
    visitor.tab.keyboard.press("Control+z")
    assert np.array_equal(hole(), rectangle)
    # Taking back again does nothing: the photo stays.
    visitor.tab.keyboard.press("Control+z")
    visitor.tab.keyboard.press("Control+Shift+Z")
    assert np.array_equal(hole(), more)
    visitor.tab.click("#editor button[aria-label=Erase]")
    visitor.stroke((0.4, 0.5), (0.6, 0.5))
    less = hole()
    assert less.sum() < more.sum()
    assert not less[256, 200:300].any()


def test_without_a_hole_nothing_is_filled_and_nothing_lost(visit, served):
    visitor = visit(**DESKTOP)
    toast = visitor.tab.get_by_test_id("toast-body")
    visitor.tab.click("#fill")
    toast.filter(has_text="Nothing is painted yet").wait_for()
    visitor.stroke()
    served.error = InpaintlabError("the server is busy: <b>try again</b> in a minute")
    visitor.tab.click("#fill")
    toast.filter(has_text="the server is busy: <b>try again</b> in a minute").wait_for()
    first = served.asked[-1][1]
    served.error = None
    visitor.tab.click("#fill")
    visitor.filled()
    assert np.array_equal(served.asked[-1][1], first)


def test_results_can_be_picked_and_gone_on_from(visit, served):
    visitor = visit(**DESKTOP)
    visitor.press("#rectangle")
    visitor.tab.click("#fill")
    visitor.filled(1)
    first = visitor.download()[1]
    visitor.press("#clear")
    visitor.stroke((0.3, 0.2), (0.6, 0.2))
    visitor.tab.click("#fill")
    visitor.filled(2)
    visitor.tab.locator("#gallery button").first.click()
    visitor.tab.wait_for_function(
        "() => [...document.querySelectorAll('#slider img')].at(-1).src =="
        " document.querySelector('#gallery img').src"
    )
    file, again = visitor.download()
    assert file == "sample-1-filled-1.png"
    assert np.array_equal(again, first)
    visitor.press("#proceed")
    visitor.stroke((0.3, 0.2), (0.6, 0.2))
    visitor.tab.click("#fill")
    visitor.filled(3)
    asked = np.asarray(served.asked[-1][0])
    assert np.array_equal(asked, first)


@pytest.mark.parametrize("way", ["drop", "paste"])
def test_photos_can_be_dropped_and_pasted_anywhere(visit, photo, way):
    visitor = visit(**DESKTOP)
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
          document.querySelector("#foot").dispatchEvent(event);
        }""",
        [way, base64.b64encode(buffer.getvalue()).decode()],
    )
    visitor.said("image · 75×61")
    visitor.settle()


def test_what_is_no_photo_is_told_and_the_photo_stays(visit, tmp_path):
    (tmp_path / "letter.pdf").write_text("no image")
    visitor = visit(**DESKTOP)
    visitor.tab.set_input_files("#sources input[type=file]", tmp_path / "letter.pdf")
    toast = visitor.tab.get_by_test_id("toast-body")
    toast.filter(has_text="letter.pdf is not an image that can be read").wait_for()
    visitor.said("sample-1")


def test_visitors_do_not_see_each_others_photos(visit, served, photo_file):
    first, second = visit(**DESKTOP), visit(**DESKTOP)
    first.open(photo_file, "1500×1100")
    second.press("#rectangle")
    second.tab.click("#fill")
    second.filled()
    assert served.asked[-1][0].size == (512, 512)
    assert first.tab.locator("#gallery button").count() == 0

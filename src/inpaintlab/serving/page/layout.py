"""What stands where on the page, and what happens when."""

from collections.abc import Mapping
from html import escape
from pathlib import Path
from typing import Any

import gradio as gr

from inpaintlab.serving.page.actions import Actions, Parts
from inpaintlab.serving.page.folder import new_folder
from inpaintlab.serving.page.holes import OPACITY, PAINT
from inpaintlab.serving.page.photos import Fill
from inpaintlab.serving.page.samples import draw_samples, first_on_canvas
from inpaintlab.serving.page.session import MAX_RESULTS, Session

#: Files of a visitor who has left go after an hour (gradio's rule); everything else after a day.
_CACHE = (3600, 86400)
#: Width of the brush at first, in pixels of what the editor shows.
_BRUSH = 40
#: More fills than this that wait are turned away.
_WAITING = 20


def create_page(fill: Fill, about: Mapping[str, Any]) -> gr.Blocks:
    """Build the page around a function that fills the hole of an image.

    `fill` takes an image (`L`, `LA`, `RGB` or `RGBA`) and a mask of its size (`L`, white = hole), and
    returns the image filled; the message of an `InpaintlabError` that it raises is shown to the
    visitor. `about` may hold `name`, the model's, and `size`, the side of the images it was
    trained on. Mount the page with `mount_page`, which adds its looks and closes some doors.
    """
    with gr.Blocks(title="inpaintlab", analytics_enabled=False, delete_cache=_CACHE) as page:
        folder = new_folder(page)
        samples = draw_samples(folder)
        gr.HTML(_HEAD, elem_id="head", padding=False)
        sources = _sources(samples)
        with gr.Row(elem_id="main", equal_height=False):
            with gr.Column(scale=1, min_width=320):
                left = _left(first_on_canvas(samples))
            with gr.Column(scale=1, min_width=320):
                right = _right()
        gr.HTML(_foot(about), elem_id="foot", padding=False)
        state = gr.State(None, delete_callback=_close)
        parts = Parts(state=state, **sources, **left, **right)
        _connect(page, parts, Actions(fill, parts, folder, samples))
    page.queue(max_size=_WAITING, api_open=False)
    return page


_HEAD = """
<h1>Paint over what should go</h1>
<p>Then press <b>Fill</b>. The rest of the photo stays as it is, to the last pixel.</p>
"""


#: On a phone the result is below what is seen.
_SHOW_RESULT = """() => {
  const calm = matchMedia("(prefers-reduced-motion: reduce)").matches;
  const how = {block: "nearest", behavior: calm ? "auto" : "smooth"};
  document.querySelector("#slider")?.scrollIntoView(how);
}"""


def _foot(about: Mapping[str, Any]) -> str:
    """Tell what model fills, and where photos go."""
    model = f"Filled by {escape(str(about['name']))}" if about.get("name") else ""
    if model and about.get("size"):
        model += f", trained on images of {about['size']}×{about['size']}"
    model = f"{model}. " if model else ""
    return f"<p>{model}Photos go to the computer that runs this page and nowhere else.</p>"


def _close(session: Session | None) -> None:
    if session is not None:
        session.close()


def _sources(samples: list[Path]) -> dict[str, Any]:
    """Where photos come from."""
    parts: dict[str, Any] = {}
    with gr.Row(elem_id="sources", equal_height=False):
        parts["upload"] = gr.UploadButton(
            "Open a photo", elem_id="open", size="md", scale=0, min_width=150
        )
        gr.HTML("<p>or drop or paste one anywhere, or try:</p>", elem_id="hint", padding=False)
        parts["samples"] = gr.Gallery(
            [str(file) for file in samples],
            **_thumbnails("Samples", "samples", columns=len(samples)),
        )
    return parts


def _left(shown: dict[str, Any]) -> dict[str, Any]:
    """The photo and everything that makes a hole in it."""
    parts: dict[str, Any] = {}
    parts["editor"] = _editor(shown)
    parts["fill"] = gr.Button("Fill", variant="primary", size="lg", elem_id="fill")
    parts["status"] = gr.HTML("", elem_id="status", padding=False)
    with gr.Row(elem_id="helpers"):
        parts["random"] = gr.Button("Random hole", elem_id="random", size="md", min_width=90)
        parts["rectangle"] = gr.Button("Rectangle", elem_id="rectangle", size="md", min_width=90)
        parts["clear"] = gr.Button("Clear", elem_id="clear", size="md", min_width=90)
    with gr.Accordion("Size and place of the rectangle", open=False, elem_id="place"):
        parts["size"] = gr.Slider(2, 95, 30, step=1, label="Size in % of each side (random holes too)")
        parts["across"] = gr.Slider(0, 100, 50, step=1, label="Left (0) to right (100)")
        parts["down"] = gr.Slider(0, 100, 50, step=1, label="Top (0) to bottom (100)")
    return parts


def _editor(shown: dict[str, Any]) -> gr.ImageEditor:
    """The editor paints one layer in one colour; photos come in beside it, so that they stay whole."""
    colour = "#{:02x}{:02x}{:02x}".format(*PAINT)
    return gr.ImageEditor(
        shown,
        type="pil",
        sources=[],
        transforms=[],
        layers=False,
        # What is left of the canvas before the first photo must not reach beyond a photo: the editor
        # would centre holes drawn by code on it.
        canvas_size=(16, 16),
        eraser=gr.Eraser(default_size=_BRUSH),
        brush=gr.Brush(default_size=_BRUSH, colors=[(colour, OPACITY)], color_mode="fixed"),
        show_label=False,
        label="The photo to paint on",
        buttons=[],
        height=500,
        elem_id="editor",
    )


def _right() -> dict[str, Any]:
    """The results: before and after, what to do with one, and the others to pick from."""
    parts: dict[str, Any] = {}
    text = "<p>The filled photo appears here.</p>"
    parts["waiting"] = gr.HTML(text, elem_id="waiting", padding=False)
    with gr.Column(visible=False, elem_id="results") as parts["shown"]:
        parts["slider"] = gr.ImageSlider(
            type="filepath",
            label="Before and after",
            show_label=False,
            buttons=["fullscreen"],
            max_height=500,
            interactive=False,
            elem_id="slider",
        )
        with gr.Row():
            parts["download"] = gr.DownloadButton(
                "Download", elem_id="download", variant="primary", size="md", min_width=120
            )
            parts["proceed"] = gr.Button(
                "Continue from this", elem_id="proceed", size="md", min_width=120
            )
        kept = f"<p>Results: the last {MAX_RESULTS} are kept until you leave.</p>"
        gr.HTML(kept, elem_id="kept", padding=False)
        parts["results"] = gr.Gallery([], **_thumbnails("Results", "gallery", columns=4))
    return parts


def _thumbnails(label: str, name: str, columns: int) -> dict[str, Any]:
    return {
        "label": label,
        "elem_id": name,
        "columns": columns,
        "show_label": False,
        "allow_preview": False,
        "object_fit": "cover",
        "buttons": [],
        "height": "auto",
        "interactive": False,
    }


def _connect(page: gr.Blocks, parts: Parts, actions: Actions) -> None:
    """Say what happens when; only fills wait for each other."""
    hidden: dict[str, Any] = {"api_visibility": "private", "show_progress": "hidden"}
    photo = [parts.state, parts.editor, parts.status]
    page.load(actions.start, None, [parts.state, parts.status], **hidden)
    parts.upload.upload(actions.open, [parts.state, parts.upload], photo, **hidden)
    parts.samples.select(actions.open_sample, parts.state, photo, **hidden)
    drawn = [parts.state, parts.editor]
    parts.random.click(actions.add_strokes, [*drawn, parts.size], parts.editor, **hidden)
    place = [parts.size, parts.across, parts.down]
    parts.rectangle.click(actions.add_rectangle, [*drawn, *place], parts.editor, **hidden)
    parts.clear.click(actions.clear, parts.state, parts.editor, **hidden)
    result = [parts.state, parts.waiting, parts.shown, parts.slider, parts.download, parts.results]
    filled = parts.fill.click(
        actions.fill,
        drawn,
        result,
        api_visibility="private",
        show_progress_on=[parts.waiting, parts.slider],
        concurrency_limit=2,
    )
    filled.then(None, js=_SHOW_RESULT)
    parts.results.select(
        actions.choose, parts.state, [parts.state, parts.slider, parts.download], **hidden
    )
    parts.proceed.click(actions.proceed, parts.state, photo, **hidden)

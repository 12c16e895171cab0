"""What the page does when something is pressed."""

from collections.abc import Callable
from dataclasses import dataclass
from html import escape
from pathlib import Path
from typing import Any

import gradio as gr
import numpy as np
from PIL import Image

from inpaintlab.arrays import Bool
from inpaintlab.errors import InpaintlabError, MaskError
from inpaintlab.serving.page import holes
from inpaintlab.serving.page.photos import Fill
from inpaintlab.serving.page.session import Result, Session

#: What gradio calls updates: for each part of the page, its new value.
Updates = dict[Any, Any]
#: What gradio's editor gives: `background`, `layers` and `composite`.
Painted = dict[str, Any] | None


@dataclass(frozen=True)
class Parts:
    """The parts of the page that take part in something."""

    state: gr.State
    upload: gr.UploadButton
    samples: gr.Gallery
    editor: gr.ImageEditor
    status: gr.HTML
    random: gr.Button
    rectangle: gr.Button
    clear: gr.Button
    size: gr.Slider
    across: gr.Slider
    down: gr.Slider
    fill: gr.Button
    waiting: gr.HTML
    shown: gr.Column
    slider: gr.ImageSlider
    download: gr.DownloadButton
    proceed: gr.Button
    results: gr.Gallery


class Actions:
    """Functions for gradio's events. None of them loses anything when it fails."""

    def __init__(self, fill: Fill, parts: Parts, folder: Path, samples: list[Path]) -> None:
        self._fill, self._parts = fill, parts
        self._folder, self._samples = folder, samples
        self._random = np.random.default_rng()

    def start(self) -> Updates:
        """Begin a session with the first sample, which the editor shows already."""
        session = Session.start(self._folder)
        session.open(self._samples[0])
        return {self._parts.state: session, self._parts.status: _said(session)}

    def open(self, session: Session, file: str) -> Updates:
        """Open an uploaded photo."""
        try:
            photo = session.open(Path(file))
        except InpaintlabError as error:
            return _complain(error)
        for note in photo.notes:
            gr.Info(escape(note))
        return self._opened(session)

    def open_sample(self, session: Session, event: gr.SelectData) -> Updates:
        """Open one of the samples."""
        session.open(self._samples[int(event.index)])
        return self._opened(session)

    def proceed(self, session: Session) -> Updates:
        """Go on with the chosen result as the photo."""
        session.proceed()
        return self._opened(session)

    def add_strokes(self, session: Session, painted: Painted, size: float) -> Updates:
        """Add a random hole to what is painted."""
        return self._add(session, painted, lambda shape: holes.strokes(shape, size / 50, self._random))

    def add_rectangle(
        self, session: Session, painted: Painted, size: float, across: float, down: float
    ) -> Updates:
        """Add a rectangle to what is painted; all figures are in %."""
        shares = size / 100, across / 100, down / 100
        return self._add(session, painted, lambda shape: holes.rectangle(shape, *shares))

    def clear(self, session: Session) -> Updates:
        """Take the hole away."""
        return {self._parts.editor: _canvas(session)}

    def fill(self, session: Session, painted: Painted) -> Updates:
        """Fill the hole and show the result."""
        try:
            hole = _hole(session, painted)
            holes.check_hole(hole)
            result = session.fill(self._fill, hole)
        except InpaintlabError as error:
            return _complain(error)
        parts = self._parts
        chosen = {"selected_index": session.chosen}
        return {
            parts.state: session,
            parts.waiting: gr.update(visible=False),
            parts.shown: gr.update(visible=True),
            parts.results: gr.update(value=[str(one.after) for one in session.results], **chosen),
        } | self._compared(result)

    def choose(self, session: Session, event: gr.SelectData) -> Updates:
        """Show one of the results."""
        session.chosen = int(event.index)
        return {self._parts.state: session} | self._compared(session.results[session.chosen])

    def _opened(self, session: Session) -> Updates:
        return {self._parts.editor: _canvas(session), self._parts.status: _said(session)}

    def _add(
        self, session: Session, painted: Painted, draw: Callable[[tuple[int, int]], Bool]
    ) -> Updates:
        """Add what `draw` makes for a size to what is painted; the sizes are those of the canvas."""
        if session.photo is None:
            return _complain(MaskError(_NO_PHOTO))
        size = session.photo.shown_size
        hole = holes.read_layers(_layers(painted), size) | draw(size)
        return {self._parts.editor: _canvas(session, hole)}

    def _compared(self, result: Result) -> Updates:
        parts = self._parts
        return {
            parts.slider: (str(result.before), str(result.after)),
            parts.download: gr.update(value=str(result.file)),
        }


_NO_PHOTO = "There is no photo yet. Open one, or take a sample."


def _complain(error: InpaintlabError) -> Updates:
    """Say what is wrong and change nothing."""
    gr.Warning(escape(str(error)), title="Not yet")
    nothing: Updates = gr.skip()
    return nothing


def _said(session: Session) -> str:
    """Name the photo and its size."""
    assert session.photo is not None
    height, width = session.photo.size
    return f"<p>{escape(session.photo.name)} · {width}×{height}</p>"


def _layers(painted: Painted) -> list[Image.Image]:
    return (painted or {}).get("layers") or []


def _hole(session: Session, painted: Painted) -> Bool:
    if session.photo is None:
        raise MaskError(_NO_PHOTO)
    return holes.read_layers(_layers(painted), session.photo.size)


def _canvas(session: Session, hole: Bool | None = None) -> dict[str, Any] | None:
    """The photo for the editor, with a hole or without."""
    if session.photo is None:
        return None
    # There is always a layer: with one the editor forgets what it can undo, the photo itself with it.
    layer = session.layer(np.zeros(session.photo.shown_size, bool) if hole is None else hole)
    return {"background": str(session.photo.shown), "layers": [str(layer)], "composite": None}

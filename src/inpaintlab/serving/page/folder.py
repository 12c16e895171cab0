"""The folder that pages keep their files in."""

import shutil
import tempfile
import weakref
from pathlib import Path

import gradio as gr
from gradio.utils import get_upload_folder


def new_folder(page: gr.Blocks) -> Path:
    """Make a folder that goes with the page, or with the program.

    It lies where gradio serves files from: elsewhere, each of them would be copied there.
    """
    base = Path(get_upload_folder())
    base.mkdir(parents=True, exist_ok=True)
    folder = tempfile.mkdtemp(prefix="inpaintlab-", dir=base)
    weakref.finalize(page, shutil.rmtree, folder, ignore_errors=True)
    return Path(folder)

"""Photos to try the page with: portraits drawn by code."""

from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from inpaintlab.data.samples import draw
from inpaintlab.serving.page.holes import paint

# Faces that differ, in good light.
_PORTRAITS = (10, 8, 20, 14)
_SIZE = 512


def draw_samples(folder: Path) -> list[Path]:
    """Draw the sample photos into a folder."""
    files = []
    for number, index in enumerate(_PORTRAITS, 1):
        files.append(folder / f"sample-{number}.png")
        Image.fromarray(draw(index, _SIZE)).save(files[-1])
    return files


def first_on_canvas(samples: list[Path]) -> dict[str, Any]:
    """Return the first sample as the editor shows it at the beginning, with nothing painted."""
    layer = samples[0].with_name("nothing.png")
    paint(np.zeros((_SIZE, _SIZE), bool)).save(layer)
    return {"background": str(samples[0]), "layers": [str(layer)], "composite": None}

"""Photos to try the page with: portraits drawn by code."""

from pathlib import Path

from PIL import Image

from inpaintlab.data.samples import draw

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

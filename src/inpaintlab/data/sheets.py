"""Sheets to look at before training: masks as files (`inpaint masks`), and what training would see."""

import math
from typing import Any

import numpy as np
import torch

from inpaintlab import masks
from inpaintlab.arrays import UInt8
from inpaintlab.data.augment import AUGMENTATIONS
from inpaintlab.data.loading import Images
from inpaintlab.data.manifest import DatasetFolder
from inpaintlab.data.sampling import TrainingSamples
from inpaintlab.data.sources import open_dataset
from inpaintlab.errors import DataError, OutputError
from inpaintlab.files import emptied_if_broken_off, json_text, mark_outputs, write_atomically
from inpaintlab.images import encode_png, from_array, save
from inpaintlab.masks import MaskSet
from inpaintlab.progress import bar
from inpaintlab.randomness import generator_for
from inpaintlab.settings import MaskSettings, PrepareSettings
from inpaintlab.tensors import to_arrays

#: Samples on the sheet of a preview; images tried, as some may be too small.
SAMPLES, TRIED = 24, 48
_SEED = 0
#: Masks on the sheet at most, and the side that each has there at most.
SHEET_COUNT, SHEET_SIDE = 64, 128


def write_masks(settings: MaskSettings) -> dict[str, Any]:
    """Draw a mask set into a folder; return what `masks.json` says of it.

    Writes `masks/00000.png`, … (white = hole), `masks.json` and `sheet.png`; with `preview` only the
    sheet. The masks have a folder to themselves, which can be trained with.
    Mask i depends on the settings, the seed and i alone. Of a set that gives each image several masks,
    those of `count` images are written. Raises `OutputError` for a folder with something in it,
    `SettingError` and `MaskError` for masks that cannot be drawn.
    """
    folder = settings.output
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise OutputError(f"{folder} is there and not empty: name a new folder, or empty it first")
    frozen = masks.frozen(
        [part.model_dump() for part in settings.masks], settings.size, settings.count, settings.seed
    )
    facts = frozen.facts()
    with emptied_if_broken_off(folder):
        mark_outputs(folder)
        save(folder / "sheet.png", from_array(sheet(frozen)))
        if not settings.preview:
            with bar("writing masks", len(frozen)) as advance:
                for index in range(len(frozen)):
                    save(folder / "masks" / f"{index:05}.png", from_array(_white(frozen, index)))
                    advance()
            text = json_text(facts)
            write_atomically(folder / "masks.json", text.encode())
    return facts


def sheet(frozen: MaskSet) -> UInt8:
    """Return the first masks of a set in a grid, white = hole, uint8 `[H, W, 3]`.

    Large masks are shown smaller, by leaving out pixels; the lines between them are grey.
    """
    step = -(-frozen.shape(0)[0] // SHEET_SIDE)
    shown = [_white(frozen, index)[::step, ::step] for index in range(min(len(frozen), SHEET_COUNT))]
    tiles = np.repeat(np.stack(shown)[..., None], 3, axis=3)
    return grid(tiles, line=128)


def write_preview(settings: PrepareSettings) -> None:
    """Draw `preview.png` in the dataset: crops, augmented and masked as the settings say.

    Images are chosen at random from the training part. Raises `DataError` where none is as large as
    `size`.
    """
    assert settings.output is not None
    data = open_dataset(settings.output)
    train = data.split.train
    chosen = generator_for(_SEED).initial_seed() % max(1, len(train))
    indices = [train[(chosen + step * len(train) // TRIED) % len(train)] for step in range(TRIED)]
    augmentation = AUGMENTATIONS.create(settings.augment.name, **settings.augment.arguments)
    stored = augmentation.stored_size(settings.size)
    images = Images(data.dataset, sorted(set(indices)), settings.size, "preview", stored=stored)
    if not len(images):
        raise DataError(f"no image is as large as size {settings.size}: -s size=… for the preview")
    mixture = masks.make(settings.masks)
    samples = TrainingSamples(images, mixture, _SEED, augmentation)
    sheet = preview_sheet(samples, SAMPLES)
    preview = DatasetFolder(settings.output).preview
    mark_outputs(preview.parent, [preview.name])
    write_atomically(preview, encode_png(sheet))


def preview_sheet(samples: TrainingSamples, count: int) -> UInt8:
    """Return the first `count` samples of training in a grid, uint8 `[H, W, 3]`.

    The hole is tinted red, so that the image under it can still be seen.
    """
    images, masks, _ = samples.collate([samples[number] for number in range(count)])
    tint = torch.tensor([1.0, 0.1, 0.1])[:, None, None]
    return grid(to_arrays(torch.where(masks > 0, 0.5 * (images + tint), images)))


def grid(tiles: UInt8, gap: int = 2, line: int = 255) -> UInt8:
    """Lay tiles `[N, H, W, 3]` out in rows, about as many as columns, on a grey between them."""
    count, height, width = tiles.shape[:3]
    columns = math.ceil(math.sqrt(count))
    rows = -(-count // columns)
    sheet = np.full((rows * (height + gap) + gap, columns * (width + gap) + gap, 3), line, np.uint8)
    for number, tile in enumerate(tiles):
        top, left = gap + number // columns * (height + gap), gap + number % columns * (width + gap)
        sheet[top : top + height, left : left + width] = tile
    return sheet


def show(facts: dict[str, Any]) -> str:
    """Return the histogram of a set as lines of text, a bar for each bin."""
    most = max(facts["histogram"].values())
    lines = [
        f"{name:>9} {number:6} {'█' * round(40 * number / most)}".rstrip()
        for name, number in facts["histogram"].items()
    ]
    size, name = facts["size"], f"seed {facts['seed']}, #{facts['hash']}"
    head = f"{facts['count']} masks ({facts['name']}) of {size}×{size}, {name}"
    border = f"{facts['border_share']:.0%} reach the border"
    return "\n".join([head, f"hole ratio {facts['mean_ratio']:.3f} on average, {border}", *lines])


def _white(frozen: MaskSet, index: int) -> UInt8:
    return frozen.array(index) * np.uint8(255)

"""`inpaint masks`: a mask set as files, to look at before training or to share with a result."""

import json
from typing import Any

import numpy as np
import numpy.typing as npt

from inpaintlab import masks
from inpaintlab.configs import MaskSettings
from inpaintlab.data.augment import grid
from inpaintlab.errors import OutputError
from inpaintlab.files import write_atomically
from inpaintlab.images import from_array, save
from inpaintlab.masks import FrozenMasks, ratio_bin
from inpaintlab.progress import bar

Array = npt.NDArray[np.uint8]

#: Masks on the sheet at most, and the side that each has there at most.
SHEET_COUNT, SHEET_SIDE = 64, 128


def write_masks(settings: MaskSettings) -> dict[str, Any]:
    """Draw a mask set into a folder; return what `masks.json` says of it.

    Writes `masks/00000.png`, … (white = hole), `masks.json` and `sheet.png`; with `preview` only the
    sheet. The masks have a folder to themselves, which can be trained with.
    Mask i depends on the settings, the seed and i alone. Raises `OutputError` for a folder with
    something in it, `SettingError` and `MaskError` for masks that cannot be drawn.
    """
    folder = settings.output
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise OutputError(f"{folder} is there and not empty: name a new folder, or empty it first")
    parts = [masks.resolve(part.name, part.arguments) for part in settings.masks]
    frozen = FrozenMasks(masks.create(parts), settings.size, settings.count, settings.seed)
    facts = _describe(parts, frozen)
    save(folder / "sheet.png", from_array(sheet(frozen)))
    if not settings.preview:
        with bar("writing masks", len(frozen)) as advance:
            for index in range(len(frozen)):
                save(folder / "masks" / f"{index:05}.png", from_array(_white(frozen, index)))
                advance()
        text = json.dumps(facts, indent=1, ensure_ascii=False)
        write_atomically(folder / "masks.json", text.encode())
    return facts


def sheet(frozen: FrozenMasks) -> Array:
    """Return the first masks of a set in a grid, white = hole, uint8 `[H, W, 3]`.

    Large masks are shown smaller, by leaving out pixels; the lines between them are grey.
    """
    step = -(-frozen.size // SHEET_SIDE)
    shown = [_white(frozen, index)[::step, ::step] for index in range(min(len(frozen), SHEET_COUNT))]
    tiles = np.repeat(np.stack(shown)[..., None], 3, axis=3)
    return grid(tiles, line=128)


def histogram(ratios: list[float]) -> dict[str, int]:
    """Count hole ratios by bin, empty bins too.

    >>> histogram([0.05, 0.11, 0.12])["10–20 %"]
    2
    """
    counts = {ratio_bin(edge): 0 for edge in masks.BIN_EDGES}
    for ratio in ratios:
        counts[ratio_bin(ratio)] += 1
    return counts


def show(facts: dict[str, Any]) -> str:
    """Return the histogram of a set as lines of text, a bar for each bin."""
    most = max(facts["histogram"].values())
    lines = [
        f"{name:>9} {number:6} {'█' * round(40 * number / most)}".rstrip()
        for name, number in facts["histogram"].items()
    ]
    kinds = ", ".join(part["name"] for part in facts["masks"])
    size = facts["size"]
    head = f"{facts['count']} masks ({kinds}) of {size}×{size}, seed {facts['seed']}, #{facts['hash']}"
    return "\n".join([head, f"hole ratio {facts['mean_ratio']:.3f} on average", *lines])


def _describe(parts: list[dict[str, Any]], frozen: FrozenMasks) -> dict[str, Any]:
    return {
        "masks": parts,
        "size": frozen.size,
        "count": len(frozen),
        "seed": frozen.seed,
        "hash": frozen.hash,
        "mean_ratio": round(float(np.mean(frozen.ratios)), 4),
        "histogram": histogram(frozen.ratios),
    }


def _white(frozen: FrozenMasks, index: int) -> Array:
    """Return a mask as it is in a file: 255 in the hole."""
    return (frozen[index][0].numpy() * 255).astype(np.uint8)

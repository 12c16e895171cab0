"""The one reader of masks: whatever a user hands over becomes uint8 `[H, W]`, 1 = hole.

The command line, Python, REST and the page all read masks here, so that they agree on every file. The
rules, in their order:

1. Where alpha varies and the colours tell nothing (one colour, or a photo), transparent is the hole.
2. Of values 0 and 1 alone, 1 is the hole.
3. Otherwise the largest of a pixel's colours decides: the hole is what lies above the middle of the
   range, 127 of 255. So white is a hole, and pure red is one too. Whole numbers up to 255 have the range
   of 8 bits, however many they are stored with.

What is no mask by these rules is refused: a photo, and labels of which none is white.
"""

from functools import partial, reduce
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt
from PIL import Image
from torch import Tensor

from inpaintlab.arrays import Pixels, UInt8
from inpaintlab.errors import MaskError
from inpaintlab.images import DecodedImage, Encoded, File, from_pillow, load, to_rgb
from inpaintlab.masks.checks import Door, looks_inverted

#: What the reader takes: a file, its bytes, or an image, array or tensor.
AnyMask = str | File | bytes | DecodedImage | Image.Image | npt.NDArray[Any] | Tensor
#: The hole, with notes on how it was found.
Marked = tuple[npt.NDArray[np.bool_], list[str]]
#: A mask that is grey in more than the first share, its soft edges included, is mentioned; over the
#: second it is taken for a photo.
SOME_GREY, MAX_GREY = 0.1, 0.5
#: So many values of labels stand in an error.
LABELS = 4
_HERE = Door("invert=True", "grey=True")
_MODES = {1: "L", 2: "LA", 3: "RGB", 4: "RGBA"}


def read_mask(
    mask: AnyMask,
    *,
    invert: bool | None = None,
    grey: bool = False,
    transparent: bool = False,
    name: str | None = None,
    door: Door = _HERE,
) -> tuple[UInt8, list[str]]:
    """Read a mask of any kind as uint8 `[H, W]` of 0 and 1, 1 = hole, with notes on how it was read.

    An array is `[H, W]`, or has up to four channels behind them (before them in a tensor). It holds
    booleans, whole numbers up to 65,535, or floating point in [0, 1] or 0 to 255. With `invert`, black
    marks the hole; None is as False, but a mask that looks inverted is remarked upon. With `grey`, one
    that is grey in more than half of it is taken. With `transparent`, only full transparency marks the
    hole. `name` stands in messages, whose cures are those of the `door`. Raises `MaskError` for what is
    no mask, and `ImageError` for a file that cannot be read.

    >>> read_mask(np.array([[0, 127, 128, 255]], np.uint8))[0].tolist()
    [[0, 0, 1, 1]]
    >>> read_mask(np.array([[0.2, 0.8]]), invert=True)[0].tolist()
    [[1, 0]]
    """
    name = name or (mask.name if isinstance(mask, Path | Encoded) else "the mask")
    image = _decoded(mask, name)
    marked = _transparent if transparent else partial(_marked, door=None if grey else door)
    hole, notes = marked(image, name)
    read = np.asarray(~hole if invert else hole, np.uint8)
    if invert is None and looks_inverted(read):
        cure = f": if so, add {door.invert}" if door.invert else ""
        cure += f", or else {door.right}" if door.right else ""
        notes.append(f"{name} looks inverted, its hole is all round the border{cure}")
    return read, notes


def _decoded(mask: AnyMask, name: str) -> DecodedImage:
    """Return a mask as an image with 8 or 16 bits a channel, or floating point in [0, 1]."""
    if isinstance(mask, DecodedImage):
        return mask
    if isinstance(mask, bytes):
        mask = Encoded(name, mask)
    if isinstance(mask, str | Path | Encoded):
        return load(Path(mask) if isinstance(mask, str) else mask)
    if isinstance(mask, Image.Image):
        return _from_array(np.asarray(mask), name) if mask.mode in ("F", "I") else from_pillow(mask)
    if isinstance(mask, Tensor):
        return _from_tensor(mask, name)
    if isinstance(mask, np.ndarray):
        return _from_array(mask, name)
    raise MaskError(f"{name} is a file, or a PIL, numpy or torch mask, got {type(mask).__name__}")


def _from_tensor(mask: Tensor, name: str) -> DecodedImage:
    array = (mask.float() if mask.is_floating_point() else mask).detach().cpu().numpy()
    if array.ndim == 4 and len(array) == 1:
        array = array[0]
    return _from_array(np.moveaxis(array, 0, -1) if array.ndim == 3 else array, name)


def _from_array(array: npt.NDArray[Any], name: str) -> DecodedImage:
    if array.ndim == 3 and 1 in (array.shape[0], array.shape[2]):
        array = array[0] if array.shape[0] == 1 else array[..., 0]
    channels = 1 if array.ndim == 2 else array.shape[-1]
    if array.ndim not in (2, 3) or channels not in _MODES or not array.size:
        raise MaskError(f"{name} is [height, width], got {list(array.shape)}")
    return DecodedImage(_in_known_range(array, name), _MODES[channels])


def _in_known_range(array: npt.NDArray[Any], name: str) -> Pixels:
    """Bring values to uint8, uint16, or floating point in [0, 1]."""
    if array.dtype in (np.uint8, np.uint16):
        return array
    if array.dtype == bool:
        return array.view(np.uint8)
    if array.dtype.kind not in "iuf":
        raise MaskError(f"{name} holds booleans, whole numbers or floating point, got {array.dtype}")
    low, high = float(array.min()), float(array.max())
    most = 255 if array.dtype.kind == "f" else 65535
    if not (low >= 0 and high <= most):  # a NaN is neither
        raise MaskError(f"{name} has values from {low:g} to {high:g}, expected 0 to 1, or 0 to {most}")
    if array.dtype.kind == "f":
        return array if high <= 1 else array / array.dtype.type(255)
    return array.astype(np.uint8 if high <= 255 else np.uint16)


def _transparent(image: DecodedImage, name: str) -> Marked:
    if image.mode not in ("LA", "RGBA"):
        raise MaskError(f"{name} has no transparency, which marks the hole here: send one with alpha")
    return np.asarray(image.pixels[..., -1] == 0), []


def _marked(image: DecodedImage, name: str, door: Door | None) -> Marked:
    """Return the hole by alpha, by values of 0 and 1, or by brightness; without a door grey is taken."""
    values = _brightness(image)
    if values.dtype == np.uint16 and values.max() <= 255:
        values = values.astype(np.uint8)
    is_real = values.dtype.kind == "f"
    white = 1 if is_real else np.iinfo(values.dtype).max
    grey = _grey_share(values, white)
    if image.mode in ("LA", "RGBA") and _alpha_tells(values, alpha := image.pixels[..., -1], grey):
        note = f"{name} marks the hole by its alpha channel: what is transparent is filled"
        return alpha <= alpha.dtype.type(alpha.max() / 2), [note]
    if values.max() == 1:
        note = f"{name} holds only 0 and 1: 1 was taken for the hole"
        return values > (0.5 if is_real else 0), [] if is_real else [note]
    if door and grey > MAX_GREY:
        cure = f"add {door.grey}" if door.grey else "make it black and white"
        raise MaskError(
            f"{name} is grey in {grey:.0%} of it: is it a mask, or a photo? If what is brighter than "
            f"the middle is the hole, {cure}"
        )
    middle = 0.5 if is_real else white // 2
    _check_labels(values, middle, white, name)
    note = f"{name} is grey in {grey:.0%} of it: is it a mask? Above the middle is the hole"
    return np.asarray(values > middle), [note] if grey else []


def _check_labels(values: Pixels, middle: float, white: float, name: str) -> None:
    """Refuse values that are not all 0, and of which none is bright: none of them is the hole."""
    if not 0 < values.max() <= middle:
        return
    labels = [f"{value:g}" for value in np.unique(values)]
    if len(labels) > LABELS:
        labels[LABELS - 1 : -1] = ["…"]
    raise MaskError(
        f"{name} marks no hole: it holds {', '.join(labels)}, and what is above {middle:g} is the hole; "
        f"give what is to be filled the value {white:g}, and all else 0"
    )


def _brightness(image: DecodedImage) -> Pixels:
    """Return the largest of each pixel's colours, `[H, W]`, without alpha."""
    pixels = to_rgb(image) if image.mode == "CMYK" else image.pixels
    if pixels.ndim == 2:
        return np.ascontiguousarray(pixels)  # OpenCV takes no flipped view
    colours = pixels[..., :-1] if image.mode in ("LA", "RGBA") else pixels
    channels = (colours[..., number] for number in range(colours.shape[2]))
    return np.asarray(reduce(np.maximum, channels))  # a tenth of the time of `max`


def _alpha_tells(values: Pixels, alpha: Pixels, grey: float) -> bool:
    """Tell whether alpha is the mask: it varies, and the colours are not black and white."""
    return bool(alpha.min() != alpha.max() and (values.min() == values.max() or grey))


def _grey_share(values: Pixels, white: int) -> float:
    """Return the share that is neither black nor white, nor what a lossy format makes of them.

    Of two colours, whichever, and of soft edges it is 0.
    """
    if values.dtype == np.float16:  # which OpenCV does not compare
        values = values.astype(np.float32)
    bounds = (white / 8, white * 7 / 8) if values.dtype.kind == "f" else (white // 8 + 1, white * 7 // 8)
    grey = cv2.inRange(values, *bounds)
    share = cv2.countNonZero(grey) / grey.size
    return share if share > SOME_GREY and len(np.unique(values)) > 2 else 0.0

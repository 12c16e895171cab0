"""Augmentation: how a training image varies from one sample to the next.

Every sample has parameters of its own, uniform in [0, 1), one for each name in `PARAMETERS` and in
that order. They are turned into angles, factors and so on for the whole batch at once, so that a batch
costs a few tensor operations and no two samples share anything. The order is: window and mirror (plain
slices of the stored image), rotation and zoom (one affine sampling), brightness, contrast, saturation,
hue, blur, JPEG. The operations give what those of torchvision's `transforms.v2` give, which take one
set of parameters a call.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, fields
from functools import partial
from typing import Any, NamedTuple
from zlib import crc32

import cv2
import numpy as np
import numpy.typing as npt
import torch
import torch.nn.functional as F
from torch import Tensor

from inpaintlab.arrays import UInt8
from inpaintlab.errors import SettingError
from inpaintlab.registry import Registry
from inpaintlab.tensors import to_arrays, to_tensor


class Batch(NamedTuple):
    """Images `[B, 3, H, W]` in [0, 1], masks `[B, 1, H, W]`, and which images they are, `[B]`."""

    images: Tensor
    masks: Tensor
    positions: Tensor

    def at(self, places: Tensor) -> "Batch":
        """Return the batch of the images at some places of this one."""
        return Batch(*(part[places.to(part.device)] for part in self))


#: What is drawn for each sample, in this order, before the mask itself.
PARAMETERS = (
    *("window", "mirror", "rotate", "zoom", "across", "down"),
    *("brightness", "contrast", "saturation", "hue"),
    *("blur", "sigma", "jpeg", "quality", "turn", "mask_mirror"),
)
_PLACE = {name: place for place, name in enumerate(PARAMETERS)}
#: The parameters of a batch, `[B]` each.
Drawn = dict[str, Tensor]
#: BT.601 luma as torchvision rounds it.
_LUMA = (0.2989, 0.587, 0.114)


class Sample(NamedTuple):
    """One training sample before its image is augmented.

    `window` is uint8 `[S, S, 3]` of the stored image, `side` the part of it in the middle that is no
    mirrored border, `mask` uint8 `[size, size]`, and `parameters` uniform float32 as in `PARAMETERS`.
    `position` is that of the image in its part, -1 for one that is in none.
    """

    window: UInt8
    side: int
    mask: UInt8
    parameters: npt.NDArray[np.float32]
    position: int = -1


@dataclass(frozen=True)
class Augmentation:
    """How images and masks vary; every default leaves them as they are.

    `flip` is the probability of a mirror image, `rotate` the largest angle in degrees either way, and
    `zoom` (1 to 4) the side of the largest crop over the smallest: images are stored that much larger,
    so that zooming in never enlarges. `brightness`, `contrast` and `saturation` draw factors from
    [1 - x, 1 + x] with x up to 1; `hue` turns the colour circle by up to x ≤ 0.5 of it. `blur` is the
    largest sigma of a Gaussian in pixels of the training size (up to 2; 0: never), `jpeg` the lowest
    quality (up to 100; 0: never), each with its probability. `turn_masks` mirrors masks and turns them
    by quarters, drawn apart from the image. Raises `SettingError` for a value out of range.

    A subclass adds what it likes in `vary`.
    """

    flip: float = 0.0
    rotate: float = 0.0
    zoom: float = 1.0
    brightness: float = 0.0
    contrast: float = 0.0
    saturation: float = 0.0
    hue: float = 0.0
    blur: float = 0.0
    blur_probability: float = 0.2
    jpeg: int = 0
    jpeg_probability: float = 0.3
    turn_masks: bool = False

    def __post_init__(self) -> None:
        limits = {"rotate": (0, 180), "zoom": (1, 4), "hue": (0, 0.5), "blur": (0, 2), "jpeg": (0, 100)}
        for name in (field.name for field in fields(Augmentation)):
            value, (low, high) = getattr(self, name), limits.get(name, (0, 1))
            if not isinstance(value, int | float) or not low <= value <= high:
                raise SettingError(f"augment.{name} must be {low:g} to {high:g}, got {value!r}")

    def stored_size(self, size: int) -> int:
        """Return the shorter side, in pixels, that images are stored with.

        >>> Augmentation(zoom=1.25).stored_size(65)
        82
        """
        return math.ceil(size * self.zoom)

    @property
    def moves(self) -> bool:
        """Whether images are rotated or zoomed, and not only cut and mirrored."""
        return self.rotate > 0 or self.zoom > 1

    @property
    def recolours(self) -> bool:
        """Whether the colours of every sample change."""
        return max(self.brightness, self.contrast, self.saturation, self.hue) > 0

    def apply(self, samples: Sequence[Sample], size: int) -> Tensor:
        """Return the augmented images of samples: float32 `[B, 3, size, size]` in [0, 1]."""
        parameters = np.stack([sample.parameters for sample in samples])
        mirrored = parameters[:, _PLACE["mirror"]] < self.flip
        windows = np.stack(
            [s.window[:, ::-1] if m else s.window for s, m in zip(samples, mirrored, strict=True)]
        )
        images = to_tensor(windows)
        drawn = dict(zip(PARAMETERS, torch.from_numpy(parameters).unbind(1), strict=True))
        if self.moves:
            images = self._move(images, [sample.side for sample in samples], drawn, size)
        if self.recolours:
            images = self._recolour(images.contiguous(), drawn)
        if self.blur and len(some := (drawn["blur"] < self.blur_probability).nonzero()[:, 0]):
            sigmas = (self.blur * drawn["sigma"][some]).clamp_min(0.1)
            images[some] = gaussian_blur(images[some], sigmas, 2 * math.ceil(3 * self.blur) + 1)
        if self.jpeg and len(some := (drawn["jpeg"] < self.jpeg_probability).nonzero()[:, 0]):
            best = 101 - self.jpeg  # qualities from the lowest to 100, all equally likely
            qualities = (self.jpeg + best * drawn["quality"][some]).int()
            images[some] = compress(images[some], qualities.tolist())
        images = self.vary(images, torch.Generator().manual_seed(crc32(parameters.tobytes())))
        # Weights of an interpolation or a blur can sum to a rounding error above one.
        return images.clamp_(0, 1).contiguous(memory_format=torch.channels_last)

    def vary(self, images: Tensor, generator: torch.Generator) -> Tensor:
        """Return images `[B, 3, H, W]` after all else was done; this one leaves them as they are.

        What is random must come from the generator: so a run repeats itself with any number of workers.
        """
        del generator
        return images

    def turned(self, mask: UInt8, parameters: npt.NDArray[np.float32]) -> UInt8:
        """Return a mask mirrored and turned as its parameters say, if masks are to be turned."""
        if not self.turn_masks:
            return mask
        mask = np.rot90(mask, int(4 * parameters[_PLACE["turn"]]))
        return np.ascontiguousarray(mask[:, ::-1] if parameters[_PLACE["mask_mirror"]] < 0.5 else mask)

    def _move(self, images: Tensor, sides: Sequence[int], drawn: Drawn, size: int) -> Tensor:
        window, whole = images.shape[-1], torch.tensor(sides, dtype=torch.float32)
        crop = size + drawn["zoom"] * (whole - size)
        angles = self.rotate * _swing(drawn["rotate"])
        # A turned square reaches further; where there is room it is kept off the mirrored border.
        radians = torch.deg2rad(angles)
        room = (whole - crop * (radians.cos().abs() + radians.sin().abs())).clamp_min_(0)
        centres = [window / 2 + (drawn[way] - 0.5) * room for way in ("across", "down")]
        return cut_turned(images, angles, crop, torch.stack(centres, 1), size)

    def _recolour(self, images: Tensor, drawn: Drawn) -> Tensor:
        for name, adjust in _ADJUST.items():
            if largest := getattr(self, name):
                adjust(images, 1 + largest * _swing(drawn[name]))
        return adjust_hue(images, self.hue * _swing(drawn["hue"])) if self.hue else images


_PRESETS: dict[str, dict[str, Any]] = {
    "none": {},
    "flip": {"flip": 0.5},
    "light": {
        **{"flip": 0.5, "rotate": 5, "zoom": 1.15, "turn_masks": True},
        **{"brightness": 0.1, "contrast": 0.1, "saturation": 0.1},
    },
    "medium": {
        **{"flip": 0.5, "rotate": 10, "zoom": 1.3, "turn_masks": True},
        **{"brightness": 0.2, "contrast": 0.2, "saturation": 0.2, "hue": 0.02},
        **{"blur": 0.6, "blur_probability": 0.1, "jpeg": 60, "jpeg_probability": 0.2},
    },
    "strong": {
        **{"flip": 0.5, "rotate": 20, "zoom": 1.5, "turn_masks": True},
        **{"brightness": 0.25, "contrast": 0.25, "saturation": 0.4, "hue": 0.05},
        **{"blur": 1.0, "blur_probability": 0.2, "jpeg": 40, "jpeg_probability": 0.3},
    },
}
#: `flip` is the default: mirror half, cut at random along the longer side.
AUGMENTATIONS: Registry[Augmentation] = Registry(
    "augmentation", {name: partial(Augmentation, **values) for name, values in _PRESETS.items()}
)
register_augmentation = AUGMENTATIONS.register


def window_of(image: UInt8, window: int, parameters: npt.NDArray[np.float32]) -> tuple[UInt8, int]:
    """Cut a square window at the drawn place along the longer side; return it and its own part.

    An image whose shorter side is less than the window is mirrored at its border; the second value
    is the side of the image's part in the middle.
    """
    side = min(window, *image.shape[:2])
    share = float(parameters[_PLACE["window"]])
    top, left = (int(share * (length - side + 1)) for length in image.shape[:2])
    part = image[top : top + side, left : left + side]
    if side < window:
        before = (window - side) // 2
        after = window - side - before
        part = np.asarray(cv2.copyMakeBorder(part, before, after, before, after, cv2.BORDER_REFLECT))
    return part, side


def cut_turned(images: Tensor, angles: Tensor, sides: Tensor, centres: Tensor, size: int) -> Tensor:
    """Cut a turned square out of each image and bring it to `size` pixels, bilinearly.

    `angles` `[B]` are degrees clockwise, `sides` `[B]` and `centres` `[B, 2]` (x, y from the left upper
    corner) pixels. What lies outside is mirrored at the border.
    """
    length, radians = images.shape[-1], torch.deg2rad(angles)
    scale = sides / size
    cosine, sine = (scale * radians.cos())[:, None, None], (scale * radians.sin())[:, None, None]
    steps = torch.arange(size) + 0.5 - size / 2
    x, y = steps[None, None, :], steps[None, :, None]
    across = cosine * x + sine * y + centres[:, 0, None, None]
    down = cosine * y - sine * x + centres[:, 1, None, None]
    grid = torch.stack([across, down], 3).mul_(2 / length).sub_(1)
    return F.grid_sample(images, grid, padding_mode="reflection", align_corners=False)


def adjust_brightness(images: Tensor, factors: Tensor) -> Tensor:
    """Multiply each image of `[B, 3, H, W]` by its factor, in place."""
    return images.mul_(factors[:, None, None, None]).clamp_(0, 1)


def adjust_contrast(images: Tensor, factors: Tensor) -> Tensor:
    """Move each image away from (factor > 1) or towards its mean grey, in place."""
    return _away(images, luma(images).mean((2, 3), keepdim=True), factors)


def adjust_saturation(images: Tensor, factors: Tensor) -> Tensor:
    """Move each pixel away from (factor > 1) or towards its grey, in place."""
    return _away(images, luma(images), factors)


def _away(images: Tensor, grey: Tensor, factors: Tensor) -> Tensor:
    factors = factors[:, None, None, None]
    return images.mul_(factors).add_(grey.mul_(1 - factors)).clamp_(0, 1)


#: What multiplies, by the settings that limit it.
_ADJUST = {
    "brightness": adjust_brightness,
    "contrast": adjust_contrast,
    "saturation": adjust_saturation,
}


def adjust_hue(images: Tensor, shifts: Tensor) -> Tensor:
    """Turn the hue of each image by its share of the colour circle, keeping value and chroma of HSV.

    In sixths of the circle a channel lies `d` from its full hue, and is value minus chroma times
    `d - 1` held to [0, 1].
    """
    red, green, blue = images.unbind(1)
    value, low = torch.maximum(red, green), torch.minimum(red, green)
    value, low = torch.maximum(value, blue), torch.minimum(low, blue)
    chroma = value - low
    per_chroma = 1 / chroma.clamp_min(1e-12)
    is_red, is_green = value == red, value == green
    difference = torch.where(is_red, green - blue, torch.where(is_green, blue - red, red - green))
    sector = torch.where(is_red, 0.0, torch.where(is_green, 2.0, 4.0))
    hue = difference.mul_(per_chroma).add_(sector).add_(6 * shifts[:, None, None])
    channels = []
    for full in (0.0, 2.0, 4.0):
        distance = (hue - (full - 3)).remainder_(6).sub_(3).abs_()
        channels.append(torch.addcmul(value, distance.sub_(1).clamp_(0, 1), chroma, value=-1))
    return torch.stack(channels, 1)


def gaussian_blur(images: Tensor, sigmas: Tensor, width: int) -> Tensor:
    """Blur each image with its own sigma in pixels, by a kernel of odd `width`, borders mirrored."""
    count, channels, height, across = images.shape
    places = torch.arange(width) - width // 2
    kernels = torch.exp(-0.5 * (places / sigmas[:, None]) ** 2)
    kernels = (kernels / kernels.sum(1, keepdim=True)).repeat_interleave(channels, 0)[:, None]
    groups = count * channels
    flat = F.pad(images, [width // 2] * 4, mode="reflect").reshape(1, groups, height + width - 1, -1)
    flat = F.conv2d(flat, kernels[:, :, None], groups=groups)
    flat = F.conv2d(flat, kernels[..., None], groups=groups)
    return flat.view(count, channels, height, across)


def compress(images: Tensor, qualities: Sequence[int]) -> Tensor:
    """Send each image through a JPEG of its own quality."""
    done = []
    for array, quality in zip(to_arrays(images), qualities, strict=True):
        bgr = cv2.cvtColor(array, cv2.COLOR_RGB2BGR)
        _, data = cv2.imencode(".jpg", bgr, [cv2.IMWRITE_JPEG_QUALITY, quality])
        done.append(np.asarray(cv2.imdecode(data, cv2.IMREAD_COLOR_RGB)))
    return to_tensor(np.stack(done))


def luma(images: Tensor) -> Tensor:
    """Return the grey of images, `[B, 1, H, W]`."""
    red, green, blue = images.unbind(1)
    grey = (red * _LUMA[0]).add_(green, alpha=_LUMA[1]).add_(blue, alpha=_LUMA[2])
    return grey[:, None]


def _swing(drawn: Tensor) -> Tensor:
    """Return draws from [0, 1) as draws from [-1, 1)."""
    return 2 * drawn - 1

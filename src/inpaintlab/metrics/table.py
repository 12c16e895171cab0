"""The tables of figures: how each is counted for an image, and how it is shown.

A metric is a function `(filled, truth, mask) -> [B]` in `METRICS`, and a line in `FIGURES` says how its
values are shown. `register_metric` adds to both.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import TypeVar, overload

from torch import Tensor

from inpaintlab.arrays import Float64
from inpaintlab.errors import SettingError
from inpaintlab.metrics import per_image, similarity
from inpaintlab.registry import Registry

Values = TypeVar("Values", float, Float64)
#: Takes filled images and their truth, `[B, 3, H, W]` in [0, 1], and masks `[B, 1, H, W]`; gives `[B]`.
Metric = Callable[[Tensor, Tensor, Tensor], Tensor]


@dataclass(frozen=True)
class Figure:
    """How a figure is shown: its heading, the format of its values, and which way it is better.

    One with an `ideal` is the better the nearer to it. Where `is_main`, it is in the table of the
    terminal too, which has not room for all.
    """

    heading: str
    spec: str
    higher_is_better: bool
    is_main: bool = False
    ideal: float | None = None

    @property
    def title(self) -> str:
        """The heading without what it says of the direction.

        >>> FIGURES["sharpness"].title, FIGURES["l1_percent"].title, Figure("top 1 ↑", "", True).title
        ('sharpness', 'L1 %', 'top 1')
        """
        return re.sub(r" (↑|↓|→ \S+)$", "", self.heading)

    def score(self, values: Values) -> Values:
        """Return values so that the larger is the better.

        >>> [FIGURES[name].score(0.75) for name in ("hole_psnr", "l1_percent", "sharpness")]
        [0.75, -0.75, -0.25]
        """
        if self.ideal is not None:
            return -abs(values - self.ideal)
        return values if self.higher_is_better else -values


@dataclass(frozen=True)
class Unavailable:
    """A figure that cannot be computed, and why: a sentence without its full stop, with the cure."""

    name: str
    reason: str


#: Name in JSON -> the metric, and how it is shown; the first is what methods are ranked by.
_TABLE: dict[str, tuple[Metric, Figure]] = {
    "hole_psnr": (per_image.hole_psnr, Figure("hole PSNR dB ↑", ".2f", True, is_main=True)),
    "sharpness": (per_image.sharpness, Figure("sharpness → 1", ".2f", True, is_main=True, ideal=1.0)),
    "sharpness_2_4": (
        partial(per_image.sharpness, octave=1),
        Figure("sharpness 2–4 px → 1", ".2f", True, ideal=1.0),
    ),
    "sharpness_4_8": (
        partial(per_image.sharpness, octave=2),
        Figure("sharpness 4–8 px → 1", ".2f", True, ideal=1.0),
    ),
    "psnr": (per_image.psnr, Figure("PSNR dB ↑", ".2f", True, is_main=True)),
    "hole_ssim": (similarity.hole_ssim, Figure("hole SSIM ↑", ".4f", True)),
    "ssim": (similarity.ssim, Figure("SSIM ↑", ".4f", True, is_main=True)),
    "hole_ms_ssim": (similarity.hole_ms_ssim, Figure("hole MS-SSIM ↑", ".4f", True)),
    "ms_ssim": (similarity.ms_ssim, Figure("MS-SSIM ↑", ".4f", True)),
    "hole_l1_percent": (per_image.hole_l1_percent, Figure("hole L1 % ↓", ".2f", False)),
    "l1_percent": (per_image.l1_percent, Figure("L1 % ↓", ".2f", False, is_main=True)),
    "seam_offset": (per_image.seam_offset, Figure("seam ↓", ".4f", False)),
    "colour_offset": (per_image.colour_offset, Figure("colour ↓", ".4f", False)),
}
METRICS: Registry[Tensor] = Registry("metric", {name: metric for name, (metric, _) in _TABLE.items()})
_FIGURES = {name: figure for name, (_, figure) in _TABLE.items()}
#: Those that `learned`, `told` and `diversity` make.
_LEARNED = {
    "told_percent": Figure("told % ↓", ".1f", False, is_main=True),
    "hole-distance-efficientnet": Figure("hole distance ↓", ".4f", False, is_main=True),
    "lpips": Figure("LPIPS ↓", ".4f", False, is_main=True),
    "lpips-vgg": Figure("LPIPS (VGG) ↓", ".4f", False),
    "identity": Figure("identity ↓", ".3f", False),
    "diversity": Figure("diversity ↑", ".2f", True),
    "best_hole_psnr": Figure("best hole PSNR dB ↑", ".2f", True),
}
#: What a model that knows its limits says of its fills, and how far that holds.
_LIMITS = {
    "novelty": Figure("novelty ↓", ".2f", False),
    "refused_percent": Figure("refused % ↓", ".1f", False),
    "expected_psnr": Figure("expected hole PSNR dB ↑", ".2f", True),
    "inside_percent": Figure("in the interval % → 90", ".1f", True, ideal=90.0),
}
#: How real a fill looks, which is no matter of PSNR: that rewards blur.
REALISM = ("sharpness", "told_percent", "hole-distance-efficientnet")
#: Of several fills of one hole, and of a model's limits: baselines lack them.
OF_SEVERAL = ("diversity", "best_hole_psnr")
OF_LIMITS = tuple(_LIMITS)
#: Name -> how it is shown, of every figure that an image can have, in the order of tables.
FIGURES: dict[str, Figure] = {
    name: (_FIGURES | _LEARNED | _LIMITS)[name]
    for name in ("hole_psnr", *REALISM, *_FIGURES, *_LEARNED, *_LIMITS)
}


@overload
def register_metric(
    name: str, *, heading: str = ..., spec: str = ..., higher_is_better: bool
) -> Callable[[Metric], Metric]: ...
@overload
def register_metric(
    name: str, measure: Metric, *, heading: str = ..., spec: str = ..., higher_is_better: bool
) -> Metric: ...
def register_metric(
    name: str,
    measure: Metric | None = None,
    *,
    heading: str = "",
    spec: str = ".4f",
    higher_is_better: bool,
) -> Metric | Callable[[Metric], Metric]:
    """Add a metric, as a decorator or with the function given: every evaluation then has it too.

    `heading` is what stands above its column, by default the name with an arrow; `spec` the format of
    its values. Raises `SettingError` for a name that is taken, or that holds a slash.

    >>> @register_metric("worst_pixel", higher_is_better=False)
    ... def worst_pixel(filled, truth, mask):
    ...     return ((filled - truth).abs() * mask).amax((1, 2, 3))
    >>> METRICS.pop("worst_pixel") is worst_pixel, FIGURES.pop("worst_pixel").heading
    (True, 'worst_pixel ↓')
    """
    if measure is None:
        return lambda decorated: register_metric(
            name, decorated, heading=heading, spec=spec, higher_is_better=higher_is_better
        )
    if "/" in name:
        raise SettingError(f"the name of a metric holds no slash, got {name!r}")
    METRICS.register(name, measure)
    heading = heading or f"{name} {'↑' if higher_is_better else '↓'}"
    FIGURES[name] = Figure(heading, spec, higher_is_better)
    return measure


def measure(filled: Tensor, truth: Tensor, mask: Tensor) -> dict[str, Tensor]:
    """Return all of `METRICS` for a batch, in their order: name -> `[B]`.

    The same as each by itself, but the four that are made of similarity share their maps. Raises
    `SettingError` for a registered metric that does not give one value for each image.
    """
    shared = similarity.similarities(filled, truth, mask)
    found = {}
    for name, metric in METRICS.items():
        found[name] = values = shared[name] if name in shared else metric(filled, truth, mask)
        if not isinstance(values, Tensor) or values.shape != (len(truth),):
            seen = list(values.shape) if isinstance(values, Tensor) else type(values).__name__
            raise SettingError(f"metric {name!r} gives {seen}, expected a tensor [{len(truth)}]")
    return found

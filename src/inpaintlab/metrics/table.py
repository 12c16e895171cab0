"""The tables of figures: how they are called, shown and, for each image, counted."""

from collections.abc import Callable
from dataclasses import dataclass, field

from torch import Tensor

from inpaintlab.metrics import per_image, similarity


@dataclass(frozen=True)
class Figure:
    """How a figure is shown: its heading, the format of its values, and which way it is better.

    Where `is_main`, it is in the table of the terminal too, which has not room for all.
    """

    heading: str
    spec: str
    higher_is_better: bool
    is_main: bool = False


@dataclass(frozen=True)
class Metric(Figure):
    """A figure of each image: `measure(filled, truth, mask)` gives `[B]`."""

    measure: Callable[[Tensor, Tensor, Tensor], Tensor] = field(kw_only=True)


@dataclass(frozen=True)
class Unavailable:
    """A figure that cannot be computed, and why: a sentence without its full stop, with the cure."""

    name: str
    reason: str


#: Name in JSON -> metric; the first is what methods are ranked by.
METRICS: dict[str, Metric] = {
    "hole_psnr": Metric("hole PSNR dB ↑", ".2f", True, is_main=True, measure=per_image.hole_psnr),
    "psnr": Metric("PSNR dB ↑", ".2f", True, is_main=True, measure=per_image.psnr),
    "hole_ssim": Metric("hole SSIM ↑", ".4f", True, measure=similarity.hole_ssim),
    "ssim": Metric("SSIM ↑", ".4f", True, is_main=True, measure=similarity.ssim),
    "hole_ms_ssim": Metric("hole MS-SSIM ↑", ".4f", True, measure=similarity.hole_ms_ssim),
    "ms_ssim": Metric("MS-SSIM ↑", ".4f", True, measure=similarity.ms_ssim),
    "hole_l1_percent": Metric("hole L1 % ↓", ".2f", False, measure=per_image.hole_l1_percent),
    "l1_percent": Metric("L1 % ↓", ".2f", False, is_main=True, measure=per_image.l1_percent),
    "seam_offset": Metric("seam ↓", ".4f", False, measure=per_image.seam_offset),
    "colour_offset": Metric("colour ↓", ".4f", False, measure=per_image.colour_offset),
}

#: The same of metrics that need a feature network: how they are shown; `request` makes them.
LEARNED: dict[str, Figure] = {
    "lpips": Figure("LPIPS ↓", ".4f", False, is_main=True),
    "lpips-vgg": Figure("LPIPS (VGG) ↓", ".4f", False),
    "distance-efficientnet": Figure("distance-efficientnet ↓", ".4f", False, is_main=True),
}
#: Name -> how it is shown, of every figure that an image can have.
FIGURES: dict[str, Figure] = {**METRICS, **LEARNED}


def measure(filled: Tensor, truth: Tensor, mask: Tensor) -> dict[str, Tensor]:
    """Return all of `METRICS` for a batch, in their order: name -> `[B]`.

    The same as each by itself, but the four that are made of similarity share their maps.
    """
    shared = similarity.similarities(filled, truth, mask)
    return {
        name: shared[name] if name in shared else metric.measure(filled, truth, mask)
        for name, metric in METRICS.items()
    }

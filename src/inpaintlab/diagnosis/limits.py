"""Verdict on where a run is to be used: whether what it is given is like what it was trained on."""

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from inpaintlab.diagnosis.measures import fill
from inpaintlab.diagnosis.result import Verdict
from inpaintlab.trust import Stated, Trust

#: Of images like those of training one in twenty is refused. Of which more are than this, in percent,
#: are another kind of images.
_MOST_REFUSED = 50


@dataclass(frozen=True)
class Stance:
    """What a run's best weights say of some images, and how far that holds, in percent.

    `refused` are those unlike the images of training, None where nothing is known of those; `inside`
    are the values in holes that lie in intervals made to hold 90 %.
    """

    images: int
    refused: float | None
    inside: float


def stance(trust: Trust, network: nn.Module, image: Tensor, mask: Tensor, batch_size: int) -> Stance:
    """Return what a network that knows its limits says of some images."""
    found = []
    for batch, holes in zip(*(torch.split(x, batch_size) for x in (image, mask)), strict=True):
        filled = fill(network, batch, holes, batch_size)
        found.append(Stated.of(trust, network, batch, holes).figures(filled, batch, holes))
    means = {name: float(torch.cat([of[name] for of in found]).mean()) for name in found[0]}
    return Stance(len(image), means.get("refused_percent"), means["inside_percent"])


def judge_limits(stances: dict[str, Stance]) -> Verdict | None:
    """Judge what was said of validation images, which come first, and of the folders that were given."""
    if not stances:
        return None
    (_, own), *given = stances.items()
    text = f"{own.inside:.0f}% of values lie in intervals made to hold 90%"
    if own.refused is not None:
        text = f"{own.refused:.0f}% of validation images are unlike those of training; {text}"
    refused = {name: of.refused for name, of in given if of.refused is not None}
    text += "".join(f"; of {name} {share:.0f}% are refused" for name, share in refused.items())
    figures = {name: vars(of) for name, of in stances.items()}
    ok = Verdict("limits", "ok", text, figures=figures)
    foreign = [name for name, share in refused.items() if share > _MOST_REFUSED]
    if not foreign:
        return ok
    advice = (
        "train on images of that kind as well, or let inpaint fill --fallback auto take a classical "
        "method where it does better"
    )
    start = f"good on validation, refused on what you gave it ({', '.join(foreign)}): "
    return ok.worse("finding", advice, start)

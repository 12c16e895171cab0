"""What is known of a model's own limits, learnt once from its data and kept with its weights."""

import math
from collections.abc import Iterator, Mapping
from contextlib import suppress
from functools import cache

import torch
from torch import Tensor, nn

from inpaintlab import features
from inpaintlab.checkpoints import TRUST_PREFIX, Limits
from inpaintlab.errors import FeaturesError, RunError
from inpaintlab.networks import encoder_of
from inpaintlab.trust.novelty import COMPONENTS, CellStatistics, Encoder, Independent, Novelty, Source
from inpaintlab.trust.seen import Examples, Method, again
from inpaintlab.trust.uncertainty import Uncertainty

#: The network that has seen many photographs.
FEATURES = "efficientnet-lite0"
#: Cells a side for each source of features.
_SIDES = {"encoder": 4, FEATURES: 8}
VERSION = 2
#: Arrays of more numbers are kept with 16 bits.
_LARGE = 1000


class Trust(nn.Module):
    """Novelty and uncertainty of one model.

    `novelty` has a detector for each source of features: the model's own `encoder`, and
    `efficientnet-lite0` where the extra `features` was installed when it was fitted.
    """

    def __init__(self, uncertainty: Uncertainty, novelty: Mapping[str, Novelty]) -> None:
        super().__init__()
        self.uncertainty, self.novelty = uncertainty, dict(novelty)
        self._novelty = nn.ModuleDict(novelty)
        self.requires_grad_(False).eval()

    @classmethod
    def fit(
        cls,
        method: Method,
        learning: Examples,
        calibration: Examples,
        *,
        steps: int = 400,
        seed: int = 0,
    ) -> "Trust":
        """Learn from examples of training, and take limits and factors from others.

        `method` is any function of images and masks. `calibration` holds images that it has not learnt
        from; nothing is fitted to them but thresholds and factors. Both are gone through several times,
        as `examples_of` gives them; of an iterator that ends, all examples are kept in memory.
        """
        learning, calibration = again(learning), again(calibration)
        sources = sources_of(method)
        found = {
            name: Novelty.fit(source, _SIDES[name], learning, calibration)
            for name, source in sources.items()
        }
        uncertainty = Uncertainty.fit(method, _endless(learning), calibration, steps, seed=seed)
        return cls(uncertainty, found)

    def novelty_of(self, method: Method, image: Tensor, mask: Tensor) -> Tensor:
        """Return how unlike training images each one is, `[B]`, by its known part; above 1 is foreign.

        It is what the network says that has seen many photographs; without it, what the model's own
        encoder says, which notices less (docs/explanation/trust.md).
        """
        sources = sources_of(method)
        for name in (FEATURES, "encoder"):
            if name in self.novelty and name in sources:
                found: Tensor = self.novelty[name](sources[name], image, mask)
                return found
        return torch.full((len(image),), math.nan)

    def limits(self) -> Limits:
        """Return what a file of weights keeps, the larger arrays with 16 bits."""
        state = {TRUST_PREFIX + name: of for name, of in self.state_dict().items()}
        kept = {name: _smaller(of) if of.numel() > _LARGE else of for name, of in state.items()}
        return Limits(kept, {"version": VERSION})

    @classmethod
    def read(cls, limits: Limits) -> "Trust":
        """Rebuild what `limits` returned; raises `RunError` for what does not fit."""
        version = limits.facts.get("version")
        if version not in (1, VERSION):
            raise RunError(
                f"what a model says of its limits is read in version {VERSION}, got {version}"
            )
        state = {name.removeprefix(TRUST_PREFIX): of.float() for name, of in limits.tensors.items()}
        if version == 1:  # what it says of novelty is not enough any more
            state = {name: of for name, of in state.items() if not name.startswith("_novelty.")}
        novelty = {}
        for name, side in _SIDES.items():
            if (scaled := state.get(f"_novelty.{name}.statistics.scaled")) is not None:
                # Never more components than we keep, whatever a file says: their square is taken.
                components, features = scaled.shape if scaled.ndim == 2 else (0, 0)
                statistics = CellStatistics(features, side**2, min(components, COMPONENTS))
                novelty[name] = Novelty(statistics, side)
        found = cls(Uncertainty(), novelty)
        try:
            found.load_state_dict(state)
        except RuntimeError as error:
            reason = " ".join(str(error).split())
            raise RunError(f"what the model says of its limits cannot be read: {reason}") from None
        return found


def _smaller(array: Tensor) -> Tensor:
    most = torch.finfo(torch.float16).max
    return array.clamp(-most, most).half()


def sources_of(method: object) -> dict[str, Source]:
    """Return the sources of features that there are for a method, on this machine."""
    found: dict[str, Source] = {}
    if isinstance(method, nn.Module) and encoder_of(method):
        found["encoder"] = Encoder(method)
    with suppress(FeaturesError):  # where the extra is not installed
        found[FEATURES] = Independent(_features())
    return found


@cache
def _features() -> features.FeatureNetwork:
    """Return the network that has seen many photographs, read once."""
    return features.create(FEATURES)


def _endless(examples: Examples) -> Iterator[tuple[Tensor, Tensor]]:
    while True:
        yield from examples

"""Features of a frozen network, as objectives compare them."""

from collections.abc import Sequence

import torch
from torch import Tensor

from inpaintlab import features
from inpaintlab.errors import SettingError

#: Of fill and truth, one map a stage.
Maps = list[Tensor]


class Comparing:
    """A frozen feature network, by name and file of weights, whose maps of two images are compared.

    Raises `SettingError` for an unknown name and `FeaturesError` where the weights cannot be had.
    """

    def __init__(self, name: str, weights: str | None) -> None:
        self.name = name
        self.network = features.create(name, **({} if weights is None else {"weights": weights}))

    def check(self, size: int) -> None:
        """Raise `SettingError` where images are too small for the network."""
        if size < self.network.min_size:
            raise SettingError(
                f"--size {size} is too small for objective.features {self.name}: at least "
                f"{self.network.min_size}"
            )

    def maps(self, images: Sequence[Tensor], image: Tensor) -> tuple[list[Maps], Maps]:
        """Return the maps of each of the images, and those of the truth, which take no gradient."""
        with torch.no_grad():
            truth = self.network(image)
        # One pass for all of them; in full precision, as sums over maps ask for it.
        together = self.network(torch.cat(list(images)))
        return [
            list(parts) for parts in zip(*(maps.chunk(len(images)) for maps in together), strict=True)
        ], truth

"""Only the error of each pixel."""

from torch import Tensor

from inpaintlab.errors import SettingError
from inpaintlab.losses import l1
from inpaintlab.training.objectives.base import Objective


class Reconstruction(Objective):
    """L1 in the hole and L1 outside it, each over its own area, with separate weights."""

    def __init__(self, hole_weight: float = 6.0, known_weight: float = 1.0) -> None:
        if hole_weight < 0 or known_weight < 0 or not hole_weight + known_weight:
            raise SettingError(
                "objective.hole_weight and objective.known_weight must be 0 or more and not both 0, "
                f"got {hole_weight:g} and {known_weight:g}"
            )
        self.hole_weight, self.known_weight = hole_weight, known_weight

    def scalars(self, output: Tensor, image: Tensor, mask: Tensor) -> dict[str, Tensor]:
        """Return `loss`, `hole_l1` and `known_l1`."""
        hole, known = l1(output, image, mask), l1(output, image, 1 - mask)
        loss = self.hole_weight * hole + self.known_weight * known
        return {"loss": loss, "hole_l1": hole, "known_l1": known}

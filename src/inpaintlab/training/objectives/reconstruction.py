"""Only the error of each pixel."""

from torch import Tensor

from inpaintlab.errors import SettingError
from inpaintlab.losses import LOSSES, l1
from inpaintlab.training.objectives.base import Objective


class Reconstruction(Objective):
    """A loss in the hole and the same outside it, each over its own area, with separate weights.

    `loss` is a name in `losses.LOSSES`, among which are those that a user has registered.
    """

    def __init__(self, hole_weight: float = 6.0, known_weight: float = 1.0, loss: str = "l1") -> None:
        if hole_weight < 0 or known_weight < 0 or not hole_weight + known_weight:
            raise SettingError(
                "objective.hole_weight and objective.known_weight must be 0 or more and not both 0, "
                f"got {hole_weight:g} and {known_weight:g}"
            )
        self.hole_weight, self.known_weight = hole_weight, known_weight
        self.measure = LOSSES.need(loss)

    def scalars(self, output: Tensor, image: Tensor, mask: Tensor) -> dict[str, Tensor]:
        """Return `loss`, `hole_l1` and `known_l1`."""
        hole, known = l1(output, image, mask), l1(output, image, 1 - mask)
        errors = {"hole_l1": hole, "known_l1": known}
        if self.measure is not l1:
            hole, known = (self.measure(output, image, where) for where in (mask, 1 - mask))
        return {"loss": self.hole_weight * hole + self.known_weight * known, **errors}

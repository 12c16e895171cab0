"""What a training step minimises."""

from dataclasses import dataclass

from torch import Tensor

from inpaintlab.losses import l1


@dataclass(frozen=True)
class Reconstruction:
    """L1 in the hole and L1 outside it, each over its own area, with separate weights."""

    hole_weight: float = 6.0
    known_weight: float = 1.0

    def __call__(self, output: Tensor, image: Tensor, mask: Tensor) -> dict[str, Tensor]:
        """Return named scalars; `loss` is the one to minimise."""
        hole, known = l1(output, image, mask), l1(output, image, 1 - mask)
        loss = self.hole_weight * hole + self.known_weight * known
        return {"loss": loss, "hole_l1": hole, "known_l1": known}

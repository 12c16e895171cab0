"""Validation with frozen masks: the same images and the same holes at every step of every run."""

from collections.abc import Iterator

import torch
from torch import Tensor, nn

from inpaintlab.baselines import mean_colour, on_tensors, telea
from inpaintlab.data.loading import Images
from inpaintlab.masks import FrozenMasks
from inpaintlab.metrics import hole_psnr
from inpaintlab.tensors import composite
from inpaintlab.training.objectives import Objective

#: Images that holes of a lower level are measured on: enough to see whether a network still gains.
LEVEL_PICTURES = 100


class Validation:
    """The first `count` images of the val part (in the order of their content) and their masks."""

    def __init__(self, images: Images, masks: FrozenMasks, batch: int) -> None:
        self.images, self.masks, self.batch = images, masks, batch

    def at(self, level: float) -> "Validation":
        """Return a smaller validation with frozen masks of this level, 0 to 1."""
        count = min(LEVEL_PICTURES, len(self.masks))
        mixture = self.masks.mixture.at(level)
        frozen = FrozenMasks(mixture, self.masks.size, count, self.masks.seed)
        return Validation(self.images, frozen, self.batch)

    def batches(self) -> Iterator[tuple[Tensor, Tensor]]:
        """Yield images and masks, always the same."""
        for start in range(0, len(self.masks), self.batch):
            stop = min(start + self.batch, len(self.masks))
            yield self.images.squares(start, stop), self.masks.batch(start, stop)

    @torch.inference_mode()
    def run(self, network: nn.Module, objective: Objective, device: torch.device) -> dict[str, float]:
        """Return means over all images: the objective's scalars and the PSNR in the hole."""
        sums: dict[str, float] = {}
        for image, mask in self.batches():
            image, mask = image.to(device), mask.to(device)
            output = network(image, mask)
            scalars = objective.scalars(output, image, mask)
            filled = composite(image, output, mask)
            scalars["hole_psnr"] = hole_psnr(filled, image, mask).mean()
            for name, value in scalars.items():
                sums[name] = sums.get(name, 0.0) + float(value) * len(image)
        return {name: total / len(self.masks) for name, total in sums.items()}

    def yardsticks(self) -> dict[str, float]:
        """Return the hole PSNR of what learns nothing, on the same images and holes, in dB."""
        fills = {"Telea": on_tensors(telea), "mean colour": on_tensors(mean_colour)}
        sums = dict.fromkeys(fills, 0.0)
        for image, mask in self.batches():
            known = torch.where(mask > 0, 0, image)
            for name, fill in fills.items():
                sums[name] += float(hole_psnr(fill(known, mask), image, mask).sum())
        return {name: total / len(self.masks) for name, total in sums.items()}

    @torch.inference_mode()
    def grid(self, network: nn.Module, device: torch.device, count: int = 8) -> Tensor:
        """Return the first images as `[3 × count, 3, H, W]`: damaged, filled, truth."""
        count = min(count, len(self.masks))
        image, mask = self.images.squares(0, count), self.masks.batch(0, count)
        output = network(image.to(device), mask.to(device)).cpu()
        damaged = composite(image, torch.ones_like(image), mask)
        return torch.cat([damaged, composite(image, output, mask), image])

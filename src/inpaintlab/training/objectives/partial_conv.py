"""The objective of partial convolutions (Liu et al. 2018): errors, features, styles, smoothness."""

from collections.abc import Callable

import torch
from lightning_fabric import Fabric
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

from inpaintlab.errors import SettingError
from inpaintlab.losses import l1, perceptual, style, total_variation
from inpaintlab.networks import encoder_of
from inpaintlab.tensors import composite
from inpaintlab.training.objectives.base import Objective, Optimisation, Step
from inpaintlab.training.objectives.comparing import Comparing


class PartialConv(Objective):
    """The loss of Liu et al. 2018, equation 7, with the paper's weights, and its second phase.

    `valid_weight` and `hole_weight` are of the absolute errors outside and in the hole, each divided by
    the whole image's area as in equation 1. Features and styles are compared for the output image
    and for the composite. `features` names the feature network; `weights` is its file, none: downloaded
    or from its package.

    In the last `second_phase` share of a run the batch norms of the network's encoder stay as they are,
    statistics, factors and offsets, and the learning rate is multiplied by `second_rate`: the paper's
    fine-tuning, where the statistics of images with holes no longer come in. There 5e-5 follows on
    2e-4, for a day after ten. 0 leaves it out.
    """

    def __init__(
        self,
        valid_weight: float = 1.0,
        hole_weight: float = 6.0,
        perceptual_weight: float = 0.05,
        style_weight: float = 120.0,
        variation_weight: float = 0.1,
        features: str = "vgg16",
        weights: str | None = None,
        second_phase: float = 0.09,
        second_rate: float = 0.25,
    ) -> None:
        self.parts = {
            "valid": valid_weight,
            "hole": hole_weight,
            "perceptual": perceptual_weight,
            "style": style_weight,
            "variation": variation_weight,
        }
        for name, weight in self.parts.items():
            if weight < 0:
                raise SettingError(f"objective.{name}_weight must be 0 or more, got {weight:g}")
        if not any(self.parts.values()):
            raise SettingError("one weight of objective partial-conv at least must be above 0")
        if not 0 <= second_phase < 1:
            raise SettingError(f"objective.second_phase must be in [0, 1), got {second_phase:g}")
        if second_rate <= 0:
            raise SettingError(f"objective.second_rate must be above 0, got {second_rate:g}")
        self.second_phase, self.second_rate = second_phase, second_rate
        compares = perceptual_weight or style_weight
        self.comparing = Comparing(features, weights) if compares else None

    def check(self, network: nn.Module, size: int) -> None:
        """Raise `SettingError` where the second phase would not know what to freeze, or for the size."""
        if self.second_phase and not encoder_of(network) and _batch_norms(network):
            raise SettingError(
                f"{type(network).__name__} does not name its `encoder`, whose batch norms the second "
                "phase freezes: -s objective.second_phase=0 leaves it out"
            )
        if self.comparing:
            self.comparing.check(size)

    def attach(self, fabric: Fabric, network: nn.Module, optimisation: Optimisation) -> None:
        """Set up the networks for the devices of a run."""
        super().attach(fabric, network, optimisation)
        parts = [network.get_submodule(name) for name in encoder_of(network)]
        self.norms = [norm for part in parts for norm in _batch_norms(part)]
        if self.comparing:
            self.comparing.network.to(fabric.device)

    def extras(self) -> list[nn.Module]:
        """Return the feature network."""
        return [self.comparing.network] if self.comparing else []

    def remembered(self, network: int, saved: Callable[[nn.Module], int]) -> int:
        """Return the bytes of the network and of two passes of the feature network."""
        return network + sum(2 * saved(extra) for extra in self.extras())

    def scalars(self, output: Tensor, image: Tensor, mask: Tensor) -> dict[str, Tensor]:
        """Return `loss`, its terms without weights, and `hole_l1` and `known_l1` by their areas."""
        filled = composite(image, output, mask)
        everywhere = torch.ones_like(mask)
        terms = {
            "valid": l1(output, filled, everywhere),  # which differ outside the hole only
            "hole": l1(filled, image, everywhere),  # and these in it
            "variation": total_variation(filled, mask),
        }
        if self.comparing:
            found, truth = self.comparing.maps((output, filled), image)
            terms["perceptual"] = torch.stack([perceptual(maps, truth) for maps in found]).sum()
            terms["style"] = torch.stack([style(maps, truth) for maps in found]).sum()
        loss = torch.stack([self.parts[name] * term for name, term in terms.items()]).sum()
        errors = {"hole_l1": l1(output, image, mask), "known_l1": l1(output, image, 1 - mask)}
        return {"loss": loss, **errors, **terms}

    def step(self, image: Tensor, mask: Tensor, rate: float, progress: float) -> Step:
        """Take a step, in the second phase with a frozen encoder and a lower rate."""
        second = progress >= 1 - self.second_phase
        self._freeze(second)
        return super().step(image, mask, rate * (self.second_rate if second else 1), progress)

    def _freeze(self, frozen: bool) -> None:
        """Freeze the encoder's batch norms, or let them learn.

        In every step anew: whoever has set the network to training, or gone back to an earlier step, has
        undone it.
        """
        for norm in self.norms:
            norm.train(not frozen)
        self.generator.frozen = [p for norm in self.norms for p in norm.parameters()] if frozen else []


def _batch_norms(network: nn.Module) -> list[nn.Module]:
    return [module for module in network.modules() if isinstance(module, _BatchNorm)]

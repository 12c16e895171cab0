"""What every objective is made of: learners, and a step that takes them on."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import torch
from lightning_fabric import Fabric
from torch import Tensor, nn
from torch.nn.utils import parametrize

from inpaintlab.errors import SettingError

#: As many as torch takes for a new spectral norm.
_POWER_ITERATIONS = 15


@dataclass(frozen=True)
class Optimisation:
    """What all optimisers of a run share: weight decay of AdamW, and the largest norm of a gradient."""

    weight_decay: float = 0.01
    clip: float = 1.0


class Step(NamedTuple):
    """What a step leaves: named scalars, `loss` among them, and what the network output.

    `places` says of which images of the batch that is, where it is not each of them once.
    """

    scalars: dict[str, Tensor]
    output: Tensor
    places: Tensor | None = None


class Learner:
    """A network and its AdamW, set up for the devices of a run.

    `network` is the bare module, `model` the same for calls whose gradient goes to it: it runs in the
    run's precision and shares gradients among the devices. `ratio` multiplies the run's learning rate,
    `betas` are those of the next step; parameters in `frozen` are left as they are.
    """

    def __init__(
        self,
        fabric: Fabric,
        network: nn.Module,
        optimisation: Optimisation,
        betas: tuple[float, float] = (0.9, 0.999),
        ratio: float = 1.0,
    ) -> None:
        self.fabric, self.network, self.ratio, self.clip = fabric, network, ratio, optimisation.clip
        self.betas = betas
        network.to(fabric.device, memory_format=torch.channels_last)  # type: ignore[call-overload]
        optimiser = torch.optim.AdamW(
            network.parameters(), betas=betas, weight_decay=optimisation.weight_decay, fused=True
        )
        self.frozen: Sequence[Tensor] = []
        self.model, self.optimiser = fabric.setup(network, optimiser)
        self.model.train()

    def learn(self, loss: Tensor, rate: float) -> Tensor:
        """Take one step against the gradient of a loss; return the gradient's norm before clipping."""
        for group in self.optimiser.param_groups:
            group["lr"], group["betas"] = rate * self.ratio, self.betas
        self.optimiser.zero_grad()
        self.fabric.backward(loss)
        # Not by `requires_grad`: what shares gradients among devices waits for one of every parameter.
        for parameter in self.frozen:
            parameter.grad = None  # and so neither moments nor weight decay move it
        norm = self.fabric.clip_gradients(
            self.model, self.optimiser, max_norm=self.clip, error_if_nonfinite=False
        )
        assert norm is not None  # it is for clipping by value only
        self.optimiser.step()
        return norm.detach()

    def restart(self, layer: str = "") -> None:
        """Give a layer, or the whole network, fresh weights and moments."""
        for module in self.network.get_submodule(layer).modules():
            _reset(module)
            for parameter in module.parameters(recurse=False):
                self.optimiser.state.pop(parameter, None)

    def release(self) -> None:
        """Let go of the devices: what shares gradients among them must be gone before they are."""
        del self.model, self.optimiser

    def state_dict(self) -> dict[str, Any]:
        """Return weights, moments and the ratio, not copied."""
        network, optimiser = self.network.state_dict(), self.optimiser.state_dict()
        return {"network": network, "optimiser": optimiser, "ratio": self.ratio}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Take over weights, moments and the ratio."""
        self.ratio = state["ratio"]
        self.network.load_state_dict(state["network"])
        self.optimiser.load_state_dict(state["optimiser"])


class Objective:
    """Losses, and the learners that a step takes on; `generator` is the one of the trained network.

    To be attached to a network before the first step. Subclasses give `scalars`, and where a step is
    more than a loss and its gradient, `attach` and `step` as well.
    """

    #: Name and arguments, where it was made by name: then a recipe can make it again.
    created_by: tuple[str, dict[str, Any]] | None = None
    #: Decay of AdamW's moments.
    betas: tuple[float, float] = (0.9, 0.999)

    def attach(self, fabric: Fabric, network: nn.Module, optimisation: Optimisation) -> None:
        """Set up the networks for the devices of a run."""
        self.generator = Learner(fabric, network, optimisation, self.betas)
        self.learners: dict[str, Learner] = {"generator": self.generator}

    def check(self, network: nn.Module, size: int) -> None:
        """Raise `SettingError` where the objective cannot be had for a network or an image size."""

    def extras(self) -> list[nn.Module]:
        """Return the networks beside the one that is trained, so that their memory can be told.

        What of them takes gradients learns.
        """
        return []

    def remembered(self, network: int, saved: Callable[[nn.Module], int]) -> int:
        """Return the most bytes that a step keeps for its gradients, for one image.

        `network` is what a pass of the trained network keeps, `saved` returns it for a pass of an extra
        one.
        """
        del saved
        return network

    def scalars(self, output: Tensor, image: Tensor, mask: Tensor) -> dict[str, Tensor]:
        """Return named scalars, means over images; `loss` is the one to minimise.

        Validation measures by the same.
        """
        raise NotImplementedError

    def step(self, image: Tensor, mask: Tensor, rate: float, progress: float) -> Step:
        """Take a step on a batch at a learning rate; `progress` is the share of the run that is done."""
        del progress
        output = self.generator.model(image, mask)
        scalars = self.scalars(output, image, mask)
        norm = self.generator.learn(scalars["loss"], rate)
        return Step({**detached(scalars), "gradient_norm": norm}, output.detach())

    def improves(self, hole_psnr: float, best: float, progress: float) -> bool:
        """Tell whether weights of a validation are to be kept as the model; as good counts."""
        del progress
        return hole_psnr >= best

    def state_dict(self) -> dict[str, Any]:
        """Return what training changes, not copied."""
        return {name: learner.state_dict() for name, learner in self.learners.items()}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Take over what `state_dict` returned."""
        for name, learner in self.learners.items():
            learner.load_state_dict(state[name])


#: `(output, image, mask)` to a loss, or to named scalars with `loss` among them; means over images.
LossFunction = Callable[[Tensor, Tensor, Tensor], Tensor | Mapping[str, Tensor]]


class FunctionObjective(Objective):
    """The objective that a function is: one network, and a loss of its output."""

    def __init__(self, function: LossFunction) -> None:
        self.function = function

    def scalars(self, output: Tensor, image: Tensor, mask: Tensor) -> dict[str, Tensor]:
        """Return what the function returns; raises `SettingError` where `loss` is not among it."""
        found = self.function(output, image, mask)
        scalars = {"loss": found} if isinstance(found, Tensor) else dict(found)
        if "loss" not in scalars or any(value.ndim for value in scalars.values()):
            shapes = {name: list(value.shape) for name, value in scalars.items()}
            raise SettingError(
                f"an objective returns a scalar, or named scalars with loss among them, got {shapes}"
            )
        return scalars


def as_objective(objective: Objective | LossFunction) -> Objective:
    """Return an objective as it is, and a function as the objective that it is.

    Raises `SettingError` for anything else.
    """
    if isinstance(objective, Objective):
        return objective
    if not callable(objective) or isinstance(objective, type):
        raise SettingError(
            f"an objective is an Objective or a function of output, image and mask, got {objective!r}"
        )
    return FunctionObjective(objective)


def _reset(module: nn.Module) -> None:
    """Give a module fresh weights, if it has any of its own."""
    if not callable(getattr(module, "reset_parameters", None)):
        return
    if not parametrize.is_parametrized(module, "weight"):
        module.reset_parameters()  # type: ignore[operator]
        return
    # A weight that is computed from another one: the computed one is filled, and taken over.
    with torch.no_grad():
        with parametrize.cached():
            module.reset_parameters()  # type: ignore[operator]
            fresh = module.weight.clone()  # type: ignore[operator]
        module.weight = fresh
        for _ in range(_POWER_ITERATIONS):  # the vectors of a spectral norm are those of the old weight
            _ = module.weight


def detached(scalars: dict[str, Tensor]) -> dict[str, Tensor]:
    """Return scalars without what made them."""
    return {name: value.detach() for name, value in scalars.items()}

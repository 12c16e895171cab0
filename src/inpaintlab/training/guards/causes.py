"""Why an alarm was raised: the very batch is tried again with the last good weights.

Everything is tried on copies; the run itself is not touched.
"""

import copy
import math
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from itertools import islice
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from inpaintlab.arrays import Float64
from inpaintlab.data.augment import Batch
from inpaintlab.errors import ImageError, MaskError
from inpaintlab.layers.initialise import WEIGHTED
from inpaintlab.masks import check_mask
from inpaintlab.networks import draw_noise
from inpaintlab.tensors import check_image
from inpaintlab.training.guards.detectors import HARDLY, NEEDED, Alarm, far_above
from inpaintlab.training.guards.signals import errors_of
from inpaintlab.training.trainer import Trainer

#: Steps of an experiment with a learning rate, and what the rate is multiplied by in each.
_STEPS = 24
_FACTORS = (1.0, 0.3, 0.1, 0.03, 0.01, 0.003, 0.001)
#: Images are gone through for others like the ones that were found, so many at most.
_SWEEP = 20_000
#: Of fewer images nothing can be said of what is usual.
_FEW = 30
#: Share of the distance of odd images from the usual at which others count as like them.
_ALIKE = 0.75
#: An experiment has gone wrong when its loss ends above its start by this.
_WORSE = 1.1
#: A smaller rate does better when its loss ends below that of the same rate by this.
_BETTER = 0.85


@dataclass(frozen=True)
class Verdict:
    """What was wrong, the experiment that shows it, and what follows from it.

    `cause` is one of `data`, `learning-rate`, `numerics`, `dead-unit`, `discriminator` and `unknown`.
    `positions` are images that training should leave out, `factor` is what the learning rate is to
    be multiplied by, `layer` the one to be mended. `skip` tells that the batch is to blame as it came:
    it is left out, unless its images are named.
    """

    cause: str
    sentence: str
    experiment: str
    positions: list[int] = field(default_factory=list)
    factor: float = 1.0
    layer: str | None = None
    skip: bool = False


class Laboratory:
    """Copies of a run's network, with the last good weights or with those of now."""

    def __init__(self, trainer: Trainer, good: dict[str, Any], batch: Batch, rate: float) -> None:
        self.trainer, self.good, self.batch, self.rate = trainer, good, batch, rate
        self.image, self.mask = trainer.fabric.to_device((batch.images, batch.masks))

    def network(self, *, good: bool = True) -> nn.Module:
        """Return a copy of the network, in training mode."""
        network = copy.deepcopy(self.trainer.network)
        if good:
            network.load_state_dict(self.good["objective"]["generator"]["network"])
        return network.train()

    def loss(self, network: nn.Module, image: Tensor, mask: Tensor) -> Tensor:
        """Return the loss of a copy, by the objective's reconstruction, in the run's precision."""
        # With noise, as in the run: without it what noise moves would seem to learn nothing.
        with self.trainer.fabric.autocast():
            output = network(image, mask, *draw_noise(network, image))
        return self.trainer.objective.scalars(output, image, mask)["loss"]

    def loss_of_batch(self, network: nn.Module) -> Tensor:
        """Return the loss of a copy on the batch of the alarm."""
        return self.loss(network, self.image, self.mask)

    @torch.no_grad()
    def errors(self) -> tuple[Float64, Float64]:
        """Return `errors_of` the images of the batch, with the last good weights."""
        errors, shares = errors_of(self.network()(self.image, self.mask), self.image)
        return errors.double().cpu().numpy(), shares.double().cpu().numpy()

    def steps(self, factor: float) -> tuple[float, float]:
        """Take steps from the last good state, at a share of the rate; return loss before and after."""
        network = self.network()
        optimiser = torch.optim.AdamW(network.parameters(), fused=True)
        optimiser.load_state_dict(copy.deepcopy(self.good["objective"]["generator"]["optimiser"]))
        losses = []
        for image, mask in self._first_batches():
            for group in optimiser.param_groups:
                group["lr"] = self.rate * factor
            loss = self.loss(network, image, mask)
            losses.append(loss.item())
            optimiser.zero_grad()
            loss.backward()  # type: ignore[no-untyped-call]
            nn.utils.clip_grad_norm_(network.parameters(), self.trainer.settings.grad_clip)
            optimiser.step()
        return losses[0], float(np.mean(losses[-3:]))

    def _first_batches(self) -> Iterator[tuple[Tensor, Tensor]]:
        """Yield the batch of the alarm, and those that came after the last good state."""
        yield self.image, self.mask
        for batch in islice(self.trainer.batches_from(self.good["step"]), _STEPS - 1):
            if not bad_images(batch):
                yield self.trainer.fabric.to_device((batch.images, batch.masks))


def find_cause(alarm: Alarm, laboratory: Laboratory) -> Verdict | None:
    """Try what could have caused an alarm, in order, until an experiment shows it.

    None for images that only seemed to be unlike the others.
    """
    if alarm.kind == "hard-images":
        return odd_images(alarm, laboratory)
    if alarm.kind == "discriminator":
        return Verdict(
            "discriminator",
            f"{alarm.sentence}: the generator learns nothing from it",
            "none: the discriminator's own verdicts show it",
            layer="discriminator",
        )
    for trial in (wrong_values, odd_in_batch, overflow, dead_layer, learning_rate):
        if verdict := trial(alarm, laboratory):
            return verdict
    return Verdict(
        "unknown",
        "not found: no experiment shows it",
        f"the batch is like others for the weights of step {laboratory.good['step']}, every layer gets "
        "a gradient, and steps at the same rate go well",
        factor=0.5,
    )


def bad_images(batch: Batch) -> list[int]:
    """Return the places in a batch whose image or mask breaks a convention."""
    bad = []
    for place in range(len(batch.images)):
        try:
            check_image(batch.images[place : place + 1])
            check_mask(batch.masks[place : place + 1], batch.images[place : place + 1])
        except (ImageError, MaskError):
            bad.append(place)
    return bad


def wrong_values(alarm: Alarm, laboratory: Laboratory) -> Verdict | None:
    """Values that are no colours: not in [0, 1], or no numbers."""
    if alarm.kind != "values":
        return None
    # More than half of a batch: then it is the batch that came out wrong, not its images.
    whole = len(alarm.positions) > laboratory.trainer.settings.batch_size / 2
    positions = [] if whole else [position for position in alarm.positions if position >= 0]
    experiment = "each image of the batch was looked at by itself"
    words = "the batch as a whole" if whole else f"{len(positions)} images of it"
    return Verdict("data", words, experiment, positions, skip=not positions)


def odd_in_batch(alarm: Alarm, laboratory: Laboratory) -> Verdict | None:
    """Images of the batch that the last good weights, too, paint much worse than the others."""
    # Weights that have hardly learnt say nothing of images.
    early = laboratory.good["step"] < NEEDED and alarm.kind != "hard-images"
    if early or alarm.kind not in ("spike", "not-finite", "jump", "hard-images"):
        return None
    found, shares = laboratory.errors()
    errors = np.log(np.maximum(found, 1e-9))
    apart = errors - np.median(errors)
    hardly = shares > HARDLY if alarm.kind == "hard-images" else np.ones(len(apart), bool)
    odd = np.flatnonzero((apart > far_above(apart.tolist())) & hardly)
    if not len(odd) or len(odd) > len(apart) / 2:
        return None
    factor = math.exp(float(apart[odd].mean()))
    return Verdict(
        "data",
        f"{len(odd)} of the {len(apart)} images of the batch are unlike all others",
        f"with the weights of step {laboratory.good['step']}, before the alarm, they are filled "
        f"{factor:.1f} times as wrongly as the rest",
        [int(p) for p in laboratory.batch.positions[odd] if p >= 0],
        skip=True,
    )


def odd_images(alarm: Alarm, laboratory: Laboratory) -> Verdict | None:
    """Go through the images for all that are like those that were found."""
    data, trainer = laboratory.trainer.data.train, laboratory.trainer
    every = range(len(data)) if data.cached else []
    chosen = sorted({*list(every)[:: 1 + len(data) // _SWEEP], *alarm.positions})
    errors, shares = _errors_of(laboratory, chosen)
    apart = np.log(np.maximum(errors, 1e-9))
    apart -= np.median(apart)
    limit = _limit(chosen, apart, alarm.positions) if len(chosen) > _FEW else -math.inf
    kind = (apart > limit) & (shares > HARDLY)
    odd = [position for position, is_odd in zip(chosen, kind, strict=True) if is_odd]
    share = len(odd) / len(chosen)
    if not odd or share > 2 * trainer.settings.max_bad_fraction:
        # Not as they are stored: perhaps as they came out of the augmentation.
        return odd_in_batch(alarm, laboratory)
    factor = math.exp(float(apart[kind].mean()))
    return Verdict(
        "data",
        f"{len(odd)} of {len(chosen)} images ({share:.1%}) are unlike all others",
        f"with the weights of step {trainer.step} they are filled {factor:.1f} times as wrongly, "
        "their known parts as well, with hardly anything of what is in them",
        odd,
    )


def _limit(chosen: Sequence[int], apart: Float64, found: Sequence[int]) -> float:
    """Return from which distance on an image is of the kind of those found.

    That is near theirs, as they have shown already that they are far above all others.
    """
    kind = [distance for position, distance in zip(chosen, apart, strict=True) if position in found]
    usual = far_above(apart.tolist())
    return min(usual, max(_ALIKE * float(np.median(kind)), _ALIKE * usual)) if kind else usual


@torch.no_grad()
def _errors_of(
    laboratory: Laboratory, positions: Sequence[int], batch: int = 64
) -> tuple[Float64, Float64]:
    """Return error and share of each image with the weights of now (`errors_of`)."""
    trainer, found = laboratory.trainer, []
    network = laboratory.network(good=False)
    masks = trainer.validation.masks
    for start in range(0, len(positions), batch):
        part = positions[start : start + batch]
        image = torch.cat([trainer.data.train.squares(p, p + 1) for p in part])
        mask = torch.stack([masks[place % len(masks)] for place in range(len(part))])
        image, mask = trainer.fabric.to_device((image, mask))
        found.append(torch.stack(errors_of(network(image, mask), image)))
    errors, shares = torch.cat(found, 1).double().cpu().numpy()
    return errors, shares


def overflow(alarm: Alarm, laboratory: Laboratory) -> Verdict | None:
    """Numbers too large for the precision, with good weights and a good batch."""
    if alarm.kind != "not-finite":
        return None
    step = laboratory.good["step"]
    where = first_not_finite(laboratory)
    if where:
        return Verdict(
            "numerics",
            f"numbers overflow in {where}",
            f"with the weights of step {step}, before the alarm, the same batch overflows there as well",
            skip=True,
        )
    before, after = laboratory.steps(1.0)
    if math.isfinite(after) and after < _WORSE * before:
        left = overflowed_gradients(laboratory.trainer.network)
        where = left[-1] if left else "the loss"
        return Verdict(
            "numerics",
            f"numbers overflowed in {where}, once",
            f"with the weights of step {step}, before the alarm, the same batch is finite, and "
            f"{_STEPS} steps at the same rate bring the loss from {before:.3g} to {after:.3g}",
            skip=True,
        )
    return None


def first_not_finite(laboratory: Laboratory) -> str | None:
    """Return the first layer of the good network with an output, or then a gradient, not finite."""
    network = laboratory.network()
    found: list[str] = []

    def look(name: str, output: Any) -> None:
        tensor = output[0] if isinstance(output, tuple) else output
        if not isinstance(tensor, Tensor):
            return
        if not bool(tensor.isfinite().all()):
            found.append(f"layer {name}")
        if tensor.requires_grad:
            tensor.register_hook(lambda g: look_back(name, g))  # type: ignore[no-untyped-call]

    def look_back(name: str, gradient: Tensor) -> None:
        if not bool(gradient.isfinite().all()):
            found.append(f"the gradient of layer {name}")

    with ExitStack() as hooks:
        for name, layer in network.named_modules():
            if not list(layer.children()):
                hook = layer.register_forward_hook(lambda _, __, output, name=name: look(name, output))
                hooks.callback(hook.remove)
        loss = laboratory.loss_of_batch(network)
    if not bool(loss.isfinite()) and not found:
        return "the loss"
    loss.backward()  # type: ignore[no-untyped-call]
    return found[0] if found else None


def overflowed_gradients(network: nn.Module) -> list[str]:
    """Return the layers whose weights were left with a gradient that is no number."""
    return [
        f"the gradient of layer {name}"
        for name, layer in network.named_modules()
        if isinstance(layer, WEIGHTED)
        and layer.weight.grad is not None
        and not bool(layer.weight.grad.isfinite().all())
    ]


def dead_layer(alarm: Alarm, laboratory: Laboratory) -> Verdict | None:
    """A layer without a gradient now, which had one with the last good weights."""
    if alarm.kind not in ("collapse", "jump", "spike", "divergence"):
        return None
    now = layers_without_gradient(laboratory, laboratory.network(good=False))
    if not now:
        return None
    before = layers_without_gradient(laboratory, laboratory.network())
    dead = [name for name in now if name not in before]
    step = laboratory.good["step"]
    if dead:
        return Verdict(
            "dead-unit",
            f"the outputs of layer {dead[-1]} are dead: nothing is learnt through them any more",
            f"on the same batch {len(dead)} layers, or half of their units, get no gradient; with the "
            f"weights of step {step} they do",
            layer=dead[-1],
            factor=0.5,
        )
    return Verdict(
        "dead-unit",
        f"the outputs of layer {now[-1]} are dead, and have been before step {step}",
        f"on the same batch {len(now)} layers get no gradient, now and with the weights of step {step}",
        layer=now[-1],
    )


def layers_without_gradient(laboratory: Laboratory, network: nn.Module) -> list[str]:
    """Return the layers of whose units half or more get no gradient, in the order in which they run."""
    order: list[str] = []
    with ExitStack() as hooks:
        for name, layer in network.named_modules():
            if isinstance(layer, WEIGHTED):
                hook = layer.register_forward_hook(lambda *_, name=name: order.append(name))
                hooks.callback(hook.remove)
        loss = laboratory.loss_of_batch(network)
    loss.backward()  # type: ignore[no-untyped-call]
    return [name for name in order if _no_gradient(network.get_submodule(name))]


def _no_gradient(layer: nn.Module) -> bool:
    """Tell whether half of a layer's units, or more, get no gradient."""
    gradient = layer.weight.grad
    if not isinstance(gradient, Tensor):
        return False
    units = gradient.flatten(1).any(1)
    return bool(units.float().mean() <= 0.5)


def learning_rate(alarm: Alarm, laboratory: Laboratory) -> Verdict | None:
    """A rate with which the last good weights go wrong, and a smaller one with which they do not."""
    tries = {factor: laboratory.steps(factor) for factor in _FACTORS}
    start = tries[1.0][0]
    ends = {factor: end if math.isfinite(end) else math.inf for factor, (_, end) in tries.items()}
    factor = min(ends, key=lambda f: ends[f])
    wrong = ends[1.0] > _WORSE * start
    slower = alarm.kind == "divergence" and ends[factor] < _BETTER * ends[1.0]
    if factor == 1.0 or ends[factor] >= start or not (wrong or slower):
        return None
    rate = laboratory.rate
    return Verdict(
        "learning-rate",
        f"the learning rate of {rate:.2g} is too high",
        f"{_STEPS} steps from the weights of step {laboratory.good['step']} at that rate bring the loss "
        f"from {start:.3g} to {ends[1.0]:.3g}, at {rate * factor:.2g} to {ends[factor]:.3g}",
        factor=factor,
    )


def with_names(verdict: Verdict, names: Sequence[str]) -> Verdict:
    """Return a verdict whose sentence names the first of its images."""
    if not names:
        return verdict
    more = f" and {len(names) - 3} more" if len(names) > 3 else ""
    return replace(verdict, sentence=f"{verdict.sentence} ({', '.join(names[:3])}{more})")

"""Reconstruction, and a discriminator that tells output patches from real ones."""

import math
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import replace
from typing import NamedTuple

import torch
from lightning_fabric import Fabric
from torch import Tensor, nn
from torch.nn.utils import parametrize

from inpaintlab import losses
from inpaintlab.errors import SettingError, near_miss
from inpaintlab.features import FEATURES
from inpaintlab.layers import Vary
from inpaintlab.losses import (
    energy_score,
    feature_matching,
    gradient_penalty,
    l1,
    patch_mask,
    perceptual,
    r1,
)
from inpaintlab.networks import draw_noise, noise_of
from inpaintlab.networks.discriminators import DISCRIMINATORS, Discriminator
from inpaintlab.tensors import composite, hole_spans, window
from inpaintlab.training.objectives.base import Learner, Objective, Optimisation, Step, detached
from inpaintlab.training.objectives.comparing import Comparing

#: Sides of what a discriminator sees around holes are multiples of it, as its strides ask for.
_STEP = 16
PENALTIES = ("none", "r1", "both", "gradient")


class Judge(nn.Module):
    """A discriminator that judges real and filled images, and its penalty, in one call.

    One call, as what shares gradients among devices allows no second one before the gradient is taken.
    Real and filled images are normalised apart from each other, and weights are computed once: a
    spectral norm takes one power iteration. The penalty is taken in every so many calls, and counts as
    many times as much then (Karras et al. 2020, appendix B).
    """

    calls: Tensor

    def __init__(self, discriminator: Discriminator, penalty: str, every: int = 1) -> None:
        super().__init__()
        self.discriminator, self.penalty, self.every = discriminator, penalty, every
        self.register_buffer("calls", torch.zeros((), dtype=torch.long))

    def forward(
        self, real: list[Tensor], fake: list[Tensor], mask: Tensor
    ) -> tuple[Tensor, Tensor, Tensor]:
        """Return scores of real and of filled images, `[B, K, h, w]`, and the penalty.

        `real` and `fake` are what the discriminator sees of them (`Discriminator.view`). The penalty is
        on the gradient at what is seen.
        """
        kind = "none" if int(self.calls) % self.every else self.penalty
        self.calls += 1
        real = [of.detach().float().requires_grad_(kind in ("r1", "both")) for of in real]
        fake = [of.detach().float().requires_grad_(kind == "both") for of in fake]
        # A gradient of a gradient in half precision is noise.
        exact = torch.autocast(mask.device.type, enabled=False) if kind != "none" else nullcontext()
        with parametrize.cached(), exact:
            real_scores, _ = self.discriminator.judge(real, mask)
            fake_scores, _ = self.discriminator.judge(fake, mask)
            penalty = real_scores.new_zeros(())
            if kind == "r1":
                penalty = r1(real_scores, real)
            elif kind == "both":
                # Of the mean over the hole's patches, so that a weight is good for holes of any size.
                where = patch_mask(mask, real_scores)
                share = where / where.sum((1, 2, 3), keepdim=True).clamp(min=1) / real_scores.shape[1]
                penalty = r1(real_scores * share, real) + r1(fake_scores * share, fake)
            elif kind == "gradient":
                # Seeded by the step, as all that is random in one.
                random = torch.default_generator
                penalty = gradient_penalty(self.discriminator, real[0], fake[0], mask, random)
        return real_scores, fake_scores, self.every * penalty

    @contextmanager
    def unmoved(self) -> Iterator[Discriminator]:
        """Give the discriminator for judging alone: nothing reaches its weights, no norm moves on."""
        made = [m for m in self.modules() if isinstance(m, parametrize.ParametrizationList)]
        self.requires_grad_(False)
        for weight in made:
            weight.eval()
        try:
            with parametrize.cached():
                yield self.discriminator
        finally:
            self.requires_grad_(True)
            for weight in made:
                weight.train()


class Turns(NamedTuple):
    """Which images of a batch are filled, by their `places`, and in which order.

    Fills in `twice` are with noise: some images, and the same again. Others are filled once, without.
    Those in `judged` are all of different images, as many with noise as without.
    """

    places: Tensor
    twice: slice
    judged: slice

    @classmethod
    def of(cls, count: int) -> "Turns":
        """Fill a quarter of the images twice, half once, and leave the others for another step.

        >>> Turns.of(8).places
        tensor([2, 3, 0, 1, 0, 1, 4, 5])
        """
        pairs = max(1, count // 4)
        once = range(pairs, max(pairs, count - pairs))
        half = len(once) // 2
        places = torch.tensor([*once[:half], *range(pairs), *range(pairs), *once[half:]])
        return cls(places, slice(half, half + 2 * pairs), slice(half + pairs, None))

    def noise(self, network: nn.Module, image: Tensor) -> tuple[Tensor, ...]:
        """Draw noise for the fills that have any; for others it is 0."""
        (drawn,) = draw_noise(network, image)
        noise = torch.zeros_like(drawn)
        noise[self.twice] = drawn[self.twice]
        return (noise,)


class Adversarial(Objective):
    """L1 in and outside the hole, an optional perceptual loss, and the judgement of a discriminator.

    The first `warmup` share of a run is reconstruction alone, and the discriminator learns from its end
    on. Then, over the `ramp` share, the weights of the adversarial loss and of feature matching rise
    linearly. In each step the discriminator learns after the generator, at `discriminator_ratio` of the
    run's learning rate. It is shown composites, and their patches outside the hole count as real.

    `loss` is a name in `losses.ADVERSARIAL`; `penalty` is none, r1 (on real images), both (on real and
    filled ones) or gradient, of weight `penalty_weight`, taken in every `penalty_every` steps;
    `discriminator` is a name in `DISCRIMINATORS`; it is shown a square `discriminator_window` times as
    wide as the largest hole of the batch, around each hole, or the whole image if that is 0.
    `coarse_weight` is of the errors of the coarse image, for networks that have `stages`, relative to
    those of the final one. `features` and `weights` are of the perceptual loss, of the composite, as
    for `partial-conv`, and of the discriminator `features`; nothing else looks for them. `betas` are
    AdamW's; `adversarial_betas` those of both networks from the end of the warm-up on. A network whose
    steps have momentum answers late to a discriminator, which then gets ahead of it.

    A network with `noise` learns from the end of the warm-up on to fill a hole in several ways. A
    quarter of the images are filled twice, with noise, and in place of their error in the hole counts
    `losses.energy_score`, with its `variety`, 0 to 1. Half are filled without noise and learn as
    before, so that the middle of all fills is as good as that of a network with one fill. As many holes
    are filled as before, and half of them are judged, one of each pair.
    """

    def __init__(
        self,
        hole_weight: float = 6.0,
        known_weight: float = 1.0,
        coarse_weight: float = 0.0,
        perceptual_weight: float = 0.0,
        features: str = "vgg16",
        weights: str | None = None,
        adversarial_weight: float = 0.1,
        loss: str = "hinge",
        penalty: str = "none",
        penalty_weight: float = 1.0,
        penalty_every: int = 1,
        feature_matching_weight: float = 0.0,
        discriminator: str = "spectral-patch",
        discriminator_width: int = 64,
        discriminator_layers: int = 4,
        discriminator_window: float = 0.0,
        discriminator_ratio: float = 1.0,
        betas: Sequence[float] = (0.9, 0.999),
        adversarial_betas: Sequence[float] | None = None,
        variety: float = 1.0,
        warmup: float = 0.1,
        ramp: float = 0.1,
    ) -> None:
        _check_names(loss, penalty, discriminator, features)
        _check_shares(warmup, ramp)
        if penalty_every < 1:
            raise SettingError(f"objective.penalty_every must be at least 1, got {penalty_every}")
        _check_not_negative(
            hole_weight=hole_weight,
            known_weight=known_weight,
            coarse_weight=coarse_weight,
            perceptual_weight=perceptual_weight,
            adversarial_weight=adversarial_weight,
            penalty_weight=penalty_weight,
            feature_matching_weight=feature_matching_weight,
            discriminator_ratio=discriminator_ratio,
            discriminator_window=discriminator_window,
            variety=variety,
        )
        if variety > 1:
            raise SettingError(
                f"objective.variety is from 0 to 1, at which fills differ as truths do, got {variety:g}"
            )
        if not hole_weight + perceptual_weight:
            raise SettingError(
                "objective.hole_weight and objective.perceptual_weight are both 0: nothing would bring "
                "colours into the hole before the discriminator does"
            )
        self.hole_weight, self.known_weight = hole_weight, known_weight
        self.coarse_weight, self.perceptual_weight = coarse_weight, perceptual_weight
        self.adversarial_weight, self.matching_weight = adversarial_weight, feature_matching_weight
        self.loss, self.penalty_weight = losses.ADVERSARIAL.create(loss), penalty_weight
        self.ratio, self.betas = discriminator_ratio, _two(betas)
        later = betas if adversarial_betas is None else adversarial_betas
        self.adversarial_betas = _two(later, "adversarial_betas")
        self.warmup, self.ramp, self.variety = warmup, ramp, variety
        self.window = discriminator_window
        looked_for = {"features": features, "weights": weights} if discriminator == "features" else {}
        network = DISCRIMINATORS.create(
            discriminator, width=discriminator_width, layers=discriminator_layers, **looked_for
        )
        self.judge = Judge(network, penalty, penalty_every)
        self.comparing = Comparing(features, weights) if perceptual_weight else None

    def check(self, network: nn.Module, size: int) -> None:
        """Raise `SettingError` for a network without stages where both count, and for a small size."""
        if self.coarse_weight and not hasattr(network, "stages"):
            raise SettingError(
                f"objective.coarse_weight is for networks with two stages, as deepfill; "
                f"{type(network).__name__} has one: -s objective.coarse_weight=0"
            )
        if size < self.judge.discriminator.min_size:
            raise SettingError(
                f"--size {size} is too small for the discriminator: at least "
                f"{self.judge.discriminator.min_size}"
            )
        if self.comparing:
            self.comparing.check(size)

    def attach(self, fabric: Fabric, network: nn.Module, optimisation: Optimisation) -> None:
        """Set up the networks for the devices of a run."""
        super().attach(fabric, network, optimisation)
        # A penalty that is taken in a few steps alone has a long gradient then, and is to keep it.
        free = replace(optimisation, clip=math.inf)
        # What noise alone moves has no gradient before there is any. Moments of zeros would then take
        # the first one for ten times its length.
        varying = [part for part in network.modules() if isinstance(part, Vary) and part.noise]
        self.unmoved = [part.linear.weight for part in varying]
        self.discriminator = Learner(fabric, self.judge, free, self.adversarial_betas, self.ratio)
        self.learners["discriminator"] = self.discriminator
        if self.coarse_weight:
            self.generator.model.mark_forward_method("stages")
        if self.comparing:
            self.comparing.network.to(fabric.device)

    def extras(self) -> list[nn.Module]:
        """Return the discriminator, and the feature network if there is one."""
        discriminator = self.judge.discriminator
        return [discriminator, self.comparing.network] if self.comparing else [discriminator]

    def remembered(self, network: int, saved: Callable[[nn.Module], int]) -> int:
        """Return the bytes of the generator's step or of the discriminator's, whichever keeps more."""
        discriminator = self.judge.discriminator
        seen = sum(saved(frozen) for frozen in discriminator.frozen)
        judged = saved(discriminator) - seen
        # A gradient that is differentiated again keeps about as much again on its way, twice.
        passes = {"none": 2, "r1": 4, "both": 6, "gradient": 5}[self.judge.penalty]
        compared = saved(self.comparing.network) if self.comparing else 0
        return max(network + seen + judged + compared, passes * judged)

    def scalars(self, output: Tensor, image: Tensor, mask: Tensor) -> dict[str, Tensor]:
        """Return `loss`, which is the reconstruction alone, and its terms without their weights."""
        hole, known = l1(output, image, mask), l1(output, image, 1 - mask)
        loss = self.hole_weight * hole + self.known_weight * known
        found = {"hole_l1": hole, "known_l1": known}
        if self.comparing:
            (maps,), truth = self.comparing.maps([composite(image, output, mask)], image)
            found["perceptual"] = perceptual(maps, truth)
            loss = loss + self.perceptual_weight * found["perceptual"]
        return {"loss": loss, **found}

    def step(self, image: Tensor, mask: Tensor, rate: float, progress: float) -> Step:
        """Take a step of the generator, and after it one of the discriminator."""
        judges = progress >= self.warmup
        self.generator.betas = self.adversarial_betas if judges else self.betas
        self.generator.frozen = [] if judges else self.unmoved
        turns, noise = None, tuple[Tensor, ...]()
        if judges and noise_of(self.generator.network):
            turns = Turns.of(len(image))
            image, mask = image[turns.places], mask[turns.places]
            noise = turns.noise(self.generator.network, image)
        coarse, output = self._paint(image, mask, noise)
        scalars = self.scalars(output, image, mask)
        if turns:
            scalars |= self._varied(output, image, mask, turns.twice, scalars)
        if coarse is not None:
            scalars["coarse"] = self._errors(coarse, image, mask)
            scalars["loss"] = scalars["loss"] + self.coarse_weight * scalars["coarse"]
        scalars["reconstruction"] = scalars["loss"]
        seen = turns.judged if turns else slice(None)
        filled = composite(image, output, mask)
        shown = self.shown(filled[seen], image[seen], mask[seen]) if judges else None
        if shown and (share := self.share(progress)):
            scalars |= self.judged(*shown)
            judgement = self.adversarial_weight * scalars["adversarial"]
            if self.matching_weight:
                judgement = judgement + self.matching_weight * scalars["feature_matching"]
            scalars["loss"] = scalars["loss"] + share * judgement
        norm = self.generator.learn(scalars["loss"], rate)
        found = {**detached(scalars), "gradient_norm": norm}
        if shown:
            found |= self.teach(*shown, rate)
        return Step(found, output.detach(), turns.places if turns else None)

    def improves(self, hole_psnr: float, best: float, progress: float) -> bool:
        """Tell whether weights are to be kept: once the discriminator counts, the newest are.

        Its work lowers the PSNR. By that alone the weights of before would be kept, and its work lost.
        """
        return self.share(progress) > 0 or super().improves(hole_psnr, best, progress)

    def share(self, progress: float) -> float:
        """Return the share of the discriminator's weights that counts at a share of the run."""
        if progress < self.warmup:
            return 0.0
        return min(1.0, (progress - self.warmup) / self.ramp) if self.ramp else 1.0

    def shown(
        self, filled: Tensor, image: Tensor, mask: Tensor
    ) -> tuple[list[Tensor], list[Tensor], Tensor]:
        """Return what the discriminator sees of fills and of the truth, and the mask of what it sees."""
        if self.window:
            filled, image, mask = _around_holes([filled, image, mask], mask, self.window)
        discriminator = self.judge.discriminator
        with self.generator.fabric.autocast():
            fake = discriminator.view(filled)
            with torch.no_grad():
                real = discriminator.view(image)
        return fake, real, mask

    def judged(self, fake: list[Tensor], real: list[Tensor], mask: Tensor) -> dict[str, Tensor]:
        """Return what the discriminator makes of fills, for the generator to learn from."""
        with self.judge.unmoved() as discriminator, self.generator.fabric.autocast():
            scores, maps = discriminator.judge(fake, mask)
            real_scores, real_maps = None, None
            if self.matching_weight or isinstance(self.loss, losses.Relativistic):
                with torch.no_grad():
                    real_scores, real_maps = discriminator.judge(real, mask)
            where = patch_mask(mask, scores)
            found = {"adversarial": self.loss.generator(scores, where, real_scores)}
            if self.matching_weight and real_maps:
                found["feature_matching"] = feature_matching(maps, real_maps)
        return found

    def teach(
        self, fake: list[Tensor], real: list[Tensor], mask: Tensor, rate: float
    ) -> dict[str, Tensor]:
        """Take a step of the discriminator; return how it judged before."""
        real_scores, scores, penalty = self.discriminator.model(real, fake, mask)
        where = patch_mask(mask, scores)
        cost = self.loss.discriminator(real_scores, scores, where)
        self.discriminator.learn(cost + self.penalty_weight * penalty, rate)
        verdicts = self._verdicts(real_scores.detach().float(), scores.detach().float(), where)
        return {"discriminator_loss": cost.detach(), **verdicts}

    def _verdicts(self, real: Tensor, fake: Tensor, where: Tensor) -> dict[str, Tensor]:
        """Return accuracy, spread, and the mean scores of real and of output patches."""
        return {
            "discriminator_accuracy": self.loss.accuracy(real, fake, where),
            "discriminator_spread": torch.cat([real.flatten(), fake.flatten()]).std(),
            "real_score": real.mean(),
            "fake_score": (fake.mean(1, keepdim=True) * (where > 0)).sum() / where.sum().clamp(min=1),
        }

    def _varied(
        self, output: Tensor, image: Tensor, mask: Tensor, twice: slice, scalars: dict[str, Tensor]
    ) -> dict[str, Tensor]:
        """Return the loss with the energy score in place of the error where images are filled twice."""
        (first, second), (truth, _), (hole, _) = (of[twice].chunk(2) for of in (output, image, mask))
        energy = energy_score(first, second, truth, hole, self.variety)
        error = l1(output[twice], image[twice], mask[twice])
        share = self.hole_weight * 2 * len(first) / len(output)
        return {"loss": scalars["loss"] + share * (energy - error)}

    def _paint(
        self, image: Tensor, mask: Tensor, noise: tuple[Tensor, ...]
    ) -> tuple[Tensor | None, Tensor]:
        """Return the coarse image, where it counts, and the final one."""
        if not self.coarse_weight:
            return None, self.generator.model(image, mask, *noise)
        with self.generator.fabric.autocast():
            coarse, output = self.generator.model.stages(image, mask, *noise)
        return coarse.float(), output.float()

    def _errors(self, output: Tensor, image: Tensor, mask: Tensor) -> Tensor:
        hole, known = l1(output, image, mask), l1(output, image, 1 - mask)
        return self.hole_weight * hole + self.known_weight * known


def _check_names(loss: str, penalty: str, discriminator: str, features: str) -> None:
    tables = {
        "loss": (loss, losses.ADVERSARIAL),
        "penalty": (penalty, PENALTIES),
        "discriminator": (discriminator, DISCRIMINATORS),
        "features": (features, FEATURES),
    }
    for name, (value, allowed) in tables.items():
        if value not in allowed:
            hint = near_miss(value, allowed) or f": one of {', '.join(allowed)}"
            raise SettingError(f"unknown objective.{name} {value!r}{hint}")
    if penalty == "gradient" and discriminator == "patch":
        raise SettingError(
            "penalty gradient asks for a discriminator without batch norms, which patch has: "
            "-s objective.discriminator=spectral-patch"
        )
    if penalty == "gradient" and discriminator == "features":
        raise SettingError(
            "penalty gradient asks for a discriminator of images, and features judges maps of features: "
            "-s objective.penalty=both"
        )
    if loss == "wasserstein" and penalty != "gradient":
        raise SettingError("loss wasserstein has no bounds: -s objective.penalty=gradient gives them")


def _around_holes(images: list[Tensor], mask: Tensor, times: float) -> list[Tensor]:
    """Cut a square around the hole out of every image of some batches, of the same side for all.

    The side is so many times the largest hole's, rounded up to a multiple of `_STEP` pixels.
    """
    spans = hole_spans(mask)
    widest = max(last + 1 - first for span in spans for first, last in span)
    height, width = mask.shape[-2:]
    side = min(max(2, math.ceil(widest * times / _STEP)) * _STEP, height, width)
    places = [(window(rows, side, height), window(columns, side, width)) for rows, columns in spans]
    return [
        torch.stack([one[:, rows, columns] for one, (rows, columns) in zip(batch, places, strict=True)])
        for batch in images
    ]


def _check_shares(warmup: float, ramp: float) -> None:
    if warmup < 0 or ramp < 0 or warmup + ramp > 1:
        raise SettingError(
            f"objective.warmup and objective.ramp are shares of the run, 1 together at the most, got "
            f"{warmup:g} and {ramp:g}"
        )


def _two(betas: Sequence[float], name: str = "betas") -> tuple[float, float]:
    if len(betas) != 2 or not all(0 <= beta < 1 for beta in betas):
        raise SettingError(f"objective.{name} are two numbers in [0, 1), got {list(betas)}")
    return float(betas[0]), float(betas[1])


def _check_not_negative(**values: float) -> None:
    for name, value in values.items():
        if value < 0:
            raise SettingError(f"objective.{name} must be 0 or more, got {value:g}")

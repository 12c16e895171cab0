"""Losses: plain functions of tensors, one scalar each.

Every image weighs the same: the mean over a batch is the mean over its parts on several devices.
Half precision is widened to float32 first. Images are `[B, 3, H, W]` in [0, 1], masks `[B, 1, H, W]`
with 1 in the hole; features are lists of `[B, C, h, w]`; scores of patches are `[B, K, h, w]`, higher
for "real", one or more for each patch.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from inpaintlab import tensors
from inpaintlab.errors import SettingError
from inpaintlab.registry import Registry


def l1(output: Tensor, target: Tensor, where: Tensor) -> Tensor:
    """Mean absolute error where `where` is 1, divided by that area image by image.

    `output` and `target` are `[B, 3, H, W]`, `where` is `[B, 1, H, W]`: the mask for the hole,
    `1 - mask` for what is outside. Every image weighs the same, however small its hole, as in our
    metrics; and the mean over a batch is the mean over its parts on several devices. An image with
    nothing selected counts as 0.

    >>> import torch
    >>> where = torch.tensor([1.0, 0, 0, 0]).view(1, 1, 2, 2)
    >>> float(l1(torch.full((1, 3, 2, 2), 0.75), torch.zeros(1, 3, 2, 2), where))
    0.75
    """
    return _mean_where((_wide(output) - _wide(target)).abs(), where)


def charbonnier(output: Tensor, target: Tensor, where: Tensor, epsilon: float = 1e-3) -> Tensor:
    """Mean of √(d² + ε²) - ε of the differences d where `where` is 1, divided by that area as in `l1`.

    Quadratic for differences far below `epsilon` and absolute far above it (Charbonnier et al. 1994; as
    a loss of images Lai et al. 2017). ε, the least value, is taken off: equal images give 0.
    """
    squared = (_wide(output) - _wide(target)) ** 2
    # The same as √(d² + ε²) - ε, without the difference of two nearly equal numbers.
    return _mean_where(squared / ((squared + epsilon**2).sqrt() + epsilon), where)


def energy_score(
    first: Tensor, second: Tensor, target: Tensor, mask: Tensor, variety: float = 1.0
) -> Tensor:
    """Mean distance of two fills from the truth, less half of their distance from each other.

    The energy score (Gneiting & Raftery 2007, equation 21) of a network that fills the same hole with
    two draws of its noise. It is lowest where fills are spread as the truth is, given what is known.
    Images are `[B, 3, H, W]`; distances are the root of the mean square over the hole, image by image.
    `variety` is the share of their own distance that is taken off, 0 to 1; below 1 fills end up nearer
    to each other than the truth is to them.

    >>> truth, mask = torch.zeros(1, 3, 4, 4), torch.ones(1, 1, 4, 4)
    >>> round(float(energy_score(truth + 0.1, truth - 0.1, truth, mask)), 3)
    0.0
    """
    apart = distance(first, second, mask)
    wrong = (distance(first, target, mask) + distance(second, target, mask)) / 2
    return wrong - variety * apart / 2


def distance(output: Tensor, target: Tensor, mask: Tensor) -> Tensor:
    """Root of the mean square of the difference in the hole, image by image; the mean over images.

    Of equal images it is 0.001 and not 0, where a root has no gradient.
    """
    squared = ((_wide(output) - _wide(target)) ** 2).mean(1, keepdim=True)
    where = _wide(mask)
    means = (squared * where).sum((1, 2, 3)) / where.sum((1, 2, 3)).clamp(min=1)
    return (means + 1e-6).sqrt().mean()


def ssim_loss(output: Tensor, target: Tensor, mask: Tensor) -> Tensor:
    """1 - structural similarity over the pixels of the hole; 0 to 2.

    The similarity is that of the composite, so what `output` has outside the hole does not matter. Its
    map is averaged over windows centred in the hole, by that area image by image: the metric of that
    name averages over all windows, also those that are equal by construction.
    """
    truth = _wide(target)
    filled = tensors.composite(truth, _wide(output), mask)
    return _mean_where(1 - similarity_map(filled, truth), mask)


def similarity_map(image: Tensor, target: Tensor) -> Tensor:
    """Structural similarity of each window, `[B, 3, H, W]`, at most 1 (Wang et al. 2004, equation 13).

    The window is Gaussian, 11 pixels wide; for images under 11 pixels flat, and as wide as they are.
    """
    from torchmetrics.functional.image import structural_similarity_index_measure  # takes half a second

    side = min(target.shape[-2:])
    window = min(11, side if side % 2 else side - 1)
    with torch.autocast(target.device.type, enabled=False):  # differences of nearly equal squares
        _, similarity = structural_similarity_index_measure(
            image,
            target,
            gaussian_kernel=window == 11,
            kernel_size=window,
            reduction="none",
            data_range=1.0,
            return_full_image=True,
        )
    assert isinstance(similarity, Tensor)
    return similarity


def perceptual(features_output: Sequence[Tensor], features_target: Sequence[Tensor]) -> Tensor:
    """L1 distance of features, the mean over each map, summed over maps (Liu et al. 2018, eq. 3).

    The equation has two such sums: of the network's output and of the composite, each beside the target.
    """
    pairs = zip(features_output, features_target, strict=True)
    return _total([_mean((_wide(x) - _wide(y)).abs()) for x, y in pairs])


def style(features_output: Sequence[Tensor], features_target: Sequence[Tensor]) -> Tensor:
    """L1 distance of Gram matrices, the mean over each, summed (Liu et al. 2018, eq. 4 and 5).

    Equation 4 is that of the network's output, equation 5 that of the composite, each beside the target.
    """
    pairs = zip(features_output, features_target, strict=True)
    return _total([_mean((gram(x) - gram(y)).abs()) for x, y in pairs])


def gram(features: Tensor) -> Tensor:
    """Return Gram matrices `[B, C, C]` of `[B, C, H, W]`, divided by C·H·W; never in half precision."""
    channels, height, width = features.shape[1:]
    # autocast would turn even float32 factors into half precision.
    with torch.autocast(features.device.type, enabled=False):
        flat = _wide(features).flatten(2)
        return flat @ flat.transpose(1, 2) / (channels * height * width)


def total_variation(composite: Tensor, mask: Tensor) -> Tensor:
    """Differences of neighbours in the hole or one pixel from it (Liu et al. 2018, eq. 6).

    One pixel from it: in the 3×3 around a pixel of the hole. As in the equation their sum is divided by
    the count of numbers in the image, 3·H·W, whatever the size of the hole. Nothing farther matters.
    """
    near = F.max_pool2d(mask, 3, stride=1, padding=1)
    image = _wide(composite)
    down = (image[..., 1:, :] - image[..., :-1, :]).abs() * near[..., 1:, :] * near[..., :-1, :]
    across = (image[..., 1:] - image[..., :-1]).abs() * near[..., 1:] * near[..., :-1]
    numbers = image[0].numel()
    return ((down.sum((1, 2, 3)) + across.sum((1, 2, 3))) / numbers).mean()


def feature_matching(features_fake: Sequence[Tensor], features_real: Sequence[Tensor]) -> Tensor:
    """L1 distance of a discriminator's features, means over maps, summed (Wang et al. 2018, eq. 4).

    The loss is the generator's: no gradient flows into `features_real`.
    """
    return perceptual(features_fake, [features.detach() for features in features_real])


def patch_mask(mask: Tensor, scores: Tensor) -> Tensor:
    """Return `[B, 1, h, w]` on the grid of the scores: 1 where a patch touches the hole, else 0.

    A patch is here its share of the image's area, without what more of it the discriminator sees.

    >>> import torch
    >>> mask = torch.zeros(1, 1, 8, 8)
    >>> mask[..., 0, 0] = 1
    >>> patch_mask(mask, torch.zeros(1, 1, 2, 2)).flatten().tolist()
    [1.0, 0.0, 0.0, 0.0]
    """
    height, width = scores.shape[-2:]
    return F.adaptive_max_pool2d(mask, (height, width))


@dataclass(frozen=True)
class Adversarial:
    """An adversarial loss: what each patch costs, by its score.

    `real` and `fake` are for the discriminator: the cost of a patch that is real, or filled. `filled` is
    for the generator: the cost of a patch that it filled. `where` is what `patch_mask` returns, or any
    share of hole in [0, 1]; none: every patch is filled. `middle` is the score between real and fake,
    none where the loss has no such score.
    """

    real: Callable[[Tensor], Tensor]
    fake: Callable[[Tensor], Tensor]
    filled: Callable[[Tensor], Tensor]
    middle: float | None = 0.0

    def discriminator(
        self, real_scores: Tensor, fake_scores: Tensor, where: Tensor | None = None
    ) -> Tensor:
        """Cost of the discriminator, of real and of filled images: means over patches, summed.

        Only patches of a filled image that touch the hole are fake; its others count as real, as in
        LaMa (Suvorov et al. 2022, section 2.3.2).
        """
        fake_scores = _wide(fake_scores)
        cost = self.fake(fake_scores)
        if where is not None:
            cost = where * cost + (1 - where) * self.real(fake_scores)
        return _mean(self.real(_wide(real_scores))) + _mean(cost)

    def generator(
        self,
        fake_scores: Tensor,
        where: Tensor | None = None,
        real_scores: Tensor | None = None,
    ) -> Tensor:
        """Cost of the generator: the mean over the patches of `where`, image by image.

        What is outside the hole is not the generator's work, so that it does not count. LaMa counts all
        patches: give no `where` for that. Real patches have no part in it.
        """
        del real_scores
        cost = self.filled(_wide(fake_scores))
        return _mean(cost) if where is None else _mean_where(cost, where)

    def accuracy(self, real_scores: Tensor, fake_scores: Tensor, where: Tensor) -> Tensor:
        """Return the share of patches told rightly; real and filled ones weigh the same."""
        output, count = where > 0, where.sum().clamp(min=1)
        scores = torch.cat([real_scores.flatten(), fake_scores.flatten()])
        middle = scores.mean() if self.middle is None else self.middle
        right = ((fake_scores < middle) & output).float().mean(1, keepdim=True).sum() / count
        return ((real_scores > middle).float().mean() + right) / 2


class Relativistic(Adversarial):
    """Each filled patch against the real one in its place: which of the two looks more real.

    What is known is the same in both, so that nothing but the fill can tell them apart. Real patches
    cost what they are less real than filled ones, and for the generator the other way round
    (Jolicoeur-Martineau 2018; with softplus and pairs as in Huang et al., R3GAN, 2024, equation 2).
    """

    def __init__(self) -> None:
        super().__init__(F.softplus, F.softplus, F.softplus, middle=None)

    def discriminator(
        self, real_scores: Tensor, fake_scores: Tensor, where: Tensor | None = None
    ) -> Tensor:
        """Cost of the discriminator: the mean over patches that touch the hole, image by image."""
        cost = F.softplus(_wide(fake_scores) - _wide(real_scores))
        return _mean(cost) if where is None else _mean_where(cost, where)

    def generator(
        self,
        fake_scores: Tensor,
        where: Tensor | None = None,
        real_scores: Tensor | None = None,
    ) -> Tensor:
        """Cost of the generator; raises `SettingError` without the scores of the real images."""
        if real_scores is None:
            raise SettingError("a relativistic loss compares: it needs real_scores as well")
        return self.discriminator(fake_scores, real_scores.detach(), where)

    def accuracy(self, real_scores: Tensor, fake_scores: Tensor, where: Tensor) -> Tensor:
        """Return the share of the hole's patches in which the real one has the higher score."""
        right = ((real_scores > fake_scores) & (where > 0)).float().mean(1, keepdim=True)
        return right.sum() / where.sum().clamp(min=1)


def _negative(scores: Tensor) -> Tensor:
    return -scores


def hinge() -> Adversarial:
    """Lim and Ye 2017, as in Miyato et al. 2018, equations 16 and 17."""
    return Adversarial(lambda scores: F.relu(1 - scores), lambda scores: F.relu(1 + scores), _negative)


def non_saturating() -> Adversarial:
    """Goodfellow et al. 2014, section 3."""
    return Adversarial(
        lambda scores: F.softplus(-scores), F.softplus, lambda scores: F.softplus(-scores)
    )


def least_squares() -> Adversarial:
    """Mao et al. 2017, equation 9."""

    def from_one(scores: Tensor) -> Tensor:
        return (scores - 1) ** 2 / 2

    return Adversarial(from_one, lambda scores: scores**2 / 2, from_one, middle=0.5)


def wasserstein() -> Adversarial:
    """Arjovsky et al. 2017, equation 3; without bounds, so that it needs `gradient_penalty`."""
    return Adversarial(_negative, lambda scores: scores, _negative, middle=None)


#: Name -> what makes an adversarial loss.
ADVERSARIAL: Registry[Adversarial] = Registry(
    "adversarial loss",
    {
        "hinge": hinge,
        "non-saturating": non_saturating,
        "least-squares": least_squares,
        "wasserstein": wasserstein,
        "relativistic": Relativistic,
    },
)
#: Name -> loss of an output `[B, 3, H, W]`, its target, and where they are compared `[B, 1, H, W]`.
LOSSES: Registry[Tensor] = Registry("loss", {"l1": l1, "charbonnier": charbonnier, "ssim": ssim_loss})
register_loss = LOSSES.register


def r1(scores: Tensor, image: Tensor | Sequence[Tensor]) -> Tensor:
    """Half the squared norm of the scores' gradient at real images (Mescheder et al. 2018, eq. 9).

    The weight of this is the paper's γ. `image` must have `requires_grad` before it is scored. The
    scores of an image's patches are summed, so that the gradient at a pixel does not depend on how many
    other patches there are. LaMa leaves out the half: its weight 0.001 is 0.002 here. Of several maps
    of features in place of the image, the squared norms are summed.
    """
    seen = [image] if isinstance(image, Tensor) else image
    norms = [(of**2).sum((1, 2, 3)).mean() for of in _gradients(scores, seen)]
    return _total(norms) / 2


def gradient_penalty(
    discriminator: Callable[[Tensor, Tensor], tuple[Tensor, list[Tensor]]],
    real: Tensor,
    fake: Tensor,
    mask: Tensor,
    generator: torch.Generator,
) -> Tensor:
    """Squared distance of the gradient's norm from 1 (Gulrajani et al. 2017, eq. 3).

    `discriminator` is called with image and mask, as ours are, at one random point on the line from fake
    to real for each image, sampled with `generator`. It must not normalise over the batch, as `patch`
    does: the gradient is to be that of one image. The scores of an image's patches are summed, as in
    `r1`. No gradient flows into `fake`.
    """
    share = torch.rand(len(real), 1, 1, 1, generator=generator, device=generator.device)
    share = share.to(real)
    between = (share * real + (1 - share) * fake).detach().requires_grad_()
    scores, _ = discriminator(between, mask)
    norms: Tensor = torch.linalg.vector_norm(_gradients(scores, [between])[0].flatten(1), dim=1)
    return ((norms - 1) ** 2).mean()


def _gradients(scores: Tensor, seen: Sequence[Tensor]) -> list[Tensor]:
    """Return the gradients of each image's summed scores, that can be differentiated once more."""
    gradients = torch.autograd.grad(_wide(scores).sum(), list(seen), create_graph=True)
    return [_wide(gradient) for gradient in gradients]


def _wide(values: Tensor) -> Tensor:
    """Return half precision as float32, and others as they are."""
    return values.float() if values.dtype in (torch.float16, torch.bfloat16) else values


def _mean_where(values: Tensor, where: Tensor) -> Tensor:
    """Return the mean over images of the mean of `[B, C, H, W]` where `where` `[B, 1, H, W]` is 1."""
    area = where.sum((1, 2, 3)) * values.shape[1]
    total = (values * where).sum((1, 2, 3))
    # Shares of hole may sum up to less than 1; nothing at all selected counts as 0.
    return (total / torch.where(area > 0, area, 1)).mean()


def _mean(values: Tensor) -> Tensor:
    """Return the mean over images of the mean of each."""
    return values.flatten(1).mean(1).mean()


def _total(parts: Sequence[Tensor]) -> Tensor:
    return torch.stack(list(parts)).sum()

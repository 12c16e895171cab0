import copy
from functools import partial

import pytest
import torch
from hypothesis import given, settings, strategies as st
from torch import nn

from inpaintlab import losses, metrics
from inpaintlab.errors import SettingError
from inpaintlab.losses import ADVERSARIAL, l1
from inpaintlab.networks.discriminators import SpectralPatchDiscriminator
from inpaintlab.tensors import composite
from inpaintlab.training.objectives.reconstruction import Reconstruction

SIDE = 12
quick = settings(max_examples=25, deadline=None)
#: Losses of output, target and where they are compared.
PIXELS = {"l1": l1, "charbonnier": losses.charbonnier, "ssim": losses.ssim_loss}
#: Losses of two lists of features.
MAPS = {
    "perceptual": losses.perceptual,
    "style": losses.style,
    "feature matching": losses.feature_matching,
}
pixels = pytest.mark.parametrize("loss", PIXELS.values(), ids=PIXELS)
maps = pytest.mark.parametrize("loss", MAPS.values(), ids=MAPS)
adversarial = pytest.mark.parametrize("loss", [make() for make in ADVERSARIAL.values()], ids=ADVERSARIAL)
#: Those that judge a score by itself, not beside another.
SINGLE = [name for name in ADVERSARIAL if name != "relativistic"]
single = pytest.mark.parametrize("loss", [ADVERSARIAL[name]() for name in SINGLE], ids=SINGLE)


def generator(seed=0):
    return torch.Generator().manual_seed(seed)


def images(seed, count=2, side=SIDE, dtype=torch.float32):
    return torch.rand(count, 3, side, side, generator=generator(seed), dtype=dtype)


def holes(seed=0, count=2, side=SIDE, dtype=torch.float32):
    """Masks with a rectangle of another size in each image, that touches no border."""
    mask = torch.zeros(count, 1, side, side, dtype=dtype)
    for index in range(count):
        mask[index, :, 2 : 5 + (index + seed) % 4, 3:6] = 1
    return mask


def features(seed, count=2, dtype=torch.float32):
    draw = partial(torch.randn, generator=generator(seed), dtype=dtype)
    return [draw(count, 3, 4, 4), draw(count, 5, 2, 2)]


def same_as_its_parts(loss, *batches, rest=()):
    """Tell whether the loss of a batch is the mean over its images."""

    def part(one, index):
        keep = slice(index, index + 1)
        return [x[keep] for x in one] if isinstance(one, list) else one[keep]

    count = len(batches[0][0]) if isinstance(batches[0], list) else len(batches[0])
    parts = [loss(*(part(one, index) for one in batches), *rest) for index in range(count)]
    return torch.allclose(loss(*batches, *rest), torch.stack(parts).mean(), rtol=1e-5, atol=1e-7)


def test_every_loss_of_the_table_is_tested():
    assert set(losses.LOSSES.values()) == set(PIXELS.values())


def test_a_loss_of_a_user_is_found_by_name(monkeypatch):
    monkeypatch.setitem(losses.LOSSES, "mine", None)
    del losses.LOSSES["mine"]

    @losses.register_loss("mine")
    def squared(output, target, where):
        return ((output - target) ** 2 * where).mean()

    output, target, mask = images(1), images(2), holes()
    found = Reconstruction(loss="mine", known_weight=0).scalars(output, target, mask)
    assert found["loss"] == 6 * squared(output, target, mask)
    assert found["hole_l1"] == l1(output, target, mask)
    with pytest.raises(SettingError, match="unknown loss 'mina', did you mean 'mine'"):
        Reconstruction(loss="mina")


# Losses of pixels


@pixels
@quick
@given(seed=st.integers(0, 99))
def test_pixels_zero_at_equality_and_else_above(loss, seed):
    target, mask = images(seed), holes(seed)
    assert abs(loss(target, target, mask)) < 1e-6
    assert loss(images(seed + 100), target, mask) > 1e-3


@pixels
@quick
@given(seed=st.integers(0, 99))
def test_pixels_outside_do_not_matter(loss, seed):
    output, target, mask = images(seed), images(seed + 1), holes(seed)
    changed = composite(images(seed + 2), output, mask)
    assert loss(output, target, mask) == loss(changed, target, mask)


@pixels
def test_pixels_batch_is_the_mean_of_its_parts(loss):
    assert same_as_its_parts(loss, images(1, 4), images(2, 4), holes(0, 4))


@pixels
def test_nothing_selected_is_zero_and_has_a_gradient(loss):
    output = images(1).requires_grad_()
    value = loss(output, images(2), torch.zeros(2, 1, SIDE, SIDE))
    value.backward()
    assert value == 0
    assert torch.isfinite(output.grad).all()


@pixels
def test_gradient_of_pixels(loss):
    side = 6  # the smallest window of SSIM that has something around it
    output, target = (images(seed, 1, side, torch.double) for seed in (1, 2))
    mask = holes(0, 1, side, torch.double)
    # Away from the corner of the absolute value.
    target = target + 2 if loss is l1 else target
    assert torch.autograd.gradcheck(lambda x: loss(x, target, mask), output.requires_grad_())


@pixels
@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_pixels_in_half_precision_are_widened(loss, dtype):
    output, target, mask = images(1).to(dtype), images(2).to(dtype), holes()
    with torch.autocast("cpu", torch.bfloat16):
        value = loss(output, target, mask)
    assert value.dtype == torch.float32
    assert torch.equal(value, loss(output.float(), target.float(), mask))


@quick
@given(count=st.integers(1, 16))
def test_l1_does_not_depend_on_the_area(count):
    mask = torch.zeros(1, 1, 16)
    mask[..., :count] = 1
    mask = mask.view(1, 1, 4, 4)
    assert torch.isclose(
        l1(torch.full((1, 3, 4, 4), 0.3), torch.zeros(1, 3, 4, 4), mask), torch.tensor(0.3)
    )


def test_charbonnier_is_its_equation():
    output, target, mask = images(1, 1), images(2, 1), holes(0, 1)
    roots = (((output - target) ** 2 + 0.1**2).sqrt() - 0.1)[mask.expand_as(output) > 0]
    assert torch.isclose(losses.charbonnier(output, target, mask, epsilon=0.1), roots.mean())


def test_charbonnier_is_smooth_at_equality():
    output = images(1).requires_grad_()
    losses.charbonnier(output, output.detach(), holes()).backward()
    assert not output.grad.any()


@pytest.mark.parametrize("side", [7, 8, 12])
def test_ssim_with_everything_missing_is_that_of_the_metric(side):
    output, target = images(1, side=side), images(2, side=side)
    everything = torch.ones(2, 1, side, side)
    expected = 1 - metrics.ssim(output, target, everything).mean()
    assert torch.isclose(losses.ssim_loss(output, target, everything), expected)


def test_ssim_does_not_shrink_with_the_hole():
    """Where all is as wrong as elsewhere, a small hole counts as much as a large one."""
    target, small, large = torch.full((1, 3, 32, 32), 0.2), *torch.zeros(2, 1, 1, 32, 32)
    small[..., 12:20, 12:20], large[..., 4:28, 4:28] = 1, 1
    values = [float(losses.ssim_loss(target + 0.7, target, mask)) for mask in (small, large)]
    whole = [1 - float(metrics.ssim(target + 0.7 * mask, target, mask)) for mask in (small, large)]
    assert max(values) < 1.7 * min(values)
    assert max(whole) > 3 * min(whole)


# Losses of features


@maps
@quick
@given(seed=st.integers(0, 99))
def test_maps_zero_at_equality_and_else_above(loss, seed):
    assert loss(features(seed), features(seed)) == 0
    assert loss(features(seed), features(seed + 1)) > 0


@maps
def test_maps_batch_is_the_mean_of_its_parts(loss):
    assert same_as_its_parts(loss, features(1, 4), features(2, 4))


@maps
def test_gradient_of_maps(loss):
    given, target = features(1, 1, torch.double), features(2, 1, torch.double)
    inputs = tuple(x.requires_grad_() for x in given)
    assert torch.autograd.gradcheck(lambda *maps: loss(maps, target), inputs)


@maps
def test_maps_of_another_number_are_refused(loss):
    with pytest.raises(ValueError, match="zip"):
        loss(features(1), features(1)[:1])


@maps
@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_large_values_in_half_precision_do_not_overflow(loss, dtype):
    """The squares of such features, and their sums, are far above what float16 can hold."""
    output = [torch.full((1, 8, 16, 16), 30_000.0, dtype=dtype, requires_grad=True)]
    target = [torch.full((1, 8, 16, 16), 10_000.0, dtype=dtype)]
    with torch.autocast("cpu", dtype):
        value = loss(output, target)
    exact = loss([x.double() for x in output], [x.double() for x in target])
    assert value.dtype == torch.float32
    assert torch.isclose(value.double(), exact, rtol=1e-6)
    value.backward()
    assert torch.isfinite(output[0].grad).all()


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_gram_is_exact_under_autocast(dtype):
    given = features(1)[0]
    with torch.autocast("cpu", dtype):
        matrix = losses.gram(given)
    assert torch.equal(matrix, losses.gram(given))
    assert not torch.equal(matrix, losses.gram(given.to(dtype)))  # what it is without rounding


def test_gram_and_style_are_their_equations():
    output, target = features(1, 1)[0], features(2, 1)[0]
    by_hand = [torch.einsum("chw,dhw->cd", x[0], x[0]) / (3 * 4 * 4) for x in (output, target)]
    assert torch.allclose(losses.gram(output)[0], by_hand[0])
    expected = (by_hand[0] - by_hand[1]).abs().sum() / (3 * 3)
    assert torch.isclose(losses.style([output], [target]), expected)


def test_perceptual_is_its_equation():
    output, target = features(1, 1), features(2, 1)
    expected = sum((x - y).abs().sum() / x.numel() for x, y in zip(output, target, strict=True))
    assert torch.isclose(losses.perceptual(output, target), expected)


def test_feature_matching_moves_only_the_fake_side():
    fake, real = ([x.requires_grad_() for x in features(seed)] for seed in (1, 2))
    losses.feature_matching(fake, real).backward()
    assert all(x.grad is not None and x.grad.any() for x in fake)
    assert all(x.grad is None for x in real)


# Total variation


@quick
@given(value=st.floats(0, 1), seed=st.integers(0, 99))
def test_variation_of_a_constant_image_is_zero(value, seed):
    assert losses.total_variation(torch.full((2, 3, SIDE, SIDE), value), holes(seed)) == 0


@quick
@given(seed=st.integers(0, 99))
def test_variation_far_from_the_hole_does_not_matter(seed):
    image, mask = images(seed), holes(seed)
    near = nn.functional.max_pool2d(mask, 3, 1, 1)
    value = losses.total_variation(image, mask)
    assert value > 0
    assert value == losses.total_variation(composite(images(seed + 1), image, near), mask)


def test_variation_sees_the_seam():
    """A hole filled evenly, in another colour than what is around it."""
    mask = torch.zeros(1, 1, 8, 8)
    mask[..., 2:4, 2:5] = 1
    seam = (2 * 2 + 2 * 3) * 3  # neighbours across it, times channels
    value = losses.total_variation(mask.expand(-1, 3, -1, -1), mask)
    assert torch.isclose(value, torch.tensor(seam / (3 * 8 * 8)))


def test_variation_of_nothing_is_zero_and_of_a_batch_the_mean():
    assert losses.total_variation(images(1), torch.zeros(2, 1, SIDE, SIDE)) == 0
    assert same_as_its_parts(losses.total_variation, images(1, 4), holes(0, 4))


def test_gradient_of_variation():
    image, mask = images(1, 1, 6, torch.double), holes(0, 1, 6, torch.double)
    check = torch.autograd.gradcheck
    assert check(lambda x: losses.total_variation(x, mask), image.requires_grad_())


# Adversarial losses


def linear_scores(seed=0):
    """A discriminator of single pixels: one score for each."""
    torch.manual_seed(seed)
    return nn.Conv2d(3, 1, 1)


def mistakes(real_scores, fake_scores):
    """How far, on the average, the real are scored below the filled."""
    return (fake_scores.mean() - real_scores.mean()).item()


@adversarial
def test_a_step_of_the_discriminator_makes_it_tell_better(loss):
    score = linear_scores()
    # From a discriminator that is right in no more than half of its patches.
    real, fake = images(1) * 0.5 + 0.5, images(2) * 0.5
    before = mistakes(score(real), score(fake))
    optimiser = torch.optim.SGD(score.parameters(), lr=0.1)
    for _ in range(20):
        optimiser.zero_grad()
        loss.discriminator(score(real), score(fake)).backward()
        optimiser.step()
        after = mistakes(score(real), score(fake))
        assert after < before
        before = after
    middle = (score(real).mean() + score(fake).mean()) / 2
    right = (score(real) > middle).float().mean() + (score(fake) < middle).float().mean()
    assert right / 2 > 0.9


@adversarial
def test_a_step_of_the_generator_makes_it_tell_worse(loss):
    score, filled = linear_scores(), images(2).requires_grad_()
    real = images(1)
    before = mistakes(score(real), score(filled))
    loss.generator(score(filled), None, score(real)).backward()
    after = mistakes(score(real), score(filled - filled.grad))
    assert after > before


@single
@quick
@given(score=st.floats(0.01, 0.99))
def test_signs_for_a_single_score(loss, score):
    """Whatever the score, between the labels: higher is better for real, lower for fake."""
    scores = torch.full((1, 1, 1, 1), score, requires_grad=True)
    for cost, sign in ((loss.real, -1), (loss.fake, 1), (loss.filled, -1)):
        (slope,) = torch.autograd.grad(cost(scores).sum(), scores)
        assert slope.sign() == sign


@pytest.mark.parametrize(
    ("name", "discriminator", "generator"),
    [  # by hand, of the scores 0.5 for real and 2 for filled
        ("hinge", 0.5 + 3, -2),
        ("non-saturating", 0.474077 + 2.126928, 0.126928),
        ("least-squares", 0.125 + 2, 0.5),
        ("wasserstein", 1.5, -2),
    ],
)
def test_values_by_hand(name, discriminator, generator):
    real, fake = torch.full((2, 1, 3, 3), 0.5), torch.full((2, 1, 3, 3), 2.0)
    assert ADVERSARIAL.create(name).discriminator(real, fake).item() == pytest.approx(discriminator)
    assert ADVERSARIAL.create(name).generator(fake).item() == pytest.approx(generator)


@single
def test_patches_that_do_not_touch_the_hole_count_as_real(loss):
    scores, where = torch.randn(2, 1, 4, 4, generator=generator()), torch.zeros(2, 1, 4, 4)
    real = torch.randn(2, 1, 4, 4, generator=generator(1))
    as_real = loss.real(real).mean() + loss.real(scores).mean()
    assert torch.isclose(loss.discriminator(real, scores, where), as_real)
    everywhere = torch.ones_like(where)
    assert torch.isclose(loss.discriminator(real, scores, everywhere), loss.discriminator(real, scores))


@adversarial
@quick
@given(seed=st.integers(0, 99))
def test_the_generator_answers_for_the_hole_alone(loss, seed):
    scores = torch.randn(2, 1, 4, 4, generator=generator(seed))
    where = (torch.rand(2, 1, 4, 4, generator=generator(seed + 1)) > 0.5).float()
    real = torch.randn(2, 1, 4, 4, generator=generator(seed + 2))
    changed = composite(scores + 5, scores, where)
    assert loss.generator(scores, where, real) == loss.generator(changed, where, real)
    assert loss.generator(scores, torch.zeros_like(where), real) == 0


@adversarial
def test_adversarial_batch_is_the_mean_of_its_parts(loss):
    real, fake = (torch.randn(4, 1, 3, 3, generator=generator(seed)) for seed in (1, 2))
    where = torch.rand(4, 1, 3, 3, generator=generator(3))  # shares of hole
    assert same_as_its_parts(loss.discriminator, real, fake, where)
    assert same_as_its_parts(loss.generator, fake, where, real)


def test_patch_mask_finds_every_hole_of_a_real_discriminator():
    mask = torch.zeros(2, 1, 64, 64)
    mask[0, :, 40, 3], mask[1] = 1, 1
    scores, _ = SpectralPatchDiscriminator(width=4, layers=3)(torch.rand(2, 3, 64, 64), mask)
    where = losses.patch_mask(mask, scores)
    assert where.shape == scores.shape == (2, 1, 8, 8)
    assert where[0].nonzero().tolist() == [[0, 5, 0]]
    assert where[1].all()


# Penalties


def scored(weight):
    """A linear discriminator: its gradient is its weight at any image."""
    return lambda image, mask: ((image * weight).sum(1, keepdim=True), [])


def test_r1_of_a_linear_discriminator():
    weight, image = images(1, 1), images(2, 3).requires_grad_()
    scores, _ = scored(weight)(image, None)
    assert torch.isclose(losses.r1(scores, image), (weight**2).sum() / 2)


def test_r1_of_a_squared_discriminator_and_its_gradient():
    """D(x) = a/2 |x|²: the penalty is a²/2 |x|², and its derivative by a is a |x|²."""
    factor, image = torch.tensor(3.0, requires_grad=True), images(2, 2).requires_grad_()
    scores = factor / 2 * (image**2).sum(1, keepdim=True)
    penalty = losses.r1(scores, image)
    square = (image**2).sum((1, 2, 3)).mean()
    assert torch.isclose(penalty, 9 / 2 * square)
    penalty.backward()
    assert torch.isclose(factor.grad, 3 * square)


def test_penalty_of_a_linear_discriminator():
    weight = images(1, 1).requires_grad_()
    penalty = losses.gradient_penalty(
        scored(weight), images(2), images(3), holes(), generator=generator()
    )
    norm = weight.detach().norm()
    assert torch.isclose(penalty, (norm - 1) ** 2)
    penalty.backward()
    assert torch.allclose(weight.grad, 2 * (norm - 1) * weight.detach() / norm)


def test_penalty_is_taken_between_real_and_fake():
    """Each image has its own point; the same generator gives the same ones."""
    seen = []

    def discriminator(image, mask):
        seen.append((image, mask))
        return image.sum(1, keepdim=True), []

    real, fake, mask = torch.zeros(4, 3, 4, 4), torch.ones(4, 3, 4, 4).requires_grad_(), holes(0, 4, 4)
    for _ in range(2):
        penalty = losses.gradient_penalty(discriminator, real, fake, mask, generator=generator(3))
    (points, passed), (again, _) = seen
    assert torch.equal(points, again)
    assert passed is mask
    shares = points[:, 0, 0, 0]
    assert torch.equal(points, shares.view(4, 1, 1, 1).expand(4, 3, 4, 4))
    assert len(set(shares.tolist())) == 4
    assert 0 < shares.min() < shares.max() < 1
    assert not penalty.requires_grad  # this discriminator has nothing to learn


def test_penalty_where_the_gradient_is_zero_is_one():
    weight = torch.zeros(1, 3, 4, 4, requires_grad=True)
    penalty = losses.gradient_penalty(
        scored(weight), images(1, side=4), images(2, side=4), holes(side=4), generator=generator()
    )
    penalty.backward()
    assert penalty == 1
    assert torch.isfinite(weight.grad).all()


def test_penalties_reach_the_weights_of_a_real_discriminator():
    discriminator = SpectralPatchDiscriminator(width=4, layers=2)
    other, mask = copy.deepcopy(discriminator), holes(side=16)
    image = images(1, side=16).requires_grad_()
    losses.r1(discriminator(image, mask)[0], image).backward()
    fake = images(2, side=16)
    losses.gradient_penalty(other, image, fake, mask, generator=generator()).backward()
    for one in (discriminator, other):
        weights = [p.grad for name, p in one.named_parameters() if "weight" in name]
        assert all(grad is not None and torch.isfinite(grad).all() for grad in weights)


@pytest.mark.parametrize("variety", [0.0, 0.5, 1.0])
def test_the_energy_score_is_lowest_where_fills_are_spread_as_the_truth_is(variety):
    """Of normal truths and fills: at 1 it asks for the truth's own spread, at 0 for none at all."""
    count, mask = 4096, torch.ones(4096, 1, 4, 4)
    truth, first, second = (torch.randn(count, 3, 4, 4, generator=generator(of)) for of in range(3))
    spreads = [0.0, 0.25, 0.5, 0.75, 1.0, 1.25, 1.5]
    found = [losses.energy_score(s * first, s * second, truth, mask, variety) for s in spreads]
    best = spreads[int(torch.stack(found).argmin())]
    # For many numbers a fill of spread s is at √(1 + s²) from the truth, at s√2 from the other.
    wanted = variety / (2 - variety**2) ** 0.5
    assert best == min(spreads, key=lambda spread: abs(spread - wanted))


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_the_energy_score_looks_into_the_hole_alone_and_has_a_gradient_where_fills_agree(dtype):
    truth, mask = images(0, dtype=dtype), holes(dtype=dtype)
    output = truth.clone().requires_grad_()
    found = losses.energy_score(output, composite(1 - truth, truth, mask), truth, mask)
    assert float(found.detach()) == pytest.approx(
        float(losses.distance(truth, truth, mask)) / 2, abs=1e-6
    )
    found.backward()
    assert output.grad.isfinite().all()
    assert (output.grad * (1 - mask) == 0).all()


def test_a_distance_of_a_batch_is_the_mean_over_its_images():
    mask = holes()
    assert same_as_its_parts(losses.distance, images(0), images(1), mask)
    apart = losses.distance(images(0) * 0, images(0) * 0 + 0.5, mask)
    assert float(apart) == pytest.approx(0.5, abs=1e-4)

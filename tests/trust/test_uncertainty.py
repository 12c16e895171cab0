import pytest
import torch

from inpaintlab.trust import Expected, Seen, Uncertainty
from tests.trust.test_intervals import holes


def examples(count, seed):
    """Pairs of images: half are grey, half noise, which nobody can guess."""
    random = torch.Generator().manual_seed(seed)
    for _ in range(count):
        noisy = torch.rand(16, 3, 32, 32, generator=random)
        noisy[::2] = noisy[::2].mean((1, 2, 3), keepdim=True)
        yield noisy, holes(16, 32, seed=int(torch.randint(10_000, (1,), generator=random)))


def mean_colour(image, mask):
    """Fill with the mean of what is known."""
    known = 1 - mask
    mean = (image * known).sum((2, 3), keepdim=True) / known.sum((2, 3), keepdim=True).clamp(min=1)
    return mean.expand_as(image)


@pytest.fixture(scope="module")
def fitted():
    return Uncertainty.fit(mean_colour, examples(80, 1), examples(12, 2), steps=80)


def test_the_head_learns_where_errors_are(fitted):
    ((image, mask),) = examples(1, 3)
    seen = Seen.of(mean_colour, image, mask)
    width = fitted.half_width(seen)
    assert (width[mask == 0] == 0).all()
    surely, hardly = (width[start::2][mask[start::2] > 0].mean() for start in (0, 1))
    assert surely < 0.1 < 0.3 < hardly
    easy, hard = fitted.expected(seen)[:2]
    assert easy.psnr > hard.psnr + 10


def test_nine_of_ten_values_lie_inside(fitted):
    inside = total = 0.0
    for image, mask in examples(10, 4):
        seen = Seen.of(mean_colour, image, mask)
        held = ((seen.output - image).abs() <= fitted.half_width(seen) + 1e-6).float() * mask
        inside, total = inside + float(held.sum()), total + 3 * float(mask.sum())
    assert inside / total == pytest.approx(0.9, abs=0.03)


def test_what_is_under_the_hole_changes_nothing(fitted):
    ((image, mask),) = examples(1, 5)
    other = torch.where(mask > 0, torch.rand_like(image), image)
    one, two = (fitted.half_width(Seen.of(mean_colour, of, mask)) for of in (image, other))
    assert torch.equal(one, two)


@pytest.mark.parametrize("shape", [(32, 32), (33, 50), (8, 9)])
def test_images_of_any_size_are_taken(fitted, shape):
    image, mask = torch.rand(2, 3, *shape), torch.zeros(2, 1, *shape)
    mask[..., 2:6, 2:6] = 1
    assert fitted.half_width(Seen.of(mean_colour, image, mask)).shape == mask.shape


def test_the_same_seed_gives_the_same_head(fitted):
    again = Uncertainty.fit(mean_colour, examples(80, 1), examples(12, 2), steps=80)
    for one, two in zip(fitted.state_dict().values(), again.state_dict().values(), strict=True):
        assert torch.equal(one, two)


def test_an_expected_error_is_said_in_words():
    assert str(Expected(23.7, 2.2)) == "24 ± 2 dB"

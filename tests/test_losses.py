import torch
from hypothesis import given
from hypothesis import strategies as st

from inpaintlab.losses import l1


def half_mask(batch=2):
    mask = torch.zeros(batch, 1, 4, 4)
    mask[..., :2] = 1
    return mask


def test_only_the_selected_pixels_count():
    target, mask = torch.rand(2, 3, 4, 4), half_mask()
    output = torch.where(mask > 0, target, target + 5)
    assert l1(output, target, mask) == 0
    assert torch.isclose(l1(output, target, 1 - mask), torch.tensor(5.0))


@given(st.integers(1, 16))
def test_does_not_depend_on_the_area(pixels):
    mask = torch.zeros(1, 1, 16)
    mask[..., :pixels] = 1
    mask = mask.view(1, 1, 4, 4)
    assert torch.isclose(
        l1(torch.full((1, 3, 4, 4), 0.3), torch.zeros(1, 3, 4, 4), mask), torch.tensor(0.3)
    )


def test_batch_is_the_mean_of_its_parts():
    output, target, mask = torch.rand(4, 3, 4, 4), torch.rand(4, 3, 4, 4), half_mask(4)
    mask[0, ..., :3] = 1
    parts = torch.stack([l1(output[i : i + 1], target[i : i + 1], mask[i : i + 1]) for i in range(4)])
    assert torch.isclose(l1(output, target, mask), parts.mean())


def test_nothing_selected_is_zero_and_has_a_gradient():
    output = torch.rand(1, 3, 4, 4, requires_grad=True)
    loss = l1(output, torch.rand(1, 3, 4, 4), torch.zeros(1, 1, 4, 4))
    loss.backward()
    assert loss == 0
    assert torch.isfinite(output.grad).all()


def test_gradient():
    output = torch.rand(1, 3, 4, 4, dtype=torch.double, requires_grad=True)
    target, mask = torch.rand(1, 3, 4, 4, dtype=torch.double) + 2, half_mask(1).double()
    assert torch.autograd.gradcheck(lambda x: l1(x, target, mask), output)
